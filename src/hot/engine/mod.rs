//! The whole pipeline on one screen: event in, outcome out. The engine has no clock and no socket.
//!
//! # Invariants
//! - The same events on the same state give the same outcomes.
//! - Its caller may call a search off ([`Engine::on_event_while`]). Such an event has its effect on the state and
//!   decides nothing: the engine stands as if it had been called off before it began, so that a replay can do the same.
//! - A pending transaction changes nothing until it is included: its diff lies over the state, its pools over the table.

pub mod choice;
pub mod fast_path;
mod past;
pub mod plan;
mod sampling;
pub mod tip;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use alloy_primitives::U256;
use revm::context::TxEnv;

use crate::hot::engine::fast_path::Ahead;
use crate::hot::engine::fast_path::Verdict;
use crate::hot::engine::sampling::AskedPool;
use crate::hot::engine::tip::Tip;
use crate::hot::event::Event;
use crate::hot::event::Outcome;
use crate::hot::event::Trigger;
use crate::hot::evm::machine::ExecuteError;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::whatif::Touched;
use crate::hot::forecast::Forecaster;
use crate::hot::forecast::Routes;
use crate::hot::lending::markets::Markets;
use crate::hot::opportunity::Opportunity;
use crate::hot::refused::Refused;
use crate::hot::search::Search;
use crate::hot::simulate::Proven;
use crate::hot::simulate::Prover;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::Overlay;
use crate::hot::strategy::Context;
use crate::hot::strategy::On;
use crate::hot::strategy::Registered;
use crate::hot::strategy::Strategy;
use crate::metrics::span::Span;
use crate::protocols::AnyPool;
use crate::protocols::amm::{Amm, Asked};
use crate::protocols::executor::Bid;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::amount::Wei;
use crate::types::id::PoolId;
use crate::types::update::BlockUpdate;
use crate::types::update::FetchedState;
use crate::types::update::StateKey;

/// State, strategies and proof behind one door.
pub struct Engine<S = Registered> {
    machine: Machine,
    pools: Pools<AnyPool>,
    overlay: Overlay<AnyPool>,
    touched: Touched,
    markets: Markets,
    /// State that the markets need and that is not known.
    unread: Vec<StateKey>,
    /// Pools that quote by what their contract answers.
    asked: Vec<AskedPool>,
    /// State that those need which the last pending transaction moved, and that is not known.
    unsampled: Vec<StateKey>,
    search: Search,
    strategies: S,
    /// Found by maths behind the last pending transaction, best first. A buffer, used again.
    foreseen: Vec<Opportunity>,
    prover: Prover,
    min_profit: Wei,
    /// Proofs an event, of each strategy: what is behind them is worth less, and is left.
    proofs: usize,
    /// The base state is searched, too.
    base: bool,
    /// Where the chain stands. A replay of one block has none.
    tip: Option<Tip>,
    /// The last event was a pending transaction that ran: what it left may be included.
    includable: bool,
    /// Resolves pending transactions before they are run; what proofs have shown routes to cost.
    forecaster: Option<Forecaster>,
    routes: Routes,
}

impl Engine {
    /// An engine over a machine's state and the pools found in it, that runs the registered strategies.
    #[must_use]
    pub fn new(machine: Machine, pools: Pools<AnyPool>, search: Search, prover: Prover, min_profit: Wei) -> Self {
        Self::running(Registered::default(), (machine, pools), search, prover, min_profit)
    }
}

impl<S: Strategy> Engine<S> {
    /// One that runs these: for a strategy that is being tried, beside the registered ones or without them.
    #[must_use]
    pub fn running(
        strategies: S,
        (machine, pools): (Machine, Pools<AnyPool>),
        search: Search,
        prover: Prover,
        min_profit: Wei,
    ) -> Self {
        let is_asked = |id: &PoolId| pools.pool(*id).asked() != Asked::Never;
        let asked = (0..pools.len()).map(PoolId::new).filter(is_asked).map(AskedPool::of).collect();
        Self {
            machine,
            pools,
            asked,
            unsampled: Vec::new(),
            overlay: Overlay::default(),
            touched: Touched::default(),
            markets: Markets::default(),
            unread: Vec::new(),
            search,
            strategies,
            foreseen: Vec::new(),
            prover,
            min_profit,
            proofs: usize::MAX,
            base: true,
            tip: None,
            includable: false,
            forecaster: None,
            routes: Routes::default(),
        }
    }

    /// Each strategy proves so many opportunities an event, best first, and leaves the rest. An engine that follows the chain,
    /// and so knows what gas costs, leaves those as well that cannot be better than one that is proven. Without it all are proven.
    #[must_use]
    pub const fn proving_at_most(mut self, proofs: usize) -> Self {
        self.proofs = proofs;
        self
    }

    /// Whether the base state is searched, too, or only what stands behind pending transactions.
    #[must_use]
    pub const fn with_base(mut self, base: bool) -> Self {
        self.base = base;
        self
    }

    /// Follows the chain from `tip`, behind which the state stands.
    #[must_use]
    pub fn following(mut self, tip: Tip) -> Self {
        tip.enter(&mut self.machine);
        self.tip = Some(tip);
        self.read_nonce();
        self
    }

    /// Follows lending markets, too.
    #[must_use]
    pub fn lending(mut self, seeds: &[MarketSpec]) -> Self {
        self.markets = Markets::new(seeds, &mut self.machine, &mut self.unread);
        self
    }

    /// The lending markets, as they stand.
    #[must_use]
    pub const fn markets(&self) -> &Markets {
        &self.markets
    }

    /// The pipeline.
    pub fn on_event(&mut self, event: Event) -> Outcome {
        self.on_event_while(event, &|_| true)
    }

    /// The pipeline, as long as `newest` says that the block of this number is still the newest heard of: asked at every
    /// batch of the search and before every proof. An engine without a tip does not ask.
    pub fn on_event_while(&mut self, event: Event, newest: &dyn Fn(u64) -> bool) -> Outcome {
        match event {
            Event::Block(update) => self.block(&update, newest),
            Event::Undo(to) => self.undo(to),
            Event::FetchedState(fetched) => self.fetched(&fetched),
            Event::Pool(at, pool) => self.pool(at, *pool),
            Event::Market(at, seed) => self.market(at, &seed),
            Event::Head => {
                self.forget_pending();
                self.sample_base(false);
                self.base(newest)
            }
            Event::Pending(tx) => self.pending_while(*tx, newest),
            Event::Included => self.included(),
        }
    }

    /// [`Event::Pending`], without a box around it: a hot thread looks at twenty a second and more.
    pub fn pending_while(&mut self, tx: TxEnv, newest: &dyn Fn(u64) -> bool) -> Outcome {
        self.forget_pending();
        self.pending(tx, None, newest).0
    }

    /// What is to be done in the base state.
    fn base(&mut self, newest: &dyn Fn(u64) -> bool) -> Outcome {
        if !self.base {
            // The thread that searches the base asks for the same.
            self.unread.clear();
            return Outcome::default();
        }
        let mut outcome = self.look(On::Base, false, newest);
        let (strategies, mut context) = self.context(On::Base, false, &|| true);
        // What does not pay its gas is proven block after block, and is not sent.
        let is_urgent = outcome.cancelled || outcome.proven.iter().any(|proof| context.is_better(None, proof));
        if !is_urgent {
            strategies.idle(&mut context);
            outcome.add_missing(self.prover.missed());
        }
        outcome.add_missing(&self.unread);
        self.unread.clear();
        outcome
    }

    /// Lets the strategies look that the event concerns. `markets_moved`: it has moved a lending market.
    fn look(&mut self, on: On, markets_moved: bool, newest: &dyn Fn(u64) -> bool) -> Outcome {
        let number = self.tip.as_ref().map(|tip| tip.head().number);
        // Once called off it stays so, whatever is heard next: what is decided then must not rest on a part of the search.
        let off = Cell::new(false);
        let go_on = || {
            off.set(off.get() || !number.is_none_or(newest));
            !off.get()
        };
        self.prover.begin(on == On::Base);
        let (strategies, mut context) = self.context(on, markets_moved, &go_on);
        if !strategies.is_concerned(&context) {
            return Outcome::refused(Refused::NoPool);
        }
        let mut outcome = Outcome::default();
        strategies.look(&mut context, &mut outcome);
        if outcome.cancelled {
            self.prover.take_back();
            return Outcome { cancelled: true, spent: outcome.spent, ..Outcome::default() };
        }
        self.remember(on != On::Base, &outcome.proven);
        outcome.add_missing(self.prover.missed());
        if on != On::Base {
            outcome.add_missing(&self.unsampled);
        }
        outcome
    }

    /// The strategies, and what they work on.
    fn context<'a>(&'a mut self, on: On, markets_moved: bool, go_on: &'a dyn Fn() -> bool) -> (&'a mut S, Context<'a>) {
        let context = Context {
            on,
            machine: &mut self.machine,
            pools: &self.pools,
            overlay: &mut self.overlay,
            touched: &mut self.touched,
            markets: &mut self.markets,
            markets_moved,
            search: &mut self.search,
            prover: &mut self.prover,
            forecaster: self.forecaster.as_mut(),
            foreseen: &mut self.foreseen,
            price: self.tip.as_ref().map(|tip| tip.parent().next_base_fee()),
            min_profit: self.min_profit,
            proofs: self.proofs,
            go_on,
        };
        (&mut self.strategies, context)
    }

    /// What proofs cost, by route.
    fn remember(&mut self, behind: bool, proven: &[Proven]) {
        if self.forecaster.is_none() {
            return;
        }
        let held = self.held();
        for proof in proven {
            match behind {
                true => self.routes.learn(|id| self.overlay.pool(&self.pools, id), proof, held),
                false => self.routes.learn(|id| self.pools.pool(id), proof, held),
            }
        }
    }

    /// Takes off what the last pending transaction laid over the base. It may never be included.
    fn forget_pending(&mut self) {
        self.machine.drop_overlay();
        self.markets.revert();
        self.overlay.clear();
        self.touched.clear();
        self.includable = false;
    }

    fn block(&mut self, update: &Arc<BlockUpdate>, newest: &dyn Fn(u64) -> bool) -> Outcome {
        self.forget_pending();
        let mut span = Span::start();
        let mut broken = Vec::new();
        let Some(tip) = &mut self.tip else { return Outcome::default() };
        if let Err(desync) = tip.grow(&mut self.machine, &mut self.pools, update, &mut broken) {
            return Outcome { desync: Some(desync), ..Outcome::default() };
        }
        self.read_nonce();
        self.markets.grow(update, &mut self.machine, &mut self.unread);
        self.sample_base(true);
        let apply = span.lap();
        let mut outcome = self.base(newest);
        outcome.spent.execute += apply;
        outcome.broken = broken;
        outcome
    }

    fn undo(&mut self, to: B256) -> Outcome {
        self.forget_pending();
        let Some(tip) = &mut self.tip else { return Outcome::default() };
        let mut broken = Vec::new();
        let undone = tip.above(to);
        let desync = tip.undo(&mut self.machine, &mut self.pools, to, &mut broken).err();
        let accounts = undone.iter().flat_map(|update| &update.accounts);
        let down_to = tip.head().number;
        self.markets.rewind((accounts, down_to), &mut self.machine, &mut self.unread);
        self.doubt_asked();
        self.read_nonce();
        Outcome { desync, broken, ..Outcome::default() }
    }

    fn fetched(&mut self, fetched: &Arc<FetchedState>) -> Outcome {
        self.forget_pending();
        if let Some(tip) = self.tip.as_mut().filter(|tip| tip.head().hash == fetched.at) {
            tip.learnt(self.machine.db_mut().tell(fetched));
            self.markets.fetched(&fetched.accounts, &mut self.machine, &mut self.unread);
            self.sample_base(false);
        }
        self.read_nonce();
        Outcome::default()
    }

    fn pool(&mut self, at: B256, pool: AnyPool) -> Outcome {
        self.forget_pending();
        if !self.stands_at(at) {
            return Outcome::default();
        }
        let id = match self.pools.find(pool.key()) {
            // Its edges are those of other tokens: there is no place for it, and what stands there is not what it is any more.
            Some(id) if self.pools.pool(id).tokens() != pool.tokens() => {
                self.pools.quarantine(id, true);
                None
            }
            Some(id) => {
                self.pools.replace(id, pool);
                self.pools.quarantine(id, false);
                Some(id)
            }
            // Not a pool that can be added (a token twice): nothing to search in.
            None => self.pools.add(pool).ok(),
        };
        self.search.extend(&self.pools);
        if let Some(forecaster) = &mut self.forecaster {
            forecaster.extend(&self.pools);
        }
        if let Some(id) = id {
            self.note_asked(id);
        }
        if let (Some(id), Some(tip)) = (id, &mut self.tip) {
            tip.fetched(id);
        }
        Outcome::default()
    }

    fn market(&mut self, at: B256, seed: &MarketSpec) -> Outcome {
        self.forget_pending();
        if let Some(tip) = self.tip.as_ref().filter(|tip| tip.head().hash == at) {
            self.markets.open(seed, tip.head().number, &mut self.machine, &mut self.unread);
        }
        Outcome::default()
    }

    fn stands_at(&self, hash: B256) -> bool {
        self.tip.as_ref().is_some_and(|tip| tip.head().hash == hash)
    }

    /// Proves what the last event gave once more, with the bid that it is to be signed with.
    pub fn prove_again(&mut self, opportunity: &Opportunity, bid: Wei) -> Result<Proven, Refused> {
        self.prover.prove_bidding(&mut self.machine, &self.pools, opportunity, Bid::Wei(bid))
    }

    /// What proofs since the last event read and the state does not know.
    #[must_use]
    pub fn missed(&self) -> &[StateKey] {
        self.prover.missed()
    }

    /// Ether that the executor holds behind the last event. A bid up to it is paid out of it, a higher one by unwrapping.
    #[must_use]
    pub fn held(&self) -> Wei {
        let of = self.prover.own().executor;
        Wei(self.machine.db().known_account(of).map_or(U256::ZERO, |info| info.balance))
    }

    /// Where the chain stands, for an engine that follows it.
    #[must_use]
    pub fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    /// The owner's next nonce, as the base has it.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.machine.db().known_account(self.prover.own().owner).map_or(0, |info| info.nonce)
    }

    fn read_nonce(&mut self) {
        let nonce = self.nonce();
        self.prover.set_nonce(nonce);
    }

    /// Runs a pending transaction and searches behind it. `ahead`: it has been resolved and searched behind by maths, and what
    /// was promised is to be judged; `Ok` when its proof is the outcome's.
    fn pending(
        &mut self,
        tx: TxEnv,
        ahead: Option<Ahead<'_>>,
        newest: &dyn Fn(u64) -> bool,
    ) -> (Outcome, Result<(), Verdict>) {
        let mut span = Span::start();
        let resolved = ahead.is_some() || self.try_maths(&tx);
        let forecast = span.lap() + ahead.map_or(Duration::ZERO, |ahead| ahead.took);
        let executed = self.machine.execute(tx);
        self.meet(&executed);
        let executed = match executed {
            Ok(executed) => executed,
            Err(error) => {
                let wanted = if let ExecuteError::Cold(cold) = &error { cold.state_key() } else { None };
                let trigger = Some(Trigger::Stopped(error));
                let outcome = Outcome { trigger, wanted: wanted.into_iter().collect(), ..Outcome::default() };
                return (outcome, Err(Verdict::Stopped));
            }
        };
        let execute = span.lap();
        self.touched.apply(&self.pools, &mut self.overlay, &executed);
        self.machine.set_overlay(executed.diff);
        self.includable = true;
        let success = executed.result.is_success();
        self.sample_behind();
        let markets_moved = success && self.apply_overlay();
        let promised = ahead.is_some_and(|ahead| ahead.provisional.is_some());
        let agrees = resolved && success && self.compare(promised);
        let search = span.lap();
        let (mut outcome, verdict) = if success {
            self.answer((ahead, agrees), markets_moved, newest)
        } else {
            (Outcome::refused(Refused::TriggerFailed), Err(Verdict::Failed))
        };
        outcome.trigger = Some(Trigger::Ran(executed.result));
        outcome.spent.execute = execute;
        outcome.spent.search += search + forecast;
        (outcome, verdict)
    }

    /// Proves what was promised, or, where nothing was or it does not hold, all there is.
    fn answer(
        &mut self,
        (ahead, agrees): (Option<Ahead<'_>>, bool),
        markets_moved: bool,
        newest: &dyn Fn(u64) -> bool,
    ) -> (Outcome, Result<(), Verdict>) {
        let ahead = ahead.filter(|_| agrees);
        let on = if ahead.is_some() && self.as_foreseen() { On::Foreseen } else { On::Behind };
        let verdict = match ahead.and_then(|ahead| ahead.provisional) {
            _ if self.touched.moved.is_empty() && agrees => Verdict::Refused(Refused::NoPool),
            Some(provisional) if !self.touched.moved.is_empty() => match self.keep(provisional) {
                Ok(proof) => {
                    self.remember(true, std::slice::from_ref(&proof));
                    return (Outcome { proven: vec![proof], ..Outcome::default() }, Ok(()));
                }
                Err(reason) => Verdict::Refused(reason),
            },
            _ => Verdict::Differs,
        };
        (self.look(on, markets_moved, newest), Err(verdict))
    }

    /// Lays the pending transaction's changes over the markets. Whether it has moved any, or a price.
    fn apply_overlay(&mut self) -> bool {
        let changes = self.markets.concerns(self.machine.db().overlay());
        self.markets.apply_overlay(&changes, &mut self.machine)
    }

    fn included(&mut self) -> Outcome {
        if !std::mem::take(&mut self.includable) {
            return Outcome::default();
        }
        self.machine.commit_overlay();
        self.markets.commit();
        for (id, now) in self.overlay.entries() {
            self.pools.edit(id, |pool| pool.clone_from(now));
        }
        for id in &self.touched.broken {
            self.pools.quarantine(*id, true);
        }
        self.overlay.clear();
        Outcome::default()
    }

    /// The pools as they stand.
    #[must_use]
    pub fn pools(&self) -> &Pools<AnyPool> {
        &self.pools
    }

    /// The machine, for what the edge must tell it after a miss.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }
}
