//! Answers for the feeds as they come: ordinary transactions of the reporter's, which everybody sees before they are mined.
//!
//! One answer a turn. Now and then another comes half a turn later and takes it back: as the next one, or in its place.
//!
//! # Invariants
//! - Which feed moves, by how much, and what is taken back follows from the seed. A price stays within a tenth of where it
//!   opened.
//! - What is refused is counted and not sent again: the next answer is another.

use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U128;
use alloy_primitives::U256;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::lending::Feed;
use crate::lending::Lending;
use crate::lending::abi;

/// What is not a dollar: the prices that move.
const MOVING: [usize; 3] = [0, 4, 5];
/// Most that one answer differs from the last, and most that it differs from the opening, in thousandths.
const STEP: u64 = 25;
const REACH: u64 = 100;
/// In so many of 100 turns the answer is taken back.
const BACK: u64 = 15;
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
    /// Sends an answer every so often, in at `builder_rpc`; what is read is read at `node`.
    pub(crate) fn start(lending: &Lending, seed: u64, node: Rpc, builder_rpc: Rpc, every: Duration) -> Self {
        let (tell, sent) = watch::channel([0; 2]);
        let walk = Walk { lending: lending.clone(), node, builder_rpc, dice: Dice::new(seed, 4) };
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

/// How an answer is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// By the next round: both are mined.
    Next,
    /// By a transaction of the same nonce that pays more: it is never mined.
    Instead,
}

/// What is answered in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// Place of the feed.
    feed: usize,
    /// How the price changes, in thousandths of what it is.
    per_mille: u64,
    back: Option<Back>,
}

impl Turn {
    fn roll(dice: &mut Dice) -> Self {
        let feed = dice.pick(&MOVING).copied().unwrap_or_default();
        let per_mille = 1_000 - STEP + dice.below(2 * STEP + 1);
        let back = dice.chance(BACK).then(|| if dice.chance(50) { Back::Next } else { Back::Instead });
        Self { feed, per_mille, back }
    }

    /// The price, within reach of the opening.
    fn price(&self, opening: u64, latest: u64) -> u64 {
        let [low, high] = [1_000 - REACH, 1_000 + REACH].map(|part| opening / 1_000 * part);
        (latest / 1_000 * self.per_mille).clamp(low, high)
    }
}

/// A transaction of the reporter's.
#[derive(Clone, Copy)]
struct Answer {
    aggregator: Address,
    round: U256,
    price: u64,
    nonce: u64,
    /// Wei per gas for the builder, and of base fee; twice that is offered.
    tip: u128,
    base_fee: u128,
}

struct Walk {
    lending: Lending,
    node: Rpc,
    builder_rpc: Rpc,
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
        let count = |taken: bool| tell.send_modify(|counts| counts[usize::from(!taken)] += 1);
        loop {
            ticks.tick().await;
            let Ok(again) = self.answer().await else {
                count(false);
                continue;
            };
            count(true);
            if let Some(answer) = again {
                tokio::time::sleep(every / 2).await;
                count(self.send(&answer).await.is_ok());
            }
        }
    }

    /// Answers, and says what is to be sent later to take it back.
    async fn answer(&mut self) -> Result<Option<Answer>, RpcError> {
        let turn = Turn::roll(&mut self.dice);
        let Some(feed) = self.lending.feeds.get(turn.feed).copied() else { return Ok(None) };
        let latest: u64 = self.word(&feed, abi::latestAnswerCall {}.abi_encode()).await?.saturating_to();
        let round = self.word(&feed, abi::latestRoundCall {}.abi_encode()).await? + U256::ONE;
        let reporter = self.lending.reporter.address();
        let nonce: U64 = self.node.call("eth_getTransactionCount", json!([reporter, "pending"])).await?;
        let head: Head = self.node.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let (aggregator, price) = (feed.aggregator, turn.price(feed.opening, latest));
        let answer =
            Answer { aggregator, round, price, nonce: nonce.to(), tip: TIP, base_fee: head.base_fee_per_gas.to() };
        self.send(&answer).await?;
        Ok(turn.back.map(|back| match back {
            Back::Next => Answer { round: round + U256::ONE, nonce: answer.nonce + 1, price: latest, ..answer },
            // A node takes it when both fees are a tenth higher.
            Back::Instead => Answer { tip: 2 * TIP, base_fee: 2 * answer.base_fee, price: latest, ..answer },
        }))
    }

    async fn send(&self, answer: &Answer) -> Result<(), RpcError> {
        let signed = self.lending.reporter.sign(TxEip1559 {
            nonce: answer.nonce,
            gas_limit: GAS,
            max_fee_per_gas: 2 * answer.base_fee + answer.tip,
            max_priority_fee_per_gas: answer.tip,
            to: TxKind::Call(answer.aggregator),
            input: Feed::answer(answer.round, answer.price).into(),
            ..TxEip1559::default()
        });
        self.builder_rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await?;
        Ok(())
    }

    async fn word(&self, feed: &Feed, data: Vec<u8>) -> Result<U256, RpcError> {
        let call = json!([{"to": feed.aggregator, "data": Bytes::from(data)}, "latest"]);
        let answer: Bytes = self.node.call("eth_call", call).await?;
        Ok(U256::try_from_be_slice(&answer).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lending::LISTED;
    use crate::lending::borrowers;
    use crate::lending::borrowers::Borrower;
    use crate::lending::market;
    use crate::lending::market::Market;
    use crate::lending::morpho_blue;
    use crate::seed::Token;

    /// Answers of a minute, one each two seconds.
    const MINUTE: usize = 30;

    /// Who owes in the markets of a seed, each with what may be owed on the collateral, in hundredths of a percent.
    fn everybody(seed: u64, tokens: &[Token]) -> Vec<(Borrower, u64)> {
        let aave = |name| Market { name, pool: Address::ZERO, oracle: Address::ZERO, pair: None };
        let mut markets = vec![aave("aave_v3"), aave("aave_v2")];
        markets.extend(morpho_blue::markets(tokens).map(|(market, ..)| market));
        let mut dice = Dice::new(seed, 3);
        let mut all = Vec::new();
        for (place, market) in markets.iter().enumerate() {
            for borrower in borrowers::of(&mut dice, tokens, (place, market)) {
                let collateral = tokens.iter().find(|token| token.address == borrower.collateral).expect("listed");
                let aave = market::terms(collateral)[1];
                all.push((borrower, market.pair.map_or(aave, |_| market.most(collateral))));
            }
        }
        all
    }

    #[test]
    fn in_a_minute_several_sink_and_not_all_at_once_and_some_answers_that_sink_are_taken_back() {
        let (mut twins, mut recovered, mut large) = (0, 0, 0);
        for seed in 1..=20 {
            let tokens = crate::seed::tokens_of(seed);
            let listed: Vec<Token> = LISTED.iter().filter_map(|place| tokens.get(*place).copied()).collect();
            let mut afloat = everybody(seed, &listed);
            let all = afloat.len();
            let opening = 1_000_000_000;
            let (mut prices, mut dice) = ([opening; 6], Dice::new(seed, 4));
            let (mut liquidatable, mut times) = (0, 0);
            for _ in 0..MINUTE {
                let turn = Turn::roll(&mut dice);
                let price = turn.price(opening, prices[turn.feed]);
                let stands = |(b, limit): &(Borrower, u64)| {
                    let worth = b.collateral_usd * (price / 1_000) / (opening / 1_000);
                    b.collateral != listed[turn.feed].address || worth * limit / 10_000 >= b.debt_usd
                };
                let here = afloat.iter().filter(|one| !stands(one)).count();
                if turn.back.is_some() {
                    recovered += here;
                    continue;
                }
                large += afloat.iter().filter(|one| !stands(one) && one.0.collateral_usd > 1_000_000).count();
                afloat.retain(stands);
                prices[turn.feed] = price;
                (liquidatable, times) = (liquidatable + here, times + usize::from(here > 0));
                twins += usize::from(here > 1);
            }
            println!("seed {seed}: {liquidatable} of {all} sink, at {times} answers");
            assert!(
                liquidatable >= 4 && times >= 3 && liquidatable < all / 2,
                "seed {seed}: {liquidatable} of {all} at {times} answers"
            );
        }
        println!("{twins} times several at once, {large} large ones, {recovered} afloat again at once");
        assert!(twins > 20 && recovered > 20 && large > 10);
    }
}
