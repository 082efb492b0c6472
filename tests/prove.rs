//! Only what the EVM agrees with is proven, to the wei; who deviates is named and remembered.

mod common;

use std::cell::Cell;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use common::chain::{Chain, USER, depositCall, swapCall, transferCall};
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::tip::Tip;
use peregrine::hot::event::{Event, Head, Outcome, Trigger};
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::fork::{Fork, Rules};
use peregrine::hot::evm::own::{Own, REPLAY_OWNER};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::refused::{Refused, Tally};
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols::AnyPool;
use peregrine::protocols::executor::Bid;
use peregrine::protocols::uniswap_v2;
use peregrine::types::amount::Wei;
use revm::context::TxEnv;
use revm::state::AccountInfo;

fn ether(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(18))
}

/// Two factories, wrapped ether, and one more token; its price differs between the factories' pairs.
struct Market {
    chain: Chain,
    weth: Address,
    token: Address,
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
        Self { chain, weth, token, pairs }
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

    /// Pairs keep their tokens in order of address.
    fn weth_is_first(&self) -> bool {
        self.weth < self.token
    }

    fn head(self, bid: Bid) -> Outcome {
        self.engine(bid).on_event(Event::Head)
    }
}

const PLAIN: &str = "@uniswap/v2-core/build/ERC20.json";
/// Burns one percent of every transfer.
const TAXED: &str = "@uniswap/v2-periphery/build/DeflatingERC20.json";

/// The pending transaction that takes `out` of the `pair`th pair's second token for the wrapped ether sent there before.
fn swap(market: &Market, pair: usize, out: U256, nonce: u64) -> Event {
    let call = swapCall { amount0: U256::ZERO, amount1: out, to: USER, data: Bytes::new() };
    pending(market.pairs[pair], call.abi_encode(), nonce)
}

fn pending(to: Address, data: Vec<u8>, nonce: u64) -> Event {
    Event::Pending(Box::new(TxEnv {
        caller: USER,
        gas_limit: 1_000_000,
        gas_price: 7,
        kind: TxKind::Call(to),
        data: data.into(),
        nonce,
        ..TxEnv::default()
    }))
}

/// Everything about an outcome but the time it took.
fn shape(outcome: &Outcome) -> String {
    let proven: Vec<_> =
        outcome.proven.iter().map(|p| (p.opportunity().swaps().unwrap().amounts().to_vec(), p.gas_used())).collect();
    format!("{proven:?} {:?} {:?}", reasons(outcome), outcome.refused)
}

fn reasons(outcome: &Outcome) -> Vec<Refused> {
    outcome.rejected.iter().map(|(_, reason)| *reason).collect()
}

#[test]
fn a_price_difference_between_two_pairs_is_proven_to_the_wei() {
    let outcome = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::ZERO)));
    let [proven] = &outcome.proven[..] else { panic!("{outcome:?}") };
    assert!(proven.opportunity().gross() > 0);
    assert_eq!(proven.builder_paid(), Wei(U256::ZERO));
    // Its own accounts' slots: at least the balance of the start token.
    assert!(proven.assumed() <= 2, "{}", proven.assumed());
    let accounts = proven.access().chunk_by(|one, next| one.0 == next.0).count();
    assert!(accounts >= 4, "two pairs, two tokens: {:?}", proven.access());
    assert!((100_000..300_000).contains(&proven.gas_used().0), "{:?}", proven.gas_used());
}

#[test]
fn the_builder_is_paid_his_share_of_the_profit() {
    let free = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::ZERO)));
    let shared = Market::new(PLAIN, 2).head(Bid::Bps(9_000));
    let (free, shared) = (&free.proven[0], &shared.proven[0]);
    assert_eq!(free.opportunity().gross(), shared.opportunity().gross());
    let share = U256::from(shared.opportunity().gross()) * U256::from(9_000) / U256::from(10_000);
    assert_eq!(shared.builder_paid(), Wei(share));
    let fixed = Market::new(PLAIN, 2).head(Bid::Wei(Wei(U256::from(12_345))));
    assert_eq!(fixed.proven[0].builder_paid(), Wei(U256::from(12_345)));
}

#[test]
fn a_bid_paid_out_of_ether_that_the_executor_holds_is_not_taken_for_profit_or_loss() {
    let mut engine = Market::new(PLAIN, 2).engine(Bid::Wei(Wei(U256::from(12_345))));
    let executor = REPLAY_OWNER.create(0);
    let db = engine.machine_mut().db_mut();
    let info = db.known_account(executor).expect("installed").clone();
    db.tell_account(executor, AccountInfo { balance: ether(10), ..info });
    let outcome = engine.on_event(Event::Head);
    let [proven] = &outcome.proven[..] else { panic!("{outcome:?}") };
    assert_eq!(proven.builder_paid(), Wei(U256::from(12_345)));
}

#[test]
fn of_several_opportunities_the_best_are_proven_and_the_rest_is_counted() {
    let all = Market::new(PLAIN, 3).engine(Bid::Wei(Wei(U256::ZERO))).on_event(Event::Head);
    let one = Market::new(PLAIN, 3).engine(Bid::Wei(Wei(U256::ZERO))).proving_at_most(1).on_event(Event::Head);
    assert_eq!((all.left, one.left, one.proven.len()), (0, 2, 1));
    assert_eq!(
        one.proven[0].opportunity().swaps().unwrap().amounts(),
        all.proven[0].opportunity().swaps().unwrap().amounts()
    );
}

#[test]
fn what_was_proven_is_proven_anew_once_anything_that_it_read_has_changed() {
    let market = Market::new(PLAIN, 2);
    let (pair, slot) = (market.pairs[0], U256::from(8));
    let mut engine = market.engine(Bid::Wei(Wei(U256::ZERO)));
    let first = engine.on_event(Event::Head);
    // Nothing is assumed from now on, so that proofs are kept.
    for (address, slot) in first.proven[0].access() {
        let db = engine.machine_mut().db_mut();
        if db.known_slot(*address, *slot).is_none() {
            db.tell_slot(*address, *slot, U256::ZERO);
        }
    }
    let [known, again] = [(); 2].map(|()| engine.on_event(Event::Head));
    assert_eq!((known.proven.len(), known.proven[0].assumed()), (1, 0));
    assert_eq!(shape(&known), shape(&again));
    assert_eq!(known.proven[0].access(), again.proven[0].access());
    // The table of pools is as it was, the chain is not: the EVM must be asked again, and say no.
    let reserves = engine.machine_mut().db().known_slot(pair, slot).expect("read");
    let more = U256::from(1_000_000_000_000u64);
    engine.machine_mut().db_mut().tell_slot(pair, slot, reserves + (more << 112) + more);
    let changed = engine.on_event(Event::Head);
    assert!(changed.proven.is_empty() && changed.rejected.len() == 1, "{changed:?}");
}

#[test]
fn a_bid_above_the_profit_is_refused_and_pays_nothing() {
    let outcome = Market::new(PLAIN, 2).head(Bid::Wei(Wei(ether(1_000))));
    assert!(outcome.proven.is_empty());
    assert_eq!(reasons(&outcome), [Refused::Ours]);
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
    let values: Vec<_> = outcome.proven.iter().map(|proven| proven.opportunity().value()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "best first: {values:?}");
}

/// A market with ether sent ahead to its first two pairs, so that one transaction can swap; the next nonce with it.
fn ready() -> (Market, u64) {
    let mut market = Market::new(PLAIN, 2);
    for pair in market.pairs.clone() {
        market.chain.call(market.weth, &transferCall { to: pair, amount: ether(5) });
    }
    let nonce = market.chain.nonce();
    (market, nonce)
}

/// Wrapped ether may be either token of a pair; a swap that pays the other one.
fn skewed(market: &Market, pair: usize, nonce: u64) -> Event {
    let sells_first = market.weth_is_first();
    let out = ether(1_000);
    if sells_first {
        return swap(market, pair, out, nonce);
    }
    let call = swapCall { amount0: out, amount1: U256::ZERO, to: USER, data: Bytes::new() };
    pending(market.pairs[pair], call.abi_encode(), nonce)
}

#[test]
fn a_pending_transaction_is_judged_on_the_base_and_not_on_the_one_before_it() {
    let zero = Bid::Wei(Wei(U256::ZERO));
    let alone = {
        let (market, nonce) = ready();
        let event = skewed(&market, 1, nonce);
        shape(&market.engine(zero).on_event(event))
    };
    let (market, nonce) = ready();
    let (first, second) = (skewed(&market, 0, nonce), skewed(&market, 1, nonce));
    let mut engine = market.engine(zero);
    let before = shape(&engine.on_event(Event::Head));
    assert_ne!(shape(&engine.on_event(first)), alone, "the two transactions must differ, or nothing is shown");
    assert_eq!(shape(&engine.on_event(second)), alone);
    assert_eq!(shape(&engine.on_event(Event::Head)), before, "what was pending never happened");
}

#[test]
fn what_is_included_becomes_the_base_once() {
    let (market, nonce) = ready();
    let event = skewed(&market, 0, nonce);
    let mut engine = market.engine(Bid::Wei(Wei(U256::ZERO)));
    let before = shape(&engine.on_event(Event::Head));
    let behind = engine.on_event(event);
    assert!(matches!(behind.trigger, Some(Trigger::Ran(ref result)) if result.is_success()));
    engine.on_event(Event::Included);
    let after = shape(&engine.on_event(Event::Head));
    assert_ne!(after, before);
    // Nothing is pending any more.
    engine.on_event(Event::Included);
    assert_eq!(shape(&engine.on_event(Event::Head)), after);
}

#[test]
fn a_transaction_that_cannot_run_leaves_nothing_to_include() {
    let (market, nonce) = ready();
    let (good, bad) = (skewed(&market, 0, nonce), skewed(&market, 1, nonce + 7));
    let mut engine = market.engine(Bid::Wei(Wei(U256::ZERO)));
    let before = shape(&engine.on_event(Event::Head));
    engine.on_event(good);
    let stopped = engine.on_event(bad);
    assert!(matches!(stopped.trigger, Some(Trigger::Stopped(_))), "{stopped:?}");
    engine.on_event(Event::Included);
    assert_eq!(shape(&engine.on_event(Event::Head)), before);
}

#[test]
fn a_transaction_that_fails_or_moves_no_pool_costs_nothing_after_it_ran() {
    let (market, nonce) = ready();
    let weth = market.weth;
    let mut engine = market.engine(Bid::Wei(Wei(U256::ZERO)));
    let idle = pending(weth, transferCall { to: USER, amount: U256::from(1) }.abi_encode(), nonce);
    let outcome = engine.on_event(idle);
    assert_eq!(outcome.refused.iter().collect::<Vec<_>>(), [(Refused::NoPool, 1)]);
    let failing = pending(weth, transferCall { to: USER, amount: ether(9_000_000) }.abi_encode(), nonce);
    let outcome = engine.on_event(failing);
    assert_eq!(outcome.refused.iter().collect::<Vec<_>>(), [(Refused::TriggerFailed, 1)]);
}

#[test]
fn a_fault_of_our_own_is_blamed_on_nobody() {
    // The first pair is above suspicion, the second is not: were anyone to be blamed, it would be the second.
    let greedy = Bid::Wei(Wei(ether(1_000)));
    let mut engine = Market::new(PLAIN, 2).engine(greedy);
    assert_eq!(reasons(&engine.on_event(Event::Head)), [Refused::Ours]);
    assert_eq!(reasons(&engine.on_event(Event::Head)), [Refused::Ours]);
}

#[test]
fn an_event_called_off_at_any_moment_decides_nothing_and_is_not_remembered() {
    for token in [PLAIN, TAXED] {
        let engine = || {
            let market = Market::new(token, 3);
            // Who is paid is known to the state.
            let beneficiary = market.chain.machine.block().beneficiary;
            let head =
                Head { number: 9, gas_limit: 30_000_000, timestamp: 1_700_000_000, beneficiary, ..Head::default() };
            let tip = Tip::new(head, Rules::always(Fork::PRAGUE), 12);
            market.engine(Bid::Wei(Wei(U256::ZERO))).following(tip)
        };
        let due = shape(&engine().on_event(Event::Head));
        assert!(due.contains(if token == PLAIN { "Gas(" } else { "TransferTax" }), "{due}");
        let mut moments = 0;
        loop {
            let (mut engine, left) = (engine(), Cell::new(moments));
            let newest = |number: u64| {
                assert_eq!(number, 9);
                left.get() > 0 && { left.replace(left.get() - 1) > 0 }
            };
            let outcome = engine.on_event_while(Event::Head, &newest);
            if !outcome.cancelled {
                break;
            }
            assert!(outcome.proven.is_empty() && reasons(&outcome).is_empty() && outcome.wanted.is_empty());
            assert_eq!(outcome.refused, Tally::default());
            assert_eq!(shape(&engine.on_event(Event::Head)), due, "called off when asked the {}. time", moments + 1);
            moments += 1;
        }
        // The screen, each of three pairs' two cycles that pass, each candidate, and the end.
        assert!(moments >= 5, "{moments}");
    }
}
