//! The rival's day: hear, wait as long as it takes to think, simulate, size, prove, bid.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::U24;
use peregrine_protocols::execution::{Hop, Steps};
use peregrine_protocols::executor::Bid;
use peregrine_protocols::executor::Run;
use peregrine_rpc::RpcError;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Devnet;
use crate::Wallet;
use crate::abi;
use crate::rivals::Strength;
use crate::rivals::Tally;
use crate::rivals::builder_client::BuilderClient;
use crate::rivals::market::Curve;
use crate::rivals::market::Idea;
use crate::rivals::market::Market;
use crate::rivals::market::Moved;
use crate::rivals::market::Step;
use crate::rivals::market::pair_out;
use crate::rivals::node::Next;
use crate::rivals::node::Node;
use crate::rivals::node::TargetTx;
use crate::seed::Venue;

/// Between two looks at the node.
const POLL: Duration = Duration::from_millis(25);
/// Hashes it remembers. A builder that fills its pool anew makes the node tell of all of them again.
const KNOWN: usize = 20_000;
/// What a run is simulated with. Four hops over V3 burn half of it.
const GAS: u64 = 1_500_000;
/// All basis points there are.
const WHOLE_BPS: u64 = 10_000;

/// A rival at work.
pub(super) struct Searcher {
    node: Node,
    builder_client: BuilderClient,
    market: Market,
    quoter: Address,
    owner: Wallet,
    executor: Address,
    strength: Strength,
    next: Next,
    nonce: u64,
    known: HashSet<B256>,
    /// What it thinks about, and until when.
    queue: VecDeque<(Instant, B256)>,
    tally: Tally,
    tell: watch::Sender<Tally>,
}

impl Searcher {
    pub(super) fn new(
        devnet: &Devnet,
        builder_client: BuilderClient,
        owner: Wallet,
        executor: Address,
        strength: Strength,
        tell: watch::Sender<Tally>,
    ) -> Self {
        Self {
            node: Node::new(devnet.rpc.clone()),
            builder_client,
            market: Market::new(devnet, strength.hops),
            quoter: devnet.contracts.quoter,
            owner,
            executor,
            strength,
            next: Next::default(),
            nonce: 0,
            known: HashSet::new(),
            queue: VecDeque::new(),
            tally: Tally::default(),
            tell,
        }
    }

    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.turn().await {
                tracing::debug!(%error, "a rival stumbled");
            }
            self.tell.send_replace(self.tally);
        }
    }

    async fn turn(&mut self) -> Result<(), RpcError> {
        self.look().await?;
        let due = Instant::now() + self.strength.reaction;
        for hash in self.node.heard().await? {
            // The hash decides: by chance, and for all rivals of one coverage alike.
            let covered = u16::from(hash[31]) * 100 < u16::from(self.strength.coverage) * 256;
            if self.known.insert(hash) && covered {
                self.queue.push_back((due, hash));
            }
        }
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        let now = Instant::now();
        let ready = self.queue.partition_point(|(due, _)| *due <= now);
        let hashes: Vec<B256> = self.queue.drain(..ready).map(|(_, hash)| hash).collect();
        for target in self.node.targets(&hashes).await? {
            self.tally.targets += 1;
            self.backrun(&target).await?;
        }
        Ok(())
    }

    /// After every block all prices are read anew.
    async fn look(&mut self) -> Result<(), RpcError> {
        let next = self.node.next().await?;
        if next.number == self.next.number {
            return Ok(());
        }
        let answers = self.node.ask(&self.market.questions()).await?;
        self.market.learn(&answers);
        let count = json!([self.owner.address(), "latest"]);
        self.nonce = self.node.rpc.call::<U64>("eth_getTransactionCount", count).await?.to();
        self.next = next;
        Ok(())
    }

    async fn backrun(&mut self, target: &TargetTx) -> Result<(), RpcError> {
        let ran = self.node.simulate(&self.next, &[&target.call]).await?;
        let moved = ran.first().filter(|ran| ran.succeeded()).map(|ran| self.market.moved(&ran.logs));
        let Some(moved) = moved.filter(|moved| !moved.is_empty()) else { return Ok(()) };
        self.tally.swaps += 1;
        let Some(idea) = self.market.best(&moved) else { return Ok(()) };
        let Some(outs) = self.quote(&idea, &moved, target).await? else { return Ok(()) };
        let earned = outs.last().and_then(|out| out.checked_sub(idea.amount_in)).filter(|earned| *earned > 0);
        let Some(earned) = earned else { return Ok(()) };
        self.tally.openings += 1;
        self.tally.made += u64::from(self.market.made(&idea, &moved));
        self.tally.by_hops[idea.steps.len().clamp(2, 4) - 2] += 1;
        let Some(raw) = self.bid(&idea, &outs, earned, target).await? else { return Ok(()) };
        self.tally.worth += 1;
        self.tally.sent += u64::from(self.builder_client.send(self.next.number, &[&target.raw, &raw]).await);
        Ok(())
    }

    /// What each hop gives after the target, to the unit: pairs by their rule, V3 by QuoterV2.
    async fn quote(&self, idea: &Idea, moved: &Moved, target: &TargetTx) -> Result<Option<Vec<u128>>, RpcError> {
        let (mut amount, mut outs) = (U256::from(idea.amount_in), Vec::new());
        for step in &idea.steps {
            let out = match self.market.curve(moved, step.pool) {
                Some(Curve::Pair(reserves)) => pair_out(reserves, step.zero_for_one, amount),
                Some(Curve::Range(..)) => self.ask_quoter(step, amount, target).await?,
                None => None,
            };
            let Some(out) = out else { return Ok(None) };
            let Ok(given) = u128::try_from(out) else { return Ok(None) };
            outs.push(given);
            amount = out;
        }
        Ok(Some(outs))
    }

    async fn ask_quoter(&self, step: &Step, amount: U256, target: &TargetTx) -> Result<Option<U256>, RpcError> {
        let [token_in, token_out] = self.ends(step);
        let fee = U24::from(self.market.pools[step.pool].fee_pips);
        let params = abi::Quote { tokenIn: token_in, tokenOut: token_out, amountIn: amount, fee, limit: U160::ZERO };
        let input: Bytes = abi::quoteExactInputSingleCall { params }.abi_encode().into();
        let question = json!({"to": self.quoter, "input": input});
        let ran = self.node.simulate(&self.next, &[&target.call, &question]).await?;
        let answer = ran.get(1).filter(|ran| ran.succeeded());
        let quote = answer.and_then(|ran| abi::quoteExactInputSingleCall::abi_decode_returns(&ran.return_data).ok());
        Ok(quote.map(|quote| quote.amountOut))
    }

    /// The tokens that go in and come out.
    fn ends(&self, step: &Step) -> [Address; 2] {
        let [a, b] = self.market.pools[step.pool].tokens.map(|token| self.market.tokens[token]);
        if step.zero_for_one { [a, b] } else { [b, a] }
    }

    /// Its transaction behind the target, signed, when it works there and leaves a gain.
    async fn bid(
        &self,
        idea: &Idea,
        outs: &[u128],
        earned: u128,
        target: &TargetTx,
    ) -> Result<Option<Bytes>, RpcError> {
        let mut steps = Steps::default();
        for (step, amount_out) in idea.steps.iter().zip(outs) {
            let pool = &self.market.pools[step.pool];
            let hop = Hop { pool: pool.address.into(), token_in: self.ends(step)[0], amount_out: *amount_out };
            match pool.venue {
                Venue::UniswapV3 => steps.exact_in(hop, step.zero_for_one),
                Venue::UniswapV2 | Venue::Sushi => steps.exact_out(hop, step.zero_for_one),
            }
        }
        let run = Run {
            block: self.next.number,
            token: self.market.tokens[0],
            min_profit: earned,
            bid: Bid::Bps(self.strength.bid_bps),
            amount_in: idea.amount_in,
            steps: &steps,
        };
        let Ok(input) = run.encode() else { return Ok(None) };
        let call = json!({"from": self.owner.address(), "to": self.executor, "gas": U64::from(GAS), "input": input});
        let ran = self.node.simulate(&self.next, &[&target.call, &call]).await?;
        let Some(gas) = ran.get(1).filter(|ran| ran.succeeded()).map(|ran| ran.gas_used.to::<u64>()) else {
            return Ok(None);
        };
        let kept = U256::from(earned) * U256::from(WHOLE_BPS - u64::from(self.strength.bid_bps).min(WHOLE_BPS));
        let cost = U256::from(gas) * U256::from(self.next.base_fee);
        Ok((kept / U256::from(WHOLE_BPS) > cost).then(|| self.sign(input, gas)))
    }

    fn sign(&self, input: Bytes, gas: u64) -> Bytes {
        let tx = TxEip1559 {
            nonce: self.nonce,
            gas_limit: gas + gas / 4,
            max_fee_per_gas: 2 * u128::from(self.next.base_fee),
            to: TxKind::Call(self.executor),
            input,
            ..TxEip1559::default()
        };
        self.owner.sign(tx).raw
    }
}
