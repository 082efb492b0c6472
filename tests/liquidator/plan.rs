//! What a liquidation's path is, and what it then leaves here: by the market's quote and the pairs' published formula alone.

use alloy_primitives::{Address, Bytes, U256};
use peregrine::protocols::execution::{Hop, Steps};
use peregrine::protocols::executor::Bid;
use peregrine::protocols::executor::Run;
use peregrine::protocols::lending::aave;
use peregrine::protocols::lending::{Call, Lending, PlannedSale, Seizure};
use peregrine::protocols::morpho_blue;
use peregrine::types::amount::Wei;

/// The builder gets nothing.
pub const FREE: Bid = Bid::Wei(Wei(U256::ZERO));

/// A pair as a hop meets it: what goes in and what it has of that, what comes out and what it has of that.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub pool: Address,
    pub tokens: [Address; 2],
    pub reserves: [u128; 2],
}

impl Pair {
    pub fn pays(&self, amount_in: u128) -> u128 {
        let [into, out] = self.reserves.map(U256::from);
        let net = U256::from(amount_in) * U256::from(997);
        (net * out / (into * U256::from(1000) + net)).to()
    }

    /// What it pays so much for.
    pub fn costs(&self, amount_out: u128) -> u128 {
        let [into, out] = self.reserves.map(U256::from);
        let due = U256::from(amount_out);
        (into * due * U256::from(1000) / ((out - due) * U256::from(997)) + U256::ONE).to()
    }

    pub fn hop(&self, amount_out: u128) -> PairHop {
        let [token_in, token_out] = self.tokens;
        PairHop { first_in: token_in < token_out, pool: self.pool, token_in, amount_out }
    }

    /// As it stands when so much has gone in and come out.
    pub fn after(&self, amount_in: u128, amount_out: u128) -> Self {
        let [into, out] = self.reserves;
        Self { reserves: [into + amount_in, out - amount_out], ..*self }
    }
}

/// A swap of a pair.
#[derive(Clone, Copy, Debug)]
pub struct PairHop {
    pub first_in: bool,
    pub pool: Address,
    pub token_in: Address,
    pub amount_out: u128,
}

/// Whose words a path begins with.
#[derive(Clone, Copy, Debug)]
pub enum Lender {
    /// Its pool, of either version.
    Aave(Address),
    Morpho(Address, morpho_blue::Params),
}

/// What is asked of a market, and the most that it may take.
#[derive(Clone, Copy, Debug)]
pub struct Liquidation {
    pub lender: Lender,
    pub call: Call,
    pub repay: u128,
}

impl Liquidation {
    fn write(&self, amount_out: u128, steps: &mut Steps) {
        let sale = PlannedSale { call: self.call, repay: self.repay, amount_out };
        match self.lender {
            Lender::Aave(pool) => aave::write_step(pool, &sale, None, steps),
            Lender::Morpho(morpho, params) => morpho_blue::Market::new(morpho, params).write_step(&sale, steps),
        }
        .expect("there is such a call");
    }
}

/// A liquidation whose seizure pays `amount_in` into pairs, with what goes on before one of them.
pub fn steps(liquidation: &Liquidation, amount_in: u128, hops: &[PairHop], stop: Option<Stop>) -> Steps {
    let mut steps = Steps::default();
    steps.begin_with(liquidation.call.debt);
    liquidation.write(amount_in, &mut steps);
    for (index, PairHop { first_in, pool, token_in, amount_out }) in hops.iter().copied().enumerate() {
        if let Some(stop) = stop.filter(|stop| stop.before == index) {
            steps.stop(token_in, stop.amount_out);
        }
        steps.exact_out(Hop { pool: pool.into(), token_in, amount_out }, first_in);
    }
    steps
}

/// Where the profit token is kept, if that is between two pools.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    pub before: usize,
    pub amount_out: u128,
}

/// Which token the profit is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Debt,
    Collateral,
    /// The one between the last two pairs.
    Between,
}

/// A run, and what it earns.
#[derive(Clone, Debug)]
pub struct Plan {
    pub token: Address,
    pub liquidation: Liquidation,
    pub amount_in: u128,
    pub hops: Vec<PairHop>,
    pub stop: Option<Stop>,
    /// What is here of each token of the path afterwards that was not here before.
    pub gains: Vec<(Address, u128)>,
}

impl Plan {
    /// Of what is seized, `rest` is not sold.
    pub fn new(keep: Keep, liquidation: Liquidation, moved: &Seizure, route: &[Pair], rest: u128) -> Self {
        let [repaid, seized]: [u128; 2] = [moved.repaid, moved.seized].map(|units| units.to());
        let last = route.len() - 1;
        let (amount_in, goes_on) = match keep {
            Keep::Debt => (seized - rest, None),
            Keep::Between => (seized - rest, Some(route[last].costs(repaid))),
            Keep::Collateral => (route.iter().rev().fold(repaid, |due, pair| pair.costs(due)), None),
        };
        let mut gains = vec![(liquidation.call.collateral, seized - amount_in)];
        let (mut hops, mut amount) = (Vec::new(), amount_in);
        for (index, pair) in route.iter().enumerate() {
            if let Some(goes_on) = goes_on.filter(|_| index == last) {
                gains.push((pair.tokens[0], amount - goes_on));
                amount = goes_on;
            }
            let paid = pair.pays(amount);
            // What the last pair could pay above the debt it keeps, unless that is the profit.
            amount = if index == last && keep != Keep::Debt { repaid.min(paid) } else { paid };
            hops.push(pair.hop(amount));
        }
        gains.push((liquidation.call.debt, amount - repaid));
        let token = match keep {
            Keep::Debt => liquidation.call.debt,
            Keep::Collateral => liquidation.call.collateral,
            Keep::Between => route[last].tokens[0],
        };
        let stop = goes_on.map(|amount_out| Stop { before: last, amount_out });
        Self { token, liquidation, amount_in, hops, stop, gains }
    }

    /// What it earns.
    pub fn profit(&self) -> u128 {
        self.gains.iter().find(|(token, _)| *token == self.token).map_or(0, |(_, gain)| *gain)
    }

    /// The calldata, with a demand.
    pub fn encode(&self, block: u64, min_profit: u128, bid: Bid) -> Bytes {
        let Self { token, ref liquidation, amount_in, ref hops, stop, .. } = *self;
        let steps = &steps(liquidation, amount_in, hops, stop);
        Run { block, token, min_profit, bid, amount_in: liquidation.repay, steps }.encode().expect("fits")
    }
}
