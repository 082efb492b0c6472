//! A hot thread's tape: what it was fed and what it decided, into the journal. Nothing waits, and nothing is serialised
//! here: the journal's own thread does that.
//!
//! # Cost
//! With a journal an event costs two boxes and two places in a queue; without one, two branches.

use std::borrow::Cow;
use std::sync::Arc;

use alloy::eips::eip2718::Encodable2718;

use crate::config::Config;
use crate::edge::record::JournalHandle;
use crate::edge::record::format::FrameKind;
use crate::edge::record::format::session;
use crate::edge::record::format::session::Decided;
use crate::edge::record::format::session::Fed;
use crate::edge::record::format::session::Names;
use crate::edge::record::format::session::Setup;
use crate::edge::record::format::session::State;
use crate::hot::bundle::config::Executor;
use crate::hot::decode::PendingTx;
use crate::hot::engine::choice::Choice;
use crate::hot::engine::plan::InitialState;
use crate::hot::event::FetchedState;
use crate::hot::event::Pending;
use crate::hot::evm::own::Own;
use crate::hot::worker::message::Recorder;
use crate::hot::worker::message::Work;
use crate::types::decision::Decision;

/// Numbers a thread's frames and hands them in.
pub struct JournalRecorder {
    journal_handle: JournalHandle,
    thread: u16,
    next: u64,
}

impl JournalRecorder {
    /// Of the hot thread of this index.
    #[must_use]
    pub fn new(journal_handle: JournalHandle, thread: usize) -> Self {
        Self { journal_handle, thread: u16::try_from(thread).unwrap_or(u16::MAX), next: 0 }
    }

    /// The next frame's; `None` without a journal.
    fn number(&mut self) -> Option<u64> {
        let number = self.next;
        self.next += 1;
        self.journal_handle.is_on().then_some(number)
    }
}

impl Recorder for JournalRecorder {
    fn fed(&mut self, work: &Work) {
        // A question changes nothing, and is no part of the run.
        if matches!(work, Work::Look(_)) {
            return;
        }
        let Some(number) = self.number() else { return };
        let work = work.clone();
        let payload = move || session::pack_numbered(number, &fed(&work));
        self.journal_handle.late(self.thread, FrameKind::Fed, Box::new(payload));
    }

    fn offered(&mut self, pending: &Arc<Pending>) {
        let Some(number) = self.number() else { return };
        let pending = Arc::clone(pending);
        let payload = move || {
            let raw = pending.tx.inner().encoded_2718().into();
            session::pack_numbered(number, &Fed::Pending { hash: pending.hash(), sender: pending.sender(), raw })
        };
        self.journal_handle.late(self.thread, FrameKind::Fed, Box::new(payload));
    }

    fn heard(&mut self, tx: &PendingTx) {
        let Some(number) = self.number() else { return };
        let tx = tx.clone();
        let payload = move || {
            let mut raw = Vec::new();
            tx.encode(&mut raw);
            session::pack_numbered(number, &Fed::Pending { hash: tx.hash(), sender: tx.sender(), raw: raw.into() })
        };
        self.journal_handle.late(self.thread, FrameKind::Fed, Box::new(payload));
    }

    fn decided(&mut self, decision: &dyn Fn() -> Decision, choice: Option<&Choice>) {
        let Some(number) = self.number() else { return };
        let names = choice.map(|choice| Names { bundle: choice.bundle.hash(), ours: choice.bundle.ours() });
        let decided = Decided { decision: decision(), names };
        let payload = move || session::pack_numbered(number, &decided);
        self.journal_handle.late(self.thread, FrameKind::Decided, Box::new(payload));
    }
}

fn fed(work: &Work) -> Fed<'_> {
    match work {
        Work::Block(update) => Fed::Block(Cow::Borrowed(update)),
        Work::Undo(to) => Fed::Undo(*to),
        Work::FetchedState(fetched, again) => Fed::FetchedState { fetched: Cow::Borrowed(fetched), again: *again },
        Work::Pool(at, pool) => Fed::Pool { at: *at, pool: Cow::Borrowed(pool) },
        Work::Market(at, seed) => Fed::Market { at: *at, seed: Cow::Borrowed(seed) },
        Work::Load(loaded) => Fed::Load(state(loaded.initial_state())),
        // Never taped: see above.
        Work::Look(_) => Fed::FetchedState { fetched: Cow::Owned(FetchedState::default()), again: false },
    }
}

fn state(ground: InitialState<'_>) -> State<'_> {
    State {
        head: *ground.head,
        accounts: Cow::Borrowed(ground.accounts),
        hashes: Cow::Borrowed(ground.hashes),
        pools: Cow::Borrowed(ground.pools),
        markets: Cow::Borrowed(ground.markets),
    }
}

/// What the run's engines and bundles are made with, without the places of its keys.
pub fn plan(journal_handle: &JournalHandle, config: &Config, executor: &Executor, own: Own) {
    let setup = Setup {
        chain: config.chain.clone(),
        search: config.search.clone(),
        bid: config.bid.clone(),
        limits: config.limits.clone(),
        owner: own.owner,
        executor: own.executor,
        liquidates: true,
        liquidator: None,
        weth: own.weth,
        access_list: executor.access_list,
        gas_margin_bps: executor.gas_margin_bps,
        forecast: config.forecast,
    };
    journal_handle.late(0, FrameKind::Plan, Box::new(move || session::pack(&setup)));
}
