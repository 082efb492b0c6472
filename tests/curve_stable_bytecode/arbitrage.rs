//! The arbitrage of a recorded block through a pair, the sUSD pool and another pair: found by discovery on the record, before the
//! transaction that took it, and proven: our contract's transaction runs on the pools' own code, the exchange in the middle of its path.

use alloy_primitives::{Address, U256, address};
use peregrine::hot::search::config::Config;
use peregrine::replay::block::{Options, Replayer};
use peregrine::replay::report::{Line, Opportunity};

use crate::SUSD;

const USDC_WETH: Address = address!("0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc");
const DAI_WETH: Address = address!("0xa478c2975ab1ea89e8196811f51a7b7ade33eb11");
/// What was taken, before gas, in wei.
const TAKEN: u64 = 805_788_119_903_642_745;

#[test]
fn the_arbitrage_through_the_susd_pool_is_found() {
    let Some(dir) = SUSD.dir() else { return };
    let mut replayer = Replayer::new(Options { strict: false, search: Config::patient() });
    let lines = replayer.block(&dir).unwrap_or_else(|error| panic!("{error}"));
    let due = [USDC_WETH, SUSD.pool, DAI_WETH];
    let mut best: Option<Opportunity> = None;
    for line in lines {
        let Line::Opportunity(found) = line else { continue };
        let pools: Vec<Address> = found.hops.iter().map(|hop| hop.pool.contract).collect();
        let at_start = found.trigger_index.is_none() && pools == due;
        if at_start && best.as_ref().is_none_or(|best| best.gross_profit < found.gross_profit) {
            best = Some(found);
        }
    }
    let best = best.expect("the cycle comes out");
    println!("{TAKEN} taken, {} found and proven, {} gas", best.gross_profit, best.gas_used);
    assert_eq!(best.hops[1].protocol, "curve_stable");
    assert!(best.gross_profit * U256::from(1_000) >= U256::from(TAKEN) * U256::from(999), "{}", best.gross_profit);
}
