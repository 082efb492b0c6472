//! Every pool of mainnet beside those that targets trade in: made pairs of Uniswap V2, each with a token of its own against WETH, with
//! the slots that they and their tokens would hold. No path leads through them: what is asked is what knowing them costs.

use alloy_primitives::{Address, U256};
use peregrine::protocols::uniswap_v2::{Fee, Layout, Pool};
use peregrine::types::update::AccountUpdate;

use crate::world::{State, WETH};

/// Of each pair: factory, both tokens, reserves and the lock, as its contract has them.
const SLOTS: [u64; 5] = [5, 6, 7, 8, 12];

fn made(tag: u8, index: u64) -> Address {
    let mut bytes = [0; 20];
    bytes[0] = tag;
    bytes[12..].copy_from_slice(&index.to_be_bytes());
    Address::from(bytes)
}

/// The state with so many pools more.
pub fn with(mut state: State, pools: u64) -> State {
    let fee = Fee::new(3, 1_000).expect("a fee");
    for index in 0..pools {
        let (pair, token) = (made(0x30, index), made(0x20, index));
        let ether = 1 + index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000;
        let reserves = [u128::from(ether) * 10_u128.pow(21), u128::from(ether) * 10_u128.pow(18)];
        let layout = Layout::Packed { slot: U256::from(8) };
        let pool = Pool::new(pair, [token, WETH], [fee; 2], layout, reserves).expect("a pair");
        let held = |slot: &u64| (U256::from(*slot), U256::from(ether + slot));
        let account = |address, slots| AccountUpdate {
            address,
            balance: Some(U256::ZERO),
            nonce: Some(1),
            code: Some([0x60, 0].into()),
            slots,
            ..AccountUpdate::default()
        };
        state.loaded.accounts.push(account(pair, SLOTS.iter().map(held).collect()));
        state.loaded.accounts.push(account(token, vec![(U256::from_be_bytes(pair.into_word().0), U256::MAX)]));
        state.loaded.pools.push(pool.into());
        state.slots += SLOTS.len() + 1;
    }
    state
}
