//! The toy in cycles with pairs of Uniswap's own bytecode: found by the search, agreed with by the EVM to the wei.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, TxKind, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::amount::Wei;
use peregrine::types::pool_key::PoolKey;
use revm::context::TxEnv;

use crate::bank::Bank;
use crate::common::chain::{Chain, USER, depositCall};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Wrapped ether and two tokens, a pair of each two, and a pool of the three that prices them otherwise.
struct Market {
    bank: Bank,
    pairs: Vec<Address>,
    key: PoolKey,
    weth: Address,
    others: [Address; 2],
}

impl Market {
    /// `toy`: what the pool holds of wrapped ether and of the other two, in ether; the pairs hold as much of one as of another.
    fn new(toy: [u128; 3]) -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(100_000 * ETHER));
        let supply = U256::from(1_000_000 * ETHER).abi_encode();
        let others = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
        let all = [weth, others[0], others[1]];
        let deep = [U256::from(1_000 * ETHER); 2];
        let pairs = [[0, 1], [1, 2], [0, 2]].map(|[a, b]| chain.pair(factory, [all[a], all[b]], deep)).to_vec();
        let mut bank = Bank::of(chain, all);
        let held = bank.tokens.map(|token| toy[all.iter().position(|other| *other == token).expect("one of them")]);
        let key = bank.filled(3_000, held.map(|held| held * ETHER));
        Self { bank, pairs, key, weth, others }
    }

    fn engine(self) -> Engine {
        let mut machine = self.bank.chain.machine;
        let mut pools: Pools<AnyPool> = Pools::default();
        let mut cache = DiscoveryCache::default();
        for key in self.pairs.iter().copied().map(PoolKey::from).chain([self.key]) {
            let found = protocols::discover(&mut EvmProbe::new(&mut machine), &mut cache, key, false);
            pools.add(found.expect("usable").expect("a pool")).expect("new");
        }
        let own = Own::install(&mut machine, true, self.weth).expect("the executor");
        let bases: Vec<_> = [self.weth, self.others[0]].map(|token| pools.intern(token)).to_vec();
        for token in [self.weth, self.others[0], self.others[1]] {
            own.mark_balance_slots(&mut machine, token);
        }
        let mut search = Search::new(&bases, 4, Effort::EXACT);
        search.extend(&pools);
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
        Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
    }
}

/// The proven paths through the toy, as the tokens that go into each hop of them.
fn paths(engine: &Engine, outcome: &Outcome) -> Vec<Vec<&'static str>> {
    let protocols = |proof: &peregrine::hot::simulate::Proven| -> Vec<&'static str> {
        let path = proof.opportunity().path(engine.pools());
        path.hops.iter().map(|hop| if hop.pool.id.is_some() { "toy" } else { "pair" }).collect()
    };
    outcome.proven.iter().map(protocols).collect()
}

#[test]
fn whichever_of_its_three_tokens_is_cheap_a_cycle_through_it_is_proven_to_the_wei() {
    for toy in [[1_100, 1_000, 1_000], [1_000, 1_100, 1_000], [1_000, 1_000, 1_100]] {
        let mut engine = Market::new(toy).engine();
        let outcome = engine.on_event(Event::Head);
        let paths = paths(&engine, &outcome);
        // Ether is what a cycle ends with, whichever of the two pays that.
        let due = if toy[0] > 1_000 { ["pair", "toy"] } else { ["toy", "pair"] };
        assert!(paths.iter().any(|path| path == &due), "{toy:?}: {paths:?} {:?}", outcome.rejected);
        assert!(paths.iter().all(|path| path.contains(&"pair")), "the toy pays nothing before it is paid");
        assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    }
}

#[test]
fn behind_a_swap_through_it_a_cycle_brings_it_back() {
    let mut market = Market::new([1_000; 3]);
    let pool = market.bank.pool(market.key);
    let leg = protocols::amm::Amm::leg(&pool, market.others[0], market.others[1]).expect("a leg");
    let trigger = market.bank.exchange_of(market.key, leg, U256::from(50 * ETHER));
    let nonce = market.bank.chain.nonce();
    let mut engine = market.engine();
    let (kind, data) = (TxKind::Call(trigger.0), trigger.1.into());
    let tx = TxEnv { caller: USER, gas_limit: 1_000_000, gas_price: 7, kind, data, nonce, ..TxEnv::default() };
    let outcome = engine.on_event(Event::Pending(Box::new(tx)));
    let paths = paths(&engine, &outcome);
    assert!(!paths.is_empty() && paths.iter().all(|path| path.contains(&"toy")), "{outcome:?}");
    assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
}
