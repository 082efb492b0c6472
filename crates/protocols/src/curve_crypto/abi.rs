//! What is said to a pool.

alloy::sol! {
    function coins(uint256 place) external view returns (address);
    function balances(uint256 place) external view returns (uint256);
    function price_scale(uint256 place) external view returns (uint256);
    function A() external view returns (uint256);
    function gamma() external view returns (uint256);
    function D() external view returns (uint256);
    function mid_fee() external view returns (uint256);
    function out_fee() external view returns (uint256);
    function fee_gamma() external view returns (uint256);
    function future_A_gamma_time() external view returns (uint256);
    function decimals() external view returns (uint8);
    /// Takes by the caller's allowance.
    function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy) external;

    /// A registry has taken a pool in.
    event PoolAdded(address indexed pool, bytes rate_method_id);
}
