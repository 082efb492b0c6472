//! A small chain in revm, and on it a real Uniswap V2 market: the published bytecode of factory, pair and token.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::Log;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use peregrine::protocols::discover::Answer;
use peregrine::protocols::discover::PLAIN_TOKEN;
use peregrine::protocols::discover::Probe;
use peregrine::protocols::uniswap_v2::Fee;
use peregrine::protocols::uniswap_v2::FeeCache;
use peregrine::protocols::uniswap_v2::Layout;
use peregrine::protocols::uniswap_v2::Pool;
use peregrine::protocols::uniswap_v2::Reason;
use peregrine::protocols::uniswap_v2::abi;
use peregrine::protocols::uniswap_v2::discover;
use revm::Context;
use revm::Database;
use revm::DatabaseCommit;
use revm::ExecuteEvm;
use revm::MainBuilder;
use revm::MainContext;
use revm::bytecode::Bytecode;
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm::context::result::ResultAndState;
use revm::database::CacheDB;
use revm::database::EmptyDB;
use revm::database_interface::DBErrorMarker;
use revm::primitives::TxKind;
use revm::state::AccountInfo;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

pub const USER: Address = address!("0x00000000000000000000000000000000000a11ce");
/// Slots of the real pair: the packed reserves, the reentrancy lock.
pub const RESERVES: u64 = 8;
pub const UNLOCKED: u64 = 12;

alloy::sol! {
    function createPair(address tokenA, address tokenB) external returns (address pair);
    function transfer(address to, uint256 value) external returns (bool);
    function mint(address to) external returns (uint256 liquidity);
    function burn(address to) external returns (uint256 amount0, uint256 amount1);
}

// ---- the published bytecode ---------------------------------------------------------------------------------------

pub fn artifact(name: &str) -> serde_json::Value {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/node_modules");
    let given = std::env::var_os("PEREGRINE_NODE_MODULES").map(PathBuf::from);
    let file = format!("@uniswap/v2-core/build/{name}.json");
    let path = [Some(own), given].into_iter().flatten().map(|dir| dir.join(&file)).find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("no {file}: run scripts/setup, or set PEREGRINE_NODE_MODULES"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn creation(name: &str) -> Vec<u8> {
    hex::decode(artifact(name)["bytecode"].as_str().unwrap()).unwrap()
}

pub fn runtime(name: &str) -> String {
    artifact(name)["evm"]["deployedBytecode"]["object"].as_str().unwrap().to_owned()
}

/// The pair with parts of its code replaced. Each pattern must be there `count` times, and keep its length: jumps hold.
pub fn patched(patches: &[(&str, &str, usize)]) -> Vec<u8> {
    let mut code = runtime("UniswapV2Pair");
    for (from, to, count) in patches {
        assert_eq!(from.len(), to.len(), "patch changes the length");
        assert_eq!(code.matches(from).count(), *count, "pattern {from}");
        code = code.replace(from, to);
    }
    hex::decode(code).unwrap()
}

/// `PUSH1 3; PUSH4 ffffffff; PUSH2 mul; AND; JUMP`: `amountIn.mul(3)`, once for each token, token 0 first.
pub const MUL_FEE: &str = "600363ffffffff6121e81656";
/// `PUSH2 1000` before the same call, shared by both tokens.
pub const MUL_DEN: &str = "6103e863ffffffff6121e81656";
/// `PUSH3 1000**2`.
pub const SQUARE: &str = "620f4240";

/// The pair with a fee of `num/den`; `den**2` must fit in three bytes.
pub fn with_fee(num: u8, den: u16) -> Vec<u8> {
    let fee = format!("60{num:02x}{}", &MUL_FEE[4..]);
    let scale = format!("61{den:04x}{}", &MUL_DEN[6..]);
    let square = format!("62{:06x}", u32::from(den) * u32::from(den));
    assert_eq!(square.len(), 8, "den^2 needs more than three bytes");
    patched(&[(MUL_FEE, &fee, 2), (MUL_DEN, &scale, 1), (SQUARE, &square, 1)])
}

/// Slot the fee of [`fee_in_storage`] is read from.
pub const FEE_SLOT: u64 = 0x20;

/// `PUSH1 0x20; SLOAD; PUSH2 mul; JUMPDEST x5; JUMP`: the fee in thousandths read from the pair's storage.
pub fn fee_in_storage() -> Vec<u8> {
    patched(&[(MUL_FEE, "6020546121e85b5b5b5b5b56", 2)])
}

// ---- a small chain ------------------------------------------------------------------------------------------------

#[derive(Default)]
pub struct World {
    db: CacheDB<EmptyDB>,
    /// Slots a record would not have.
    pub unknown: HashSet<(Address, U256)>,
}

#[derive(Debug, thiserror::Error)]
#[error("slot is not known")]
struct Unknown;

impl DBErrorMarker for Unknown {}

/// The world as one call sees it.
struct View<'a> {
    world: &'a mut World,
    overrides: &'a [(Address, U256, U256)],
    strict: bool,
    cold: bool,
    reads: Vec<(Address, U256)>,
}

impl Database for View<'_> {
    type Error = Unknown;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unknown> {
        Ok(self.world.db.basic(address).unwrap())
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Unknown> {
        Ok(self.world.db.code_by_hash(hash).unwrap())
    }

    fn storage(&mut self, at: Address, slot: U256) -> Result<U256, Unknown> {
        self.reads.push((at, slot));
        if let Some(set) = self.overrides.iter().rev().find(|set| (set.0, set.1) == (at, slot)) {
            return Ok(set.2);
        }
        match self.world.slot(at, slot) {
            Some(word) => Ok(word),
            None if self.strict => {
                self.cold = true;
                Err(Unknown)
            }
            None => Ok(U256::ZERO),
        }
    }

    fn block_hash(&mut self, _: u64) -> Result<B256, Unknown> {
        Ok(B256::ZERO)
    }
}

fn execute<DB: Database>(db: DB, from: Address, kind: TxKind, data: &[u8]) -> (Option<ResultAndState>, DB) {
    let tx =
        TxEnv { caller: from, kind, data: Bytes::copy_from_slice(data), gas_limit: 16_000_000, ..TxEnv::default() };
    let context = Context::mainnet().with_db(db).modify_cfg_chained(|cfg| cfg.disable_nonce_check = true);
    let mut evm = context.modify_block_chained(|block| block.timestamp = U256::from(1_700_000_000)).build_mainnet();
    (evm.transact(tx).ok(), evm.ctx.journaled_state.database)
}

/// What a committed transaction leaves of a pair: its logs and the slots it changed.
pub struct Trace {
    pub output: Bytes,
    pub created: Option<Address>,
    pub logs: Vec<Log>,
    pub changes: Vec<(Address, Vec<(U256, U256)>)>,
    pub gas: u64,
}

impl World {
    pub fn send(&mut self, kind: TxKind, data: &[u8]) -> Option<Trace> {
        let done = execute(&mut self.db, USER, kind, data).0.unwrap();
        let ExecutionResult::Success { ref output, ref logs, .. } = done.result else {
            return None;
        };
        let changed = |account: &revm::state::Account| {
            account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect::<Vec<_>>()
        };
        let trace = Trace {
            output: output.data().clone(),
            created: done.result.created_address(),
            logs: logs.clone(),
            changes: done.state.iter().map(|(at, account)| (*at, changed(account))).collect(),
            gas: done.result.tx_gas_used(),
        };
        self.db.commit(done.state);
        Some(trace)
    }

    pub fn deploy(&mut self, name: &str, argument: &[u8]) -> Address {
        self.send(TxKind::Create, &[creation(name), argument.to_vec()].concat()).unwrap().created.unwrap()
    }

    pub fn set(&mut self, at: Address, slot: impl TryInto<U256, Error: std::fmt::Debug>, word: U256) {
        self.db.insert_account_storage(at, slot.try_into().unwrap(), word).unwrap();
    }

    pub fn place(&mut self, at: Address, code: Vec<u8>) {
        let info = AccountInfo::default().with_code(Bytecode::new_raw(code.into()));
        self.db.insert_account_info(at, info);
    }

    pub fn view(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        set: &[(Address, U256, U256)],
        strict: bool,
    ) -> Answer {
        let view = View { world: self, overrides: set, strict, cold: false, reads: Vec::new() };
        let (done, view) = execute(view, from, TxKind::Call(to), data);
        let output = done.filter(|done| done.result.is_success()).and_then(|done| done.result.into_output());
        Answer { output: output.map(|bytes| bytes.to_vec()), cold: view.cold, reads: view.reads, gas: 0 }
    }
}

impl Probe for World {
    fn call(&mut self, to: Address, data: &[u8]) -> Answer {
        self.view(USER, to, data, &[], true)
    }

    fn call_with(&mut self, from: Address, to: Address, data: &[u8], set: &[(Address, U256, U256)]) -> Answer {
        self.view(from, to, data, set, false)
    }

    fn call_staged(
        &mut self,
        from: Address,
        to: Address,
        data: &[u8],
        set: &[(Address, U256, U256)],
        tokens: &[Address],
    ) -> Answer {
        let before = self.db.clone();
        for token in tokens {
            self.place(*token, PLAIN_TOKEN.to_vec());
            self.db.replace_account_storage(*token, Default::default()).unwrap();
        }
        let answer = self.call_with(from, to, data, set);
        self.db = before;
        answer
    }

    fn slot(&mut self, at: Address, slot: U256) -> Option<U256> {
        (!self.unknown.contains(&(at, slot))).then(|| self.db.storage(at, slot).unwrap())
    }

    fn code_hash(&mut self, at: Address) -> Option<B256> {
        let info = self.db.basic(at).unwrap()?;
        (!info.is_empty_code_hash()).then_some(info.code_hash)
    }
}

// ---- a pair on it -------------------------------------------------------------------------------------------------

pub struct Market {
    pub world: World,
    pub pair: Address,
    pub tokens: [Address; 2],
}

/// `balanceOf[owner]` of the test token: mapping in slot 1.
pub fn balance_slot(owner: Address) -> U256 {
    keccak256((owner, U256::from(1)).abi_encode()).into()
}

pub fn pack(reserves: [u128; 2]) -> U256 {
    U256::from(reserves[0]) | U256::from(reserves[1]) << 112
}

impl Market {
    /// Factory, two tokens and their pair, all real, holding `reserves`.
    pub fn new(reserves: [u128; 2]) -> Self {
        let mut world = World::default();
        let factory = world.deploy("UniswapV2Factory", &USER.abi_encode());
        let mut tokens = [U256::ZERO; 2].map(|supply| world.deploy("ERC20", &supply.abi_encode()));
        tokens.sort();
        let call = createPairCall { tokenA: tokens[0], tokenB: tokens[1] }.abi_encode();
        let pair = Address::from_word(B256::from_slice(&world.send(factory.into(), &call).unwrap().output));
        let mut market = Self { world, pair, tokens };
        market.hold(reserves);
        market
    }

    /// The same market with other code at the pair.
    pub fn forked(reserves: [u128; 2], code: Vec<u8>) -> Self {
        let mut market = Self::new(reserves);
        market.world.place(market.pair, code);
        market
    }

    pub fn hold(&mut self, reserves: [u128; 2]) {
        self.world.set(self.pair, RESERVES, pack(reserves));
        for (token, reserve) in self.tokens.into_iter().zip(reserves) {
            self.world.set(token, balance_slot(self.pair), U256::from(reserve));
        }
    }

    /// Does the pair, as it stands, pay `y` of the other token for `x` of `token_in`?
    pub fn pays(&mut self, token_in: usize, r_in: u128, x: u128, y: u128) -> bool {
        let paid = (self.tokens[token_in], balance_slot(self.pair), U256::from(r_in) + U256::from(x));
        let data = swap(token_in, y).abi_encode();
        self.world.call_with(USER, self.pair, &data, &[paid]).output.is_some()
    }

    pub fn discover(&mut self) -> Result<Option<Pool>, Reason> {
        discover(&mut self.world, self.pair, &mut FeeCache::default())
    }

    /// Fees found, as fractions.
    pub fn fees(&mut self) -> Result<[(u32, u32); 2], Reason> {
        let pool = self.discover()?.expect("a pair");
        Ok(pool.fees().map(|fee| (fee.num(), fee.den())))
    }
}

pub fn swap(token_in: usize, y: u128) -> abi::swapCall {
    let mut out = [U256::ZERO, U256::ZERO];
    out[1 - token_in] = U256::from(y);
    abi::swapCall { amount0Out: out[0], amount1Out: out[1], to: USER, data: Bytes::new() }
}

pub fn thirty() -> [Fee; 2] {
    [Fee::new(3, 1000).unwrap(); 2]
}

pub fn standard(market: &Market, reserves: [u128; 2]) -> Pool {
    let layout = Layout::Packed { slot: U256::from(RESERVES) };
    Pool::new(market.pair, market.tokens, thirty(), layout, reserves).unwrap()
}
