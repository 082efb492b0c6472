//! What is said to a pool.

use alloy::sol_types::SolCall;
use alloy_primitives::U256;

use crate::curve_crypto::state::Version;

alloy::sol! {
    function coins(uint256 place) external view returns (address);
    function balances(uint256 place) external view returns (uint256);
    function price_scale(uint256 place) external view returns (uint256);
    function packed_fee_params() external view returns (uint256);
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

/// What a pool of two coins calls its one price.
mod of_two {
    alloy::sol! {
        function price_scale() external view returns (uint256);
    }
}

/// Asks for the price of the coin behind the first, or of the one behind that.
pub(super) fn price(version: Version, place: usize) -> Vec<u8> {
    match version {
        Version::Two => of_two::price_scaleCall {}.abi_encode(),
        Version::Three | Version::ThreeByRoot => price_scaleCall { place: U256::from(place) }.abi_encode(),
    }
}
