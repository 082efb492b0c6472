//! The index of positions by price against a look at all of them.

#[path = "common/many_positions.rs"]
mod many_positions;

use alloy_primitives::U256;
use many_positions::ASSETS;
use many_positions::Dice;
use many_positions::PRICE;
use many_positions::START;
use many_positions::asset;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::near::Near;
use std::collections::HashSet;

#[test]
fn whoever_a_price_sinks_is_among_those_looked_at() {
    let mut market = many_positions::market(2_000);
    let mut dice = Dice(11);
    let (mut near, unknown) = Near::new(&market, START, START + 3600);
    assert!(unknown.is_empty(), "everyone has a health");
    let (mut sunk, mut looked_at, mut moves, mut made_anew) = (HashSet::new(), 0, 0, 0);
    sunk.extend(market.accounts().into_iter().filter(|who| market.health(*who, START).is_ok_and(|h| h.sinks())));
    for step in 0..400 {
        let at = START + 60 * step;
        let feed = asset(dice.below(ASSETS));
        // Up to 2 % either way of what it was at first.
        let price = U256::from(PRICE / 1000 * (980 + dice.below(41)));
        market.set_price(feed, price);
        let near_by: HashSet<_> = near.moved(feed, price).collect();
        let sinks = |who| market.health(who, at).expect("a health").sinks();
        for who in market.accounts() {
            let now = sinks(who);
            let news = now && !sunk.contains(&who);
            // What time alone sinks is found when the index is made anew.
            if news && market.feeds_of(who).contains(&feed) {
                assert!(near_by.contains(&who), "{who} sinks at step {step} and was not looked at");
            }
            if now {
                sunk.insert(who)
            } else {
                sunk.remove(&who)
            };
        }
        (looked_at, moves) = (looked_at + near_by.len(), moves + 1);
        if near.stale(at) {
            near = Near::new(&market, at, at + 3600).0;
            made_anew += 1;
        }
    }
    assert!(looked_at / moves < 200, "{} of 2000 looked at a price", looked_at / moves);
    assert!(made_anew > 0, "the index is made anew");
}

#[test]
fn a_position_that_changed_is_looked_at_whatever_moves() {
    let market = many_positions::market(10);
    let (mut near, _) = Near::new(&market, START, START + 3600);
    let who = market.accounts()[3];
    near.touch(who);
    for index in 0..ASSETS {
        assert!(near.moved(asset(index), U256::from(PRICE)).any(|account| account == who));
    }
}
