//! One report a block: what is in it, and what became of the bundles that were for it.
//!
//! # Invariants
//! - Every block is told once, in order. A bundle is told with the block it was for; one that came after that block, or
//!   that could not be read, with the next one.

use alloy_primitives::B256;
use alloy_primitives::U64;
use peregrine_protocols::types::amount::Gas;
use peregrine_protocols::types::amount::WeiPerGas;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Devnet;
use crate::block_builder::BlockBuilder;
use crate::block_builder::Built;
use crate::block_builder::Entry;
use crate::block_builder::Fate;
use crate::block_builder::LeftOut;
use crate::block_builder::Verdicts;

/// Blocks that a slow reader may be behind.
const BUFFERED: usize = 1_024;

/// A block, and what became of the bundles for it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, in unix seconds.
    pub timestamp: u64,
    /// Its base fee.
    pub base_fee: WeiPerGas,
    /// What it burnt.
    pub gas_used: Gas,
    /// Its transactions, in order.
    pub txs: Vec<B256>,
    /// The bundles for it, and those that came too late for an earlier one.
    pub bundles: Vec<Entry>,
}

impl Block {
    /// The bundles in it.
    pub fn landed(&self) -> impl Iterator<Item = &Entry> {
        self.bundles.iter().filter(|entry| matches!(entry.fate, Fate::Landed { .. }))
    }

    /// The others, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (&Entry, &LeftOut)> {
        self.bundles.iter().filter_map(|entry| match &entry.fate {
            Fate::LeftOut { why } => Some((entry, why)),
            Fate::Landed { .. } | Fate::Waiting => None,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    hash: B256,
    timestamp: U64,
    base_fee_per_gas: U64,
    gas_used: U64,
    transactions: Vec<B256>,
}

/// The running reporter. Dropped, it ends.
pub(super) struct Reports {
    tell: broadcast::Sender<Block>,
    task: JoinHandle<()>,
}

impl Reports {
    pub(super) fn start(devnet: &Devnet, builder: &BlockBuilder) -> Self {
        let tell = broadcast::Sender::new(BUFFERED);
        let reporter = Reporter {
            rpc: devnet.rpc.clone(),
            verdicts: builder.verdicts(),
            reported: None,
            bundles: 0,
            tell: tell.clone(),
        };
        let task = tokio::spawn(reporter.run(builder.blocks()));
        Self { tell, task }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Block> {
        self.tell.subscribe()
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reporter {
    rpc: Rpc,
    verdicts: Verdicts,
    /// The last block told.
    reported: Option<u64>,
    /// Bundles below this number had come when it was.
    bundles: u64,
    tell: broadcast::Sender<Block>,
}

impl Reporter {
    async fn run(mut self, mut built: watch::Receiver<Option<Built>>) {
        // An error: the builder is gone.
        while built.changed().await.is_ok() {
            let Some(head) = built.borrow_and_update().as_ref().map(|built| built.number) else { continue };
            for number in self.reported.map_or(head, |reported| reported + 1)..=head {
                match self.report(number).await {
                    // Nobody listens just now.
                    Ok(block) => drop(self.tell.send(block)),
                    Err(error) => tracing::warn!(number, %error, "a block is not reported"),
                }
                self.reported = Some(number);
            }
        }
    }

    async fn report(&mut self, number: u64) -> Result<Block, RpcError> {
        let header: Header = self.rpc.call("eth_getBlockByNumber", json!([U64::from(number), false])).await?;
        let since = self.bundles;
        let late = |entry: &Entry| entry.id.0 >= since && entry.target.is_none_or(|target| target < number);
        let (bundles, next) = self.verdicts.pick(|entry| entry.target == Some(number) || late(entry));
        self.bundles = next;
        Ok(Block {
            number,
            hash: header.hash,
            timestamp: header.timestamp.to(),
            base_fee: WeiPerGas(header.base_fee_per_gas.to()),
            gas_used: Gas(header.gas_used.to()),
            txs: header.transactions,
            bundles,
        })
    }
}
