//! The part of a pair's and a token's interface that is used.

alloy::sol! {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function factory() external view returns (address);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 at);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
    function balanceOf(address owner) external view returns (uint256);

    /// What a factory emits, the pair's place in its list last.
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256 place);

    /// What Uniswap's pair emits, and nearly every fork.
    event Sync(uint112 reserve0, uint112 reserve1);
}

/// Forks that widened the type: another topic, the same 64 bytes of data.
pub mod wide {
    alloy::sol! {
        /// As emitted by pairs with reserves in two full slots.
        event Sync(uint256 reserve0, uint256 reserve1);
    }
}
