//! Follows every bundle to its block: landed, or not and why; what it earned, by balances.
//!
//! # Invariants
//! - The chain alone says what landed. A reorg takes it back: the bundle is open again.
//! - Every bundle of the ledger without an outcome is followed up, those of an earlier run as well.
//! - The liquidations of every block that was heard of and read are written down, whosever they are.
//! - While the ledger is not written blocks are read all the same. What it is to be told of the chain waits, in order, and then
//!   comes before any outcome.
//!
//! # Limits
//! - What a bundle earned is read from balances: see [`crate::live::submission::realised`].

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::{Address, B256, I256, U256};
use tokio::sync::mpsc;

use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::ledger::LedgerError;
use crate::edge::ledger::landed;
use crate::edge::ledger::landed::Block;
use crate::edge::ledger::landed::Followed;
use crate::edge::ledger::landed::Landed;
use crate::edge::ledger::landed::Reason;
use crate::edge::ledger::landed::Watch;
use crate::edge::ledger::others;
use crate::edge::ledger::others::Liquidation;
use crate::edge::ledger::row::Outcome;
use crate::edge::ledger::row::Row;
use crate::edge::sink::{Fact, Facts};
use crate::hot::evm::own::Own;
use crate::hot::worker::message::Report;
use crate::live::submission::mined;
use crate::live::submission::realised;
use crate::live::submission::unread::Learnt;
use crate::live::submission::unread::Unread;

/// What happened to the chain.
#[derive(Debug)]
pub enum Note {
    /// It has grown by the block of this number and hash.
    Grown(BlockId),
    /// Blocks above this number are undone.
    Undone {
        /// The highest number that still is.
        above: u64,
    },
    /// The chain was lost: which blocks are undone nobody says.
    Lost,
    /// A bundle was written down after its block had come.
    Late,
}

/// Blocks held for bundles that are written down after their block came: they are late, and it shall be said.
const HELD: usize = 32;

/// Blocks whose liquidations wait for a ledger that is not written: hours of them. The oldest go first, and are counted.
const ROOM: usize = 1_024;

/// Follows bundles.
pub struct InclusionTracker {
    facts: Arc<Facts>,
    chain: Chain,
    own: Own,
    /// Lending contracts whose liquidations are written down.
    markets: Vec<Address>,
    held: VecDeque<(Block, B256)>,
    /// Blocks that the chain has grown by and that are not held yet.
    unread: Unread,
    /// Where a transaction was mined, of the blocks held.
    mined: HashMap<B256, u64>,
    /// Blocks above the first of these were undone, up to the second, which the ledger is to be told.
    undone: Option<(u64, u64)>,
    /// Liquidations that it is to be told of, by their block.
    liquidated: VecDeque<(u64, Vec<Liquidation>)>,
    /// The highest block seen that stands: for none above it is there an outcome.
    highest: u64,
}

impl InclusionTracker {
    /// An inclusion tracker for our accounts.
    #[must_use]
    pub fn new(facts: Arc<Facts>, chain: Chain, own: Own) -> Self {
        let (held, markets, unread) = (VecDeque::with_capacity(HELD), Vec::new(), Unread::default());
        let (mined, undone, liquidated) = Default::default();
        Self { facts, chain, own, markets, held, unread, mined, undone, liquidated, highest: 0 }
    }

    /// Writes down who liquidates whom in these lending contracts, too.
    #[must_use]
    pub fn watching(mut self, markets: Vec<Address>) -> Self {
        self.markets = markets;
        self
    }

    /// Works until nobody tells it of blocks any more. `mined` is told what each block holds.
    pub async fn run(mut self, mut notes: mpsc::UnboundedReceiver<Note>, mined: mpsc::UnboundedSender<Report>) {
        let mut trouble = self.facts.ledger().writes().watch();
        loop {
            let pause = self.unread.pause();
            let note = tokio::select! {
                biased;
                note = notes.recv() => match note {
                    Some(note) => Some(note),
                    None => return,
                },
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => None,
                // The ledger is there for as long as its facts are.
                _standing = trouble.changed() => Some(Note::Late),
            };
            if !self.take(note, &mined).await {
                continue;
            }
            match self.write_down().await {
                // It says so itself, once.
                Err(error) if error.is_the_disks() => tracing::debug!(%error, "the ledger does not take an outcome"),
                Err(error) => tracing::error!(%error, "the ledger does not take an outcome"),
                Ok(()) => (),
            }
        }
    }

    /// Takes a note; without one, asks again for the blocks that are not held yet. Whether there may be something to write down.
    async fn take(&mut self, note: Option<Note>, mined: &mpsc::UnboundedSender<Report>) -> bool {
        match note {
            None => return self.read(mined).await,
            Some(Note::Grown(block)) => {
                self.unread.add(block);
                self.read(mined).await;
                self.highest = self.highest.max(block.number);
            }
            Some(Note::Late) => (),
            Some(Note::Undone { above }) => self.undo(above),
            Some(Note::Lost) => {
                if let Some(above) = self.last_that_stands().await {
                    self.undo(above);
                }
            }
        }
        true
    }

    /// Asks for the blocks that are not held yet. Whether one came.
    async fn read(&mut self, to: &mpsc::UnboundedSender<Report>) -> bool {
        let held = self.held.back().map(|(block, _)| block.hash);
        for learnt in self.unread.read(&self.chain).await {
            match learnt {
                Learnt::Mined(hashes) => {
                    let _ending = to.send(Report::Mined(hashes));
                }
                Learnt::Read(block, parent) => {
                    self.highest = self.highest.max(block.number);
                    self.attribute(&block).await;
                    self.hold(block, parent);
                }
            }
        }
        self.held.back().map(|(block, _)| block.hash) != held
    }

    /// Notes who liquidated whom in a block, others as well: who won what we did not.
    async fn attribute(&mut self, block: &Block) {
        let all = others::of(&self.chain, block, (self.own.owner, &self.markets)).await;
        if all.is_empty() {
            return;
        }
        if self.liquidated.len() == ROOM {
            self.liquidated.pop_front();
            self.facts.ledger().writes().lose(1);
        }
        self.liquidated.push_back((block.number, all));
    }

    /// Tells the ledger what the chain has become, and what became of bundles.
    async fn write_down(&mut self) -> Result<(), LedgerError> {
        if let Some((above, top)) = self.undone {
            self.give_back(above, top).await?;
            self.undone = None;
        }
        while let Some((block, all)) = self.liquidated.front() {
            self.facts.publish(Fact::Liquidated { block: *block, all: all.clone() }).done().await?;
            self.liquidated.pop_front();
        }
        self.settle_all().await
    }

    fn hold(&mut self, block: Block, parent: B256) {
        if self.held.len() == HELD {
            self.held.pop_front();
            let oldest = self.held.front().map_or(0, |(block, _)| block.number);
            self.mined.retain(|_, number| *number >= oldest);
        }
        self.mined.extend(block.txs.iter().map(|tx| (tx.hash, block.number)));
        self.held.push_back((block, parent));
    }

    async fn settle_all(&self) -> Result<(), LedgerError> {
        for row in self.facts.ledger().open_bundles()? {
            if row.bundle.target <= self.highest {
                self.settle(&row).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, row: &Row) -> Result<(), LedgerError> {
        let target = row.bundle.target;
        let found = match self.held.iter().find(|(block, _)| block.number == target) {
            Some(held) => held.clone(),
            // Asked for by itself.
            None if self.unread.waits_for(target) => return Ok(()),
            // Of an earlier run, or the feed began behind it.
            None => match mined::mined_at(&self.chain, target).await {
                Ok(Some(mined)) => mined,
                // Asked again at the next block.
                Ok(None) => return Ok(()),
                Err(error) => {
                    tracing::warn!(target, %error, "a block is not to be had");
                    return Ok(());
                }
            },
        };
        let followed = landed::follow(&self.watch(row), &found.0);
        let outcome = match followed {
            Followed::NotYet => return Ok(()),
            Followed::Landed(at) => match self.landed(row, at, &found).await {
                Some(outcome) => outcome,
                None => return Ok(()),
            },
            Followed::NotLanded(reason) => Outcome::Lost { reason: self.traced(reason, found.0.coinbase).await },
        };
        let settled = Fact::Settled { bundle: Box::new(row.bundle.clone()), outcome: Box::new(outcome) };
        match self.facts.publish(settled).done().await {
            // The sender gave it up meanwhile: that is its outcome.
            Err(LedgerError::Settled { .. }) => Ok(()),
            done => done,
        }
    }

    fn watch<'a>(&self, row: &'a Row) -> Watch<'a> {
        let bundle = &row.bundle;
        Watch {
            target: bundle.target,
            trigger: bundle.trigger,
            ours: bundle.ours,
            owner: self.own.owner,
            pools: &bundle.pools,
            positions: &bundle.positions,
            sent_ms: row.answers.iter().map(|answer| answer.sent_ms).max(),
            trigger_mined: bundle.trigger.and_then(|trigger| self.mined.get(&trigger).copied()),
        }
    }

    /// A rival's payment by transfer shows in no receipt.
    async fn traced(&self, reason: Reason, coinbase: Address) -> Reason {
        let Reason::Outbid { by, paid } = reason else { return reason };
        let transferred = self.chain.coinbase_transfers(by, coinbase).await.unwrap_or_default();
        Reason::Outbid { by, paid: paid.saturating_add(transferred) }
    }

    /// `None`: the block has been undone meanwhile. It will be said, and the bundle looked at again.
    async fn landed(&self, row: &Row, at: Landed, (block, parent): &(Block, B256)) -> Option<Outcome> {
        let besides = block.burnt_besides(row.bundle.ours, self.own.owner);
        let realised = self.realised(row, &at, (*parent, besides)).await?;
        let bundle = &row.bundle;
        if realised != bundle.predicted {
            let gas_cost = realised::signed(bundle.value) - realised::signed(bundle.bid) - bundle.predicted;
            let (predicted, pools) = (bundle.predicted, &bundle.pools);
            tracing::error!(
                uuid = %bundle.uuid, block = at.block, ours = %bundle.ours, strategy = bundle.strategy, %predicted, %realised,
                %gas_cost, fee = %at.fee, gas = at.gas, index = at.index, ?pools, "a landed bundle earned not what was predicted"
            );
        }
        let transferred = self.chain.coinbase_transfers(row.bundle.ours, block.coinbase).await.unwrap_or_default();
        let paid = at.paid.saturating_add(transferred);
        Some(Outcome::Landed { at: Landed { paid, ..at }, realised })
    }

    /// What the bundle left us. What contradicts the proof counts once it is read twice: a node that is making the next block may
    /// answer for the last one out of that (anvil does). `None`: looked at again behind the next block.
    async fn realised(&self, row: &Row, at: &Landed, (parent, besides): (B256, U256)) -> Option<I256> {
        let (mut last, span) = (None, ([parent, at.hash], besides));
        for _ in 0..TRIES {
            match realised::realised(&self.chain, &self.own, &row.bundle, span).await {
                Ok(now) if now == row.bundle.predicted || last == Some(now) => return Some(now),
                Ok(now) => last = Some(now),
                Err(_) if self.is_gone(at).await => return None,
                Err(error) => tracing::warn!(%error, "balances are not to be had; asked again"),
            }
            tokio::time::sleep(RETRY).await;
        }
        None
    }

    async fn is_gone(&self, at: &Landed) -> bool {
        self.chain.at(at.block).await.is_ok_and(|now| now.is_none_or(|now| now.hash != at.hash))
    }

    /// The block below the lowest of those held that is not of the chain any more. `None`: all are.
    async fn last_that_stands(&self) -> Option<u64> {
        for (block, _) in &self.held {
            let mut now = self.chain.at(block.number).await;
            for _ in 1..TRIES {
                if now.is_ok() {
                    break;
                }
                tokio::time::sleep(RETRY).await;
                now = self.chain.at(block.number).await;
            }
            // Without an answer it is taken to be gone: its bundles are open again, and followed anew.
            if now.is_ok_and(|now| now.is_some_and(|now| now.hash == block.hash)) {
                continue;
            }
            return Some(block.number.saturating_sub(1));
        }
        None
    }

    fn undo(&mut self, above: u64) {
        self.held.retain(|(block, _)| block.number <= above);
        self.unread.undo(above);
        self.mined.retain(|_, number| *number <= above);
        self.liquidated.retain(|(block, _)| *block <= above);
        let (lowest, top) = self.undone.unwrap_or((above, self.highest));
        self.undone = Some((lowest.min(above), top.max(self.highest)));
        self.highest = self.highest.min(above);
    }

    /// Tells the ledger that blocks above this one were undone.
    async fn give_back(&self, above: u64, top: u64) -> Result<(), LedgerError> {
        self.facts.publish(Fact::Undone { above }).done().await?;
        for target in above + 1..=top + 1 {
            for row in self.facts.ledger().for_block(target)? {
                self.revive(&row).await?;
            }
        }
        Ok(())
    }

    /// Takes an outcome that the chain gave back.
    async fn revive(&self, row: &Row) -> Result<(), LedgerError> {
        let Some(outcome) = row.outcome.as_ref().filter(|outcome| !matches!(outcome, Outcome::Unsent)) else {
            return Ok(());
        };
        let reopened = Fact::Reopened { bundle: Box::new(row.bundle.clone()), outcome: Box::new(outcome.clone()) };
        self.facts.publish(reopened).done().await
    }
}

/// Tries to read balances, or a block, before it is left for the next one.
const TRIES: u32 = 5;
/// Between two tries.
const RETRY: std::time::Duration = std::time::Duration::from_millis(500);
