//! A weighted pool in cycles with pairs of Uniswap's own bytecode: found by the search, run by our contract, agreed with by the EVM to
//! the wei. And what a swap costs.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, TxKind, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::refused::Refused;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::flash::Funding;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::amount::Wei;
use peregrine::types::pool_key::PoolKey;

use crate::common::chain::{Chain, USER, depositCall, transferCall};
use crate::world::{Code, PER_CENT, WINDOWS, World, legs};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// Wrapped ether and two tokens, a pair of each two, and a weighted pool that prices them otherwise.
struct Market {
    world: World,
    pairs: Vec<Address>,
    keys: Vec<PoolKey>,
    weth: Address,
    others: [Address; 2],
}

impl Market {
    /// `held`: what the pool holds of wrapped ether and of the others, in ether; the pairs hold as much of one as of another.
    fn new(code: Code, weights: &[u64], held: &[u128]) -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(100_000 * ETHER));
        let supply = U256::from(1_000_000 * ETHER).abi_encode();
        let others = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
        let all = [weth, others[0], others[1]];
        let deep = [U256::from(1_000 * ETHER); 2];
        let pairs = [[0, 1], [1, 2], [0, 2]].map(|[a, b]| chain.pair(factory, [all[a], all[b]], deep)).to_vec();
        let mut world = World::on(chain, weth, all[..weights.len()].to_vec(), WINDOWS);
        // The pool keeps its tokens in order of their addresses.
        let in_order = |of: &[u128]| -> Vec<u128> {
            let place = |token: &Address| all.iter().position(|other| other == token).expect("one of them");
            world.tokens.iter().map(|token| of[place(token)]).collect()
        };
        let wide: Vec<u128> = weights.iter().copied().map(u128::from).collect();
        let weights: Vec<u64> = in_order(&wide).into_iter().map(|weight| weight as u64).collect();
        let held: Vec<u128> = in_order(held).into_iter().map(|held| held * ETHER).collect();
        let key = world.filled(code, &weights, 3 * PER_CENT / 10, &held);
        Self { world, pairs, keys: vec![key], weth, others }
    }

    fn engine(self) -> Engine {
        self.begun_by(0, &[])
    }

    /// The same, where our contract holds so much wrapped ether and may spend so much of it.
    fn spending(self, (holds, most): (u128, u128)) -> Engine {
        self.begun_by(holds, &[(None, most)])
    }

    /// The same, where somebody who is asked so lends so much wrapped ether at most.
    fn lent_by(self, lender: (&str, Address), most: u128) -> Engine {
        self.begun_by(0, &[(Some(lender), most)])
    }

    /// The same, where our contract holds so much wrapped ether, and who may begin a path with how much: our contract, or a lender.
    fn begun_by(self, holds: u128, rows: &[(Option<(&str, Address)>, u128)]) -> Engine {
        let mut machine = self.world.chain.machine;
        let mut pools: Pools<AnyPool> = Pools::default();
        let mut cache = DiscoveryCache::default();
        for key in self.pairs.iter().copied().map(PoolKey::from).chain(self.keys) {
            let found = protocols::discover(&mut EvmProbe::new(&mut machine), &mut cache, key, false);
            pools.add(found.expect("usable").expect("a pool")).expect("new");
        }
        let own = Own::install(&mut machine, true, self.weth).expect("the executor");
        let bases: Vec<_> = [self.weth, self.others[0]].map(|token| pools.intern(token)).to_vec();
        for token in [self.weth, self.others[0], self.others[1]] {
            own.mark_balance_slots(&mut machine, token);
        }
        assert!(holds == 0 || own.hold(&mut machine, self.weth, U256::from(holds)));
        let funding = |(lender, most): &(Option<(&str, Address)>, u128)| {
            let lender = lender.map(|(protocol, at)| (protocols::flash_lender(protocol).expect("a lender"), at));
            Funding { token: self.weth, most: *most, lender }
        };
        let fundings: Vec<Funding> = rows.iter().map(funding).collect();
        let by_token: Vec<_> = fundings.iter().map(|funding| (bases[0], *funding)).collect();
        let mut search = Search::new(&bases, 4, Effort::EXACT).funded(&by_token);
        search.extend(&pools);
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO))).funded(fundings);
        Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
    }
}

/// The proven paths, as the kinds of their hops.
fn paths(engine: &Engine, outcome: &Outcome) -> Vec<Vec<&'static str>> {
    let kinds = |proof: &peregrine::hot::simulate::Proven| -> Vec<&'static str> {
        let path = proof.opportunity().path(engine.pools());
        path.hops.iter().map(|hop| if hop.pool.id.is_some() { "weighted" } else { "pair" }).collect()
    };
    outcome.proven.iter().map(kinds).collect()
}

#[test]
fn a_cycle_through_a_pool_out_of_line_is_proven_to_the_wei() {
    let markets: [(Code, &[u64], &[u128]); 4] = [
        (Code::First, &[50, 50], &[1_100, 1_000]),
        (Code::TwoTokens, &[50, 50], &[1_000, 1_100]),
        (Code::Third, &[80, 20], &[4_000, 1_100]),
        (Code::Third, &[50, 25, 25], &[2_000, 1_000, 1_100]),
    ];
    for (code, weights, held) in markets {
        let mut engine = Market::new(code, weights, held).engine();
        let outcome = engine.on_event(Event::Head);
        let paths = paths(&engine, &outcome);
        println!("{code:?} {weights:?} {held:?}: {paths:?}");
        assert!(paths.iter().any(|path| path.contains(&"weighted")), "{code:?} {held:?}: {:?}", outcome.rejected);
        assert!(paths.iter().all(|path| path.contains(&"pair")), "the vault pays nothing before it is paid");
        assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    }
}

#[test]
fn between_two_pairs_a_pool_is_paid_by_our_contract_and_pays_the_pair_behind_it() {
    // What the second token buys of the third is worth more here alone: the way there and back is by pairs.
    let mut market = Market::new(Code::Third, &[34, 33, 33], &[1_030, 1_000, 1_000]);
    let pool = market.world.found(market.keys[0]);
    let leg = pool.leg(market.others[0], market.others[1]).expect("a leg");
    let there = U256::from(100 * ETHER);
    market.world.swap(&pool, leg, false, there);
    let mut engine = market.engine();
    let outcome = engine.on_event(Event::Head);
    let paths = paths(&engine, &outcome);
    println!("{paths:?}");
    assert!(paths.iter().any(|path| path == &["pair", "weighted", "pair"]), "{paths:?} {:?}", outcome.rejected);
    assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
}

/// Two weighted pools of one vault out of line, and no pair that could lend.
fn of_two_that_pull() -> Market {
    let mut market = Market::new(Code::First, &[50, 50], &[1_100, 1_000]);
    let held = [1_000 * ETHER; 2];
    market.keys.push(market.world.filled(Code::Third, &[50, 50], 3 * PER_CENT / 10, &held));
    market.pairs.clear();
    market
}

/// What the one proven path begins with, and what it earns.
fn begun(mut engine: Engine) -> (U256, U256) {
    let outcome = engine.on_event(Event::Head);
    assert!(outcome.rejected.is_empty(), "{:?}", outcome.rejected);
    let [proof] = &outcome.proven[..] else { panic!("{:?}", paths(&engine, &outcome)) };
    let path = proof.opportunity().path(engine.pools());
    (path.hops[0].amount_in, path.gross)
}

/// Nothing is proven, and why.
fn refused(mut engine: Engine) -> Vec<Refused> {
    let outcome = engine.on_event(Event::Head);
    assert!(outcome.proven.is_empty());
    outcome.rejected.iter().map(|(_, reason)| *reason).collect()
}

/// No pool lends what such a path begins with: it begins with what our contract holds, and with no more than may be spent.
#[test]
fn where_nothing_lends_a_path_begins_with_what_our_contract_holds() {
    assert!(of_two_that_pull().engine().on_event(Event::Head).proven.is_empty(), "nothing could begin it");
    let spent = |capital| begun(of_two_that_pull().spending(capital));
    let (best, gross) = spent((100 * ETHER, 100 * ETHER));
    assert!(best > U256::from(5 * ETHER) && best < U256::from(50 * ETHER), "{best}");
    // What may be spent, to the wei, and less is earned with it.
    let (less, earned) = spent((100 * ETHER, 5 * ETHER));
    assert!(less == U256::from(5 * ETHER) && earned < gross && !earned.is_zero(), "{less} {earned} {gross}");
    assert_eq!(spent((best.to(), u128::MAX)), (best, gross), "all that it holds");
    // It holds a wei less than is spent: refused, and no pool is blamed.
    let less = best.to::<u128>() - 1;
    assert_eq!(refused(of_two_that_pull().spending((less, u128::MAX))), [Refused::NoCapital]);
}

/// Somebody lends it, and our contract holds nothing of it: the same path, to the wei.
#[test]
fn where_nothing_lends_a_lender_begins_a_path_and_lends_no_more_than_it_has() {
    let (best, gross) = begun(of_two_that_pull().spending((100 * ETHER, 100 * ETHER)));
    let lent = |stock: U256, most: u128| {
        let mut market = of_two_that_pull();
        let morpho = market.world.chain.deploy(".peregrine/Morpho.json", &USER.abi_encode());
        let sent = transferCall { to: morpho, amount: stock }.abi_encode();
        market.world.chain.send(TxKind::Call(market.weth), sent, U256::ZERO);
        market.lent_by(("morpho_blue", morpho), most)
    };
    assert_eq!(begun(lent(best, u128::MAX)), (best, gross), "all that it has");
    let (less, earned) = begun(lent(best, 5 * ETHER));
    assert!(less == U256::from(5 * ETHER) && earned < gross && !earned.is_zero(), "{less} {earned} {gross}");
    // It has a wei less: refused, and no pool is blamed.
    assert_eq!(refused(lent(best - U256::ONE, u128::MAX)), [Refused::NoCapital]);
}

/// The vault is on the path: it swaps for nobody while it lends. What our contract holds and may not spend is not spent in its place.
#[test]
fn a_lender_that_is_on_the_path_begins_nothing_and_neither_does_what_may_not_be_spent() {
    let by = |holds, rows: &[(bool, u128)]| {
        let market = of_two_that_pull();
        let vault = ("balancer_v2", market.keys[0].contract);
        let rows: Vec<_> = rows.iter().map(|(lent, most)| (lent.then_some(vault), *most)).collect();
        market.begun_by(holds, &rows)
    };
    let lends = (true, u128::MAX);
    assert!(refused(by(100 * ETHER, &[lends])).is_empty(), "no cycle is worth a look");
    // As much as may be spent is.
    let (spent, _) = begun(by(100 * ETHER, &[(false, 5 * ETHER), lends]));
    assert_eq!(spent, U256::from(5 * ETHER));
}

/// Whoever has it and does not lend it is at fault, and none of the pools: they are not distrusted behind it.
#[test]
fn a_lender_that_reverts_has_no_pool_suspected() {
    let mut market = of_two_that_pull();
    let morpho = market.world.chain.deploy(".peregrine/Morpho.json", &USER.abi_encode());
    let sent = transferCall { to: morpho, amount: U256::from(1_000 * ETHER) }.abi_encode();
    market.world.chain.send(TxKind::Call(market.weth), sent, U256::ZERO);
    // Asked in another's words.
    let mut engine = market.lent_by(("balancer_v2", morpho), u128::MAX);
    for _ in 0..2 {
        let outcome = engine.on_event(Event::Head);
        let why: Vec<Refused> = outcome.rejected.iter().map(|(_, reason)| *reason).collect();
        assert!(outcome.proven.is_empty() && why == [Refused::Reverted], "{why:?}");
    }
}

#[test]
fn a_swap_costs_about_what_is_said() {
    let mut world = World::new(&[18, 18, 18, 18], WINDOWS);
    world.fund();
    for (code, weights) in [
        (Code::First, vec![80, 20]),
        (Code::First, vec![25, 25, 25, 25]),
        (Code::TwoTokens, vec![50, 50]),
        (Code::Third, vec![50, 50]),
        (Code::Third, vec![40, 30, 20, 10]),
    ] {
        let key = world.filled(code, &weights, PER_CENT, &vec![1_000 * ETHER; weights.len()]);
        let pool = world.found(key);
        let leg = legs(&pool)[0];
        // The first swap of a block writes the oracle of a pool that has one; the second is like all others.
        world.pass(12);
        let [first, second] = [0, 1].map(|_| world.swap(&pool, leg, false, U256::from(ETHER)).gas_used() - 21_000);
        let said = pool.gas(leg);
        println!("{code:?} {weights:?}: {first} first, {second} then; said {said}");
        assert!(second.abs_diff(said) < said / 3, "{code:?}: {second}, said {said}");
    }
}
