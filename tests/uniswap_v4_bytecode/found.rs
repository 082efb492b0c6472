//! How pools are found: by the log that announces them, and never where their terms are not known or a swap calls their hooks.

use alloy_primitives::{Address, B256, address};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::discover::Probe;
use peregrine::protocols::uniswap_v4::Key;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;

use crate::market::{Family, Market};

/// Called before and after every swap, by its address.
const CALLED: Address = address!("00000000000000000000000000000000000400c0");

fn discover(market: &mut Market, key: PoolKey) -> Result<Option<AnyPool>, String> {
    let mut probe = EvmProbe::new(&mut market.chain.machine);
    protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, true)
}

#[test]
fn a_pool_is_found_by_what_its_log_said_and_ether_is_shown_as_the_token_that_stands_for_it() {
    let mut market = Market::new();
    let (weth, token) = (market.weth, market.others[0]);
    let mut sides = [weth, token];
    sides.sort_unstable();
    let keys = [Family::V4, Family::Ether].map(|family| market.pool(family, sides, 0));
    market.settled();
    let manager = market.manager;
    let mut listed = protocols::keys(&mut EvmProbe::new(&mut market.chain.machine), manager);
    listed.sort_unstable();
    let mut due = vec![PoolKey::from(manager), keys[0], keys[1]];
    due.sort_unstable();
    assert_eq!(listed, due);
    for (key, tokens) in keys.into_iter().zip([sides, [weth, token]]) {
        let pool = discover(&mut market, key).expect("usable").expect("a pool");
        assert_eq!((pool.protocol(), pool.key(), pool.address()), ("uniswap_v4", key, manager));
        assert_eq!(pool.tokens(), tokens);
        for view in pool.views() {
            let answer = EvmProbe::new(&mut market.chain.machine).call(manager, &view.data);
            for (place, due) in view.due {
                assert_eq!(answer.word(place), Some(due), "word {place}");
            }
        }
        let written = serde_json::to_string(&pool).expect("it can be written");
        let read: AnyPool = serde_json::from_str(&written).expect("and read");
        assert!(read.agrees(&pool) && read.sites() == pool.sites() && read.tokens() == pool.tokens());
    }
}

#[test]
fn what_is_announced_nowhere_or_by_another_log_is_no_pool() {
    let mut market = Market::new();
    let sides = [market.others[0], market.others[1]];
    let key = market.pool(Family::V4, sides, 0);
    let other = PoolKey { contract: market.manager, id: Some(B256::repeat_byte(7)) };
    let said = market.announced.pools[&key].clone();
    market.announced.pools.insert(other, said.clone());
    let elsewhere = PoolKey { contract: market.others[0], ..key };
    market.announced.pools.insert(elsewhere, said);
    market.settled();
    for key in [other, elsewhere, PoolKey::from(market.manager), PoolKey { id: Some(B256::ZERO), ..key }] {
        assert!(matches!(discover(&mut market, key), Ok(None)), "{key}");
    }
    market.announced.pools.clear();
    market.settled();
    assert!(matches!(discover(&mut market, key), Ok(None)));
}

#[test]
fn pools_that_cannot_be_swapped_in_natively_are_refused_with_the_reason() {
    let mut market = Market::new();
    let sides = [market.others[0], market.others[1]];
    let ether = market.pool(Family::Ether, [market.weth, sides[0]], 0);
    // Its log alone: the manager would call its hooks while it is made.
    let mut sorted = sides;
    sorted.sort_unstable();
    let plain = market.pool(Family::V4, sides, 0);
    let hooked = Key { hooks: CALLED, ..market.terms(Family::V4, sorted, 3_000) };
    let hooked = market.announced_only(&hooked, plain);
    market.announced.wrapped_native = None;
    market.settled();
    let reason = discover(&mut market, ether).expect_err("of ether");
    assert_eq!(reason, "no token is known that stands for its ether beside the other");
    let reason = discover(&mut market, hooked).expect_err("hooks");
    assert!(reason.contains("hooks are called before a swap"), "{reason}");
}
