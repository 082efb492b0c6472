//! A small chain in memory that runs the published bytecode of V3 pools.
//!
//! Three contracts are hand-assembled, so that nothing but the pool is under test: a deployer that answers `parameters()`
//! as the factory would, a factory that only knows its owner, and a caller that forwards calls and pays callbacks.

#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "evm.rs"]
mod evm;
#[path = "v3_code.rs"]
mod v3_code;

use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::Log;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use alloy_primitives::address;
use evm::creation_code;
use peregrine::protocols::uniswap_v3::Layout;
use revm::DatabaseCommit;
use revm::context::result::ExecutionResult;
use revm::database::CacheDB;
use revm::database::EmptyDB;
use revm::state::AccountInfo;
use revm::state::Bytecode;
use v3_code::{caller_code, deployer_code, factory_code, storing_factory_code};

pub use v3_code::FEE_SLOT;

/// Sends every transaction; owner of the factory.
pub const EOA: Address = address!("00000000000000000000000000000000000e0a00");
/// Holds the tokens and owns the positions.
pub const CALLER: Address = address!("0000000000000000000000000000000000ca11e0");
const DEPLOYER: Address = address!("0000000000000000000000000000000000de9107");
pub const FACTORY: Address = address!("00000000000000000000000000000000000fac70");

/// Whose pool: where npm keeps its bytecode, and the layout it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Uniswap,
    Pancake,
    /// Its source is npm's, compiled by scripts/setup. Its fee is what its factory says.
    Slipstream,
}

impl Kind {
    pub const fn layout(self) -> Layout {
        match self {
            Self::Uniswap => Layout::UNISWAP,
            Self::Pancake => Layout::PANCAKE,
            Self::Slipstream => Layout::SLIPSTREAM,
        }
    }

    const fn artifact(self) -> &'static str {
        match self {
            Self::Uniswap => "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
            Self::Pancake => "@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json",
            Self::Slipstream => ".peregrine/CLPool.json",
        }
    }
}

/// What a transaction did.
pub struct Outcome {
    pub ok: bool,
    pub output: Bytes,
    /// The pool's logs.
    pub logs: Vec<Log>,
    /// The pool's changed slots.
    pub changes: Vec<(U256, U256)>,
    /// Every slot touched, by account.
    pub touched: Vec<(Address, U256)>,
}

#[derive(Clone)]
pub struct World {
    db: CacheDB<EmptyDB>,
    pub pool: Address,
    pub tokens: [Address; 2],
    now: u64,
}

impl World {
    /// A chain with two tokens and one pool of them, not yet initialised.
    pub fn new(kind: Kind, fee_pips: u32, tick_spacing: i32) -> Self {
        let mut world =
            Self { db: CacheDB::default(), pool: Address::ZERO, tokens: [Address::ZERO; 2], now: 1_700_000_000 };
        let supply = U256::ONE.wrapping_shl(255).to_be_bytes::<32>();
        let token = [creation_code("@uniswap/v2-core/build/ERC20.json"), supply.to_vec()].concat();
        let mut tokens = [world.create(&token), world.create(&token)];
        tokens.sort();
        world.tokens = tokens;
        world.install(CALLER, caller_code(EOA, tokens));
        if kind == Kind::Slipstream {
            world.install(FACTORY, storing_factory_code());
            world.db.insert_account_storage(FACTORY, FEE_SLOT, U256::from(fee_pips)).expect("in memory");
        } else {
            world.install(FACTORY, factory_code(EOA));
        }
        world.install(DEPLOYER, deployer_code(FACTORY, tokens, fee_pips, tick_spacing));
        for token in tokens {
            let transfer = [&[0xa9, 0x05, 0x9c, 0xbb][..], CALLER.into_word().as_slice(), &supply].concat();
            assert!(world.send(token, transfer).ok, "tokens reach the caller");
        }
        let made = world.send(DEPLOYER, creation_code(kind.artifact()));
        world.pool = Address::from_slice(&made.output[12..32]);
        assert!(made.ok && !world.pool.is_zero(), "the pool deploys");
        world
    }

    fn install(&mut self, at: Address, code: Vec<u8>) {
        let code = Bytecode::new_raw(code.into());
        self.db.insert_account_info(at, AccountInfo::default().with_code(code));
    }

    fn create(&mut self, code: &[u8]) -> Address {
        let (result, _) = self.transact(TxKind::Create, code.to_vec(), true);
        match result {
            ExecutionResult::Success { output, .. } => *output.address().expect("a created contract"),
            other => panic!("creation failed: {other:?}"),
        }
    }

    /// One transaction from [`EOA`]. Kept when `keep`.
    fn transact(&mut self, to: TxKind, data: Vec<u8>, keep: bool) -> (ExecutionResult, revm::state::EvmState) {
        let (result, state) = evm::transact(&mut self.db, self.now, (EOA, to), data);
        if keep {
            // EOA's nonce is the creator's, so created addresses differ.
            self.db.commit(state.clone());
            self.now += 12;
        }
        (result, state)
    }

    fn run(&mut self, to: Address, data: Vec<u8>, keep: bool) -> Outcome {
        let (result, state) = self.transact(TxKind::Call(to), data, keep);
        let pool = self.pool;
        let changes = state.get(&pool).into_iter().flat_map(|account| account.storage.iter());
        let changes =
            changes.filter(|(_, v)| v.original_value != v.present_value).map(|(slot, v)| (*slot, v.present_value));
        let slots = |(at, account): (&Address, &revm::state::Account)| {
            let at = *at;
            account.storage.keys().map(move |slot| (at, *slot)).collect::<Vec<_>>()
        };
        let touched = state.iter().flat_map(slots).collect();
        let logs = result.logs().iter().filter(|log| log.address == pool).cloned().collect();
        Outcome {
            ok: result.is_success(),
            output: result.output().cloned().unwrap_or_default(),
            logs,
            changes: changes.collect(),
            touched,
        }
    }

    /// A transaction straight to a contract.
    pub fn send(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        self.run(to, data, true)
    }

    /// A transaction to the pool through [`CALLER`], which pays what the pool asks for.
    pub fn through_caller(&mut self, data: &[u8]) -> Outcome {
        let data = [self.pool.into_word().as_slice(), data].concat();
        self.run(CALLER, data, true)
    }

    /// A call that changes nothing.
    pub fn look(&mut self, to: Address, data: &[u8]) -> Outcome {
        self.run(to, data.to_vec(), false)
    }

    /// A contract's code.
    pub fn code(&self, at: Address) -> Bytes {
        let code = self.db.cache.accounts.get(&at).and_then(|account| account.info.code.as_ref());
        code.map(Bytecode::original_bytes).unwrap_or_default()
    }

    /// All that a contract holds.
    pub fn storage(&self, at: Address) -> Vec<(U256, U256)> {
        let account = self.db.cache.accounts.get(&at);
        account.map_or_else(Vec::new, |account| account.storage.iter().map(|(slot, value)| (*slot, *value)).collect())
    }

    /// Writes a storage slot.
    pub fn write(&mut self, at: Address, slot: U256, value: U256) {
        self.db.insert_account_storage(at, slot, value).expect("in memory");
    }

    /// A storage slot; never written means zero.
    pub fn slot(&self, at: Address, slot: U256) -> U256 {
        let account = self.db.cache.accounts.get(&at);
        account.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default()
    }
}
