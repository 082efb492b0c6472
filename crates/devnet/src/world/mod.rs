//! The whole devnet as one thing: chain, block builder, traffic and rivals, and a report of every block.
//!
//! # Invariants
//! - The builder alone mines once the world stands, and all traffic goes in at its door: no block is ever undone.
//! - Whoever sends bundles and whoever watches sees what a searcher on mainnet would: a node and a builder, by URL.
//! - The owner's key and the identity key are fresh in every run, and no rival has them.
//!
//! # Limits
//! The world ends with its handle. Killed by SIGKILL, this process leaves its anvil behind.

mod report;
mod serve;

use std::net::SocketAddr;
use std::net::TcpListener;
use std::time::Duration;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::U256;
use peregrine_protocols::types::amount::Wei;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde_json::json;
use tokio::sync::broadcast;

use crate::Contracts;
use crate::Counts;
use crate::Devnet;
use crate::DevnetError;
use crate::Traffic;
use crate::Wallet;
use crate::abi;
use crate::block_builder;
use crate::block_builder::BlockBuilder;
use crate::block_builder::BlockBuilderError;
use crate::block_builder::Entry;
use crate::lending::Prices;
use crate::rivals::Hired;
use crate::rivals::Liquidator;
use crate::rivals::Rival;
use crate::rivals::Strength;
use crate::seed;
use crate::wallet;
use crate::world::report::Reports;

pub use report::Block;
pub use serve::serve;

/// What kind of world.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prices, depths, senders and their trades follow from it.
    pub seed: u64,
    /// How many accounts the traffic comes from. With many, few have two transactions pending at once.
    pub senders: usize,
    /// Time between blocks, in whole seconds.
    pub slot: Duration,
    /// Transactions a second, on average.
    pub per_second: f64,
    /// Who else searches here.
    pub rivals: Vec<Strength>,
    /// Where the block builder listens, on loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether there are lending markets too, whose prices move once a slot.
    pub lending: bool,
    /// EIP-155's id, and where wrapped ether is.
    pub chain: (u64, Address),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            senders: 120,
            slot: Duration::from_secs(2),
            per_second: 20.0,
            rivals: Vec::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            lending: false,
            chain: (wallet::CHAIN_ID, seed::WETH),
        }
    }
}

/// Gas that the traffic burns a transaction, on average (measured over 700).
const GAS_A_TX: f64 = 114_000.0;
/// Least gas limit of a block: room for bundles, whose gas limits count and not what they burn.
const LEAST_GAS: u64 = 12_000_000;

impl Options {
    /// Three times what the traffic burns. Of that a block at its target burns half: the base fee falls slowly, from
    /// 5 gwei, since nobody here trades less when gas is dear, and a fee that rises would rise for ever.
    fn gas_limit(&self) -> u64 {
        let gas = 3.0 * self.per_second * self.slot.as_secs_f64() * GAS_A_TX;
        (gas as u64).max(LEAST_GAS)
    }

    fn check(&self) -> Result<(), DevnetError> {
        if !(1_000..=60_000).contains(&self.slot.as_millis()) {
            return Err(DevnetError::Slot(self.slot));
        }
        if !(self.per_second > 0.0 && self.per_second <= MOST_A_SECOND) {
            return Err(DevnetError::Rate(self.per_second));
        }
        // Before seconds are spent on a chain that nobody could send bundles to. The builder asks again.
        if self.listen.ip().is_loopback() {
            let cannot = |cause| BlockBuilderError::Listen { at: self.listen, cause };
            drop(TcpListener::bind(self.listen).map_err(cannot)?);
            return Ok(());
        }
        Err(BlockBuilderError::Public(self.listen).into())
    }
}

/// Beyond this the traffic, which sends one transaction at a time, does not keep up.
const MOST_A_SECOND: f64 = 200.0;

/// A contract that makes pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factory {
    /// For people.
    pub name: &'static str,
    /// Whose code its pools run: `uniswap_v2` or `uniswap_v3`.
    pub protocol: &'static str,
    /// The contract.
    pub address: Address,
    /// The first block that may hold a pool of its.
    pub from_block: u64,
}

impl Contracts {
    /// Who makes pools here.
    #[must_use]
    pub fn factories(&self) -> [Factory; 3] {
        let factory = |name, protocol, address| Factory { name, protocol, address, from_block: 0 };
        [
            factory("uniswap_v2", "uniswap_v2", self.v2_factory),
            factory("sushi", "uniswap_v2", self.sushi_factory),
            factory("uniswap_v3", "uniswap_v3", self.v3_factory),
        ]
    }
}

/// A running world. Dropped, it is gone; [`World::stop`] ends it between two blocks.
pub struct World {
    /// The chain: contracts, tokens, pools, the executor and its owner.
    pub devnet: Devnet,
    /// The block builder.
    pub builder: BlockBuilder,
    /// The key that relays are to know our searcher by.
    pub identity: Wallet,
    /// What it was made from.
    pub options: Options,
    /// The other searchers, in the order of [`Options::rivals`].
    pub rivals: Vec<Rival>,
    /// One who liquidates, as strong as the first of them: where people owe and there are rivals.
    pub liquidator: Option<Liquidator>,
    traffic: Traffic,
    prices: Option<Prices>,
    reports: Reports,
}

impl World {
    /// Starts all of it; within a tokio runtime. Some seconds.
    pub async fn start(options: Options) -> Result<Self, DevnetError> {
        options.check()?;
        let (seed, senders, lending) = (options.seed, options.senders, options.lending);
        let (chain_id, weth) = options.chain;
        let chain = crate::Options { seed, senders, lending, chain_id, weth, ..crate::Options::default() };
        let mut devnet = Devnet::start(chain).await?;
        let mut hired = Vec::new();
        for strength in &options.rivals {
            hired.push(Hired::hire(&devnet, *strength).await?);
        }
        let funding = if options.rivals.is_empty() { None } else { Liquidator::hire(&devnet).await? };
        // After the rivals' contracts, which ask for more gas than a block of a slow world has.
        devnet.open(options.gas_limit()).await?;
        let node = devnet.node.http();
        let front =
            block_builder::Options { listen: options.listen, slot: options.slot, ..block_builder::Options::new(&node) };
        let builder = BlockBuilder::start(front).await?;
        let reports = Reports::start(&devnet, &builder);
        let builder_rpc = Rpc::new(&builder.url(), TIMEOUT).ok_or_else(|| DevnetError::Url(builder.url()))?;
        let rivals = hired.into_iter().map(|hired| hired.start(&devnet, &builder.url())).collect::<Result<_, _>>()?;
        let liquidator = match funding.zip(options.rivals.first().copied()) {
            Some((owner, strength)) => Liquidator::start(&devnet, &builder.url(), owner, strength)?,
            None => None,
        };
        let traffic = devnet.trade_through(&builder_rpc, options.per_second)?;
        let prices = devnet.answer_prices(&builder_rpc, options.slot);
        Ok(Self { devnet, builder, identity: Wallet::fresh()?, options, rivals, liquidator, traffic, prices, reports })
    }

    /// The node's JSON-RPC over HTTP.
    #[must_use]
    pub fn node_http(&self) -> String {
        self.devnet.node.http()
    }

    /// The node's JSON-RPC over a websocket.
    #[must_use]
    pub fn node_ws(&self) -> String {
        self.devnet.node.ws()
    }

    /// Where bundles go.
    #[must_use]
    pub fn builder_url(&self) -> String {
        self.builder.url()
    }

    /// What the traffic has sent so far.
    #[must_use]
    pub fn traffic(&self) -> Counts {
        self.traffic.counts()
    }

    /// What became of every bundle so far, oldest first.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Entry> {
        self.builder.bundles()
    }

    /// Every block from now on, with what became of the bundles for it. Whoever reads too slowly is told how many blocks
    /// were skipped.
    #[must_use]
    pub fn blocks(&self) -> broadcast::Receiver<Block> {
        self.reports.subscribe()
    }

    /// WETH that an account held after a block: an executor's profit is the difference of two of these.
    pub async fn weth(&self, holder: Address, block: u64) -> Result<Wei, RpcError> {
        let data: Bytes = abi::balanceOfCall { owner: holder }.abi_encode().into();
        let call = json!([{"to": self.devnet.contracts.weth, "data": data}, U64::from(block)]);
        let answer: Bytes = self.devnet.rpc.call("eth_call", call).await?;
        Ok(Wei(U256::try_from_be_slice(&answer).unwrap_or_default()))
    }

    /// Ether that an account held after a block: gas and bids in wei are paid from it.
    pub async fn ether(&self, holder: Address, block: u64) -> Result<Wei, RpcError> {
        Ok(Wei(self.devnet.rpc.call("eth_getBalance", json!([holder, U64::from(block)])).await?))
    }

    /// Ends rivals, prices, traffic, builder and node, in this order: no block is cut short. What the traffic has sent.
    pub async fn stop(self) -> Counts {
        drop(self.rivals);
        drop(self.liquidator);
        drop(self.prices);
        let counts = self.traffic.stop().await;
        self.builder.stop().await;
        counts
    }
}

/// A block that is put together makes its door wait; what takes longer than this hangs.
const TIMEOUT: Duration = Duration::from_secs(30);
