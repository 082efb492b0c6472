//! Only what the EVM agrees with is proven, to the wei; who deviates is named and remembered.

mod common;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, TxKind, U256};
use common::chain::{Chain, USER, depositCall};
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
use peregrine::protocols::AnyPool;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::uniswap_v2;
use peregrine::types::amount::Wei;

fn ether(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(18))
}

/// Two factories, wrapped ether, and one more token; its price differs between the factories' pairs.
struct Market {
    chain: Chain,
    weth: Address,
    pairs: Vec<Address>,
}

impl Market {
    /// `token`: artifact of the token that is traded. `factories`: how many pairs of it.
    fn new(token: &str, factories: u64) -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), ether(1_000_000));
        let token = chain.deploy(token, &ether(1_000_000_000).abi_encode());
        let mut pairs = Vec::new();
        for i in 0..factories {
            let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
            pairs.push(chain.pair(factory, [weth, token], [ether(100 + 10 * i), ether(100_000)]));
        }
        Self { chain, weth, pairs }
    }

    fn engine(mut self, bid: Bid) -> Engine {
        let machine = &mut self.chain.machine;
        let mut pools: Pools<AnyPool> = Pools::default();
        let mut fees = uniswap_v2::FeeCache::default();
        for pair in &self.pairs {
            let pool = uniswap_v2::discover(&mut EvmProbe::new(machine), *pair, &mut fees).expect("usable");
            pools.add(pool.expect("a pair").into()).expect("new");
        }
        let own = Own::install(machine, true, self.weth).expect("the executor");
        own.mark_balance_slots(machine, self.weth);
        let base = pools.intern(self.weth);
        let mut search = Search::new(&[base], 4, Effort::EXACT);
        search.extend(&pools);
        machine.db_mut().set_unknown(Unknown::Refuse);
        let prover = Prover::new(own, 1, Unknown::Refuse, bid);
        Engine::new(self.chain.machine, pools, search, prover, Wei(U256::from(1)))
    }

    fn head(self, bid: Bid) -> Outcome {
        self.engine(bid).on_event(Event::Head)
    }
}

const PLAIN: &str = "@uniswap/v2-core/build/ERC20.json";
/// Burns one percent of every transfer.
const TAXED: &str = "@uniswap/v2-periphery/build/DeflatingERC20.json";

fn reasons(outcome: &Outcome) -> Vec<Refused> {
    outcome.rejected.iter().map(|(_, reason)| *reason).collect()
}

#[test]
fn a_price_difference_between_two_pairs_is_proven_to_the_wei() {
    let outcome = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::ZERO)));
    let [proven] = &outcome.proven[..] else { panic!("{outcome:?}") };
    assert!(proven.candidate().gross() > 0);
    assert_eq!(proven.builder_paid(), Wei(U256::ZERO));
    // Its own accounts' slots: at least the balance of the start token.
    assert!(proven.assumed() <= 2, "{}", proven.assumed());
    assert!(proven.access().len() >= 4, "two pairs, two tokens: {:?}", proven.access());
    assert!((100_000..300_000).contains(&proven.gas_used().0), "{:?}", proven.gas_used());
}

#[test]
fn the_builder_is_paid_his_share_of_the_profit() {
    let free = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::ZERO)));
    let shared = Market::new(PLAIN, 2).head(Bid::Bps(9_000));
    let (free, shared) = (&free.proven[0], &shared.proven[0]);
    assert_eq!(free.candidate().gross(), shared.candidate().gross());
    let share = U256::from(shared.candidate().gross()) * U256::from(9_000) / U256::from(10_000);
    assert_eq!(shared.builder_paid(), Wei(share));
    let fixed = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::from(12_345))));
    assert_eq!(fixed.proven[0].builder_paid(), Wei(U256::from(12_345)));
}

#[test]
fn a_bid_above_the_profit_is_refused_and_pays_nothing() {
    let outcome = Market::new(PLAIN, 2).head(Bid::Wei(Wei(ether(1_000))));
    assert!(outcome.proven.is_empty());
    assert_eq!(reasons(&outcome), [Refused::Reverted]);
}

#[test]
fn a_token_that_taxes_transfers_is_refused_by_name_and_remembered() {
    // Three pairs make three profitable cycles; the token is caught on the first and costs no simulation after that.
    let mut engine = Market::new(TAXED, 3).engine(Bid::Wei(Wei(U256::ZERO)));
    let outcome = engine.on_event(Event::Head);
    assert!(outcome.proven.is_empty());
    assert_eq!(reasons(&outcome), [Refused::TransferTax, Refused::Distrusted, Refused::Distrusted]);
    let again = engine.on_event(Event::Head);
    assert_eq!(reasons(&again), [Refused::Distrusted; 3]);
}

#[test]
fn the_same_market_with_a_plain_token_trusts_everyone() {
    let outcome = Market::new(PLAIN, 3).head(Bid::Wei(Wei(U256::ZERO)));
    assert_eq!(outcome.proven.len(), 3);
    let values: Vec<_> = outcome.proven.iter().map(|proven| proven.candidate().value()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "best first: {values:?}");
}
