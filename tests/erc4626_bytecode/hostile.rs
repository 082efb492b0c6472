//! A vault that turns bad behind its discovery, and says all along what an honest one says: the proof refuses every cycle through it.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U256};
use peregrine::hot::event::Event;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;

use crate::market::{Market, paths};
use crate::world::{ETHER, legs};

alloy::sol! {
    function turn(uint256 mode, bytes again) external;
    function run() external;
    function sweep(address token, address to, uint256 amount) external;
}

/// What `Vaults.sol` calls them.
const NOTHING: u64 = 11;
const MORE: u64 = 12;
const REENTERS: u64 = 13;
const LESS: u64 = 14;
const STEALS: u64 = 15;

/// A vault whose shares are cheap or dear, and which turns bad when it has been found.
fn turned(hundredths: u128, mode: u64, again: Vec<u8>) -> (Market, Vec<AnyPool>, Address) {
    let mut market = Market::new();
    let (weth, token) = (market.weth, market.token);
    let vault = market.vault("HostileVault", token, [20_000, 5_000]);
    let found = market.found().remove(0);
    let AnyPool::Erc4626(pool) = found else { panic!("another's") };
    let worth = pool.quote_in(legs(&pool)[0], U256::from(10_000 * ETHER)).expect("pays");
    market.pair([weth, vault], [U256::from(100 * hundredths * ETHER), worth]);
    market.concentrated([weth, token], 10_000);
    let found = market.found();
    market.chain.call(vault, &turnCall { mode: U256::from(mode), again: Bytes::from(again) });
    (market, found, vault)
}

#[test]
fn a_vault_that_gives_less_takes_more_or_gives_nothing_is_refused_by_the_proof_both_ways() {
    for mode in [NOTHING, MORE, LESS, STEALS] {
        for hundredths in [90, 120] {
            let (market, found, vault) = turned(hundredths, mode, Vec::new());
            let mut engine = market.engine(found);
            let outcome = engine.on_event(Event::Head);
            let reasons: Vec<_> = outcome.rejected.iter().map(|(_, reason)| format!("{reason:?}")).collect();
            println!("mode {mode} at {hundredths} %: {reasons:?}");
            let goes_there = |proof: &peregrine::hot::simulate::Proven| {
                proof.opportunity().path(engine.pools()).hops.iter().any(|hop| hop.pool.contract == vault)
            };
            assert!(!outcome.proven.iter().any(goes_there), "mode {mode}: {:?}", paths(&engine, &outcome));
            assert!(!outcome.rejected.is_empty(), "mode {mode} at {hundredths} %: nothing was tried");
        }
    }
}

/// Our contract hears nobody while a call runs, so what was foretold is what is made.
#[test]
fn a_vault_that_calls_back_changes_nothing() {
    let thief = Address::repeat_byte(0x66);
    for hundredths in [90, 120] {
        let (_, _, vault) = turned(hundredths, REENTERS, Vec::new());
        let sweep = sweepCall { token: vault, to: thief, amount: U256::ONE }.abi_encode();
        for again in [runCall {}.abi_encode(), sweep, vec![0; 200]] {
            let honest = turned(hundredths, 0, Vec::new());
            let hostile = turned(hundredths, REENTERS, again);
            let [due, done] = [honest, hostile].map(|(market, found, _)| {
                let mut engine = market.engine(found);
                let outcome = engine.on_event(Event::Head);
                let gross = outcome.proven.iter().map(|proof| proof.opportunity().gross()).max();
                (gross, outcome.rejected.len())
            });
            println!("at {hundredths} %: {due:?}, called back {done:?}");
            assert!(due.0.is_some() && done == due, "{due:?}, {done:?}");
        }
    }
}
