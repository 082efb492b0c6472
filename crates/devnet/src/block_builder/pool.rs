//! The bundles we hold: for which block, from whom, under which uuid, and what became of each.
//!
//! # Invariants
//! - A bundle has one fate, and once it is not [`Fate::Waiting`] it keeps it.
//! - A uuid belongs to its signer. The one that came last holds; the one before it is [`LeftOut::Replaced`].
//! - The same bundle from the same signer for the same block is held once.
//!
//! # Limits
//! Remembers the last [`REMEMBERED`] bundles; the older ones are forgotten.

use std::collections::{HashMap, VecDeque};

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

use crate::block_builder::order::Bundle;
use crate::block_builder::order::BundleId;
use crate::block_builder::rules::verdict::LeftOut;

/// How many bundles are remembered.
pub const REMEMBERED: usize = 10_000;

/// What became of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fate {
    /// Its block is not built yet.
    Waiting,
    /// It is in the block it was for.
    Landed {
        /// The block.
        block: u64,
        /// Place of its first transaction.
        index: usize,
        /// What it paid the builder, in wei.
        paid: U256,
        /// Gas it burnt.
        gas: u64,
    },
    /// It is not.
    LeftOut {
        /// Why.
        why: LeftOut,
    },
}

/// One line of the queryable list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// In the order of arrival.
    pub id: BundleId,
    /// `None` when the body could not be read as a bundle.
    pub hash: Option<B256>,
    /// Who signed; `None` when the signature is invalid.
    pub signer: Option<Address>,
    /// The block it is for; `None` when the body could not be read as a bundle.
    pub target: Option<u64>,
    /// The transactions' hashes.
    pub txs: Vec<B256>,
    /// What became of it.
    pub fate: Fate,
}

/// All bundles we know of.
#[derive(Debug, Default)]
pub struct Bundles {
    waiting: HashMap<BundleId, Bundle>,
    /// Who holds a uuid.
    uuids: HashMap<(Address, String), BundleId>,
    entries: VecDeque<Entry>,
    /// Bundles ever listed: the next id.
    listed: u64,
}

impl Bundles {
    /// Holds a bundle for its block; `head` is the last one. `bundle.id` is given here, and returned.
    pub fn add(&mut self, mut bundle: Bundle, uuid: Option<String>, head: u64) -> BundleId {
        if let Some(known) = self.waiting.values().find(|known| same(known, &bundle)) {
            return known.id;
        }
        if let Some(old) = uuid.as_ref().and_then(|uuid| self.uuids.get(&(bundle.signer, uuid.clone()))) {
            self.settle(*old, Fate::LeftOut { why: LeftOut::Replaced });
        }
        let late = bundle.target <= head;
        let fate = if late { Fate::LeftOut { why: LeftOut::Late { head } } } else { Fate::Waiting };
        let hashes = bundle.txs.iter().map(|tx| tx.hash).collect();
        bundle.id = self.list(Some(bundle.hash), Some(bundle.signer), Some(bundle.target), hashes, fate);
        let id = bundle.id;
        if late {
            return id;
        }
        if let Some(uuid) = uuid {
            self.uuids.insert((bundle.signer, uuid), id);
        }
        self.waiting.insert(id, bundle);
        id
    }

    /// Lists what was refused at the door.
    pub fn refuse(&mut self, hash: Option<B256>, target: Option<u64>, txs: Vec<B256>, why: LeftOut) {
        self.list(hash, None, target, txs, Fate::LeftOut { why });
    }

    /// Takes back what `signer` sent under `uuid`: its hash, when it was still waiting.
    pub fn cancel(&mut self, signer: Address, uuid: &str) -> Option<B256> {
        let id = self.uuids.remove(&(signer, uuid.to_owned()))?;
        let hash = self.waiting.get(&id)?.hash;
        self.settle(id, Fate::LeftOut { why: LeftOut::Cancelled });
        Some(hash)
    }

    /// Those that wait for `block`, in the order of arrival.
    #[must_use]
    pub fn for_block(&self, block: u64) -> Vec<Bundle> {
        let mut found: Vec<Bundle> = self.waiting.values().filter(|held| held.target == block).cloned().collect();
        found.sort_by_key(|bundle| bundle.id);
        found
    }

    /// Whether it still waits: it may have been cancelled while the block was built.
    #[must_use]
    pub fn waits(&self, id: BundleId) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Says what became of a waiting bundle.
    pub fn settle(&mut self, id: BundleId, fate: Fate) {
        if self.waiting.remove(&id).is_none() {
            return;
        }
        self.uuids.retain(|_, held| *held != id);
        // Ids are given in order and the oldest go first, so the place of an id is known.
        let first = self.entries.front().map_or(0, |entry| entry.id.0);
        let index = id.0.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.fate = fate;
        }
    }

    /// After block `head`: whoever waits for it or for one before it is late.
    pub fn expire(&mut self, head: u64) {
        let late: Vec<BundleId> =
            self.waiting.values().filter(|held| held.target <= head).map(|held| held.id).collect();
        for id in late {
            self.settle(id, Fate::LeftOut { why: LeftOut::Late { head } });
        }
    }

    /// The list, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many have ever been listed: the next one's id.
    #[must_use]
    pub const fn listed(&self) -> u64 {
        self.listed
    }

    fn list(
        &mut self,
        hash: Option<B256>,
        signer: Option<Address>,
        target: Option<u64>,
        txs: Vec<B256>,
        fate: Fate,
    ) -> BundleId {
        let id = BundleId(self.listed);
        self.listed += 1;
        self.entries.push_back(Entry { id, hash, signer, target, txs, fate });
        if self.entries.len() > REMEMBERED
            && let Some(old) = self.entries.pop_front()
        {
            self.waiting.remove(&old.id);
            self.uuids.retain(|_, held| *held != old.id);
        }
        id
    }
}

fn same(known: &Bundle, new: &Bundle) -> bool {
    (known.hash, known.signer, known.target) == (new.hash, new.signer, new.target)
        && known.reverting == new.reverting
        && (known.min_timestamp, known.max_timestamp) == (new.min_timestamp, new.max_timestamp)
}
