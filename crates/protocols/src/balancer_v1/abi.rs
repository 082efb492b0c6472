//! What is said to a pool, and what it says.

alloy::sol! {
    /// The pool's kind: a name of metal.
    function getColor() external view returns (bytes32);
    /// Anybody may swap.
    function isPublicSwap() external view returns (bool);
    /// Share of the input, in eighteen decimals.
    function getSwapFee() external view returns (uint256);
    /// All tokens.
    function getCurrentTokens() external view returns (address[] tokens);
    /// How many there are.
    function getNumTokens() external view returns (uint256);
    /// It holds this one.
    function isBound(address token) external view returns (bool);
    /// What the pool takes its balance for.
    function getBalance(address token) external view returns (uint256);
    /// The weight, not over the sum of all.
    function getDenormalizedWeight(address token) external view returns (uint256);
    /// Takes by the caller's allowance.
    function swapExactAmountIn(address token_in, uint256 amount_in, address token_out, uint256 least_out, uint256 most_price)
        external returns (uint256 amount_out, uint256 price_after);
    /// The controller sets a token's balance and weight.
    function rebind(address token, uint256 balance, uint256 weight) external;
    /// The controller sets the fee.
    function setSwapFee(uint256 fee) external;
    /// Takes what a token says of the pool for its balance.
    function gulp(address token) external;

    /// The factory has made a pool.
    event LOG_NEW_POOL(address indexed caller, address indexed pool);
    /// A swap.
    event LOG_SWAP(address indexed caller, address indexed token_in, address indexed token_out, uint256 amount_in, uint256 amount_out);
    /// Liquidity came.
    event LOG_JOIN(address indexed caller, address indexed token_in, uint256 amount);
    /// Liquidity went.
    event LOG_EXIT(address indexed caller, address indexed token_out, uint256 amount);
}

/// What a pool calls itself.
pub(super) const COLOR: &[u8; 6] = b"BRONZE";
