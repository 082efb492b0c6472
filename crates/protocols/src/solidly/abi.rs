//! The part of a pool's and its factory's interface that is used.

alloy::sol! {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function factory() external view returns (address);
    function stable() external view returns (bool);
    function getReserves() external view returns (uint256 reserve0, uint256 reserve1, uint256 at);
    function metadata() external view returns (uint256 decimals0, uint256 decimals1, uint256 reserve0, uint256 reserve1, bool stable,
        address token0, address token1);
    function getAmountOut(uint256 amountIn, address tokenIn) external view returns (uint256);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;

    /// The factory's word, in parts of ten thousand mostly.
    function getFee(address pool, bool stable) external view returns (uint256);

    /// What a factory emits, the pool's place in its list last.
    event PoolCreated(address indexed token0, address indexed token1, bool indexed stable, address pool, uint256 place);

    /// What the first factories emit.
    event PairCreated(address indexed token0, address indexed token1, bool stable, address pair, uint256 place);

    /// The reserves after every change.
    event Sync(uint256 reserve0, uint256 reserve1);
}

/// The factory's word where all pools of a kind charge the same.
pub mod by_kind {
    alloy::sol! {
        function getFee(bool stable) external view returns (uint256);
    }
}
