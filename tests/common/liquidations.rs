//! An engine over a devnet's lending markets, oracles and pools, real contracts all, and prices that fall behind a pending
//! answer.

#![allow(dead_code, reason = "shared by tests that each use a part")]

use std::sync::Arc;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, TxKind, U64, U256};
use peregrine::chain::MAINNET;
use peregrine::edge::bootstrap::{self, Config, Keep, Loaded, Wanted};
use peregrine::hot::bundle;
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::plan::{InitialState, Plan};
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::fork;
use peregrine::hot::evm::own::Own;
use peregrine::hot::search;
use peregrine::live::session;
use peregrine::types::update::StateKey;
use peregrine_devnet::lending::Feed;
use revm::context::TxEnv;
use serde_json::json;

use crate::world::World;

alloy::sol! {
    function latestRound() external view returns (uint256);
}

/// Seconds between two blocks.
pub const SLOT: u64 = 12;

/// What is to be made of it.
pub struct Rig {
    pub world: World,
    pub loaded: Loaded,
    keep: Keep,
    own: Own,
}

impl Rig {
    pub async fn new(seed: u64) -> Self {
        let world = World::lending(seed).await;
        let net = &world.net;
        let own = Own { owner: net.owner.address(), executor: net.executor, weth: MAINNET.wrapped_native };
        let wanted = Wanted {
            factories: session::factories(&net.contracts),
            accounts: vec![own.owner, own.executor],
            lending: session::lending(net.lending.as_ref()),
            ..Wanted::default()
        };
        let chain = world.chain();
        let loaded = bootstrap::load(&chain, &Config::default(), world.rules(), &wanted, &mut |_| ()).await.unwrap();
        let keep = Keep::new(chain, world.rules(), &loaded);
        Self { world, loaded, keep, own }
    }

    pub fn search() -> search::config::Config {
        search::config::Config::default()
    }

    /// An engine behind what was loaded.
    pub fn engine(&self) -> Engine {
        let plan = Plan {
            chain_id: 1,
            rules: fork::Rules::always(fork::Fork::PRAGUE),
            slot_seconds: SLOT,
            search: Self::search(),
            base: true,
            bid: bundle::config::Bid::default(),
            own: self.own,
            forecast: false,
            contracts: MAINNET.contracts(),
        };
        let Loaded { head, accounts, hashes, pools, markets, .. } = &self.loaded;
        plan.engine(&InitialState { head, accounts, hashes, pools, markets })
    }

    /// When the next block is made.
    pub fn next(&self) -> u64 {
        self.loaded.head.timestamp + SLOT
    }

    /// A feed's next answer, as a transaction.
    pub async fn answer(&self, feed: &Feed, price: u64) -> TxEnv {
        let rpc = &self.world.net.rpc;
        let reporter = self.world.net.lending.as_ref().unwrap().reporter.address();
        let call = json!([{"to": feed.aggregator, "data": Bytes::from(latestRoundCall {}.abi_encode())}, "latest"]);
        let round: Bytes = rpc.call("eth_call", call).await.unwrap();
        let nonce: U64 = rpc.call("eth_getTransactionCount", json!([reporter, "latest"])).await.unwrap();
        TxEnv {
            caller: reporter,
            gas_limit: 400_000,
            gas_price: 1_000_000_000_000,
            kind: TxKind::Call(feed.aggregator),
            data: Feed::answer(U256::from_be_slice(&round) + U256::ONE, price).into(),
            nonce: nonce.to(),
            ..TxEnv::default()
        }
    }

    /// Offers a pending transaction until nothing is missing.
    pub async fn offer(&self, engine: &mut Engine, tx: &TxEnv) -> Outcome {
        self.until_known(engine, || Event::Pending(Box::new(tx.clone()))).await
    }

    /// Tells of something until nothing is missing.
    pub async fn until_known(&self, engine: &mut Engine, event: impl Fn() -> Event) -> Outcome {
        loop {
            let outcome = engine.on_event(event());
            if outcome.wanted.is_empty() {
                return outcome;
            }
            self.tell(engine, &outcome.wanted).await;
        }
    }

    /// Fetches what is missing. What was laid over the state is taken off by it.
    pub async fn tell(&self, engine: &mut Engine, state_keys: &[StateKey]) {
        let fetched = self.keep.fetch(engine.tip().unwrap().head().hash, state_keys).await.unwrap();
        assert!(!fetched.accounts.is_empty(), "{state_keys:?}");
        engine.on_event(Event::FetchedState(Arc::new(fetched)));
    }

    /// Gives the block behind the tip to the engine, until nothing is missing. Its transactions have been included: of logs only
    /// the markets' are told, the pools have taken theirs.
    pub async fn follow(&self, engine: &mut Engine) {
        let chain = self.world.chain();
        let head = chain.at(engine.tip().unwrap().head().number + 1).await.unwrap().unwrap();
        let markets: Vec<Address> = self.loaded.markets.iter().map(|seed| seed.address).collect();
        let logs = chain.logs(head.hash, &markets).await.unwrap();
        let news = self.keep.update(&head, &logs).await.unwrap();
        let mut outcome = engine.on_event(Event::Block(Arc::new(news)));
        assert!(outcome.broken.is_empty() && outcome.desync.is_none(), "{:?}", outcome.broken);
        while !outcome.wanted.is_empty() {
            self.tell(engine, &outcome.wanted).await;
            outcome = engine.on_event(Event::Head);
        }
    }
}
