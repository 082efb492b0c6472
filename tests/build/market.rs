//! Opportunities that the EVM agrees with: two factories' pairs of wrapped ether and a token, at different prices.
#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, B256, TxKind, U256};
use peregrine::hot::bundle::config::{Bid, Executor, Limits};
use peregrine::hot::bundle::{BundleSigner, TargetBlock};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Event;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::{Proven, Prover};
use peregrine::hot::state::pools::Pools;
use peregrine::hot::strategy::{Registered, Strategy};
use peregrine::protocols::AnyPool;
use peregrine::protocols::executor;
use peregrine::protocols::uniswap_v2;
use peregrine::types::amount::{Wei, WeiPerGas};
use peregrine::types::secret::{Key, Place};

use crate::common::chain::{Chain, USER, depositCall};

/// The block that the market's chain builds.
pub const BLOCK: u64 = 20_000_000;
/// Anvil's first and second account. Everybody's, so nobody's.
pub const OWNER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
pub const OTHER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

pub fn ether(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(18))
}

pub fn key(text: &str) -> Key {
    Key::from_hex(text).expect("a key")
}

/// An engine with what it found in the state its chain starts from.
pub struct Market<S = Registered> {
    pub engine: Engine<S>,
    pub own: Own,
    pub proven: Vec<Proven>,
}

impl Market {
    /// `pairs` of one token. `paid`: what the prover's run pays the builder, in wei.
    pub fn new(pairs: u64, paid: u64) -> Self {
        Self::running(Registered::default(), pairs, paid)
    }
}

impl<S: Strategy> Market<S> {
    /// With these strategies.
    pub fn running(strategies: S, pairs: u64, paid: u64) -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), ether(1_000_000));
        let token = chain.deploy("@uniswap/v2-core/build/ERC20.json", &ether(1_000_000_000).abi_encode());
        let mut pools: Pools<AnyPool> = Pools::default();
        let mut fees = uniswap_v2::FeeCache::default();
        for i in 0..pairs {
            let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
            let pair = chain.pair(factory, [weth, token], [ether(100 + 10 * i), ether(100_000)]);
            let pool = uniswap_v2::discover(&mut EvmProbe::new(&mut chain.machine), pair, &mut fees).expect("usable");
            pools.add(pool.expect("a pair").into()).expect("new");
        }
        let own = Own::install(&mut chain.machine, true, weth).expect("the executor");
        own.mark_balance_slots(&mut chain.machine, weth);
        let base = pools.intern(weth);
        let mut search = Search::new(&[base], 4, Effort::EXACT);
        search.extend(&pools);
        chain.machine.db_mut().set_unknown(Unknown::Refuse);
        let prover = Prover::new(own, 1, Unknown::Refuse, executor::Bid::Wei(Wei(U256::from(paid))));
        let mut engine = Engine::running(strategies, (chain.machine, pools), search, prover, Wei(U256::from(1)));
        let proven = engine.on_event(Event::Head).proven;
        assert!(!proven.is_empty());
        Self { engine, own, proven }
    }

    /// A builder that signs with the owner's key for this market's executor.
    pub fn signer(&self, bid: Bid, limits: Limits) -> BundleSigner {
        BundleSigner::new(key(OWNER_KEY), 1, contract(self.own.executor), bid, limits)
    }
}

pub fn contract(address: Address) -> Executor {
    Executor {
        address,
        owner: Place::Env("OWNER".to_owned()),
        identity: None,
        access_list: false,
        gas_margin_bps: 1_000,
    }
}

pub fn target_block() -> TargetBlock {
    TargetBlock { block: BLOCK, parent: B256::repeat_byte(1), base_fee: WeiPerGas(7), nonce: 1 }
}
