//! What a pending transaction will do to pools, by exact maths and no interpreter: a known router's calldata over the table.
//!
//! # Invariants
//! - A yes is the state the pools stand in after the transaction, if it succeeds and its tokens are plain. The EVM runs
//!   right behind it and is the judge; [`Forecaster::judge`] holds the one against the other, pool by pool.
//! - Nothing is resolved through a pool, in a direction, in which the EVM has not agreed before ([`confidence`]).
//! - What the EVM will need of whoever pays and is paid, and maths does not, may be unknown: [`Forecaster::knows_funds`] says. What
//!   is signed on the swap of a stranger would be withdrawn.
//! - The table does not change; what moved stands in an overlay of the forecaster's own.
//!
//! # Limits
//! Not seen: whether the sender holds and has approved what he spends, and what a token's code does on the side. Where that
//! matters the transaction fails in the EVM, or the pools differ there, and what was built on it is withdrawn.
//!
//! # Cost
//! A look-up a token and one a hop, a copy of each pool that moves, its exact swap. Nothing allocates once warm, and nothing
//! is hashed but for look-ups.

pub mod confidence;
pub mod config;
mod pool_index;
pub mod route;
mod sender_funds;
mod why;

pub use route::Forecast;
pub use route::Routes;
pub use why::Why;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use revm::context::TxEnv;

use crate::chain::Contracts;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::whatif::Touched;
use crate::hot::forecast::confidence::Confidence;
use crate::hot::forecast::pool_index::PoolIndex;
use crate::hot::forecast::sender_funds::SenderFunds;
use crate::hot::state::pools::EdgeId;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::Overlaid;
use crate::hot::state::view::Overlay;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Asked;
use crate::protocols::amm::Exact;
use crate::protocols::amm::Leg;
use crate::protocols::calldata;
use crate::protocols::calldata::Amount;
use crate::protocols::calldata::Call;
use crate::protocols::calldata::Plan;
use crate::protocols::calldata::Trade;
use crate::types::id::PoolId;

/// What is asked of the ledger of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinConfidence {
    /// Only what the EVM has agreed with before: for decisions.
    Proven,
    /// Nothing: to see whether the EVM will agree, which it is asked either way.
    Blind,
}

/// A hop, found in the table.
#[derive(Clone, Copy, Debug)]
struct ResolvedHop {
    pool: PoolId,
    edge: EdgeId,
    leg: Leg,
}

/// Resolves transactions. One a thread; its ledger is part of the engine's state.
#[derive(Debug)]
pub struct Forecaster {
    /// Whose calldata is read on this chain.
    contracts: Contracts,
    pool_index: PoolIndex,
    confidence: Confidence,
    funds: SenderFunds,
    plan: Plan,
    overlay: Overlay<AnyPool>,
    moved: Vec<PoolId>,
    /// All hops of the transaction.
    hops: Vec<ResolvedHop>,
    /// What came to the router on the way, by token.
    held: Vec<(Address, U256)>,
    /// Of the last transaction: place of its router, hash of the code there.
    router: Option<(usize, B256)>,
    /// Transactions on which maths and EVM agreed, and did not.
    judged: (u64, u64),
}

impl Forecaster {
    /// Knows no pool yet, and trusts nobody.
    #[must_use]
    pub fn new(contracts: Contracts) -> Self {
        Self {
            contracts,
            pool_index: PoolIndex::default(),
            confidence: Confidence::of(contracts.routers.len()),
            funds: SenderFunds::new(contracts),
            plan: Plan::default(),
            overlay: Overlay::default(),
            moved: Vec::new(),
            hops: Vec::new(),
            held: Vec::new(),
            router: None,
            judged: (0, 0),
        }
    }

    /// Takes in the pools added to the table since the last call. Cold: allocates, hashes.
    pub fn extend(&mut self, pools: &Pools<AnyPool>) {
        self.pool_index.extend(pools, &self.contracts);
        // Flat lists by edge have a place each, and one for no edge.
        self.confidence.extend(pools.margins().rates().len());
    }

    /// Resolves `tx` over `pools`, as the block of `machine` would run it next.
    ///
    /// # Errors
    /// It is for the EVM to say what it does, and why.
    pub fn forecast(
        &mut self,
        machine: &Machine,
        pools: &Pools<AnyPool>,
        tx: &TxEnv,
        required: MinConfidence,
    ) -> Result<(), Why> {
        self.clear();
        let TxKind::Call(to) = tx.kind else { return Err(Why::NoRouter) };
        let Contracts { routers, wrapped_native, .. } = self.contracts;
        let place = routers.iter().position(|row| row.address == to).ok_or(Why::NoRouter)?;
        let router = &routers[place];
        let code = machine.db().known_account(to).map_or(B256::ZERO, |account| account.code_hash);
        let call = Call { from: tx.caller, wrapped_native, value: tx.value, data: &tx.data };
        calldata::decode(router, &call, &mut self.plan)?;
        self.router = Some((place, code));
        self.funds.note(pools, &self.plan, tx, to);
        if self.plan.trades().is_empty() {
            return Err(Why::NoTrade);
        }
        if required == MinConfidence::Proven && self.confidence.is_barred(place, self.plan.shape()) {
            return Err(Why::Barred);
        }
        if required == MinConfidence::Proven && !self.confidence.knows(place, code) {
            return Err(Why::Code);
        }
        self.terms(machine, tx)?;
        let mut run = Run { pools, pool_index: &self.pool_index, overlay: &mut self.overlay, hops: &mut self.hops };
        for trade in self.plan.trades() {
            let first = run.hops.len();
            run.find(&self.plan, trade)?;
            let confidence = &self.confidence;
            if required == MinConfidence::Proven && !run.hops[first..].iter().all(|hop| confidence.is_plain(hop.edge)) {
                return Err(Why::Unproven);
            }
            let (token, got) = run.make(trade, first)?;
            if trade.recipient == to {
                self.held.push((token, got));
            } else if pools.find(trade.recipient).is_some() {
                return Err(Why::PaysPool);
            }
        }
        self.floors()?;
        self.moved.extend(self.hops.iter().map(|hop| hop.pool));
        self.moved.sort_unstable();
        self.moved.dedup();
        Ok(())
    }

    fn clear(&mut self) {
        self.overlay.clear();
        self.moved.clear();
        self.hops.clear();
        self.held.clear();
        self.funds.clear();
        self.router = None;
    }

    /// What can be checked of a transaction without running it.
    fn terms(&self, machine: &Machine, tx: &TxEnv) -> Result<(), Why> {
        let (db, block) = (machine.db(), machine.block());
        let sender = db.known_account(tx.caller).ok_or(Why::Sender)?;
        if sender.nonce != tx.nonce {
            return Err(Why::Nonce);
        }
        if tx.gas_price < u128::from(block.basefee) || !tx.blob_hashes.is_empty() || !tx.authorization_list.is_empty() {
            return Err(Why::Terms);
        }
        let fees = U256::from(tx.gas_limit).saturating_mul(U256::from(tx.gas_price));
        if fees.saturating_add(tx.value) > sender.balance {
            return Err(Why::Funds);
        }
        let hops = self.plan.trades().iter().map(|trade| trade.hops as u64).sum::<u64>();
        if tx.gas_limit < GAS + GAS_A_HOP * hops {
            return Err(Why::Gas);
        }
        if self.plan.deadline().is_some_and(|due| due < block.timestamp) {
            return Err(Why::Deadline);
        }
        Ok(())
    }

    fn floors(&self) -> Result<(), Why> {
        for floor in self.plan.floors() {
            let mine = self.held.iter().filter(|(token, _)| *token == floor.token);
            let sum = mine.fold(U256::ZERO, |sum, (_, amount)| sum.saturating_add(*amount));
            let kept = sum.saturating_mul(U256::from(10_000u64.saturating_sub(floor.less_bps))) / U256::from(10_000u64);
            if kept < floor.least {
                return Err(Why::Limit);
            }
        }
        Ok(())
    }

    /// The pools as the last resolved transaction leaves them, and those that it moves, in order.
    pub fn over<'a>(&'a mut self, pools: &'a Pools<AnyPool>) -> (Overlaid<'a, AnyPool>, &'a [PoolId]) {
        (self.overlay.over(pools), &self.moved)
    }

    /// A pool as the last resolved transaction leaves it.
    #[must_use]
    pub fn pool<'a>(&'a self, pools: &'a Pools<AnyPool>, id: PoolId) -> &'a AnyPool {
        self.overlay.pool(pools, id)
    }

    /// The pools that the last resolved transaction touches, as it leaves them.
    pub fn entries(&self) -> impl Iterator<Item = (PoolId, &AnyPool)> {
        self.overlay.entries()
    }

    /// Pools that the last resolved transaction moves, in order.
    #[must_use]
    pub fn moved(&self) -> &[PoolId] {
        &self.moved
    }

    /// Holds the last resolved transaction against the EVM's run of it: the first pool that stands elsewhere, if any.
    #[must_use]
    pub fn judge(&self, pools: &Pools<AnyPool>, touched: &Touched, ran: &Overlay<AnyPool>) -> Option<PoolId> {
        // What only estimates has moved with them, and is no work of maths.
        let is_asked = |id: PoolId| ran.pool(pools, id).asked() != Asked::Never;
        let differs = |id: &PoolId| !is_asked(*id) && !self.pool(pools, *id).agrees(ran.pool(pools, *id));
        let all = self.overlay.touched().iter().chain(ran.touched());
        touched.broken.first().copied().or_else(|| all.copied().find(differs))
    }

    /// What the EVM will need of those who pay and are paid by the last transaction that was read is known, as far as can be
    /// seen.
    #[must_use]
    pub fn knows_funds(&self, machine: &Machine) -> bool {
        self.funds.are_known(machine.db())
    }

    /// The EVM has been asked about them: it `ended`, or what it missed is fetched.
    pub fn meet(&mut self, machine: &Machine, ended: bool) {
        self.funds.meet(machine.db(), ended);
    }

    /// The EVM agreed with the last resolved transaction, whose router ran: what it went through is proven so far.
    pub fn believe(&mut self) {
        self.judged.0 += 1;
        for hop in &self.hops {
            self.confidence.agreed(hop.edge);
        }
        if let Some((place, code)) = self.router {
            self.confidence.learn(place, code);
        }
    }

    /// The EVM did not agree: what it went through is not proven any more.
    pub fn doubt(&mut self) {
        self.judged.1 += 1;
        for hop in &self.hops {
            self.confidence.differed(hop.edge);
        }
    }

    /// Something was built on the last resolved transaction, and the EVM did not agree: calldata of its shape goes to the
    /// EVM from now on.
    pub fn bar(&mut self) {
        self.doubt();
        if let Some((place, _)) = self.router {
            self.confidence.bar(place, self.plan.shape());
        }
    }

    /// Transactions that were resolved and then run: on how many the EVM agreed, and on how many it did not.
    #[must_use]
    pub const fn judged(&self) -> (u64, u64) {
        self.judged
    }

    /// What is believed of which contract.
    #[must_use]
    pub const fn confidence(&self) -> &Confidence {
        &self.confidence
    }
}

/// Gas that a router's swap needs besides its hops, and with each: the least seen of the real ones between plain tokens.
/// With less the transaction may well run out of it, and the EVM is asked.
const GAS: u64 = 50_000;
const GAS_A_HOP: u64 = 50_000;

/// One transaction on its way over the table.
struct Run<'a> {
    pools: &'a Pools<AnyPool>,
    pool_index: &'a PoolIndex,
    overlay: &'a mut Overlay<AnyPool>,
    hops: &'a mut Vec<ResolvedHop>,
}

impl Run<'_> {
    /// Finds a trade's pools, each once.
    fn find(&mut self, plan: &Plan, trade: &Trade) -> Result<(), Why> {
        let first = self.hops.len();
        for hop in plan.hops(trade) {
            let (pool, leg) = self.pool_index.find(self.pools, hop)?;
            if self.pools.is_quarantined(pool) {
                return Err(Why::NoPool);
            }
            // Amounts are forecast hop by hop, and some routers forecast all of them ahead.
            if self.hops[first..].iter().any(|hop| hop.pool == pool) {
                return Err(Why::Repeats);
            }
            let edge = self.pools.edges_of(pool).find(|edge| self.pools.edge(*edge).leg == leg).ok_or(Why::NoPool)?;
            let last = self.hops[first..].last().map(|hop| self.pools.edge(hop.edge).token_out);
            if last.is_some_and(|token| token != self.pools.edge(edge).token_in) {
                return Err(Why::Broken);
            }
            self.hops.push(ResolvedHop { pool, edge, leg });
        }
        Ok(())
    }

    /// Makes a trade over the pools found for it; says what came out at the end.
    fn make(&mut self, trade: &Trade, first: usize) -> Result<(Address, U256), Why> {
        let hops = &self.hops[first..];
        let (got, within) = match trade.amount {
            Amount::In(amount) => {
                let out = forward(self.overlay, self.pools, hops, amount, trade.price_limit)?;
                (out, out >= trade.limit)
            }
            Amount::Out(amount) => {
                let through = |amount, hop: &ResolvedHop| {
                    let swap = |pool: &mut AnyPool| pool.trade(hop.leg, Exact::Out(amount), trade.price_limit);
                    Ok::<_, Why>(self.overlay.edit(self.pools, hop.pool, swap)?.amount_in)
                };
                let paid = hops.iter().rev().try_fold(amount, through)?;
                (amount, paid <= trade.limit)
            }
            Amount::AtLeast(amount) => {
                let through = |amount, hop: &ResolvedHop| self.overlay.pool(self.pools, hop.pool).asks(hop.leg, amount);
                let paid = hops.iter().rev().try_fold(amount, through)?;
                let out = forward(self.overlay, self.pools, hops, paid, None)?;
                (out, paid <= trade.limit)
            }
        };
        let last = hops.last().ok_or(Why::NoPool)?;
        if within { Ok((self.pools.token(self.pools.edge(last.edge).token_out), got)) } else { Err(Why::Limit) }
    }
}

/// Makes every hop with what the one before it gave.
fn forward(
    overlay: &mut Overlay<AnyPool>,
    pools: &Pools<AnyPool>,
    hops: &[ResolvedHop],
    amount: U256,
    price_limit: Option<U256>,
) -> Result<U256, Why> {
    let through = |amount, hop: &ResolvedHop| {
        let swap = |pool: &mut AnyPool| pool.trade(hop.leg, Exact::In(amount), price_limit);
        Ok(overlay.edit(pools, hop.pool, swap)?.amount_out)
    };
    hops.iter().try_fold(amount, through)
}
