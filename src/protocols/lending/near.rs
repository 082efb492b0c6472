//! Which positions a price can sink: an index from each feed to the positions that hang on it, in the order of their health,
//! so that a price that moves looks at those near the edge and not at all.
//!
//! # Invariants
//! - A position that sinks, and did not when the index was made, is among those of the feed whose price has just moved: no
//!   factor can have lost more than the worst fall of any price times the worst rise of any other. What a position changed
//!   by itself is the caller's to say: [`Near::touch`].
//! - It holds until [`Near::stale`]: time lets debts grow, and prices that have gone far widen what must be looked at.
//!
//! # Limits
//! - Floats steer here; whether a position sinks is asked of its exact health. They err by a thousandth at most, as far as
//!   a position is worth more than [`DUST`] units of base currency: below, the protocols' own rounding is coarser.
//!
//! # Cost
//! Eight bytes for each feed of each position. A price that moves: one division a feed, and a binary search.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::HashMap;

use crate::protocols::lending::Health;
use crate::protocols::lending::Lending;
use crate::protocols::math::wide::to_f64;

/// Debts under this are not worth a look, in units of base currency: a hundredth of a dollar at Aave V3.
pub const DUST: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
/// What floats, and the rounding of an average threshold to a hundredth of a percent, may be off by.
const MARGIN: f64 = 1.001;
/// Past this widening the index is made anew.
const WIDE: f64 = 1.05;
/// One, in wad.
const WAD: f64 = 1e18;

/// A feed, what its price was when the index was made, and who hangs on it.
#[derive(Clone, Debug)]
struct Feed {
    reference: f64,
    /// Present price over the reference.
    ratio: f64,
    /// Health factor and position, the lowest first.
    positions: Vec<(f32, u32)>,
}

/// The index of one market.
#[derive(Clone, Debug)]
pub struct Near {
    accounts: Vec<Address>,
    feeds: HashMap<Address, Feed>,
    touched: BTreeSet<Address>,
    until: u64,
}

impl Near {
    /// Makes the index of all positions that have a health at `at` and at `until`, both in seconds. Those that have none
    /// are given back: they must be learnt first.
    #[must_use]
    pub fn new<M: Lending>(market: &M, at: u64, until: u64) -> (Self, Vec<Address>) {
        let mut near = Self { accounts: Vec::new(), feeds: HashMap::default(), touched: BTreeSet::new(), until };
        let mut unknown = Vec::new();
        for account in market.accounts() {
            let healths = [at, until].map(|time| market.health(account, time));
            match healths {
                [Ok(now), Ok(then)] => near.take(market, account, [now, then]),
                _ => unknown.push(account),
            }
        }
        for feed in near.feeds.values_mut() {
            feed.positions.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        }
        (near, unknown)
    }

    fn take<M: Lending>(&mut self, market: &M, account: Address, healths: [Health; 2]) {
        // A market of two tokens counts in units of one of them: what is dust there nobody can say for all.
        if market.pair().is_none() && healths.iter().all(|health| health.debt < DUST) {
            return;
        }
        let Ok(id) = u32::try_from(self.accounts.len()) else { return };
        self.accounts.push(account);
        let factor = healths.map(|health| to_f64(health.factor) / WAD).into_iter().fold(f64::INFINITY, f64::min);
        for feed in market.feeds_of(account) {
            let Some(reference) = market.price(feed).map(to_f64) else { continue };
            let feed = self.feeds.entry(feed).or_insert(Feed { reference, ratio: 1.0, positions: Vec::new() });
            feed.positions.push((factor as f32, id));
        }
    }

    /// A position that has changed by itself: it is looked at, whatever moves, until the index is made anew.
    pub fn touch(&mut self, account: Address) {
        self.touched.insert(account);
    }

    /// Accounts that can sink as prices stand, each once, in order: those with a factor under what all prices together can have
    /// taken since the index was made, and those that have changed by themselves.
    #[must_use]
    pub fn under(&self) -> Vec<Address> {
        let bound = self.widening() * MARGIN;
        let near = self.feeds.values().flat_map(|feed| self.below(feed, bound));
        let mut all: Vec<Address> = near.chain(self.touched.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// True when the index no longer narrows enough, or its time is over.
    #[must_use]
    pub fn stale(&self, at: u64) -> bool {
        at > self.until || self.widening() > WIDE
    }

    /// The most that any factor can have lost by prices since the index was made.
    fn widening(&self) -> f64 {
        let ratios = || self.feeds.values().map(|feed| feed.ratio);
        ratios().fold(1.0, f64::max) / ratios().fold(1.0, f64::min)
    }

    /// Takes a feed's new price, and gives the accounts that it can have sunk: those with a factor under what all prices
    /// together can have taken. Whether they sink is asked of the market.
    pub fn moved(&mut self, feed: Address, price: U256) -> impl Iterator<Item = Address> + '_ {
        if let Some(feed) = self.feeds.get_mut(&feed) {
            feed.ratio = to_f64(price) / feed.reference;
        }
        let this = &*self;
        let bound = this.widening() * MARGIN;
        let near = this.feeds.get(&feed).map(|feed| this.below(feed, bound));
        near.into_iter().flatten().chain(this.touched.iter().copied())
    }

    /// Those of a feed with a factor under a bound.
    fn below<'a>(&'a self, feed: &'a Feed, bound: f64) -> impl Iterator<Item = Address> + 'a {
        let under = feed.positions.partition_point(|(factor, _)| f64::from(*factor) < bound);
        feed.positions.iter().take(under).filter_map(|(_, id)| self.accounts.get(*id as usize).copied())
    }
}
