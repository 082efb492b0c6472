//! Blocks that the chain has and that a node does not tell yet: null, nothing or an error is "not yet", and never "no".
//!
//! # Invariants
//! - A block is asked for until it is read, undone, or so far below the tip that nothing of ours can be settled by it.
//! - What its transactions are is told as soon as that is known, though its receipts are not.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use alloy::rpc::types::Block as RpcBlock;
use alloy_primitives::B256;

use crate::edge::chain::BlockId;
use crate::edge::chain::Chain;
use crate::edge::ledger::landed::Block;

/// Between two tries: the first time, and the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];
/// Tries until it is said that a block is not to be had.
const PATIENCE: u32 = 6;
/// Blocks that are waited for; the oldest goes first.
const ROOM: usize = 64;

/// What has come to be known.
pub enum Learnt {
    /// A block's transactions.
    Mined(Vec<B256>),
    /// A block whole, and its parent's hash.
    Read(Block, B256),
}

struct Waiting {
    id: BlockId,
    /// When it was heard of, in unix milliseconds.
    seen_ms: u64,
    body: Option<RpcBlock>,
    tries: u32,
}

/// Blocks still to be read, oldest first.
#[derive(Default)]
pub struct Unread {
    blocks: VecDeque<Waiting>,
}

impl Unread {
    /// A block that the chain has grown by.
    pub fn add(&mut self, id: BlockId) {
        if self.blocks.len() == ROOM
            && let Some(oldest) = self.blocks.pop_front()
        {
            tracing::warn!(block = oldest.id.number, "a block was never told whole; it is given up");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let seen_ms = u64::try_from(now).unwrap_or(u64::MAX);
        self.blocks.push_back(Waiting { id, seen_ms, body: None, tries: 0 });
    }

    /// The blocks above this number are undone.
    pub fn undo(&mut self, above: u64) {
        self.blocks.retain(|waiting| waiting.id.number <= above);
    }

    /// Whether a block of this number is waited for.
    #[must_use]
    pub fn waits_for(&self, number: u64) -> bool {
        self.blocks.iter().any(|waiting| waiting.id.number == number)
    }

    /// How long until it is worth asking again; `None`: nothing is waited for.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let [least, most] = PAUSE;
        let tries = self.blocks.iter().map(|waiting| waiting.tries).min()?;
        Some(least.saturating_mul(1 << tries.min(10)).min(most))
    }

    /// Asks for each of them once.
    pub async fn read(&mut self, chain: &Chain) -> Vec<Learnt> {
        let mut learnt = Vec::new();
        for mut waiting in std::mem::take(&mut self.blocks) {
            match waiting.read(chain, &mut learnt).await {
                Ok(()) => (),
                Err(why) => {
                    waiting.tries += 1;
                    if waiting.tries == PATIENCE {
                        tracing::warn!(block = waiting.id.number, why, "a block is not to be had whole; asked again");
                    }
                    if waiting.tries < PATIENCE || waiting.stands(chain).await {
                        self.blocks.push_back(waiting);
                    }
                }
            }
        }
        learnt
    }
}

impl Waiting {
    async fn read(&mut self, chain: &Chain, learnt: &mut Vec<Learnt>) -> Result<(), String> {
        if self.body.is_none() {
            let body = chain.full(self.id.hash).await.map_err(|error| error.to_string())?;
            let body = body.ok_or("the node does not know it")?;
            learnt.push(Learnt::Mined(body.transactions.hashes().collect()));
            self.body = Some(body);
        }
        let Some(body) = &self.body else { return Err("no body".to_owned()) };
        let receipts = chain.receipts(self.id.hash).await.map_err(|error| error.to_string())?;
        let receipts = receipts.ok_or("its receipts are not there")?;
        let block = Block::read(body, &receipts, self.seen_ms).map_err(|error| error.to_string())?;
        learnt.push(Learnt::Read(block, body.header.parent_hash));
        Ok(())
    }

    /// Whether it may still be of the chain: no answer is no reason to give it up.
    async fn stands(&self, chain: &Chain) -> bool {
        match chain.at(self.id.number).await {
            Ok(Some(now)) => now.hash == self.id.hash,
            Ok(None) | Err(_) => true,
        }
    }
}
