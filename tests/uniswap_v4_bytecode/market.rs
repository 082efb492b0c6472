//! Wrapped ether and two tokens on our own machine, and pools of Uniswap V2, V3 and V4 between them, all of published bytecode.

use std::sync::Arc;

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, Bytes, I256, TxKind, U160, U256};
use peregrine::hot::evm::db::Unknown;
use peregrine::protocols;
use peregrine::protocols::discover::{Announced, Announcement};
use peregrine::protocols::math::tick;
use peregrine::protocols::uniswap_v4::{Home, Key};
use peregrine::types::pool_key::PoolKey;

use crate::common::chain::{Chain, USER, depositCall};
use crate::v4_evm;
use crate::v4_evm::{ModifyLiquidityParams, approveCall, initializeCall, modifyLiquidityCall};

pub const ETHER: u128 = 1_000_000_000_000_000_000;
/// What a pool holds of either token.
const DEPTH: u128 = 1_000 * ETHER;
/// The widest ticks of spacing 60.
const WIDEST: i32 = 887_220;

alloy::sol! {
    struct MintParams {
        address token0;
        address token1;
        uint24 fee;
        int24 tickLower;
        int24 tickUpper;
        uint256 amount0Desired;
        uint256 amount1Desired;
        uint256 amount0Min;
        uint256 amount1Min;
        address recipient;
        uint256 deadline;
    }
    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96) external payable
        returns (address pool);
    function mint(MintParams params) external payable returns (uint256, uint128, uint256, uint256);
}

/// A family of pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V2,
    V3,
    V4,
    /// V4, ether in the place of wrapped ether where that is one of the two.
    Ether,
}

pub struct Market {
    pub chain: Chain,
    pub weth: Address,
    pub others: [Address; 2],
    pub manager: Address,
    pub announced: Announced,
    provider: Address,
    factory: Address,
    positions: Address,
}

impl Market {
    pub fn new() -> Self {
        let mut chain = Chain::new();
        chain.machine.db_mut().set_unknown(Unknown::AssumeEmpty);
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(100_000 * ETHER));
        let supply = U256::from(1_000_000 * ETHER).abi_encode();
        let others = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
        let v3 = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        let factory_v3 = chain.deploy(v3, &[]);
        let positions =
            "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
        let positions = chain.deploy(positions, &(factory_v3, weth, Address::ZERO).abi_encode_params());
        let manager = chain.create([v4_evm::published("PoolManager"), USER.abi_encode()].concat());
        let provider = chain.create([v4_evm::published("PoolModifyLiquidityTest"), manager.abi_encode()].concat());
        for token in [weth, others[0], others[1]] {
            for spender in [positions, provider] {
                chain.call(token, &approveCall { spender, amount: U256::MAX });
            }
        }
        let announced = Announced { wrapped_native: Some(weth), ..Announced::default() };
        Self { chain, weth, others, manager, announced, provider, factory, positions }
    }

    /// A pool of two tokens; the first one is cheaper by so many ticks than the second.
    pub fn pool(&mut self, family: Family, [a, b]: [Address; 2], ticks: i32) -> PoolKey {
        let up = if a < b { -ticks } else { ticks };
        let mut sides = [a, b];
        sides.sort_unstable();
        match family {
            Family::V2 => {
                let more = U256::from(DEPTH + DEPTH / 10_000 * u128::from(ticks.unsigned_abs()));
                let reserves = if ticks < 0 { [U256::from(DEPTH), more] } else { [more, U256::from(DEPTH)] };
                self.chain.pair(self.factory, [a, b], reserves).into()
            }
            Family::V3 => self.v3(sides, up),
            Family::V4 | Family::Ether => self.v4(self.terms(family, sides, 3_000), up),
        }
    }

    /// The terms of a pool of two tokens, in order.
    pub fn terms(&self, family: Family, sides: [Address; 2], fee: u32) -> Key {
        let other = sides.iter().position(|side| *side == self.weth).map(|at| sides[1 - at]);
        let currencies = match other {
            Some(other) if family == Family::Ether => [Address::ZERO, other],
            _ => sides,
        };
        Key { currencies, fee, tick_spacing: 60, hooks: Address::ZERO }
    }

    fn v3(&mut self, [token0, token1]: [Address; 2], at: i32) -> PoolKey {
        let price = tick::sqrt_price_at(at).expect("a tick").to::<U160>();
        let fee = U24::from(3_000);
        let call = createAndInitializePoolIfNecessaryCall { token0, token1, fee, sqrtPriceX96: price };
        let made = self.chain.call(self.positions, &call);
        let pool = Address::from_slice(&made.result.output().expect("an address")[12..32]);
        let [lower, upper] = [-WIDEST, WIDEST].map(I24::unchecked_from);
        let params = MintParams {
            token0,
            token1,
            fee,
            tickLower: lower,
            tickUpper: upper,
            amount0Desired: U256::from(DEPTH),
            amount1Desired: U256::from(DEPTH),
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: USER,
            deadline: U256::MAX,
        };
        self.chain.call(self.positions, &mintCall { params });
        pool.into()
    }

    /// Makes and fills a pool of the manager's. What the log of it says is known from then on.
    pub fn v4(&mut self, terms: Key, at: i32) -> PoolKey {
        let ether = terms.currencies[0].is_zero();
        // Ether sorts first, where the token that stands for it may not.
        let turned = ether && self.weth > terms.currencies[1];
        let price = tick::sqrt_price_at(if turned { -at } else { at }).expect("a tick").to::<U160>();
        let made = self.chain.call(self.manager, &initializeCall { key: v4_evm::abi(&terms), sqrtPriceX96: price });
        let log = made.logs().first().expect("a log");
        let creation = protocols::creation("uniswap_v4").expect("in the registry");
        assert_eq!(log.topics().first(), Some(&creation.topic));
        let key = (creation.pool)(log.address, log.topics(), &log.data.data).expect("a pool");
        let said = Announcement { topics: log.topics().to_vec(), data: log.data.data.clone() };
        self.announced.pools.insert(key, said);
        let params = ModifyLiquidityParams {
            tickLower: I24::unchecked_from(-WIDEST),
            tickUpper: I24::unchecked_from(WIDEST),
            liquidityDelta: I256::try_from(DEPTH).expect("it fits"),
            salt: Default::default(),
        };
        let call = modifyLiquidityCall { key: v4_evm::abi(&terms), params, hookData: Bytes::default() };
        let value = if ether { U256::from(2 * DEPTH) } else { U256::ZERO };
        self.chain.send(TxKind::Call(self.provider), call.abi_encode(), value);
        key
    }

    /// A pool that is announced, and lies where it would lie: with the price of another.
    pub fn announced_only(&mut self, terms: &Key, like: PoolKey) -> PoolKey {
        let id = terms.id();
        let key = PoolKey { contract: self.manager, id: Some(id) };
        let mut said = self.announced.pools[&like].clone();
        let mut data = said.data.to_vec();
        data[64..96].copy_from_slice(terms.hooks.into_word().as_slice());
        said.topics[1] = id;
        said.data = data.into();
        self.announced.pools.insert(key, said);
        let [from, to] = [like.id.unwrap_or_default(), id].map(|id| Home::of(id).slot0());
        let db = self.chain.machine.db_mut();
        let word = db.known_slot(self.manager, from).expect("initialised");
        db.tell_slot(self.manager, to, word);
        key
    }

    /// From here on what is not known is refused, and discovery knows what was announced.
    pub fn settled(&mut self) {
        let db = self.chain.machine.db_mut();
        db.tell_announced(Arc::new(self.announced.clone()));
        db.set_unknown(Unknown::Refuse);
    }
}
