//! How far prices have strayed from where they opened. Floats steer here; no amount is taken from them.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use peregrine_protocols::math::wide;

use crate::abi;
use crate::seed::Pool;
use crate::seed::Token;
use crate::seed::Venue;

/// What to ask a pool for its price.
pub(super) fn question(pool: &Pool) -> (Address, Bytes) {
    let data = match pool.venue {
        Venue::UniswapV3 => abi::slot0Call {}.abi_encode(),
        Venue::UniswapV2 | Venue::Sushi => abi::getReservesCall {}.abi_encode(),
    };
    (pool.address, data.into())
}

/// The logarithm of its price over its opening price, of the first token in the second; 0 when the answer is no price.
pub(super) fn strayed(pool: &Pool, tokens: &[Token], answer: &[u8]) -> f64 {
    let word = |place: usize| {
        let bytes = answer.get(32 * place..32 * place + 32);
        bytes.map_or(0.0, |bytes| wide::to_f64(U256::from_be_slice(bytes)))
    };
    let price = match pool.venue {
        Venue::UniswapV3 => (word(0) / 2f64.powi(96)).powi(2),
        Venue::UniswapV2 | Venue::Sushi => word(1) / word(0),
    };
    let opening = |side: usize| tokens.get(pool.tokens[side]).map_or(0.0, |token| wide::to_f64(token.worth(1_000_000)));
    let strayed = (price * opening(0) / opening(1)).ln();
    if strayed.is_finite() { strayed } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_twice_its_opening_has_strayed_by_ln_2_upwards() {
        let token = |decimals, micro_usd| Token { symbol: "", address: Address::ZERO, decimals, micro_usd };
        let tokens = [token(18, 3_000_000_000), token(6, 1_000_000)];
        let of = |venue| Pool { address: Address::ZERO, venue, tokens: [0, 1], fee_pips: 3_000, depth_usd: 1 };
        let (ether, dollars) = (tokens[0].worth(6_000), tokens[1].worth(12_000));
        let reserves = [ether.to_be_bytes::<32>(), dollars.to_be_bytes()].concat();
        let v2 = strayed(&of(Venue::Sushi), &tokens, &reserves);
        let price: U256 = (dollars << 192) / ether;
        let v3 = strayed(&of(Venue::UniswapV3), &tokens, &price.root(2).to_be_bytes::<32>());
        assert!((v2 - 2f64.ln()).abs() < 1e-9 && (v3 - 2f64.ln()).abs() < 1e-9, "{v2} {v3}");
        assert_eq!(strayed(&of(Venue::Sushi), &tokens, &[]).to_bits(), 0);
    }
}
