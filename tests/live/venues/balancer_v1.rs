//! Balancer V1: the code of the records, in a pool that binds its tokens and is announced while the searcher runs.

use alloy::sol_types::{SolEvent, SolValue};
use alloy_primitives::{Address, Bytes, U256, address};
use peregrine_devnet::Token;
use serde_json::json;

use crate::newborn::ANNOUNCES;
use crate::rig::Rig;
use crate::venues::deployer::Deployer;
use crate::venues::records::{Recorded, put, recorded};
use crate::venues::{DEPTH, Made, SWAP};

alloy::sol! {
    function bind(address token, uint256 balance, uint256 weight) external;
    function setPublicSwap(bool open) external;
    function swapExactAmountIn(address token_in, uint256 amount_in, address token_out, uint256 least_out, uint256 most_price)
        external returns (uint256 amount_out, uint256 price_after);
    event LOG_NEW_POOL(address indexed caller, address indexed pool);
}

/// A block that has a pool, and that pool: all are one factory's, of one code.
const BLOCK: &str = "12300570";
const ANY: Address = address!("0x5e37910cfb8de1b14ec4e4bac0bec27c35dc07d5");
/// Where ours lies, and what announces it in the place of the factory, of which no record has the code.
const POOL: Address = address!("0x00000000000000000000000000000000b100b100");
pub const ANNOUNCER: Address = address!("0x00000000000000000000000000000000b100fac7");
/// One in eighteen decimals.
const ONE: u64 = 1_000_000_000_000_000_000;

/// The code. None, aloud, where there are no records.
pub fn code() -> Option<Bytes> {
    recorded(BLOCK, [ANY]).map(|[pool]| pool.code)
}

/// A pool of these tokens and weights in per cent, open to all, which holds as many dollars of each as its weight is of a hundred,
/// twice over the usual depth.
pub async fn pool(rig: &Rig, deployer: &mut Deployer, code: Bytes, sides: &[(Token, u64)]) -> Made {
    // What the constructor leaves: decimals, lock and factory; the controller; the least fee.
    let owner: U256 = deployer.address().into_word().into();
    let written = [(5_u64, U256::from(18) | owner << 16), (6, owner), (7, U256::from(ONE / 1_000_000))];
    let slots = written.into_iter().map(|(slot, value)| (U256::from(slot), value)).collect();
    put(rig, POOL, &Recorded { code, slots }).await;
    rig.ask("anvil_setCode", json!([ANNOUNCER, ANNOUNCES])).await;
    let tokens: Vec<Token> = sides.iter().map(|(token, _)| *token).collect();
    deployer.approve(rig, &tokens, &[POOL]).await;
    for (token, weight) in sides {
        let balance = token.worth(2 * DEPTH * weight / 100);
        // A pool's weights come to fifty at the most.
        let weight = U256::from(*weight) * U256::from(ONE / 2);
        deployer.call(rig, POOL, &bindCall { token: token.address, balance, weight }).await;
    }
    deployer.call(rig, POOL, &setPublicSwapCall { open: true }).await;
    let log = (LOG_NEW_POOL::SIGNATURE_HASH, deployer.address(), POOL).abi_encode();
    deployer.raw(rig, LOG_NEW_POOL::SIGNATURE, (ANNOUNCER, log)).await;
    deployer.mined(rig).await;
    Made { key: POOL.into(), protocol: "balancer_v1" }
}

/// Swaps so many dollars of one token into another.
pub async fn swap(rig: &Rig, deployer: &mut Deployer, [from, to]: [Token; 2]) {
    let call = swapExactAmountInCall {
        token_in: from.address,
        amount_in: from.worth(SWAP),
        token_out: to.address,
        least_out: U256::ZERO,
        most_price: U256::MAX,
    };
    deployer.call(rig, POOL, &call).await;
}
