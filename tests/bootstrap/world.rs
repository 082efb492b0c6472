//! A devnet, and what is to be loaded of it.

#![allow(dead_code, reason = "shared by tests that each use a part")]

use std::path::Path;
use std::time::Duration;

use peregrine::edge::bootstrap::{self, BootstrapError, Config, Hear, Loaded, Rules, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::hot::evm::fork::Fork;
use peregrine::live::session;
use peregrine_devnet::{Devnet, Options};
use revm::primitives::eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE;
use revm::primitives::hardfork::SpecId;

pub struct World {
    pub net: Devnet,
}

impl World {
    pub async fn start(seed: u64) -> Self {
        let net = Devnet::start(Options { seed, ..Options::default() }).await;
        Self { net: net.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// With lending markets.
    pub async fn lending(seed: u64) -> Self {
        let net = Devnet::start(Options { seed, lending: true, ..Options::default() }).await;
        Self { net: net.unwrap_or_else(|error| panic!("{error}")) }
    }

    pub fn chain(&self) -> Chain {
        Chain::new(&self.net.node.http(), Duration::from_secs(30)).unwrap()
    }

    pub fn rules(&self) -> Rules {
        let fork = Fork { spec: SpecId::PRAGUE, blob_update_fraction: BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE };
        Rules { chain_id: 1, forks: peregrine::hot::evm::fork::Rules::always(fork), wrapped_native: None }
    }

    pub fn config(&self, snapshot: Option<&Path>) -> Config {
        Config { snapshot: snapshot.map(Into::into), page_blocks: 4, verify_pools: 59, ..Config::default() }
    }

    pub fn wanted(&self) -> Wanted {
        let accounts = vec![self.net.owner.address(), self.net.executor];
        Wanted { factories: session::factories(&self.net.contracts), accounts, ..Wanted::default() }
    }

    pub async fn load(&self, chain: &Chain, config: &Config, hear: Hear<'_>) -> Result<Loaded, BootstrapError> {
        bootstrap::load(chain, config, self.rules(), &self.wanted(), hear).await
    }

    /// Mines so many blocks of people's trades.
    pub async fn busy_blocks(&self, blocks: u64) {
        let traffic = self.net.trade(200.0).unwrap();
        for block in 1..=blocks {
            assert!(traffic.reached(block * 20).await);
            self.net.mine().await.unwrap();
        }
        traffic.stop().await;
    }
}
