//! A pool's own `exchange` on staged balances, between plain tokens: which version of the contract it is.
//!
//! A version is accepted only when the pool pays what it foretells and reverts for one unit more: at the pool's own balances, and
//! at others from next to nothing on. Where versions agree so far, swaps are looked for that they pay differently for.
//!
//! # Cost
//! A version that is none shows at its first amounts; the one that is takes some eighty calls.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::curve_stable::abi;
use crate::curve_stable::discover::Found;
use crate::curve_stable::discover::Reason;
use crate::curve_stable::discover::getter::NOBODY;
use crate::curve_stable::discover::stage;
use crate::curve_stable::discover::stage::Dice;
use crate::curve_stable::invariant::MOST_COINS;
use crate::curve_stable::invariant::Product;
use crate::curve_stable::layout::Layout;
use crate::curve_stable::meta::META;
use crate::curve_stable::meta::Metapool;
use crate::curve_stable::swap::Said;
use crate::curve_stable::swap::Settle;
use crate::curve_stable::swap::State;
use crate::curve_stable::swap::Terms;
use crate::curve_stable::swap::WHOLE;
use crate::discover::Answer;
use crate::discover::Probe;
use crate::discover::plain_balance_slot;

/// Parts of what the pool holds of it that go in.
const SHARES: [(u64, u64); 4] = [(1, 100_003), (1, 7), (3, 2), (40, 1)];
/// Swaps among which one is looked for that two versions pay differently for.
const TRIES: usize = 3_000;
/// A fee that leaves something to share, in a pool that has none.
const SOME_FEE: u64 = 4_000_000;

/// What stands around a pool under trial.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Tokens that are played by a plain one.
    pub tokens: Vec<Address>,
    /// What may be each coin's rate, by place.
    pub rates: Vec<Vec<U256>>,
    /// Slots of others that are written over, too.
    pub beside: Vec<(Address, U256, U256)>,
}

impl Stage {
    /// All its coins are tokens and nothing more.
    pub(super) fn plain(found: &Found) -> Self {
        let tokens = found.coins.iter().flatten().copied().collect();
        Self { tokens, rates: found.rates.clone(), beside: Vec::new() }
    }
}

fn index(place: usize) -> i128 {
    i128::try_from(place).unwrap_or_default()
}

/// A pool under trial.
pub(super) struct Trial<'a> {
    probe: &'a mut dyn Probe,
    pool: Address,
    around: Stage,
    /// Places of the coins that are known.
    places: Vec<usize>,
    /// The place of the coin that is ether.
    ether: Option<usize>,
    layout: &'a Layout,
    state: State,
    precision: u32,
}

impl<'a> Trial<'a> {
    pub(super) fn new(probe: &'a mut dyn Probe, pool: Address, found: &'a Found, around: Stage) -> Self {
        let places = (0..found.coins.len()).filter(|place| found.coins[*place].is_some()).collect();
        let Found { ether, layout, state, precision, .. } = found;
        Self { probe, pool, around, places, ether: *ether, layout, state: *state, precision: *precision }
    }

    /// Writes other slots of others over.
    pub(super) fn put(&mut self, beside: Vec<(Address, U256, U256)>) {
        self.around.beside = beside;
    }

    /// The version that it is.
    pub(super) fn terms(&mut self) -> Result<Terms, Reason> {
        let mut standing = self.candidates();
        standing.retain(|terms| self.agrees(terms));
        let Some(terms) = self.narrowed(standing) else { return Err(self.why()) };
        self.known()?;
        let settle = self.settle();
        let terms = Terms { settle, ..terms };
        let said = self.said(&terms)?;
        Ok(Terms { said, ..terms })
    }

    /// Of versions that all agree so far the one that agrees where they differ, too. Of those that differ nowhere it is the first.
    fn narrowed(&mut self, standing: Vec<Terms>) -> Option<Terms> {
        let mut best: Option<Terms> = None;
        for other in standing {
            let Some(first) = best else {
                best = Some(other);
                continue;
            };
            let Some((state, leg, dx)) = self.difference(&first, &other) else { continue };
            if self.holds(&first, &state, leg, dx) != Some(true) {
                best = (self.holds(&other, &state, leg, dx) == Some(true)).then_some(other);
            }
        }
        best
    }

    /// A swap that two versions pay differently for.
    fn difference(&self, a: &Terms, b: &Terms) -> Option<(State, (usize, usize), U256)> {
        let mut dice = Dice::new();
        let legs = self.legs();
        (0..TRIES).find_map(|_| {
            let (state, leg) = (dice.state(&self.state, a), dice.pick(&legs)?);
            let dx = dice.amount(state.held[leg.0]);
            let paid = |terms: &Terms| Some(terms.exchange(&state, &terms.standing(&state)?, leg, dx).ok()?.paid);
            let [by_a, by_b] = [paid(a)?, paid(b)?];
            (by_a != by_b).then_some((state, leg, dx))
        })
    }

    /// Every version that it may be.
    fn candidates(&self) -> Vec<Terms> {
        let mut all = Vec::new();
        for rates in self.rates() {
            for product in Product::ALL {
                for less_one in [true, false] {
                    let (coins, precision, settle) = (self.around.rates.len(), self.precision, Settle::Units);
                    all.push(Terms { coins, rates, product, precision, less_one, settle, said: None });
                }
            }
        }
        all
    }

    /// Rates of all coins, in each way in which they may be.
    fn rates(&self) -> Vec<[U256; MOST_COINS]> {
        let mut all = vec![[U256::ZERO; MOST_COINS]];
        for (place, choices) in self.around.rates.iter().enumerate() {
            let with = |rates: [U256; MOST_COINS], rate: U256| {
                let mut rates = rates;
                rates[place] = rate;
                rates
            };
            all = all.iter().flat_map(|rates| choices.iter().map(|rate| with(*rates, *rate))).collect();
        }
        all
    }

    /// Does the pool pay just what these terms foretell, wherever it is put?
    fn agrees(&mut self, terms: &Terms) -> bool {
        self.agrees_in(terms, &stage::states(&self.state, terms))
    }

    /// Does it where it stands?
    pub(super) fn agrees_as_it_stands(&mut self, terms: &Terms) -> bool {
        self.agrees_in(terms, &[self.state])
    }

    fn agrees_in(&mut self, terms: &Terms, states: &[State]) -> bool {
        let mut tried = 0;
        for (state, leg, dx) in self.swaps(states) {
            match self.holds(terms, &state, leg, dx) {
                Some(true) => tried += 1,
                Some(false) => return false,
                None => {}
            }
        }
        tried > 0
    }

    /// What it is tried with: in each state each leg, with some parts of what there is.
    fn swaps(&self, states: &[State]) -> Vec<(State, (usize, usize), U256)> {
        let mut all = Vec::new();
        for &state in states {
            let held = |place: usize| U256::from(state.held[place] - state.admin_held[place]);
            let parts =
                |leg: (usize, usize)| SHARES.map(|(part, of)| (leg, held(leg.0) * U256::from(part) / U256::from(of)));
            all.extend(self.legs().into_iter().flat_map(parts).map(|(leg, dx)| (state, leg, dx)));
        }
        all
    }

    /// Every known coin in once and out once.
    fn legs(&self) -> Vec<(usize, usize)> {
        let next = |at: usize| self.places[(at + 1) % self.places.len()];
        (0..self.places.len()).map(|at| (self.places[at], next(at))).collect()
    }

    /// Is what these terms foretell what the pool pays, and one more not? `None`: they foretell nothing.
    fn holds(&mut self, terms: &Terms, state: &State, leg: (usize, usize), dx: U256) -> Option<bool> {
        if dx.is_zero() {
            return None;
        }
        let now = terms.standing(state)?;
        let due = terms.exchange(state, &now, leg, dx).ok()?.paid;
        let written = self.layout.written(state);
        Some(self.pays(leg, dx, due, &written) && !self.pays(leg, dx, due.saturating_add(U256::ONE), &written))
    }

    /// Does the pool pay at least so much, with these slots written?
    fn pays(&mut self, leg: (usize, usize), dx: U256, least: U256, written: &[(U256, U256)]) -> bool {
        self.exchange(leg, dx, least, written).output.is_some()
    }

    /// All that a swap reads of the pool is known: on a stage what is not would count as zero, a lock or a switch among it.
    fn known(&mut self) -> Result<(), Reason> {
        let (leg, at) = (self.legs()[0], self.pool);
        let (dx, written) = (U256::from(self.state.held[leg.0] / 7), self.layout.written(&self.state));
        let reads = self.exchange(leg, dx, U256::ONE, &written).reads;
        let unknown = reads.into_iter().find(|read| read.0 == at && self.probe.slot(at, read.1).is_none());
        unknown.map_or(Ok(()), |(at, slot)| Err(Reason::Cold { at, slot: Some(slot) }))
    }

    /// A contract besides these, the pool and plain tokens that a swap reads: what is paid may hang on it, though it does not show now.
    pub(super) fn stranger(&mut self, known: &[Address]) -> Option<Address> {
        let (leg, written) = (self.legs()[0], self.layout.written(&self.state));
        let reads = self.exchange(leg, U256::from(self.state.held[leg.0] / 7), U256::ONE, &written).reads;
        let known = [&[self.pool], &self.around.tokens[..], known].concat();
        reads.into_iter().map(|(at, _)| at).find(|at| !known.contains(at))
    }

    fn exchange(&mut self, (i, j): (usize, usize), dx: U256, least: U256, written: &[(U256, U256)]) -> Answer {
        let call = abi::exchangeCall { i: index(i), j: index(j), dx, min_dy: least };
        self.call(&call.abi_encode(), (i, dx), written)
    }

    /// So much of a coin goes in.
    fn call(&mut self, data: &[u8], (i, dx): (usize, U256), written: &[(U256, U256)]) -> Answer {
        let mut overrides: Vec<_> = written.iter().map(|(slot, value)| (self.pool, *slot, *value)).collect();
        // More than enough of everything, so that no token stands in the leg.
        let plenty = U256::from(u128::MAX);
        for token in &self.around.tokens {
            overrides.push((*token, plain_balance_slot(NOBODY), plenty));
            overrides.push((*token, plain_balance_slot(self.pool), plenty));
        }
        overrides.extend(&self.around.beside);
        if self.ether.is_none() {
            return self.probe.call_staged(NOBODY, self.pool, data, &overrides, &self.around.tokens);
        }
        let value = if self.ether == Some(i) { dx } else { U256::ZERO };
        self.probe.call_paying(NOBODY, self.pool, data, &overrides, &self.around.tokens, value)
    }

    /// Does it pay just what is foretold of swaps of its first coin for coins of its base pool, by their places there, where both stand?
    pub(super) fn pays_through(&mut self, both: &Metapool, coins: &[usize]) -> bool {
        let mut tried = 0;
        for &place in coins {
            let ways =
                [((META, place + 1), both.state().held[META]), ((place + 1, META), both.base().state().held[place])];
            let parts = |(way, held)| {
                SHARES.map(|(part, of)| (way, U256::from::<u128>(held) * U256::from(part) / U256::from(of)))
            };
            for (way, dx) in ways.into_iter().flat_map(parts) {
                match self.holds_through(both, way, dx) {
                    Some(true) => tried += 1,
                    Some(false) => return false,
                    None => {}
                }
            }
        }
        tried > 0
    }

    /// As [`Self::holds`].
    fn holds_through(&mut self, both: &Metapool, (i, j): (usize, usize), dx: U256) -> Option<bool> {
        let due = both.exchange_underlying((i, j), dx).ok()?.paid;
        let written = self.layout.written(both.state());
        let mut pays = |min_dy| {
            let call = abi::exchange_underlyingCall { i: index(i), j: index(j), dx, min_dy };
            self.call(&call.abi_encode(), (i, dx), &written).output.is_some()
        };
        Some(pays(due) && !pays(due.saturating_add(U256::ONE)))
    }

    /// What such a swap reads of contracts that is not known: on a stage it would count as zero.
    pub(super) fn unknown_through(&mut self, both: &Metapool, place: usize, at: &[Address]) -> Option<(Address, U256)> {
        let written = self.layout.written(both.state());
        let mut reads = Vec::new();
        let ways = [(META, place + 1, both.state().held[META]), (place + 1, META, both.base().state().held[place])];
        for (i, j, held) in ways {
            let dx = U256::from(held / 7);
            let call = abi::exchange_underlyingCall { i: index(i), j: index(j), dx, min_dy: U256::ONE };
            reads.extend(self.call(&call.abi_encode(), (i, dx), &written).reads);
        }
        reads.into_iter().find(|(contract, slot)| at.contains(contract) && self.probe.slot(*contract, *slot).is_none())
    }

    /// How it writes balances down. With an administrator's part that is larger than the fee the first pools revert: they subtract
    /// it from the fee.
    fn settle(&mut self) -> Settle {
        if !self.layout.admin_held.is_empty() {
            return Settle::Apart;
        }
        if self.layout.admin_fee.is_none() {
            return Settle::Units;
        }
        let leg = self.legs()[0];
        let state = State { fee: self.state.fee.max(SOME_FEE), admin_fee: 2 * WHOLE, ..self.state };
        let (written, dx) = (self.layout.written(&state), U256::from(state.held[leg.0] / 7));
        if self.pays(leg, dx, U256::ONE, &written) { Settle::Units } else { Settle::Scaled }
    }

    /// How `get_dy` rounds, where it can be asked: as it answers for the pool as it stands.
    fn said(&mut self, terms: &Terms) -> Result<Option<Said>, Reason> {
        if self.layout.offpeg.is_some() {
            return Ok(None);
        }
        let Some(now) = terms.standing(&self.state) else { return Err(Reason::Empty) };
        let mut may = Said::ALL.to_vec();
        for (i, j) in self.legs() {
            for (part, of) in SHARES {
                let dx = U256::from(self.state.held[i]) * U256::from(part) / U256::from(of);
                let Some(answer) = self.asked((i, j), dx) else { return Ok(None) };
                may.retain(|said| terms.get_dy(*said, &self.state, &now, (i, j), dx) == Ok(answer));
            }
        }
        may.first().copied().map(Some).ok_or(Reason::Formula)
    }

    fn asked(&mut self, (i, j): (usize, usize), dx: U256) -> Option<U256> {
        let call = abi::get_dyCall { i: index(i), j: index(j), dx };
        let answer = self.probe.call(self.pool, &call.abi_encode());
        answer.word(0).filter(|_| !answer.cold)
    }

    /// Why no version fits: mostly a rate that is another contract's.
    fn why(&mut self) -> Reason {
        if !self.around.beside.is_empty() {
            return Reason::Formula;
        }
        let rates = self.probe.call(self.pool, &abi::stored_ratesCall {}.abi_encode());
        if let Some((at, _)) = rates.reads.into_iter().find(|(at, _)| *at != self.pool) {
            return Reason::Rates { at };
        }
        let (i, j) = self.legs()[0];
        let call = abi::get_dyCall { i: index(i), j: index(j), dx: U256::from(self.state.held[i] / 7) };
        let reads = self.probe.call(self.pool, &call.abi_encode()).reads;
        reads.into_iter().find(|(at, _)| *at != self.pool).map_or(Reason::Formula, |(at, _)| Reason::Elsewhere { at })
    }
}
