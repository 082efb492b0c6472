//! Vaults in cycles with pairs and a concentrated pool of Uniswap's own bytecode: found by the search, run by our contract, agreed with
//! by the EVM to the wei. And what going in and out costs.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use peregrine::hot::event::Event;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;

use crate::common::chain::USER;
use crate::market::{Market, paths};
use crate::world::{ETHER, World, depositCall, legs, redeemCall};

/// Shares for so many ethers of the asset, as the vault stands.
fn shares(market: &mut Market, vault: Address, assets: u128) -> U256 {
    let found = market.found().into_iter().find(|pool| pool.address() == vault).expect("found");
    let AnyPool::Erc4626(pool) = found else { panic!("another's") };
    pool.quote_in(legs(&pool)[0], U256::from(assets * ETHER)).expect("pays")
}

/// A market in which a share of a vault of `token` costs so many hundredths of what it is worth.
fn market(name: &str, hundredths: u128) -> (Market, Address) {
    let mut market = Market::new();
    let (weth, token) = (market.weth, market.token);
    let vault = market.vault(name, token, [20_000, 5_000]);
    let worth = shares(&mut market, vault, 10_000);
    market.pair([weth, vault], [U256::from(100 * hundredths * ETHER), worth]);
    market.concentrated([weth, token], 10_000);
    market.pair([weth, token], [U256::from(5_000 * ETHER); 2]);
    (market, vault)
}

#[test]
fn cycles_through_a_vault_are_proven_to_the_wei_in_and_out() {
    let mut seen = BTreeSet::new();
    for name in ["SolmateVault", "ERC4626Mock", "OffsetVault", "LimitedVault"] {
        for hundredths in [90, 95, 105, 120] {
            let (mut market, vault) = market(name, hundredths);
            let found = market.found();
            let mut engine = market.engine(found);
            let outcome = engine.on_event(Event::Head);
            let proven = paths(&engine, &outcome);
            println!("{name} at {hundredths} %: {proven:?}");
            assert!(outcome.rejected.is_empty(), "{name}: {:?}", outcome.rejected);
            for proof in &outcome.proven {
                let path = proof.opportunity().path(engine.pools());
                let Some(hop) = path.hops.iter().find(|hop| hop.pool.contract == vault) else { continue };
                seen.insert((hop.token_in == vault, path.hops.len()));
            }
            assert!(proven.iter().any(|path| path.contains(&"erc4626")), "{name}: {proven:?}");
            assert!(proven.iter().all(|path| path.last() != Some(&"erc4626")), "a vault is paid first");
        }
    }
    // Deposits and redemptions, with two pools of Uniswap's at least.
    assert!([false, true].into_iter().all(|redeems| seen.iter().any(|(kind, _)| *kind == redeems)), "{seen:?}");
}

/// Where shares are dear it begins one. Where they are cheap it ends one: the pair lends the shares, and what the vault pays is kept, but
/// for what the pair is due.
#[test]
fn a_vault_of_the_start_token_begins_a_cycle_or_ends_one() {
    for (name, hundredths) in [("SolmateVault", 90), ("SolmateVault", 120), ("OffsetVault", 90), ("OffsetVault", 120)] {
        let mut market = Market::new();
        let weth = market.weth;
        let vault = market.vault(name, weth, [20_000, 1_000]);
        let worth = shares(&mut market, vault, 10_000);
        market.pair([weth, vault], [U256::from(100 * hundredths * ETHER), worth]);
        let found = market.found();
        let mut engine = market.engine(found);
        let outcome = engine.on_event(Event::Head);
        let proven = paths(&engine, &outcome);
        assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
        let due = if hundredths > 100 { ["erc4626", "uniswap_v2"] } else { ["uniswap_v2", "erc4626"] };
        assert_eq!(proven, [due], "{name} at {hundredths} %");
    }
}

#[test]
fn going_in_and_out_costs_about_what_is_said() {
    let mut costs = Vec::new();
    for name in ["ERC4626Mock", "OffsetVault 6", "SolmateVault", "ManagedVault"] {
        let mut world = World::new();
        let (_, vault) = world.all().into_iter().find(|(other, _)| other == name).expect("a vault");
        world.filled(vault, 1_000 * ETHER);
        let pool = world.found(vault);
        let [into, back] = legs(&pool);
        let assets = U256::from(ETHER);
        let deposited = world.chain.call(vault, &depositCall { assets, receiver: USER }).gas_used() - 21_000;
        let redeem = redeemCall { shares: assets, receiver: USER, owner: USER };
        let redeemed = world.chain.call(vault, &redeem).gas_used() - 21_000;
        println!("{name}: deposit {deposited}, redeem {redeemed}; said {}, {}", pool.gas(into), pool.gas(back));
        costs.push([(deposited, pool.gas(into)), (redeemed, pool.gas(back))]);
    }
    // OpenZeppelin's are what is said; those that keep books besides write more.
    assert!(costs[..2].iter().flatten().all(|(cost, said)| cost.abs_diff(*said) < said / 10), "{costs:?}");
}
