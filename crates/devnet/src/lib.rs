//! A world of our own: a local chain that runs the real protocols, for the demo and the tests.
//!
//! - `node`: the node: [`Anvil`], or [`Geth`] on a first block that holds what anvil was given. `process`: what both are.
//! - `seed`: protocols, tokens, pools, the executor, money.
//! - [`lending`]: lending markets, their prices and their borrowers, where asked for.
//! - `opening`: pools that are made while the chain runs.
//! - `traffic`: people who trade, badly.
//! - [`rivals`]: other searchers, of any strength.
//! - [`block_builder`]: bundles in, blocks out.
//! - [`world`]: all of it at once, with the block builder in front and a report a block.
//! - `wallet`: keys and signatures. `chain`: setting up. `dice`: the seed's numbers. `abi`: the contracts' interfaces.
//!
//! # Invariants
//! - Nothing is mined that nobody asked for: a block comes by `evm_mine`, or geth's `testing_commitBlockV1`, from a test or
//!   from the block builder.
//! - The world follows from the seed, the owner's key and the clock apart. Needs `scripts/setup` to have run.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abi;
mod anvil;
pub mod block_builder;
mod chain;
mod dice;
pub mod geth;
pub mod lending;
mod node;
mod opening;
mod process;
pub mod rivals;
mod seed;
mod traffic;
mod wallet;
pub mod world;

use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::Address;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde_json::Value;
use serde_json::json;

use crate::block_builder::BlockBuilderError;
use crate::block_builder::COINBASE;
use crate::block_builder::node::Node as Miner;
use crate::chain::Chain;
use crate::geth::Genesis;
use crate::lending::Lending;
use crate::lending::Prices;

pub use anvil::Anvil;
pub use anvil::Spec;
pub use geth::Geth;
pub use node::Node;
pub use node::On;
pub use opening::Call;
pub use seed::Contracts;
pub use seed::Pool;
pub use seed::Position;
pub use seed::Token;
pub use seed::Venue;
pub use seed::creation_code;
pub use traffic::Counts;
pub use traffic::Purpose;
pub use traffic::Traffic;
pub use wallet::Signed;
pub use wallet::Wallet;
pub use world::World;

/// Why there is no devnet.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// Neither npm's nor one on PATH.
    #[error("anvil is neither in contracts/node_modules nor on PATH: run scripts/setup")]
    NoAnvil,
    /// Not built.
    #[error("geth is neither at PEREGRINE_GETH nor in target/tools/bin: run scripts/geth")]
    NoGeth,
    /// It refuses what it is given, or is not given what is due.
    #[error("geth: {0}")]
    Geth(String),
    /// The binary is there and does not run.
    #[error("{path}: {cause}")]
    Spawn {
        /// The binary.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It runs and does not listen.
    #[error("{path}: not listening after {seconds} s")]
    Silent {
        /// The binary.
        path: PathBuf,
        /// How long it was given.
        seconds: u64,
    },
    /// It ended before it listened.
    #[error("{path}: ended at once; run it by hand to see why")]
    Ended {
        /// The binary.
        path: PathBuf,
    },
    /// A package is missing.
    #[error("{0} is not in contracts/node_modules: run scripts/setup")]
    NoArtifact(String),
    /// A package is not what it was.
    #[error("{path}: {cause}")]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Our own artifact is broken.
    #[error("contracts/artifacts: {0}")]
    Ours(String),
    /// The node did not answer as due.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A transaction of the set-up failed.
    #[error("setting up: {0} reverted")]
    Reverted(String),
    /// A transaction of the set-up is in no block.
    #[error("setting up: {0} was not mined")]
    Unmined(String),
    /// A token's balances are not where they were.
    #[error("setting up: {0} does not keep its balances where expected")]
    Layout(&'static str),
    /// A pool or position that was made is not there.
    #[error("setting up: a pool that was made is not there")]
    NoPool,
    /// The node's address does not make a URL.
    #[error("{0} is not a url")]
    Url(String),
    /// No rate to trade at.
    #[error("{0} transactions a second: a number above 0 is due")]
    Rate(f64),
    /// No time between blocks that a timestamp can tell.
    #[error("{} ms between blocks: 1000 to 60000 are due", .0.as_millis())]
    Slot(Duration),
    /// The block builder does not run.
    #[error("block builder: {0}")]
    Builder(#[from] BlockBuilderError),
    /// Blocks have stopped coming.
    #[error("no block for {0} s: the node or the block builder has failed")]
    Stalled(u64),
    /// The system gives us no runtime or no signals.
    #[error("{what}: {cause}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its words.
        cause: std::io::Error,
    },
    /// 32 bytes that are no key: chance 2^-128.
    #[error("not a secp256k1 key")]
    Key,
}

impl DevnetError {
    /// Whoever asked can mend it: by other options, or by running scripts/setup. All else is ours, or the machine's.
    #[must_use]
    pub const fn is_input(&self) -> bool {
        match self {
            Self::NoAnvil | Self::NoGeth | Self::NoArtifact(_) | Self::Rate(_) | Self::Slot(_) => true,
            Self::Builder(BlockBuilderError::Public(_) | BlockBuilderError::Listen { .. }) => true,
            Self::Builder(BlockBuilderError::Url(_) | BlockBuilderError::Node(_)) => false,
            Self::Spawn { .. } | Self::Silent { .. } | Self::Ended { .. } | Self::Artifact { .. } => false,
            Self::Geth(_) => false,
            Self::Ours(_) | Self::Rpc(_) | Self::Reverted(_) | Self::Unmined(_) | Self::Layout(_) => false,
            Self::NoPool | Self::Url(_) | Self::Stalled(_) | Self::System { .. } | Self::Key => false,
        }
    }
}

/// What kind of world.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prices, depths, senders and positions follow from it.
    pub seed: u64,
    /// How many accounts the traffic comes from.
    pub senders: usize,
    /// Rules of the chain: `prague` or `cancun`.
    pub hardfork: &'static str,
    /// Gas limit of its blocks.
    pub gas_limit: u64,
    /// Whether there are lending markets too.
    pub lending: bool,
    /// EIP-155's id.
    pub chain_id: u64,
    /// Where wrapped ether is.
    pub weth: Address,
    /// The node that it runs on once it stands.
    pub on: On,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            senders: 40,
            hardfork: "prague",
            gas_limit: 36_000_000,
            lending: false,
            chain_id: wallet::CHAIN_ID,
            weth: seed::WETH,
            on: On::Anvil,
        }
    }
}

/// A running devnet. Dropped, it is gone.
#[derive(Debug)]
pub struct Devnet {
    /// The node.
    pub node: Node,
    /// A connection to it.
    pub rpc: Rpc,
    /// What it was made from.
    pub options: Options,
    /// The protocols.
    pub contracts: Contracts,
    /// All tokens; the first is WETH.
    pub tokens: Vec<Token>,
    /// All pools.
    pub pools: Vec<Pool>,
    /// V3 positions of the senders.
    pub positions: Vec<Position>,
    /// The lending markets, if asked for.
    pub lending: Option<Lending>,
    /// Whom the traffic comes from.
    pub senders: Vec<Wallet>,
    /// Our contract.
    pub executor: Address,
    /// Its owner, fresh in every run.
    pub owner: Wallet,
}

/// The node is on this machine; what takes longer than this hangs.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Base fee when trading begins, in wei per gas.
const OPENING_BASE_FEE: &str = "0x12a05f200";

impl Devnet {
    /// Starts the node and builds the world on it.
    pub async fn start(options: Options) -> Result<Self, DevnetError> {
        let (chain_id, weth) = (options.chain_id, options.weth);
        let spec = Spec { chain_id, hardfork: options.hardfork, gas_limit: chain::SETUP_GAS_LIMIT };
        let anvil = Anvil::start(&spec).await?;
        let rpc = Rpc::new(&anvil.http(), TIMEOUT).ok_or_else(|| DevnetError::Url(anvil.http()))?;
        let senders =
            (0..options.senders).map(|place| Ok(Wallet::derived("sender", options.seed, place)?.on(chain_id)));
        let senders: Vec<Wallet> = senders.collect::<Result<_, DevnetError>>()?;
        let addresses: Vec<Address> = senders.iter().map(Wallet::address).collect();

        let maker = Wallet::derived("maker", options.seed, 0)?.on(chain_id);
        let mut chain = Chain::new(rpc.clone(), maker);
        let seeded = seed::seed(&mut chain, (options.seed, weth), &addresses).await?;
        let owner = Wallet::fresh()?.on(chain_id);
        let mut own = Chain::new(rpc.clone(), owner.clone());
        let executor = seed::deploy_executor(&mut own, weth).await?;
        let lending = match options.lending {
            true => Some(lending::stand(&mut chain, (options.seed, chain_id), &seeded.tokens).await?),
            false => None,
        };

        let (seed::Seeded { contracts, tokens, pools, positions }, gas_limit) = (seeded, options.gas_limit);
        let node = Node::Anvil(anvil);
        let mut devnet =
            Self { node, rpc, options, contracts, tokens, pools, positions, lending, senders, executor, owner };
        devnet.open(gas_limit).await?;
        match devnet.options.on {
            On::Anvil => Ok(devnet),
            On::Geth => devnet.on_geth().await,
        }
    }

    /// The same world on a geth, whose first block holds it.
    async fn on_geth(self) -> Result<Self, DevnetError> {
        let Options { chain_id, hardfork, gas_limit, .. } = self.options;
        let geth = Geth::start(Genesis::of(&self.rpc, (chain_id, hardfork, gas_limit)).await?).await?;
        let rpc = Rpc::new(&geth.http(), TIMEOUT).ok_or_else(|| DevnetError::Url(geth.http()))?;
        Ok(Self { node: Node::Geth(geth), rpc, ..self })
    }

    /// Mines the block at which trading begins: from here on with this gas limit, and with the opening's base fee.
    async fn open(&mut self, gas_limit: u64) -> Result<(), DevnetError> {
        self.rpc.call::<Value>("evm_setBlockGasLimit", json!([format!("{gas_limit:#x}")])).await?;
        self.rpc.call::<Value>("anvil_setNextBlockBaseFeePerGas", json!([OPENING_BASE_FEE])).await?;
        self.options.gas_limit = gas_limit;
        self.mine().await
    }

    /// A fresh account on its chain.
    pub fn wallet(&self) -> Result<Wallet, DevnetError> {
        Ok(Wallet::fresh()?.on(self.options.chain_id))
    }

    /// Another executor, for a fresh account: gives it ether, and mines. A rival needs one.
    pub async fn employ(&self, owner: &Wallet) -> Result<Address, DevnetError> {
        seed::deploy_executor(&mut Chain::new(self.rpc.clone(), owner.clone()), self.contracts.weth).await
    }

    /// Mines one block of what is in the pool.
    pub async fn mine(&self) -> Result<(), DevnetError> {
        match self.node {
            Node::Anvil(_) => self.rpc.call::<Value>("evm_mine", json!([])).await.map(drop)?,
            Node::Geth(_) => {
                let geth = Miner::geth(self.rpc.clone());
                let env = geth.head(&json!("latest")).await?.next(1, COINBASE);
                geth.commit(&env, None).await?;
            }
        }
        Ok(())
    }

    /// Starts people trading, at so many transactions a second.
    pub fn trade(&self, per_second: f64) -> Result<Traffic, DevnetError> {
        self.trade_through(&self.rpc, per_second)
    }

    /// The same, with transactions handed in elsewhere than at the node: at a block builder's door.
    pub fn trade_through(&self, builder_rpc: &Rpc, per_second: f64) -> Result<Traffic, DevnetError> {
        Traffic::start(self, builder_rpc, per_second)
    }

    /// Starts answering for the lending markets' prices, one of them every so often, at the node or at a block builder's door.
    /// Nothing where there is no market.
    #[must_use]
    pub fn answer_prices(&self, builder_rpc: &Rpc, every: Duration) -> Option<Prices> {
        let lending = self.lending.as_ref()?;
        Some(Prices::start(lending, self.options.seed, self.rpc.clone(), builder_rpc.clone(), every))
    }
}
