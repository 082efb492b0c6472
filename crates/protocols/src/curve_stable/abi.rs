//! The part of a pool's interface that is used. Getters of lists take `int128` in the oldest pools and `uint256` in all others.

alloy::sol! {
    function A() external view returns (uint256);
    function A_precise() external view returns (uint256);
    function fee() external view returns (uint256);
    function admin_fee() external view returns (uint256);
    function offpeg_fee_multiplier() external view returns (uint256);
    function gamma() external view returns (uint256);
    function base_pool() external view returns (address);
    function decimals() external view returns (uint256);
    function coins(uint256 place) external view returns (address);
    function balances(uint256 place) external view returns (uint256);
    function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256);
    function get_virtual_price() external view returns (uint256);
    function totalSupply() external view returns (uint256);
    function balanceOf(address owner) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function stored_rates() external view returns (uint256[] memory);
    function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external returns (uint256);
    function exchange_underlying(int128 i, int128 j, uint256 dx, uint256 min_dy) external returns (uint256);

    /// What the registry of pools says of a pool that it lists. A pool's factory does not name it.
    event PoolAdded(address indexed pool, bytes rate_method_id);
}

/// The getters of the oldest pools.
pub mod signed {
    alloy::sol! {
        function coins(int128 place) external view returns (address);
        function balances(int128 place) external view returns (uint256);
    }
}
