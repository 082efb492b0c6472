//! One recorded hot thread: what it was fed goes into an engine of its own, as its worker did it.

use std::rc::Rc;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes};

use crate::edge::record::format::session::Decided;
use crate::edge::record::format::session::Fed;
use crate::edge::record::format::session::Setup;
use crate::edge::record::format::session::State;
use crate::hot::bundle::BundleSigner;
use crate::hot::bundle::Target;
use crate::hot::bundle::config::Executor;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::fast_path;
use crate::hot::engine::plan::InitialState;
use crate::hot::engine::plan::Plan;
use crate::hot::event::Event;
use crate::hot::evm::block;
use crate::hot::evm::fork::Rules;
use crate::hot::evm::own::Own;
use crate::replay::journal::Difference;
use crate::replay::journal::difference;
use crate::types::decision::Decision;
use crate::types::secret::Key;
use crate::types::secret::Place;

/// Its liquidations ran in a contract whose words are not written any more: they cannot be decided again.
const TWO_CONTRACTS: &str = "the run had a second contract that liquidated, and one does both since: \
                             it is replayed by a release of its time";

/// Signs in the owner's place, for nobody: what it signs is not compared, kept or sent.
const STAND_IN: [u8; 32] = [1; 32];

/// An event, for people.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its frame's number.
    pub number: u64,
    /// What it was.
    pub what: String,
    /// The pending transaction, if it was one.
    pub trigger: Option<Trigger>,
}

/// A pending transaction as it was fed.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// As it was announced.
    pub hash: B256,
    /// As the node said it.
    pub sender: Address,
    /// EIP-2718.
    pub raw: Bytes,
}

/// A decision that came out.
#[derive(Clone, Debug)]
pub struct Judged {
    /// About what.
    pub event: Heard,
    /// As it was recorded.
    pub decided: Decided,
}

/// One hot thread of one run.
pub struct Thread {
    run: usize,
    index: u16,
    setup: Rc<Setup>,
    plan: Plan,
    signer: BundleSigner,
    engine: Option<Engine>,
    next: u64,
    lost: bool,
    /// What was fed and is to be decided. It runs once the recorded decision is read: that says whether it was called off.
    due: Option<(u64, Fed<'static>)>,
}

/// Builds as the run did, but for the key: a journal holds none.
///
/// # Errors
/// The key that stands in for it is none.
pub fn signer(setup: &Setup) -> Result<BundleSigner, String> {
    let executor = Executor {
        address: setup.executor,
        owner: Place::Naked,
        identity: None,
        access_list: setup.access_list,
        gas_margin_bps: setup.gas_margin_bps,
    };
    let key = Key::from_bytes(&STAND_IN).map_err(|error| error.to_string())?;
    let signer = BundleSigner::new(key, setup.chain.id, executor, setup.bid.clone(), setup.limits.clone());
    Ok(signer.funded(setup.search.fundings()))
}

impl Thread {
    /// A thread that has not been fed yet.
    pub(super) fn new(run: usize, index: u16, setup: Rc<Setup>) -> Result<Self, String> {
        if setup.liquidator.is_some() {
            return Err(TWO_CONTRACTS.to_owned());
        }
        let own = Own { owner: setup.owner, executor: setup.executor, weth: setup.weth };
        let plan = Plan {
            chain_id: setup.chain.id,
            rules: Rules::of(&setup.chain),
            contracts: setup.chain.contracts(),
            slot_seconds: setup.chain.slot_seconds,
            search: setup.search.clone(),
            // As in the run: the first thread alone looks at the base state.
            base: index == 0,
            bid: setup.bid.clone(),
            own,
            forecast: setup.forecast.enabled,
        };
        let signer = signer(&setup)?;
        Ok(Self { run, index, setup, plan, signer, engine: None, next: 0, lost: false, due: None })
    }

    /// Its index in its run.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Its run, from 1.
    #[must_use]
    pub const fn run(&self) -> usize {
        self.run
    }

    /// What its engine was made with.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The engine as it stands behind the last event; `None` before the first.
    pub const fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.as_mut()
    }

    /// Nothing is said of it.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Holds a frame's number against the one that is due; the latter, when another came.
    pub(super) const fn expect(&mut self, number: u64) -> Result<(), u64> {
        if number != self.next {
            self.lost = true;
            return Err(self.next);
        }
        self.next += 1;
        Ok(())
    }

    /// Behind a gap it is fed the whole state, in this frame: what was there before does not matter any more.
    pub(super) fn begin_anew(&mut self, number: u64) {
        (self.next, self.lost, self.due) = (number + 1, false, None);
    }

    /// Feeds an event. A difference: the one before it was not decided there, and is here.
    pub(super) fn fed(&mut self, number: u64, fed: Fed<'static>) -> Result<Option<Difference>, String> {
        if let Some((number, due)) = self.due.take() {
            let (event, _) = self.decide(number, due, false)?;
            return Ok(Some(self.difference(&event, "decision", "none", "one")));
        }
        if let Fed::FetchedState { fetched, again: false } = fed {
            self.standing("told")?.on_event(Event::FetchedState(fetched.into_owned().into()));
            return Ok(None);
        }
        self.due = Some((number, fed));
        Ok(None)
    }

    fn standing(&mut self, what: &str) -> Result<&mut Engine, String> {
        self.engine.as_mut().ok_or_else(|| format!("thread {} is fed a {what} before any state", self.index))
    }

    /// What a worker does with an item, or did until it was called off.
    fn decide(&mut self, number: u64, fed: Fed<'static>, cancelled: bool) -> Result<(Heard, Decision), String> {
        let mut event = Heard { number, what: fed.name().to_owned(), trigger: None };
        if let Fed::Load(state) = &fed {
            let initial = initial_state(state);
            // Positions were watched and none was liquidated.
            let markets = if self.setup.liquidates { initial.markets } else { &[] };
            self.engine = Some(self.plan.engine(&InitialState { markets, ..initial }));
        }
        let Self { engine: Some(engine), signer, .. } = self else {
            return Err(format!("thread {} is fed a {} before any state", self.index, fed.name()));
        };
        let decision = decide(engine, signer, fed, (&mut event, cancelled))?;
        if let Some(tip) = engine.tip() {
            event.what = format!("{} behind block {}", event.what, tip.head().number);
        }
        Ok((event, decision))
    }

    /// Holds a recorded decision against the one made here.
    pub(super) fn decided(&mut self, decided: Decided) -> Result<Result<Judged, Box<Difference>>, String> {
        let Some((number, due)) = self.due.take() else {
            return Err(format!("thread {} decides about nothing", self.index));
        };
        let (event, decision) = self.decide(number, due, decided.decision.cancelled)?;
        if decided.decision == decision {
            return Ok(Ok(Judged { event, decided }));
        }
        let first = difference::first(&decided.decision, &decision);
        Ok(Err(Box::new(self.difference(&event, &first.at, &first.recorded, &first.replayed))))
    }

    fn difference(&self, event: &Heard, at: &str, recorded: &str, replayed: &str) -> Difference {
        Difference {
            run: self.run,
            thread: self.index,
            event: event.number,
            what: event.what.clone(),
            at: at.to_owned(),
            recorded: recorded.to_owned(),
            replayed: replayed.to_owned(),
        }
    }
}

fn initial_state<'a>(state: &'a State<'_>) -> InitialState<'a> {
    InitialState {
        head: &state.head,
        accounts: &state.accounts,
        hashes: &state.hashes,
        pools: &state.pools,
        markets: &state.markets,
    }
}

/// What a worker decides about an item, or did until it was called off.
fn decide(
    engine: &mut Engine,
    signer: &mut BundleSigner,
    fed: Fed<'static>,
    (event, cancelled): (&mut Heard, bool),
) -> Result<Decision, String> {
    let newest = |_| !cancelled;
    let item = match fed {
        Fed::Load(_) => Event::Head,
        Fed::Block(update) => Event::Block(update.into_owned().into()),
        Fed::Undo(to) => Event::Undo(to),
        Fed::FetchedState { fetched, .. } => {
            engine.on_event(Event::FetchedState(fetched.into_owned().into()));
            Event::Head
        }
        Fed::Pool { at, pool } => Event::Pool(at, Box::new(pool.into_owned())),
        Fed::Market { at, seed } => Event::Market(at, Box::new(seed.into_owned())),
        Fed::Pending { hash, sender, raw } => {
            let tx = TxEnvelope::decode_2718(&mut &raw[..]).map_err(|error| format!("transaction {hash}: {error}"))?;
            let tx = Recovered::new_unchecked(tx, sender);
            event.what = format!("pending {hash}");
            event.trigger = Some(Trigger { hash, sender, raw });
            // Through the same two doors; what leaves by the first is handed to nobody.
            let raw = |to: &mut Target| to.write(hash, |raw| tx.inner().encode_2718(raw));
            let looked = fast_path::look(engine, signer, block::tx_env(&tx), (&raw, &newest), |_, _| ());
            let mut decision = choice::decision(engine, &looked.outcome, &looked.made);
            decision.first = looked.first.said();
            return Ok(decision);
        }
    };
    let outcome = engine.on_event_while(item, &newest);
    let made = choice::choose(engine, signer, &outcome.proven, None);
    Ok(choice::decision(engine, &outcome, &made))
}
