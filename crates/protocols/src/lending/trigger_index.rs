//! Which positions a price can sink: an index from each feed to the positions that hang on it, in the order of their health,
//! so that a price that moves looks at those near the edge and not at all.
//!
//! # Invariants
//! - A position that sinks, and did not when the index was made, is among those of the feed whose price has just moved: no
//!   factor can have lost more than the worst fall of any price times the worst rise of any other. What a position changed
//!   by itself is the caller's to say: [`TriggerIndex::touch`].
//! - It may be made a few positions at a time, while prices move: what is taken in late is kept with the factor that it might
//!   have had, had it been taken in at first.
//! - It holds until [`TriggerIndex::is_over`]: time lets debts grow. Prices that have gone far widen what must be looked at
//!   ([`TriggerIndex::is_wide`]), and make it no less true.
//!
//! # Limits
//! - Floats steer here; whether a position sinks is asked of its exact health. They err by a thousandth at most, as far as
//!   a position is worth more than [`DUST`] units of base currency: below, the protocols' own rounding is coarser.
//!
//! # Cost
//! Eight bytes for each feed of each position. A price that moves: one division a feed, and a binary search. To take a position
//! in: two healths; and a merge for each feed, however many are taken.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::HashMap;

use crate::lending::Health;
use crate::lending::Lending;
use crate::math::wide::to_f64;

/// Debts under this are not worth a look, in units of base currency: a hundredth of a dollar at Aave V3.
pub const DUST: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
/// What floats, and the rounding of an average threshold to a hundredth of a percent, may be off by.
const MARGIN: f64 = 1.001;
/// Past this widening another index should be begun, and past the second be made soon.
const AGED: f64 = 1.025;
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
pub struct TriggerIndex {
    accounts: Vec<Address>,
    feeds: HashMap<Address, Feed>,
    touched: BTreeSet<Address>,
    /// How many of the market's positions have been taken in.
    seen: usize,
    half: u64,
    until: u64,
}

impl TriggerIndex {
    /// An index that holds from `at` until `until`, both in seconds, and that no position has been taken into.
    #[must_use]
    pub fn begun(at: u64, until: u64) -> Self {
        let half = at.midpoint(until);
        Self { accounts: Vec::new(), feeds: HashMap::default(), touched: BTreeSet::new(), seen: 0, half, until }
    }

    /// Makes the index of all positions at once: see [`Self::take`].
    #[must_use]
    pub fn new<M: Lending>(market: &M, at: u64, until: u64) -> (Self, Vec<Address>) {
        let mut near = Self::begun(at, until);
        let unknown = near.take(market, at, usize::MAX);
        (near, unknown)
    }

    /// Takes in so many positions more, of those that have a health now and at the end. Those that have none are given back: they
    /// must be learnt first.
    pub fn take<M: Lending>(&mut self, market: &M, at: u64, count: usize) -> Vec<Address> {
        let widening = self.widening();
        let mut unknown = Vec::new();
        let accounts = (self.seen..).take(count).map_while(|place| market.account(place));
        for account in accounts {
            self.seen += 1;
            match [at, self.until].map(|time| market.health(account, time)) {
                [Ok(now), Ok(then)] => self.put(market, account, [now, then], widening),
                _ => unknown.push(account),
            }
        }
        for feed in self.feeds.values_mut() {
            // What was in order before is one run to this sort.
            feed.positions.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        unknown
    }

    /// How many positions have been taken in, or given back.
    #[must_use]
    pub const fn seen(&self) -> usize {
        self.seen
    }

    /// All positions of the market have been.
    #[must_use]
    pub fn is_whole<M: Lending>(&self, market: &M) -> bool {
        market.account(self.seen).is_none()
    }

    fn put<M: Lending>(&mut self, market: &M, account: Address, healths: [Health; 2], widening: f64) {
        // Of a market that counts in units of a token nobody can say for all what is dust there.
        if market.counted_in().is_none() && healths.iter().all(|health| health.debt < DUST) {
            return;
        }
        let Ok(id) = u32::try_from(self.accounts.len()) else { return };
        self.accounts.push(account);
        let factor = healths.map(|health| to_f64(health.factor) / WAD).into_iter().fold(f64::INFINITY, f64::min);
        // At the reference prices it could have been so much less.
        let factor = factor / widening;
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

    /// True when its time is over.
    #[must_use]
    pub const fn is_over(&self, at: u64) -> bool {
        at > self.until
    }

    /// True when another is to be begun: half of its time is over, or prices have moved.
    #[must_use]
    pub fn ages(&self, at: u64) -> bool {
        at > self.half || self.widening() > AGED
    }

    /// True when prices have gone so far that it hardly narrows.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.widening() > WIDE
    }

    /// The most that any factor can have lost by prices since the index was made.
    fn widening(&self) -> f64 {
        let ratios = || self.feeds.values().map(|feed| feed.ratio);
        ratios().fold(1.0, f64::max) / ratios().fold(1.0, f64::min)
    }

    /// Takes a feed's new price.
    pub fn reprice(&mut self, feed: Address, price: U256) {
        if let Some(feed) = self.feeds.get_mut(&feed) {
            feed.ratio = to_f64(price) / feed.reference;
        }
    }

    /// Takes a feed's new price, and gives the accounts that it can have sunk: those with a factor under what all prices
    /// together can have taken. Whether they sink is asked of the market.
    pub fn moved(&mut self, feed: Address, price: U256) -> impl Iterator<Item = Address> + '_ {
        self.reprice(feed, price);
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
