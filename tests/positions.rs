//! The index of positions by price against a look at all of them.

#[path = "common/many_positions.rs"]
mod many_positions;

use alloy_primitives::Address;
use alloy_primitives::U256;
use many_positions::ASSETS;
use many_positions::Dice;
use many_positions::PRICE;
use many_positions::START;
use many_positions::asset;
use peregrine::protocols::aave_v3::Market;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::trigger_index::TriggerIndex;
use std::collections::HashSet;

/// Seconds that an index is good for.
const LIFE: u64 = 3_600;

/// An index that serves, and the next while it is made, so many positions a step.
struct Indexes {
    near: TriggerIndex,
    next: Option<TriggerIndex>,
    slice: usize,
    made_anew: usize,
}

impl Indexes {
    fn moved(&mut self, feed: Address, price: U256) -> HashSet<Address> {
        self.next.iter_mut().for_each(|next| next.reprice(feed, price));
        self.near.moved(feed, price).collect()
    }

    fn renew(&mut self, market: &Market, at: u64) {
        assert!(!self.near.is_over(at), "the next is made in time");
        if self.next.is_none() && self.near.ages(at) {
            self.next = Some(TriggerIndex::begun(at, at + LIFE));
        }
        let Some(next) = &mut self.next else { return };
        assert!(next.take(market, at, self.slice).is_empty(), "everyone has a health");
        if next.is_whole(market) {
            self.near = self.next.take().expect("the next");
            self.made_anew += 1;
        }
    }
}

/// Moves prices about, and holds whom the index gives against a look at everyone.
fn nobody_is_missed(slice: usize) {
    let mut market = many_positions::market(2_000);
    let mut dice = Dice(11);
    let (near, unknown) = TriggerIndex::new(&market, START, START + LIFE);
    assert!(unknown.is_empty(), "everyone has a health");
    let mut indexes = Indexes { near, next: None, slice, made_anew: 0 };
    let (mut liquidatable, mut looked_at, mut moves, mut news) = (HashSet::new(), 0, 0, 0);
    liquidatable.extend(
        market.accounts().into_iter().filter(|who| market.health(*who, START).is_ok_and(|h| h.is_liquidatable())),
    );
    for step in 0..400 {
        let at = START + 60 * step;
        let feed = asset(dice.below(ASSETS));
        // Up to 2 % either way of what it was at first.
        let price = U256::from(PRICE / 1000 * (980 + dice.below(41)));
        market.set_price(feed, price);
        let near_by = indexes.moved(feed, price);
        let is_liquidatable = |who| market.health(who, at).expect("a health").is_liquidatable();
        for who in market.accounts() {
            let now = is_liquidatable(who);
            // What time alone sinks is found when the index is made anew.
            if now && !liquidatable.contains(&who) && market.feeds_of(who).contains(&feed) {
                assert!(near_by.contains(&who), "{who} sinks at step {step} and was not looked at");
                news += 1;
            }
            if now {
                liquidatable.insert(who)
            } else {
                liquidatable.remove(&who)
            };
        }
        (looked_at, moves) = (looked_at + near_by.len(), moves + 1);
        indexes.renew(&market, at);
    }
    assert!(looked_at / moves < 200, "{} of 2000 looked at a price", looked_at / moves);
    assert!(indexes.made_anew > 5 && news > 100, "made anew {} times, {news} sunk", indexes.made_anew);
}

#[test]
fn whoever_a_price_sinks_is_among_those_looked_at() {
    nobody_is_missed(usize::MAX);
}

#[test]
fn nor_is_anybody_missed_by_an_index_made_in_slices_while_prices_move() {
    nobody_is_missed(2_000 / 16);
}

#[test]
fn what_is_taken_in_late_is_looked_at_as_if_it_had_been_taken_in_at_first() {
    let mut market = many_positions::market(8_000);
    let feed = asset(0);
    let mut near = TriggerIndex::begun(START, START + LIFE);
    near.take(&market, START, 1_000);
    let dear = U256::from(PRICE / 100 * 110);
    market.set_price(feed, dear);
    near.reprice(feed, dear);
    near.take(&market, START, usize::MAX);
    assert!(near.is_whole(&market) && near.seen() == 8_000);
    // Little below the reference: the index is narrow again, and who was taken in afloat by the better price alone sinks.
    let cheap = U256::from(PRICE / 100 * 99);
    market.set_price(feed, cheap);
    let looked_at: HashSet<Address> = near.moved(feed, cheap).collect();
    let is_liquidatable = |who: &Address| market.health(*who, START).expect("a health").is_liquidatable();
    let late: Vec<Address> = market.accounts().into_iter().skip(1_000).filter(is_liquidatable).collect();
    assert!(!late.is_empty() && looked_at.len() < 2_000, "{} sink, {} looked at", late.len(), looked_at.len());
    assert!(late.iter().all(|who| looked_at.contains(who) || !market.feeds_of(*who).contains(&feed)));
}

#[test]
fn a_position_that_changed_is_looked_at_whatever_moves() {
    let market = many_positions::market(10);
    let (mut near, _) = TriggerIndex::new(&market, START, START + 3600);
    let who = market.accounts()[3];
    near.touch(who);
    for index in 0..ASSETS {
        assert!(near.moved(asset(index), U256::from(PRICE)).any(|account| account == who));
    }
}
