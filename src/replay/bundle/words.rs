//! What outputs, selectors and logs mean, for those contracts that a bundle of ours meets.

use alloy::sol_types::Panic;
use alloy::sol_types::Revert;
use alloy::sol_types::SolError;
use alloy_primitives::{B256, I256, U256, hex, keccak256};

use crate::protocols::executor;
use crate::protocols::executor::RUN;
use crate::protocols::executor::several::RUN_ALL;
use crate::protocols::lending::taken::Taken;
use crate::replay::bundle::trace::Emitted;
use crate::types::decision::Hop;
use crate::types::pool_key::PoolKey;
use crate::types::text::printable;

/// Functions that are called in a run of ours or in a plain trade.
const FUNCTIONS: [&str; 33] = [
    "allowance(address,address)",
    "liquidationCall(address,address,address,uint256,bool)",
    "liquidate((address,address,address,address,uint256),address,uint256,uint256,bytes)",
    "getAssetPrice(address)",
    "latestAnswer()",
    "submit(uint256,int256)",
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "balanceOf(address)",
    "deposit()",
    "withdraw(uint256)",
    "token0()",
    "token1()",
    "fee()",
    "getReserves()",
    "feeTo()",
    "swap(uint256,uint256,address,bytes)",
    "swap(address,bool,int256,uint160,bytes)",
    "uniswapV2Call(address,uint256,uint256,bytes)",
    "pancakeCall(address,uint256,uint256,bytes)",
    "uniswapV3SwapCallback(int256,int256,bytes)",
    "pancakeV3SwapCallback(int256,int256,bytes)",
    "mint(address)",
    "burn(address)",
    "slot0()",
    "mint(address,int24,int24,uint128,bytes)",
    "uniswapV3MintCallback(uint256,uint256,bytes)",
    "positions(bytes32)",
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
    "exactInput((bytes,address,uint256,uint256,uint256))",
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
    "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
];

/// Events that they emit. The first three are a pool's swaps.
const EVENTS: [(&str, &str); 9] = [
    ("Swap(address,uint256,uint256,uint256,uint256,address)", "Swap"),
    ("Swap(address,address,int256,int256,uint160,uint128,int24)", "Swap"),
    ("Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)", "Swap"),
    ("Transfer(address,address,uint256)", "Transfer"),
    ("Sync(uint112,uint112)", "Sync"),
    ("Withdrawal(address,uint256)", "Withdrawal"),
    ("Deposit(address,uint256)", "Deposit"),
    ("LiquidationCall(address,address,address,uint256,uint256,address,bool)", "LiquidationCall"),
    ("Liquidate(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)", "Liquidate"),
];

/// The function that calldata is for, or its selector.
pub(super) fn function(input: &[u8]) -> String {
    let Some(selector) = input.get(..4) else { return String::new() };
    if selector == RUN {
        return "run()".to_owned();
    }
    if selector == RUN_ALL {
        return "runAll()".to_owned();
    }
    let known = FUNCTIONS.iter().find(|name| keccak256(name)[..4] == *selector);
    known.map_or_else(|| hex::encode_prefixed(selector), |name| (*name).to_owned())
}

/// The event of this signature.
pub(super) fn event(topic: B256) -> Option<&'static str> {
    EVENTS.iter().find(|(signature, _)| keccak256(signature) == topic).map(|(_, name)| *name)
}

/// Characters of a contract's own words.
const MOST_REASON: usize = 256;

/// Why a call was reverted.
pub(super) fn reason(output: &[u8]) -> String {
    if output.is_empty() {
        return "reverted without a reason".to_owned();
    }
    if let Some(name) = executor::error_name(output) {
        return format!("reverted: {name}()");
    }
    if let Ok(Revert { reason }) = Revert::abi_decode(output) {
        return format!("reverted: {:?}", printable(&reason, MOST_REASON));
    }
    if let Ok(panic) = Panic::abi_decode(output) {
        let what = panic.kind().map_or("unknown", |kind| kind.as_str());
        return format!("panicked: {what} ({:#x})", panic.code);
    }
    let most = output.len().min(36);
    format!("reverted: {}{}", hex::encode_prefixed(&output[..most]), if most < output.len() { ".." } else { "" })
}

/// What was repaid and seized at a hop's market, by the market's own log: the one after `before` others.
pub(super) fn liquidated(hop: &Hop, before: usize, logs: &[&Emitted]) -> Option<(U256, U256)> {
    let own = logs.iter().filter(|log| log.address == hop.pool.contract);
    let taken = own.filter_map(|log| Taken::read(log.address, &log.topics, &log.data).ok().flatten()).nth(before)?;
    Some((taken.repaid, taken.seized))
}

/// What went into and came out of a hop's pool, by the pool's own log: the one after `before` others.
pub(super) fn swapped(hop: &Hop, before: usize, logs: &[&Emitted]) -> Option<(U256, U256)> {
    let [v2, v3, pancake] = [0, 1, 2].map(|at: usize| keccak256(EVENTS[at].0));
    let is_of = |log: &Emitted| PoolKey::named_by(log.address, &log.topics).any(|pool| pool == hop.pool);
    let own = |log: &&&Emitted| is_of(log) && log.event == Some("Swap");
    let log = logs.iter().filter(own).nth(before)?;
    let word = |at: usize| log.data.get(at * 32..at * 32 + 32).map(U256::from_be_slice);
    // Tokens of a pair or pool are in the order of their addresses.
    let first = hop.token_in < hop.token_out;
    match *log.topics.first()? {
        topic if topic == v2 => {
            let (into, out) = if first { (0, 3) } else { (1, 2) };
            Some((word(into)?, word(out)?))
        }
        topic if topic == v3 || topic == pancake => {
            let (into, out) = if first { (0, 1) } else { (1, 0) };
            Some((word(into)?, I256::from_raw(word(out)?).unsigned_abs()))
        }
        _ => None,
    }
}
