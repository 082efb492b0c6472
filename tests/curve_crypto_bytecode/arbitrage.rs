//! The arbitrage of a recorded block through two pairs, a pool of stable coins and tricrypto-NG: found by discovery on the record, behind the
//! transaction that made it and before the one that took it, and proven: our contract's transaction runs on the pools' own code, and gains
//! what was foretold, to the wei. From wrapped ether on it ends with tricrypto, which does not pay before it is paid: it is entered by the token
//! between the pairs, so that a pair lends it.

use alloy_primitives::{Address, U256, address};
use peregrine::hot::search::config::Config;
use peregrine::replay::block::{Options, Replayer};
use peregrine::replay::report::{Line, Opportunity};

use crate::common;

const TRICRYPTO: Address = address!("0x4ebdf703948ddcea3b11f675b4d1fba9d2414a14");
/// What the pairs have in common.
const AAVE: Address = address!("0x7fc66500c84a76ad7e9c93437bfc5ac33e2ddae9");
/// What was taken, before gas, in wei.
const TAKEN: u64 = 83_525_927_845_819_924;

#[test]
fn the_arbitrage_through_tricrypto_ng_is_found_and_proven() {
    let Some(dir) = common::mainnet("blocks/19933597") else { return };
    let mut search = Config::patient();
    search.base_tokens.push(AAVE);
    let mut replayer = Replayer::new(Options { strict: false, search });
    let lines = replayer.block(&dir).unwrap_or_else(|error| panic!("{error}"));
    let mut best: Option<Opportunity> = None;
    for line in lines {
        let Line::Opportunity(found) = line else { continue };
        let through = found.hops.iter().any(|hop| hop.pool.contract == TRICRYPTO);
        let before = found.trigger_index == Some(0);
        if through && before && best.as_ref().is_none_or(|best| best.gross_profit < found.gross_profit) {
            best = Some(found);
        }
    }
    let best = best.expect("the cycle comes out");
    let kinds: Vec<_> = best.hops.iter().map(|hop| hop.protocol.as_ref()).collect();
    println!("{TAKEN} taken, {} found and proven over {kinds:?}, {} gas", best.gross_profit_eth_wei, best.gas_used);
    assert!(kinds.contains(&"curve_crypto") && kinds.contains(&"uniswap_v2") && kinds.contains(&"curve_stable"));
    // What is gained stays in that token, and counts for what it fetches of ether behind the cycle: less than theirs, which is ether.
    let enough = best.gross_profit_eth_wei * U256::from(100) >= U256::from(TAKEN) * U256::from(95);
    assert!(enough, "{}", best.gross_profit_eth_wei);
}
