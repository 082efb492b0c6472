//! Pools of the manager in cycles with those of Uniswap V2 and V3, in every place, of tokens and of ether: found by the search, run by
//! our contract, agreed with by the EVM to the wei.

use alloy_primitives::U256;
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Event;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::amount::Wei;
use peregrine::types::pool_key::PoolKey;

use crate::market::{Family, Market};

const FAMILIES: [Family; 4] = [Family::V2, Family::V3, Family::V4, Family::Ether];

fn engine(mut market: Market, keys: &[PoolKey]) -> Engine {
    market.settled();
    let Market { chain, weth, others, .. } = market;
    let mut machine = chain.machine;
    machine.db_mut().set_unknown(Unknown::AssumeEmpty);
    let mut pools: Pools<AnyPool> = Pools::default();
    let mut cache = DiscoveryCache::default();
    for key in keys {
        let found = protocols::discover(&mut EvmProbe::new(&mut machine), &mut cache, *key, true);
        pools.add(found.expect("usable").expect("a pool")).expect("new");
    }
    let own = Own::install(&mut machine, true, weth).expect("the executor");
    for token in [weth, others[0], others[1]] {
        own.mark_balance_slots(&mut machine, token);
    }
    let base = pools.intern(weth);
    let mut search = Search::new(&[base], 4, Effort::EXACT);
    search.extend(&pools);
    let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
    Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
}

/// The one cycle that there is, as the engine has proven it: the pools in order.
fn proven(market: Market, keys: &[PoolKey], what: &str) -> Vec<PoolKey> {
    let mut engine = engine(market, keys);
    let outcome = engine.on_event(Event::Head);
    assert!(outcome.rejected.is_empty(), "{what}: {:?}", outcome.rejected);
    let [proof] = &outcome.proven[..] else { panic!("{what}: {} paths, {outcome:?}", outcome.proven.len()) };
    let path = proof.opportunity().path(engine.pools());
    path.hops.iter().map(|hop| hop.pool).collect()
}

#[test]
fn every_cycle_of_three_pools_of_any_families_is_proven_to_the_wei_both_ways_round() {
    let mut managed = [0; 3];
    for number in 0..64_usize {
        let families = [number & 3, number >> 2 & 3, number >> 4].map(|at| FAMILIES[at]);
        // Between the two tokens ether is what V4 is.
        if families[1] == Family::Ether {
            continue;
        }
        for ticks in [600, -600] {
            let mut market = Market::new();
            let ([a, b], weth) = (market.others, market.weth);
            let edges = [[weth, a], [a, b], [b, weth]];
            let keys = [0, 1, 2].map(|at| market.pool(families[at], edges[at], if at == 0 { ticks } else { 0 }));
            let path = proven(market, &keys, &format!("{families:?} {ticks}"));
            let mut due = keys;
            if path[0] != due[0] {
                due.reverse();
            }
            assert_eq!(path, due, "{families:?}");
            for (at, pool) in path.iter().enumerate() {
                managed[at] += usize::from(pool.id.is_some());
            }
        }
    }
    println!("managed pools in front, between and behind: {managed:?}");
    assert_eq!(managed, [48, 32, 48]);
}

/// Neighbours of ether and of wrapped ether: what one gives the other cannot take out of the manager's books.
#[test]
fn two_pools_of_the_same_tokens_are_one_cycle_whatever_they_call_ether() {
    for (first, second) in [
        (Family::V4, Family::V4),
        (Family::V4, Family::Ether),
        (Family::Ether, Family::V4),
        (Family::Ether, Family::Ether),
        (Family::V2, Family::Ether),
        (Family::Ether, Family::V3),
    ] {
        for ticks in [600, -600] {
            let mut market = Market::new();
            let sides = [market.weth, market.others[0]];
            let one = market.pool(first, sides, ticks);
            let two = match second {
                Family::V4 | Family::Ether => {
                    let mut ordered = sides;
                    ordered.sort_unstable();
                    market.v4(market.terms(second, ordered, 500), 0)
                }
                _ => market.pool(second, sides, 0),
            };
            let path = proven(market, &[one, two], &format!("{first:?} {second:?} {ticks}"));
            assert!(path == [one, two] || path == [two, one], "{path:?}");
        }
    }
}
