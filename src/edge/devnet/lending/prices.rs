//! Answers for the feeds as they come: ordinary transactions of the reporter's, which everybody sees before they are mined.
//!
//! # Invariants
//! - Which feed moves, and by how much, follows from the seed. A price stays within a tenth of where it opened.
//! - What is refused is counted and not sent again: the next answer is another.

use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U128;
use alloy_primitives::U256;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::edge::devnet::dice::Dice;
use crate::edge::devnet::lending::Feed;
use crate::edge::devnet::lending::Lending;
use crate::edge::devnet::lending::abi;
use crate::edge::rpc::Rpc;
use crate::edge::rpc::RpcError;

/// What is not a dollar: the prices that move.
const MOVING: [usize; 3] = [0, 4, 5];
/// Most that one answer differs from the last, and most that it differs from the opening, in thousandths.
const STEP: u64 = 25;
const REACH: u64 = 100;
/// Of an answer: 140,000, and room.
const GAS: u64 = 400_000;
/// Wei per gas offered to the builder.
const TIP: u128 = 1_000_000_000;

/// Answers on their way. Dropped, they end.
#[derive(Debug)]
pub struct Prices {
    sent: watch::Receiver<[u64; 2]>,
    task: JoinHandle<()>,
}

impl Prices {
    /// Sends an answer every so often, in at `door`; what is read is read at `node`.
    pub(in crate::edge::devnet) fn start(lending: &Lending, seed: u64, node: Rpc, door: Rpc, every: Duration) -> Self {
        let (tell, sent) = watch::channel([0; 2]);
        let walk = Walk { lending: lending.clone(), node, door, dice: Dice::new(seed, 4) };
        Self { sent, task: tokio::spawn(walk.go(every, tell)) }
    }

    /// How many the node has taken, and how many it has refused.
    #[must_use]
    pub fn sent(&self) -> [u64; 2] {
        *self.sent.borrow()
    }

    /// Waits until the node has taken so many. False when they ended before.
    pub async fn reached(&self, sent: u64) -> bool {
        self.sent.clone().wait_for(|counts| counts[0] >= sent).await.is_ok()
    }
}

impl Drop for Prices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Walk {
    lending: Lending,
    node: Rpc,
    door: Rpc,
    dice: Dice,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    base_fee_per_gas: U128,
}

impl Walk {
    async fn go(mut self, every: Duration, tell: watch::Sender<[u64; 2]>) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let refused = self.answer().await.is_err();
            tell.send_modify(|counts| counts[usize::from(refused)] += 1);
        }
    }

    async fn answer(&mut self) -> Result<(), RpcError> {
        let Some(feed) = self.dice.pick(&MOVING).and_then(|place| self.lending.feeds.get(*place)).copied() else {
            return Ok(());
        };
        let latest = self.word(&feed, abi::latestAnswerCall {}.abi_encode()).await?;
        let round = self.word(&feed, abi::latestRoundCall {}.abi_encode()).await? + U256::ONE;
        let answer = self.step(feed.opening, latest.saturating_to());
        let reporter = self.lending.reporter.clone();
        let nonce: U64 = self.node.call("eth_getTransactionCount", json!([reporter.address(), "pending"])).await?;
        let head: Head = self.node.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let signed = reporter.sign(TxEip1559 {
            chain_id: 1,
            nonce: nonce.to(),
            gas_limit: GAS,
            max_fee_per_gas: 2 * head.base_fee_per_gas.to::<u128>() + TIP,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(feed.aggregator),
            input: Feed::answer(round, answer).into(),
            ..TxEip1559::default()
        });
        self.door.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await?;
        Ok(())
    }

    /// The next price, within reach of the opening.
    fn step(&mut self, opening: u64, latest: u64) -> u64 {
        let by = 1_000 - STEP + self.dice.below(2 * STEP + 1);
        let [low, high] = [1_000 - REACH, 1_000 + REACH].map(|part| opening / 1_000 * part);
        (latest / 1_000 * by).clamp(low, high)
    }

    async fn word(&self, feed: &Feed, data: Vec<u8>) -> Result<U256, RpcError> {
        let call = json!([{"to": feed.aggregator, "data": Bytes::from(data)}, "latest"]);
        let answer: Bytes = self.node.call("eth_call", call).await?;
        Ok(U256::try_from_be_slice(&answer).unwrap_or_default())
    }
}
