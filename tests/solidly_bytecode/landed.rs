//! Pools of both kinds in cycles with pairs and a concentrated pool of Uniswap's own bytecode: found by the search, run by our contract,
//! agreed with by the EVM to the wei. And what a swap costs.

use std::collections::BTreeSet;

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, TxKind, U160, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::db::Unknown;
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

use crate::common::chain::{Chain, USER, depositCall};
use crate::world::{ETHER, World};

alloy::sol! {
    function approve(address spender, uint256 amount) external returns (bool);
    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96)
        external payable returns (address pool);

    struct MintParams {
        address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper; uint256 amount0Desired;
        uint256 amount1Desired; uint256 amount0Min; uint256 amount1Min; address recipient; uint256 deadline;
    }
    function mint(MintParams params) external payable returns (uint256 id, uint128 liquidity, uint256 amount0, uint256 amount1);
}

/// Wrapped ether and two tokens, and pools between each two.
struct Market {
    world: World,
    pools: Vec<Address>,
    weth: Address,
}

impl Market {
    fn new() -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(100_000 * ETHER));
        let supply = U256::from(1_000_000 * ETHER).abi_encode();
        let others = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        Self { world: World::on(chain, vec![weth, others[0], others[1]]), pools: Vec::new(), weth }
    }

    /// A pair of Uniswap's with these reserves.
    fn pair(&mut self, factory: Address, places: [usize; 2], reserves: [u128; 2]) {
        let tokens = places.map(|place| self.world.tokens[place]);
        self.pools.push(self.world.chain.pair(factory, tokens, reserves.map(|r| U256::from(r * ETHER))));
    }

    /// A pool of Solidly's: a stable one begins with as much of either, and is swapped until it holds about these.
    fn solidly(&mut self, places: [usize; 2], stable: bool, reserves: [u128; 2]) {
        let [a, b] = reserves.map(|reserve| reserve * ETHER);
        if !stable {
            let pool = self.world.filled(places, false, [a, b]);
            return self.pools.push(pool);
        }
        let pool = self.world.filled(places, true, [a.min(b); 2]);
        if a == b {
            return self.pools.push(pool);
        }
        let (token_in, more) = if a < b { (1, b - a) } else { (0, a - b) };
        let found = self.world.found(pool);
        let leg = found.leg(found.tokens()[token_in], found.tokens()[1 - token_in]).expect("its tokens");
        let out = found.quote_in(leg, U256::from(more)).expect("pays");
        self.world.swap(&found, token_in, more, out.to::<u128>());
        self.pools.push(pool);
    }

    /// A concentrated pool of Uniswap's at par.
    fn concentrated(&mut self, [a, b]: [usize; 2], amount: u128) {
        let chain = &mut self.world.chain;
        let factory = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        let factory = chain.deploy(factory, &[]);
        let manager =
            "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
        let manager = chain.deploy(manager, &(factory, self.weth, Address::ZERO).abi_encode_params());
        let [token0, token1] = [self.world.tokens[a], self.world.tokens[b]];
        let price: U256 = U256::ONE << 96_usize;
        let create = createAndInitializePoolIfNecessaryCall {
            token0,
            token1,
            fee: 500u16.try_into().expect("24 bits"),
            sqrtPriceX96: price.to::<U160>(),
        };
        let made = self.world.creating(manager, &create);
        self.pools.push(Address::from_slice(&made.result.output().expect("an address")[12..32]));
        for token in [token0, token1] {
            self.world.chain.call(token, &approveCall { spender: manager, amount: U256::MAX });
        }
        let amount = U256::from(amount * ETHER);
        let params = MintParams {
            token0,
            token1,
            fee: 500u16.try_into().expect("24 bits"),
            tickLower: (-600i16).try_into().expect("24 bits"),
            tickUpper: 600i16.try_into().expect("24 bits"),
            amount0Desired: amount,
            amount1Desired: amount,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: USER,
            deadline: U256::MAX,
        };
        self.world.chain.call(manager, &mintCall { params });
    }

    fn engine(self) -> Engine {
        let mut machine = self.world.chain.machine;
        let mut pools: Pools<AnyPool> = Pools::default();
        let mut cache = DiscoveryCache::default();
        for pool in self.pools {
            let found = protocols::discover(&mut EvmProbe::new(&mut machine), &mut cache, pool.into(), false);
            pools.add(found.expect("usable").expect("a pool")).expect("new");
        }
        let own = Own::install(&mut machine, true, self.weth).expect("the executor");
        let base = pools.intern(self.weth);
        for token in self.world.tokens {
            own.mark_balance_slots(&mut machine, token);
        }
        let mut search = Search::new(&[base], 4, Effort::EXACT);
        search.extend(&pools);
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
        Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
    }
}

/// The proven paths, as the kinds of their hops.
fn paths(engine: &Engine, outcome: &Outcome) -> Vec<Vec<&'static str>> {
    let kinds = |proof: &Proven| -> Vec<&'static str> {
        let path = proof.opportunity().path(engine.pools());
        let pools = path.hops.iter().map(|hop| engine.pools().find(hop.pool).expect("known"));
        pools.map(|id| engine.pools().pool(id).protocol()).collect()
    };
    outcome.proven.iter().map(kinds).collect()
}

#[test]
fn cycles_through_both_kinds_are_proven_to_the_wei_wherever_the_pool_stands() {
    let mut seen = BTreeSet::new();
    for stable in [false, true] {
        for [a, b] in [[1_000, 1_100], [1_100, 1_000], [900, 1_600]] {
            let mut market = Market::new();
            let factory = market.world.chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
            market.pair(factory, [0, 1], [1_000, 1_000]);
            market.pair(factory, [1, 2], [1_000, 1_000]);
            market.concentrated([0, 2], 1_000);
            market.solidly([0, 1], stable, [a, b]);
            market.solidly([1, 2], !stable, [b, a]);
            let mut engine = market.engine();
            let outcome = engine.on_event(Event::Head);
            let paths = paths(&engine, &outcome);
            println!("stable {stable}, {a} to {b}: {paths:?}");
            assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
            assert!(paths.iter().any(|path| path.contains(&"solidly")), "{paths:?}");
            seen.extend(paths);
        }
    }
    // It lends as the last one, is paid in advance before that, and stands beside each of Uniswap's kinds.
    assert!(seen.iter().any(|path| path.last() == Some(&"solidly")), "{seen:?}");
    assert!(seen.iter().any(|path| path.len() > 1 && path[..path.len() - 1].contains(&"solidly")), "{seen:?}");
    for kind in ["uniswap_v2", "uniswap_v3"] {
        assert!(seen.iter().any(|path| path.contains(&"solidly") && path.contains(&kind)), "{kind}: {seen:?}");
    }
}

#[test]
fn two_pools_of_solidlys_make_a_cycle_alone() {
    let mut market = Market::new();
    market.solidly([0, 1], false, [1_000, 1_200]);
    market.solidly([0, 1], true, [1_000, 1_000]);
    let mut engine = market.engine();
    let outcome = engine.on_event(Event::Head);
    assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    assert_eq!(paths(&engine, &outcome), [["solidly", "solidly"]]);
}

#[test]
fn a_swap_costs_about_what_is_said() {
    let mut world = World::new(&[18, 18]);
    let mut said = Vec::new();
    for stable in [false, true] {
        let address = world.filled([0, 1], stable, [1_000 * ETHER; 2]);
        let pool = world.found(address);
        let leg = pool.leg(pool.tokens()[0], pool.tokens()[1]).expect("its tokens");
        let costs = [12, 12, 1_900].map(|seconds| {
            world.pass(seconds);
            let now = world.found(address);
            let out = now.quote_in(leg, U256::from(ETHER)).expect("pays");
            world.swap(&now, 0, ETHER, out.to::<u128>()).gas_used() - 21_000
        });
        println!("stable {stable}: {costs:?}; said {}", pool.gas(leg));
        // The first swap writes what was empty, and one in half an hour an observation.
        said.push((costs[1], pool.gas(leg)));
    }
    assert!(said.iter().all(|(cost, said)| cost.abs_diff(*said) < said / 10), "{said:?}");
}
