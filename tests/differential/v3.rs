//! Concentrated liquidity: both amounts, and price, tick and liquidity afterwards, are what the pool's own `swap` says.
//!
//! Two worlds. In the *known* one a quote ends where the record does; every amount quoted is compared, and the pool must
//! not have asked for a tick or a word that we did not have. In the *emptied* one both sides take the unknown as zero, so
//! that quotes go on to the end of the curve, where the contract fills in part and we refuse.

use std::collections::BTreeSet;

use alloy::sol_types::SolCall;
use alloy_primitives::{I256, U256};
use peregrine::hot::evm::machine::Machine;
use peregrine::protocols::amm::{Amm, Leg, QuoteError};
use peregrine::protocols::uniswap_v3::{Flavour, Layout, Pool, Swap, no_limit};
use revm::context::result::ExecutionResult;

use crate::bench::{Bench, SWAPPER};
use crate::spread::{DUE, Seen, Way, largest, spread};

alloy::sol! {
    function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes data)
        external returns (int256 amount0, int256 amount1);
}

/// What the contract did.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    /// Input, output, price, tick, liquidity.
    Swapped([U256; 2], U256, i32, u128),
    Reverted,
    OutOfGas,
}

/// Of a look's 8 million.
const NEARLY_ALL_GAS: u64 = 7_800_000;

/// A pool on the bench.
struct Rig<'a> {
    bench: Bench<'a>,
    pool: &'a Pool,
    leg: Leg,
    /// Slots that say where liquidity is: asking for one that is not known makes an answer a guess.
    telling: BTreeSet<U256>,
}

impl Rig<'_> {
    fn did(&mut self, exact_in: bool, amount: U256, limit: U256) -> Did {
        let signed = I256::from_raw(amount);
        let call = swapCall {
            recipient: SWAPPER,
            zeroForOne: self.leg.zero_for_one(),
            amountSpecified: if exact_in { signed } else { -signed },
            sqrtPriceLimitX96: limit.to(),
            data: vec![].into(),
        };
        let executed = self.bench.call(self.pool.address(), call.abi_encode(), &[]);
        let gas_used = executed.gas_used();
        match executed.result {
            ExecutionResult::Revert { output, .. } if output.len() == 160 => {
                let word = |index: usize| U256::from_be_slice(&output[index * 32..index * 32 + 32]);
                let deltas = [word(0), word(1)];
                let (paid, got) = (deltas[self.leg.token_in()], deltas[self.leg.token_out()]);
                Did::Swapped([paid, got.wrapping_neg()], word(2), word(3).as_limbs()[0] as i32, word(4).to())
            }
            // What is left over for the callback no longer suffices for it.
            ExecutionResult::Halt { .. } => Did::OutOfGas,
            ExecutionResult::Revert { .. } if gas_used > NEARLY_ALL_GAS => Did::OutOfGas,
            ExecutionResult::Revert { .. } => Did::Reverted,
            ExecutionResult::Success { .. } => panic!("{}: a swap that did not call back", self.pool.address()),
        }
    }

    /// PancakeSwap's pools tell a farm of each tick they cross. Where the farm's own state is not known, and so emptied, it
    /// reverts, and says nothing of the pool: it is hushed.
    fn did_without_farm(&mut self, exact_in: bool, amount: U256, limit: U256) -> Did {
        let did = self.did(exact_in, amount, limit);
        let farms = self.bench.assumed_beside(self.pool.address());
        if did != Did::Reverted || !self.pool.assume_empty || farms.is_empty() {
            return did;
        }
        farms.into_iter().for_each(|farm| self.bench.hush(farm));
        self.did(exact_in, amount, limit)
    }

    /// The pool's code asked for a tick or a word that is not known.
    fn guessed(&self) -> bool {
        self.bench.assumed(self.pool.address()).iter().any(|slot| self.telling.contains(slot))
    }

    /// `Ok(Some(true))`: equal. `Ok(Some(false))`: both refuse. `Ok(None)`: we do not know, or out of gas.
    fn same(&mut self, exact_in: bool, amount: U256, limit: U256) -> Result<Option<bool>, String> {
        let ours = self.pool.swap(self.leg, exact_in, amount, limit);
        if ours == Err(QuoteError::UnknownTick) {
            return Ok(None);
        }
        let theirs = self.did_without_farm(exact_in, amount, limit);
        match (&ours, &theirs) {
            (_, Did::OutOfGas) => return Ok(None),
            (Err(_), Did::Reverted) => (),
            (Ok(swap), _) if as_did(swap) == theirs => (),
            _ => return Err(format!("ours {ours:?}, the contract's {theirs:?}")),
        }
        if !self.pool.assume_empty && self.guessed() {
            return Err(format!("ours {ours:?} stands on a tick or word that is not known"));
        }
        Ok(Some(ours.is_ok()))
    }

    /// As [`Rig::same`] without a limit, and what is quoted with it: no quote for what is filled in part.
    fn quoted(&mut self, exact_in: bool, amount: U256) -> Result<Option<bool>, String> {
        let limit = no_limit(self.leg.zero_for_one());
        let same = self.same(exact_in, amount, limit)?;
        let quote = if exact_in { self.pool.quote_in(self.leg, amount) } else { self.pool.quote_out(self.leg, amount) };
        let due = self.pool.swap(self.leg, exact_in, amount, limit).and_then(|swap| match swap.complete {
            true => Ok(if exact_in { swap.amount_out } else { swap.amount_in }),
            false => Err(QuoteError::TooLarge),
        });
        if quote != due {
            return Err(format!("quotes {quote:?}, {due:?} due"));
        }
        Ok(same.map(|_| quote.is_ok()))
    }

    fn crosses(&self, exact_in: bool, amount: U256) -> bool {
        let swap = self.pool.swap(self.leg, exact_in, amount, no_limit(self.leg.zero_for_one()));
        swap.is_ok_and(|swap| swap.crossed > 0)
    }

    fn largest(&self, exact_in: bool) -> Option<U256> {
        let (pool, leg) = (self.pool, self.leg);
        largest(|amount| if exact_in { pool.quote_in(leg, amount) } else { pool.quote_out(leg, amount) }.is_ok())
    }

    /// The ends of the curve's first stretches and of its last known, and what lies beside them.
    fn seams(&self, exact_in: bool) -> BTreeSet<U256> {
        let (mut ends, mut sum) = (Vec::new(), U256::ZERO);
        self.pool.segments(self.leg, |segment| {
            sum = sum.saturating_add(segment.in_max);
            ends.push(sum);
            true
        });
        ends.dedup();
        let last = ends.len().saturating_sub(3);
        let some: Vec<_> =
            ends.iter().enumerate().filter(|(i, _)| *i < 12 || *i >= last).map(|(_, end)| *end).collect();
        let out = |paid| self.pool.swap(self.leg, true, paid, no_limit(self.leg.zero_for_one())).map(|s| s.amount_out);
        let near = |end: U256| [end.saturating_sub(U256::ONE), end, end.saturating_add(U256::ONE)];
        let mut seams: BTreeSet<U256> = if exact_in {
            some.into_iter().flat_map(near).collect()
        } else {
            some.into_iter()
                .flat_map(|end| [out(end), out(end.saturating_sub(U256::ONE))])
                .flatten()
                .flat_map(near)
                .collect()
        };
        seams.retain(|amount| amount.bit_len() < 255);
        seams
    }

    fn compare(&mut self, exact_in: bool, seen: &mut Seen) {
        let emptied = self.pool.assume_empty;
        let way = Way { pool: self.pool.address(), zero_for_one: self.leg.zero_for_one(), exact_in, emptied };
        let most = self.largest(exact_in);
        let mut amounts = most.map(|most| spread(U256::ONE, most)).unwrap_or_default();
        amounts.extend(self.seams(exact_in));
        let past = most.unwrap_or_default();
        amounts.extend([U256::ZERO, past + U256::ONE, past * U256::from(2), (U256::ONE << 254) - U256::ONE]);
        let mut equal = 0;
        // Deep walks over emptied words are most of the cost.
        for amount in amounts.into_iter().step_by(if emptied { 3 } else { 1 }) {
            match self.quoted(exact_in, amount) {
                // Amounts ascend: the next would walk as far.
                Ok(None) if emptied => {
                    seen.spent += 1;
                    break;
                }
                Ok(None) => (),
                Ok(Some(_)) if emptied => seen.emptied += 1,
                Ok(Some(true)) => {
                    equal += 1;
                    seen.crossing += usize::from(self.crosses(exact_in, amount));
                }
                Ok(Some(false)) => seen.refused += 1,
                Err(what) => seen.differs(way, amount, what),
            }
        }
        if !emptied {
            seen.equal[usize::from(!exact_in)] += equal;
            self.explain(way, equal, most, seen);
            most.into_iter().for_each(|most| self.limits(way, most, seen));
        }
    }

    /// Fewer amounts than due are in order where the very first step needs what the record does not have.
    fn explain(&self, way: Way, equal: usize, most: Option<U256>, seen: &mut Seen) {
        if equal >= DUE {
            return;
        }
        let one = self.pool.swap(self.leg, way.exact_in, U256::ONE, no_limit(way.zero_for_one));
        let (grid, tick) = (self.pool.ticks().grid(), self.pool.tick());
        let position = if way.zero_for_one { grid.word_of(tick) } else { grid.word_above(tick) };
        let word = i16::try_from(position).ok().and_then(|position| self.pool.ticks().word(position));
        match (one, word) {
            (Err(QuoteError::UnknownTick), None) => seen.blind.push(way),
            _ => seen.few.push(format!("{way}: {equal} amounts of up to {most:?}; one unit: {one:?}, word {word:?}")),
        }
    }

    /// Stops on the way to the largest known amount, and a limit on the wrong side, which both refuse.
    fn limits(&mut self, way: Way, most: U256, seen: &mut Seen) {
        let end = no_limit(way.zero_for_one);
        let part = |part: u64| most / U256::from(part);
        let reached = |amount| self.pool.swap(self.leg, way.exact_in, amount, end).map(|swap| swap.sqrt_price);
        let mut limits: BTreeSet<U256> = [part(1), part(2), part(3), part(50)].into_iter().flat_map(reached).collect();
        let price = self.pool.sqrt_price_x96();
        limits.extend([price, price - U256::ONE, price + U256::ONE]);
        for limit in limits {
            match self.same(way.exact_in, most, limit) {
                Ok(None) => (),
                Ok(Some(_)) => seen.limited += 1,
                Err(what) => seen.differs(way, most, format!("limit {limit}: {what}")),
            }
        }
    }
}

fn as_did(swap: &Swap) -> Did {
    Did::Swapped([swap.amount_in, swap.amount_out], swap.sqrt_price, swap.tick, swap.liquidity)
}

/// Slots of every word of the spacing and of every tick that may be initialised. A layout that does not put the price where
/// it is would list the wrong ones.
fn telling(machine: &Machine, pool: &Pool) -> BTreeSet<U256> {
    let layout = match pool.flavour() {
        Flavour::Uniswap => Layout::UNISWAP,
        Flavour::Pancake => Layout::PANCAKE,
        Flavour::Slipstream => Layout::SLIPSTREAM,
    };
    let first = machine.db().known_slot(pool.address(), layout.slot0);
    let price = first.map(|word| word & (U256::MAX >> 96));
    assert_eq!(price, Some(pool.sqrt_price_x96()), "{}: another layout", pool.address());
    let words = pool.ticks().grid().positions().map(|position| layout.word_slot(position));
    words.chain(pool.ticks().list().iter().map(|tick| layout.tick_slot(tick.tick))).collect()
}

/// Compares a pool both ways, in both worlds.
pub fn compare(machine: &mut Machine, pool: &Pool, seen: &mut Seen) {
    let [token0, token1] = [pool.tokens()[0], pool.tokens()[1]];
    seen.v3 += 1;
    let mut emptied = pool.clone();
    emptied.assume_empty = true;
    for world in [pool, &emptied] {
        for (token_in, token_out) in [(token0, token1), (token1, token0)] {
            let leg = world.leg(token_in, token_out).expect("its own tokens");
            let telling = telling(machine, world);
            let mut rig = Rig { bench: Bench::new(machine, world.tokens()), pool: world, leg, telling };
            rig.compare(true, seen);
            rig.compare(false, seen);
            rig.bench.clear();
        }
    }
}
