//! A small chain in memory that runs the published bytecode of Uniswap V4: the manager, and the routers that its own tests use.

#[path = "evm.rs"]
mod evm;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::I256;
use alloy_primitives::Log;
use alloy_primitives::TxKind;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::hex;
use evm::creation_code;
use peregrine::protocols::uniswap_v4::Key;
use revm::DatabaseCommit;
use revm::context::result::ExecutionResult;
use revm::database::CacheDB;
use revm::database::EmptyDB;
use revm::state::AccountInfo;
use revm::state::Bytecode;

/// Sends every transaction, owns every position, and sets the protocol's fee.
pub const EOA: Address = address!("00000000000000000000000000000000000e0a00");
/// Stands for ether.
pub const WETH: Address = address!("00000000000000000000000000000000000e7e40");
/// Hooks that are called for all but swaps, by the bits of their address, and agree to everything.
pub const OFF_SWAP: Address = address!("000000000000000000000000000000000004bf30");
/// Hooks that nothing calls: only a dynamic pool may have such.
pub const FLAGLESS: Address = address!("0000000000000000000000000000000000040000");
/// Answers every call with its selector.
const AGREES: [u8; 14] = hex!("5f35 60e01c 60e01b 5f52 6020 5ff3");
/// What a router has of ether before it is called, and gives back.
const ETHER: U256 = U256::from_limbs([0, 0, 0, 1]);

alloy::sol! {
    struct PoolKey {
        address currency0;
        address currency1;
        uint24 fee;
        int24 tickSpacing;
        address hooks;
    }
    struct SwapParams {
        bool zeroForOne;
        int256 amountSpecified;
        uint160 sqrtPriceLimitX96;
    }
    struct TestSettings {
        bool takeClaims;
        bool settleUsingBurn;
    }
    struct ModifyLiquidityParams {
        int24 tickLower;
        int24 tickUpper;
        int256 liquidityDelta;
        bytes32 salt;
    }
    function approve(address spender, uint256 amount) external returns (bool);
    function initialize(PoolKey key, uint160 sqrtPriceX96) external returns (int24 tick);
    function swap(PoolKey key, SwapParams params, TestSettings settings, bytes hookData) external payable returns (int256 delta);
    function modifyLiquidity(PoolKey key, ModifyLiquidityParams params, bytes hookData) external payable returns (int256 delta);
    function donate(PoolKey key, uint256 amount0, uint256 amount1, bytes hookData) external payable returns (int256 delta);
    function setProtocolFeeController(address controller) external;
    function setProtocolFee(PoolKey key, uint24 newProtocolFee) external;
    function updateDynamicLPFee(PoolKey key, uint24 newDynamicLPFee) external;
}

/// Creation code of v4-core, without its arguments.
pub fn published(name: &str) -> Vec<u8> {
    creation_code(&format!("@uniswap/v4-core/out/{name}.sol/{name}.json"))
}

/// What a transaction did.
pub struct Outcome {
    pub ok: bool,
    pub output: Bytes,
    /// The manager's logs.
    pub logs: Vec<Log>,
    /// The manager's changed slots.
    pub changes: Vec<(U256, U256)>,
}

#[derive(Clone)]
pub struct World {
    db: CacheDB<EmptyDB>,
    pub manager: Address,
    /// Two tokens, in order.
    pub tokens: [Address; 2],
    swapper: Address,
    provider: Address,
    donor: Address,
    now: u64,
}

/// A key as the manager reads it.
pub fn abi(key: &Key) -> PoolKey {
    let [currency0, currency1] = key.currencies;
    let (fee, spacing) = (U24::from(key.fee), I24::unchecked_from(key.tick_spacing));
    PoolKey { currency0, currency1, fee, tickSpacing: spacing, hooks: key.hooks }
}

impl World {
    /// A chain with the manager, its routers, two tokens and hooks.
    pub fn new() -> Self {
        let none = Address::ZERO;
        let mut world = Self {
            db: CacheDB::default(),
            manager: none,
            tokens: [none; 2],
            swapper: none,
            provider: none,
            donor: none,
            now: 1_700_000_000,
        };
        let supply = U256::ONE.wrapping_shl(255).to_be_bytes::<32>();
        let token = [creation_code("@uniswap/v2-core/build/ERC20.json"), supply.to_vec()].concat();
        world.tokens = [world.create(token.clone()), world.create(token)];
        world.tokens.sort();
        world.manager = world.create([published("PoolManager"), EOA.into_word().to_vec()].concat());
        let router = |name| [published(name), world.manager.into_word().to_vec()].concat();
        let routers = ["PoolSwapTest", "PoolModifyLiquidityTest", "PoolDonateTest"].map(router);
        let [swapper, provider, donor] = routers.map(|code| world.create(code));
        (world.swapper, world.provider, world.donor) = (swapper, provider, donor);
        for token in world.tokens {
            for spender in [swapper, provider, donor] {
                let approved = world.send(EOA, token, &approveCall { spender, amount: U256::MAX });
                assert!(approved.ok, "a router may take tokens");
            }
        }
        let agrees = Bytecode::new_raw(AGREES.to_vec().into());
        world.db.insert_account_info(OFF_SWAP, AccountInfo::default().with_code(agrees));
        let manager = world.manager;
        assert!(world.send(EOA, manager, &setProtocolFeeControllerCall { controller: EOA }).ok, "the owner is ours");
        world
    }

    fn create(&mut self, code: Vec<u8>) -> Address {
        let (result, state) = evm::transact(&mut self.db, self.now, (EOA, TxKind::Create), code);
        self.db.commit(state);
        match result {
            ExecutionResult::Success { output, .. } => *output.address().expect("a created contract"),
            other => panic!("creation failed: {other:?}"),
        }
    }

    /// Routers pay ether from what they have.
    fn fund(&mut self, router: Address) {
        self.db.load_account(router).expect("a database in memory").info.balance = ETHER;
    }

    fn run(&mut self, from: Address, to: Address, data: Vec<u8>, keep: bool) -> Outcome {
        let (result, state) = evm::transact(&mut self.db, self.now, (from, TxKind::Call(to)), data);
        let slots = state.get(&self.manager).into_iter().flat_map(|account| account.storage.iter());
        let changed = slots.filter(|(_, slot)| slot.original_value != slot.present_value);
        let outcome = Outcome {
            ok: result.is_success(),
            output: result.output().cloned().unwrap_or_default(),
            logs: result.logs().iter().filter(|log| log.address == self.manager).cloned().collect(),
            changes: changed.map(|(slot, value)| (*slot, value.present_value)).collect(),
        };
        if keep {
            self.db.commit(state);
            self.now += 12;
        }
        outcome
    }

    /// A transaction, which stays.
    pub fn send(&mut self, from: Address, to: Address, call: &impl SolCall) -> Outcome {
        self.run(from, to, call.abi_encode(), true)
    }

    /// A call that changes nothing.
    pub fn look(&mut self, to: Address, data: &[u8]) -> Outcome {
        self.run(EOA, to, data.to_vec(), false)
    }

    pub fn initialize(&mut self, key: &Key, price: U256) -> Outcome {
        let manager = self.manager;
        self.send(EOA, manager, &initializeCall { key: abi(key), sqrtPriceX96: price.to::<U160>() })
    }

    /// A swap by the published router. `keep`: it stays.
    pub fn swap(
        &mut self,
        key: &Key,
        (down, exact_in): (bool, bool),
        amount: U256,
        limit: U256,
        keep: bool,
    ) -> Outcome {
        let signed = I256::from_raw(amount);
        let params = SwapParams {
            zeroForOne: down,
            amountSpecified: if exact_in { -signed } else { signed },
            sqrtPriceLimitX96: limit.to::<U160>(),
        };
        let settings = TestSettings { takeClaims: false, settleUsingBurn: false };
        let call = swapCall { key: abi(key), params, settings, hookData: Bytes::default() };
        self.fund(self.swapper);
        self.run(EOA, self.swapper, call.abi_encode(), keep)
    }

    pub fn modify(&mut self, key: &Key, (lower, upper): (i32, i32), delta: i128) -> Outcome {
        let params = ModifyLiquidityParams {
            tickLower: I24::unchecked_from(lower),
            tickUpper: I24::unchecked_from(upper),
            liquidityDelta: I256::try_from(delta).expect("it fits"),
            salt: Default::default(),
        };
        self.fund(self.provider);
        let provider = self.provider;
        self.send(EOA, provider, &modifyLiquidityCall { key: abi(key), params, hookData: Bytes::default() })
    }

    pub fn donate(&mut self, key: &Key, amounts: [u64; 2]) -> Outcome {
        let [amount0, amount1] = amounts.map(U256::from);
        self.fund(self.donor);
        let donor = self.donor;
        self.send(EOA, donor, &donateCall { key: abi(key), amount0, amount1, hookData: Bytes::default() })
    }

    pub fn set_protocol_fee(&mut self, key: &Key, fee: u32) -> Outcome {
        let manager = self.manager;
        self.send(EOA, manager, &setProtocolFeeCall { key: abi(key), newProtocolFee: U24::from(fee) })
    }

    /// As the hooks of a dynamic pool may at any time.
    pub fn set_dynamic_fee(&mut self, key: &Key, fee: u32) -> Outcome {
        let (manager, hooks) = (self.manager, key.hooks);
        // A transaction is sent by no account that has code: it goes without while this one lasts.
        let account = |db: &mut CacheDB<EmptyDB>| std::mem::take(&mut db.load_account(hooks).expect("in memory").info);
        let with_code = account(&mut self.db);
        let done =
            self.send(hooks, manager, &updateDynamicLPFeeCall { key: abi(key), newDynamicLPFee: U24::from(fee) });
        self.db.load_account(hooks).expect("in memory").info = with_code;
        done
    }

    /// A slot of the manager; never written means zero.
    pub fn slot(&self, slot: U256) -> U256 {
        let account = self.db.cache.accounts.get(&self.manager);
        account.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default()
    }
}

/// What the swapper paid and got of a pool, of what a router returns: two int128 in a word, negative what was paid.
pub fn moved(output: &[u8], down: bool) -> (U256, U256) {
    let half = |at: usize| i128::from_be_bytes(output[at..at + 16].try_into().expect("16 bytes"));
    let [zero, one] = [half(0), half(16)];
    let (paid, got) = if down { (zero, one) } else { (one, zero) };
    assert!(paid <= 0 && got >= 0, "a swap pays {paid} and gets {got}");
    (U256::from(paid.unsigned_abs()), U256::from(got.unsigned_abs()))
}
