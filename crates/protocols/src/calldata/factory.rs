//! Which pool a factory made for two tokens and a fee: CREATE2's arithmetic, done once a pool and never on the way of an event.

use alloy_primitives::{Address, U256, keccak256};

use crate::calldata::{Contracts, Maker};

/// A factory of this chain made the pool at `pool` for these tokens, in the contract's order, and this fee.
#[must_use]
pub fn made(contracts: &Contracts, by: Maker, pool: Address, tokens: [Address; 2], fee: u32) -> bool {
    let salt = match by {
        Maker::UniswapV2 | Maker::Sushi => keccak256([tokens[0].as_slice(), tokens[1].as_slice()].concat()),
        Maker::UniswapV3 => {
            let fee = U256::from(fee).to_be_bytes::<32>();
            keccak256([&tokens[0].into_word()[..], &tokens[1].into_word()[..], &fee].concat())
        }
    };
    let rows = contracts.factories.iter().filter(|row| row.kind == by);
    rows.into_iter().any(|row| row.init_codes.iter().any(|code| row.address.create2(salt, code) == pool))
}
