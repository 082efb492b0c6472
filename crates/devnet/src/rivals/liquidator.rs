//! A rival who liquidates: with money of its own, one position a block, all that the rules let it take, and keeps what it seizes.
//!
//! It looks when an answer of a feed is pending, and again when one has been mined. Who secures a debt with what moved is tried,
//! one call after the other, behind the answer; of those that go through the one that leaves most is sent, with a share of that
//! as its tip.
//!
//! # Invariants
//! - Of what it sends in a block at most one lands: its transactions share a nonce.
//!
//! # Cost
//! An answer takes the node one simulation for every eight who pledge that token: some tens of milliseconds.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U256;
use peregrine_protocols::lending::taken::Taken;
use peregrine_rpc::RpcError;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Devnet;
use crate::DevnetError;
use crate::Wallet;
use crate::chain::Chain;
use crate::lending::Borrower;
use crate::lending::Feed;
use crate::lending::Lending;
use crate::rivals::Strength;
use crate::rivals::builder_client::BuilderClient;
use crate::rivals::market::Log;
use crate::rivals::node::Next;
use crate::rivals::node::Node;
use crate::rivals::node::Ran;
use crate::rivals::node::TargetTx;
use crate::seed;
use crate::seed::Token;

alloy::sol! {
    function latestAnswer() external view returns (int256);
    function liquidationCall(address collateral, address debt, address user, uint256 amount, bool receipt) external;
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    function liquidate(MarketParams params, address borrower, uint256 seized, uint256 shares, bytes data) external;
    function position(bytes32 id, address user) external view returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral);
}

/// Between two looks at the node.
const POLL: Duration = Duration::from_millis(25);
/// Dollars of each token that can be owed.
const FUNDING_USD: u64 = 1_000_000_000;
/// Places of those tokens.
const DEBT: [usize; 3] = [1, 2, 3];
/// Tried in one simulation.
const ABREAST: usize = 8;
/// What a liquidation is tried with. Aave V3's burns 500,000.
const GAS: u64 = 1_500_000;
/// All basis points there are.
const WHOLE_BPS: u64 = 10_000;
/// Wei of an ether.
const ETHER: u64 = 1_000_000_000_000_000_000;

/// What it has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers that it has looked behind, pending and mined.
    pub answers: u64,
    /// Liquidations that would have gone through there.
    pub liquidatable: u64,
    /// Bundles that the builder has taken.
    pub sent: u64,
}

/// The rival. Dropped, it ends.
#[derive(Debug)]
pub struct Liquidator {
    /// Whom its transactions are from.
    pub owner: Address,
    tally: watch::Receiver<Tally>,
    task: JoinHandle<()>,
}

impl Liquidator {
    /// What it has done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Gives it its money. `None` where nobody owes.
    pub(crate) async fn hire(devnet: &Devnet) -> Result<Option<Wallet>, DevnetError> {
        let Some(lending) = &devnet.lending else { return Ok(None) };
        let owner = devnet.wallet()?;
        let tokens: Vec<Token> = DEBT.iter().filter_map(|place| devnet.tokens.get(*place).copied()).collect();
        let markets: HashSet<Address> = lending.markets.iter().map(|market| market.pool).collect();
        let mut chain = Chain::new(devnet.rpc.clone(), owner.clone());
        seed::enrich(&mut chain, &tokens, FUNDING_USD, markets.into_iter().collect()).await?;
        Ok(Some(owner))
    }

    /// Sets it to work, for the owner that was given the money.
    pub(crate) fn start(
        devnet: &Devnet,
        builder: &str,
        owner: Wallet,
        strength: Strength,
    ) -> Result<Option<Self>, DevnetError> {
        let Some(lending) = devnet.lending.clone() else { return Ok(None) };
        let (tell, tally) = watch::channel(Tally::default());
        let paid_by = owner.address();
        let worker = Worker {
            node: Node::new(devnet.rpc.clone()),
            builder_client: BuilderClient::new(builder, Wallet::fresh()?)?,
            lending,
            units: devnet.tokens.iter().map(|token| (token.address, token.decimals)).collect(),
            owner,
            strength,
            next: Next::default(),
            nonce: 0,
            prices: HashMap::new(),
            queue: Vec::new(),
            tally: Tally::default(),
        };
        let task = tokio::spawn(worker.run(tell));
        Ok(Some(Self { owner: paid_by, tally, task }))
    }
}

impl Drop for Liquidator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    node: Node,
    builder_client: BuilderClient,
    lending: Lending,
    /// Decimals of every token.
    units: HashMap<Address, u8>,
    owner: Wallet,
    strength: Strength,
    next: Next,
    nonce: u64,
    /// The feeds' answers at the head, by token.
    prices: HashMap<Address, U256>,
    /// What it thinks about, and until when.
    queue: Vec<(Instant, B256)>,
    tally: Tally,
}

/// A liquidation that would go through.
struct Find {
    market: Address,
    input: Bytes,
    gas: u64,
    /// What it leaves, in wei.
    gain: U256,
}

impl Worker {
    async fn run(mut self, tell: watch::Sender<Tally>) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.turn().await {
                tracing::debug!(%error, "a liquidating rival stumbled");
            }
            tell.send_replace(self.tally);
        }
    }

    async fn turn(&mut self) -> Result<(), RpcError> {
        for feed in self.look().await? {
            self.take(&feed, None).await?;
        }
        let due = Instant::now() + self.strength.reaction;
        self.queue.extend(self.node.heard().await?.into_iter().map(|hash| (due, hash)));
        let now = Instant::now();
        let ready: Vec<B256> = self.queue.extract_if(.., |(due, _)| *due <= now).map(|(_, hash)| hash).collect();
        for target in self.node.targets(&ready).await? {
            let moves = |feed: &&Feed| Some(feed.aggregator) == target.to;
            if let Some(feed) = self.lending.feeds.iter().find(moves).copied() {
                self.take(&feed, Some(&target)).await?;
            }
        }
        Ok(())
    }

    /// After every block all prices are read anew: the feeds that have moved.
    async fn look(&mut self) -> Result<Vec<Feed>, RpcError> {
        let next = self.node.next().await?;
        if next.number == self.next.number {
            return Ok(Vec::new());
        }
        let ask = |feed: &Feed| (feed.proxy, Bytes::from(latestAnswerCall {}.abi_encode()));
        let answers = self.node.ask(&self.lending.feeds.iter().map(ask).collect::<Vec<_>>()).await?;
        let count = json!([self.owner.address(), "latest"]);
        self.nonce = self.node.rpc.call::<U64>("eth_getTransactionCount", count).await?.to();
        let mut moved = Vec::new();
        for (feed, answer) in self.lending.feeds.iter().zip(&answers) {
            let answer = U256::try_from_be_slice(answer).unwrap_or_default();
            let before = self.prices.insert(feed.token, answer);
            moved.extend(before.filter(|before| *before != answer).map(|_| *feed));
        }
        self.next = next;
        Ok(moved)
    }

    /// Looks for the best liquidation behind an answer of a feed, pending or mined, and bids for it.
    async fn take(&mut self, feed: &Feed, behind: Option<&TargetTx>) -> Result<(), RpcError> {
        self.tally.answers += 1;
        // The account decides: a rival who does not look at all never looks at the same ones.
        let covered = |b: &&Borrower| u16::from(b.account[19]) * 100 < u16::from(self.strength.coverage) * 256;
        let near: Vec<Borrower> =
            self.lending.borrowers.iter().filter(|b| b.collateral == feed.token).filter(covered).copied().collect();
        let mut best: Option<Find> = None;
        for some in near.chunks(ABREAST) {
            for find in self.try_all(feed, behind, some).await? {
                self.tally.liquidatable += 1;
                if best.as_ref().is_none_or(|best| best.gain < find.gain) {
                    best = Some(find);
                }
            }
        }
        let Some(raw) = best.and_then(|find| self.bid(&find)) else { return Ok(()) };
        let txs: Vec<&Bytes> = behind.map(|target| &target.raw).into_iter().chain([&raw]).collect();
        self.tally.sent += u64::from(self.builder_client.send(self.next.number, &txs).await);
        Ok(())
    }

    /// Those of some borrowers who can be liquidated, were each the first.
    async fn try_all(&self, feed: &Feed, behind: Option<&TargetTx>, some: &[Borrower]) -> Result<Vec<Find>, RpcError> {
        let inputs = self.inputs(some).await?;
        let answer = json!({"to": feed.proxy, "input": Bytes::from(latestAnswerCall {}.abi_encode())});
        let tries: Vec<Value> = some.iter().zip(&inputs).map(|(b, input)| self.call(b.pool, input)).collect();
        let calls: Vec<&Value> = behind.map(|target| &target.call).into_iter().chain([&answer]).chain(&tries).collect();
        let ran = self.node.simulate(&self.next, &calls).await?;
        let first = calls.len() - tries.len();
        // An answer that does not go through moves nothing.
        if ran.len() != calls.len() || ran.iter().take(first).any(|ran| !ran.succeeded()) {
            return Ok(Vec::new());
        }
        let price = ran.get(first - 1).and_then(|ran| U256::try_from_be_slice(&ran.return_data)).unwrap_or_default();
        let tried = some.iter().zip(inputs).zip(ran.iter().skip(first));
        let find = |((b, input), ran): ((&Borrower, Bytes), &Ran)| {
            let gain = self.gain(b, ran, price)?;
            Some(Find { market: b.pool, input, gas: ran.gas_used.to(), gain })
        };
        Ok(tried.filter(|(_, ran)| ran.succeeded()).filter_map(find).collect())
    }

    fn call(&self, market: Address, input: &Bytes) -> Value {
        json!({"from": self.owner.address(), "to": market, "gas": U64::from(GAS), "input": input})
    }

    /// Calldata that takes all that may be taken of each.
    async fn inputs(&self, some: &[Borrower]) -> Result<Vec<Bytes>, RpcError> {
        let mut inputs = Vec::with_capacity(some.len());
        for borrower in some {
            let (collateral, debt, user) = (borrower.collateral, borrower.debt, borrower.account);
            let market = self.lending.markets.get(borrower.market);
            let Some((market, id)) = market.and_then(|market| Some((market, market.id()?))) else {
                let call = liquidationCallCall { collateral, debt, user, amount: U256::MAX, receipt: false };
                inputs.push(call.abi_encode().into());
                continue;
            };
            let asked = self.node.ask(&[(market.pool, positionCall { id, user }.abi_encode().into())]).await?;
            let stands = asked.first().and_then(|answer| positionCall::abi_decode_returns(answer).ok());
            let shares = U256::from(stands.map_or(0, |stands| stands.borrowShares));
            let (irm, lltv) = market.pair.map(|pair| (pair.irm, pair.lltv)).unwrap_or_default();
            let params =
                MarketParams { loanToken: debt, collateralToken: collateral, oracle: market.oracle, irm, lltv };
            let call = liquidateCall { params, borrower: user, seized: U256::ZERO, shares, data: Bytes::new() };
            inputs.push(call.abi_encode().into());
        }
        Ok(inputs)
    }

    /// What a liquidation leaves, in wei, with the collateral at a price.
    fn gain(&self, borrower: &Borrower, ran: &Ran, price: U256) -> Option<U256> {
        let read = |log: &Log| Taken::read(log.address, &log.topics, &log.data).ok().flatten();
        let taken = ran.logs.iter().find_map(read)?;
        let usd = |units: U256, token: Address, price: U256| {
            let unit = U256::from(10).pow(U256::from(*self.units.get(&token)?));
            Some(units.checked_mul(price)? / unit)
        };
        let got = usd(taken.seized, borrower.collateral, price)?;
        let gave = usd(taken.repaid, borrower.debt, *self.prices.get(&borrower.debt)?)?;
        let ether = self.prices.get(&self.lending.feeds.first()?.token)?;
        got.checked_sub(gave)?.checked_mul(U256::from(ETHER))?.checked_div(*ether)
    }

    /// The transaction, when something is left of it after tip and gas.
    fn bid(&self, find: &Find) -> Option<Bytes> {
        let share = U256::from(self.strength.bid_bps);
        let bid = find.gain.checked_mul(share)? / U256::from(WHOLE_BPS);
        let gas = U256::from(find.gas).max(U256::ONE);
        let cost = gas.checked_mul(U256::from(self.next.base_fee))?.checked_add(bid)?;
        let tip: u128 = (bid / gas).saturating_to();
        let tx = TxEip1559 {
            nonce: self.nonce,
            // More than it burnt: the others before it had booked interest, and what is refunded must be there first.
            gas_limit: 2 * find.gas,
            max_fee_per_gas: (2 * u128::from(self.next.base_fee)).saturating_add(tip),
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(find.market),
            input: find.input.clone(),
            ..TxEip1559::default()
        };
        (find.gain > cost).then(|| self.owner.sign(tx).raw)
    }
}
