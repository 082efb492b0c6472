//! How a rival sees the pools, and what it thinks a cycle earns: a pair's curve for every pool, a V3 pool taken for one
//! with the reserves that its liquidity stands for just now.
//!
//! # Limits
//! Floats choose the cycle and the input. What is then earned is asked of the pools' own code.

use std::collections::HashMap;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use peregrine_protocols::math::wide;
use serde::Deserialize;

use crate::Devnet;
use crate::abi;
use crate::seed::Pool;
use crate::seed::Venue;

/// How a pool stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Curve {
    /// What a pair holds.
    Pair([U256; 2]),
    /// Price (its root, times 2^96) and liquidity in force.
    Range(U256, U256),
}

impl Curve {
    /// What it holds of both tokens, or would, were its liquidity everywhere.
    fn reserves(&self) -> [f64; 2] {
        match self {
            Self::Pair(reserves) => reserves.map(wide::to_f64),
            Self::Range(price, liquidity) => {
                let root = wide::to_f64(*price) / 2f64.powi(96);
                let liquidity = wide::to_f64(*liquidity);
                [liquidity / root, liquidity * root]
            }
        }
    }
}

/// A log of a simulation.
#[derive(Debug, Deserialize)]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
}

/// One hop: a pool, and which way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) pool: usize,
    pub(super) zero_for_one: bool,
}

/// A cycle that might earn.
#[derive(Clone, Debug)]
pub(super) struct Idea {
    pub(super) steps: Vec<Step>,
    pub(super) amount_in: u128,
}

/// Pools that a transaction has moved, and where to.
pub(super) type Moved = HashMap<usize, Curve>;

/// All pools at the head, and the cycles through them that begin and end with WETH.
pub(super) struct Market {
    pub(super) pools: Vec<Pool>,
    pub(super) tokens: Vec<Address>,
    curves: Vec<Option<Curve>>,
    places: HashMap<Address, usize>,
    cycles: Vec<Vec<Step>>,
    /// The cycles through each pool.
    through: Vec<Vec<usize>>,
}

impl Market {
    pub(super) fn new(devnet: &Devnet, hops: usize) -> Self {
        let pools = devnet.pools.clone();
        let cycles: Vec<Vec<Step>> = (2..=hops).flat_map(|hops| cycles(&pools, hops)).collect();
        let mut through = vec![Vec::new(); pools.len()];
        for (place, cycle) in cycles.iter().enumerate() {
            cycle.iter().for_each(|step| through[step.pool].push(place));
        }
        Self {
            tokens: devnet.tokens.iter().map(|token| token.address).collect(),
            curves: vec![None; pools.len()],
            places: pools.iter().enumerate().map(|(place, pool)| (pool.address, place)).collect(),
            pools,
            cycles,
            through,
        }
    }

    /// What to ask to know how every pool stands: two calls a pool.
    pub(super) fn questions(&self) -> Vec<(Address, Bytes)> {
        let ask = |pool: &Pool| {
            let data = match pool.venue {
                Venue::UniswapV3 => [abi::slot0Call {}.abi_encode(), abi::liquidityCall {}.abi_encode()],
                Venue::UniswapV2 | Venue::Sushi => [(); 2].map(|()| abi::getReservesCall {}.abi_encode()),
            };
            data.map(|data| (pool.address, data.into()))
        };
        self.pools.iter().flat_map(ask).collect()
    }

    /// Takes the answers.
    pub(super) fn learn(&mut self, answers: &[Bytes]) {
        for ((pool, curve), answers) in self.pools.iter().zip(&mut self.curves).zip(answers.chunks(2)) {
            let word = |answer: usize, place: usize| {
                let bytes = answers.get(answer)?.get(32 * place..32 * place + 32)?;
                Some(U256::from_be_slice(bytes)).filter(|word| !word.is_zero())
            };
            *curve = match pool.venue {
                Venue::UniswapV3 => word(0, 0).zip(word(1, 0)).map(|(price, liquidity)| Curve::Range(price, liquidity)),
                Venue::UniswapV2 | Venue::Sushi => word(0, 0).zip(word(0, 1)).map(|(a, b)| Curve::Pair([a, b])),
            };
        }
    }

    /// Where swaps have moved which pools; the last word on each holds.
    pub(super) fn moved(&self, logs: &[Log]) -> Moved {
        let mut moved = Moved::new();
        for log in logs {
            let Some(place) = self.places.get(&log.address) else { continue };
            let (topic, data) = (log.topics.first().copied().unwrap_or_default(), &log.data);
            if topic == abi::Sync::SIGNATURE_HASH
                && let Ok(sync) = abi::Sync::abi_decode_data(data)
            {
                moved.insert(*place, Curve::Pair([U256::from(sync.0), U256::from(sync.1)]));
            } else if topic == abi::Swap::SIGNATURE_HASH
                && let Ok((_, _, price, liquidity, _)) = abi::Swap::abi_decode_data(data)
            {
                moved.insert(*place, Curve::Range(U256::from(price), U256::from(liquidity)));
            }
        }
        moved
    }

    pub(super) fn curve(&self, moved: &Moved, pool: usize) -> Option<Curve> {
        moved.get(&pool).copied().or(self.curves.get(pool).copied().flatten())
    }

    /// The cycle through a moved pool that seems to earn most.
    pub(super) fn best(&self, moved: &Moved) -> Option<Idea> {
        let mut best = (0.0, None);
        for cycle in moved.keys().flat_map(|pool| &self.through[*pool]) {
            let steps = &self.cycles[*cycle];
            let Some((amount_in, profit)) = self.estimate(steps, moved) else { continue };
            if profit > best.0 {
                best = (profit, Some(Idea { steps: steps.clone(), amount_in: amount_in as u128 }));
            }
        }
        best.1
    }

    /// Whether what there is to earn is mostly the target's making.
    pub(super) fn made(&self, idea: &Idea, moved: &Moved) -> bool {
        let earns = |moved| self.estimate(&idea.steps, moved).map_or(0.0, |(_, profit)| profit);
        earns(&Moved::new()) < earns(moved) / 2.0
    }

    /// The best input of a cycle and what it earns, in floats; `None` when none does. A hop gives `y g a / (x + g a)` for
    /// `a`, where `g` is what the fee leaves; hops one after the other are of the form `A a / (B + C a)` again.
    fn estimate(&self, steps: &[Step], moved: &Moved) -> Option<(f64, f64)> {
        let (mut a, mut b, mut c) = (1.0, 1.0, 0.0);
        for step in steps {
            let reserves = self.curve(moved, step.pool)?.reserves();
            let [x, y] = if step.zero_for_one { reserves } else { [reserves[1], reserves[0]] };
            let left = 1.0 - f64::from(self.pools[step.pool].fee_pips) / 1e6;
            (a, b, c) = (y * left * a, x * b, x * c + left * a);
        }
        let amount = ((a * b).sqrt() - b) / c;
        let profit = a * amount / (b + c * amount) - amount;
        (amount.is_finite() && amount > 0.0 && profit > 0.0).then_some((amount, profit))
    }
}

/// Cycles of so many hops from the first token (WETH) back to it, no pool and no token twice.
fn cycles(pools: &[Pool], hops: usize) -> Vec<Vec<Step>> {
    // Each open path, and the tokens it has been at.
    let mut open: Vec<(Vec<Step>, Vec<usize>)> = vec![(Vec::new(), vec![0])];
    for hop in 1..=hops {
        let mut longer = Vec::new();
        for (path, seen) in &open {
            longer.extend(routes(pools, path, seen, hop == hops));
        }
        open = longer;
    }
    open.into_iter().map(|(path, _)| path).collect()
}

fn routes<'a>(
    pools: &'a [Pool],
    path: &'a [Step],
    seen: &'a [usize],
    last: bool,
) -> impl Iterator<Item = (Vec<Step>, Vec<usize>)> + 'a {
    let at = seen.last().copied().unwrap_or_default();
    pools.iter().enumerate().filter_map(move |(place, pool)| {
        let zero_for_one = pool.tokens[0] == at;
        if !pool.tokens.contains(&at) || path.iter().any(|step| step.pool == place) {
            return None;
        }
        let next = pool.tokens[usize::from(zero_for_one)];
        let fits = if last { next == 0 } else { !seen.contains(&next) };
        let step = Step { pool: place, zero_for_one };
        fits.then(|| ([path, &[step]].concat(), [seen, &[next]].concat()))
    })
}

/// What a pair gives, by its own rule: 0.3 % stays.
pub(super) fn pair_out(reserves: [U256; 2], zero_for_one: bool, amount: U256) -> Option<U256> {
    let [x, y] = if zero_for_one { reserves } else { [reserves[1], reserves[0]] };
    let paid = amount.checked_mul(U256::from(997))?;
    paid.checked_mul(y)?.checked_div(x.checked_mul(U256::from(1_000))?.checked_add(paid)?)
}
