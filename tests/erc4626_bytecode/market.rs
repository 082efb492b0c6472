//! Wrapped ether and a token, a vault of either, and pools of Uniswap's own bytecode between them and the vaults' shares.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, TxKind, U160, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Outcome;
use peregrine::hot::evm::db::{Cold, Unknown};
use peregrine::hot::evm::machine::ExecuteError;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::{Proven, Prover};
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::amount::Wei;
use revm::state::AccountInfo;

use crate::common::chain::{Chain, USER};
use crate::world::{ETHER, approveCall};

alloy::sol! {
    function deposit() external payable;
    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96)
        external payable returns (address pool);

    struct MintParams {
        address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper; uint256 amount0Desired;
        uint256 amount1Desired; uint256 amount0Min; uint256 amount1Min; address recipient; uint256 deadline;
    }
    function mint(MintParams params) external payable returns (uint256 id, uint128 liquidity, uint256 amount0, uint256 amount1);
}

pub struct Market {
    pub chain: Chain,
    pub weth: Address,
    pub token: Address,
    tokens: Vec<Address>,
    pools: Vec<Address>,
    factory: Address,
}

impl Market {
    pub fn new() -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(1_000_000 * ETHER));
        let token = chain.deploy("@uniswap/v2-core/build/ERC20.json", &U256::from(10_000_000 * ETHER).abi_encode());
        let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
        Self { chain, weth, token, tokens: vec![weth, token], pools: Vec::new(), factory }
    }

    /// A vault of `asset` by its code's name, with so much in it, and as much again as a gift or earned.
    pub fn vault(&mut self, name: &str, asset: Address, [assets, gift]: [u128; 2]) -> Address {
        let arguments = match name {
            "SolmateVault" => (asset, "a vault".to_owned(), "V".to_owned()).abi_encode_params(),
            "OffsetVault" => (asset, U256::from(6)).abi_encode_params(),
            _ => asset.abi_encode(),
        };
        self.vault_of(name, asset, &arguments, [assets, gift])
    }

    /// One that is made with these arguments.
    pub fn vault_of(&mut self, name: &str, asset: Address, arguments: &[u8], [assets, gift]: [u128; 2]) -> Address {
        let vault = self.chain.deploy(&format!(".peregrine/{name}.json"), arguments);
        self.chain.call(asset, &approveCall { spender: vault, amount: U256::MAX });
        let [assets, gift] = [assets, gift].map(|amount| U256::from(amount * ETHER));
        self.chain.call(vault, &crate::world::depositCall { assets, receiver: USER });
        self.chain.call(asset, &crate::common::chain::transferCall { to: vault, amount: gift });
        self.pools.push(vault);
        self.tokens.push(vault);
        vault
    }

    /// A pair of Uniswap's with these reserves, in units.
    pub fn pair(&mut self, tokens: [Address; 2], reserves: [U256; 2]) {
        let pair = self.chain.pair(self.factory, tokens, reserves);
        self.pools.push(pair);
    }

    /// A concentrated pool of Uniswap's at par.
    pub fn concentrated(&mut self, tokens: [Address; 2], amount: u128) {
        let mut sorted = tokens;
        sorted.sort_unstable();
        let [token0, token1] = sorted;
        let chain = &mut self.chain;
        let factory = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        let factory = chain.deploy(factory, &[]);
        let manager =
            "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
        let manager = chain.deploy(manager, &(factory, self.weth, Address::ZERO).abi_encode_params());
        let price: U256 = U256::ONE << 96_usize;
        let fee = 500u16.try_into().expect("24 bits");
        let create = createAndInitializePoolIfNecessaryCall { token0, token1, fee, sqrtPriceX96: price.to::<U160>() };
        let made = creating(chain, manager, &create);
        self.pools.push(made);
        for token in sorted {
            chain.call(token, &approveCall { spender: manager, amount: U256::MAX });
        }
        let amount = U256::from(amount * ETHER);
        let params = MintParams {
            token0,
            token1,
            fee,
            tickLower: (-600i16).try_into().expect("24 bits"),
            tickUpper: 600i16.try_into().expect("24 bits"),
            amount0Desired: amount,
            amount1Desired: amount,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: USER,
            deadline: U256::MAX,
        };
        chain.call(manager, &mintCall { params });
    }

    /// All pools as they are found now.
    pub fn found(&mut self) -> Vec<AnyPool> {
        let mut cache = DiscoveryCache::default();
        let machine = &mut self.chain.machine;
        let found = self.pools.iter().map(|pool| {
            let found = protocols::discover(&mut EvmProbe::new(machine), &mut cache, (*pool).into(), false);
            found.expect("usable").expect("a pool")
        });
        found.collect()
    }

    /// The engine on these pools.
    pub fn engine(self, found: Vec<AnyPool>) -> Engine {
        let mut machine = self.chain.machine;
        let mut pools: Pools<AnyPool> = Pools::default();
        for pool in found {
            pools.add(pool).expect("new");
        }
        let own = Own::install(&mut machine, true, self.weth).expect("the executor");
        let base = pools.intern(self.weth);
        for token in self.tokens {
            own.mark_balance_slots(&mut machine, token);
        }
        let mut search = Search::new(&[base], 4, Effort::EXACT);
        search.extend(&pools);
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
        Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
    }
}

/// Sends what creates a contract, which it answers: where it will be nothing is.
fn creating(chain: &mut Chain, to: Address, call: &impl SolCall) -> Address {
    loop {
        match chain.machine.call(USER, to, call.abi_encode().into()) {
            Err(ExecuteError::Cold(Cold::Account(vacant))) => {
                chain.machine.db_mut().tell_whole_account(vacant, AccountInfo::default());
            }
            Err(error) => panic!("{error}"),
            Ok(looked) => {
                chain.machine.take_back(looked.diff);
                let made = chain.call(to, call);
                return Address::from_slice(&made.result.output().expect("an address")[12..32]);
            }
        }
    }
}

/// The proven paths, as the kinds of their hops.
pub fn paths(engine: &Engine, outcome: &Outcome) -> Vec<Vec<&'static str>> {
    let kinds = |proof: &Proven| -> Vec<&'static str> {
        let path = proof.opportunity().path(engine.pools());
        let pools = path.hops.iter().map(|hop| engine.pools().find(hop.pool).expect("known"));
        pools.map(|id| engine.pools().pool(id).protocol()).collect()
    };
    outcome.proven.iter().map(kinds).collect()
}
