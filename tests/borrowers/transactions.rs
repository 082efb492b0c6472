//! Behind every single transaction of a run of traffic: whoever is watched stands as the market's own contract says in the same
//! EVM over the same overlay, and whom the transaction has sunk is found, all of them and nobody else.

#[path = "cast.rs"]
mod cast;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alloy::rpc::types::eth::TransactionReceipt;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use cast::Cast;
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Event;
use peregrine::hot::event::Trigger;
use peregrine::hot::evm::block::tx_env;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::lending::markets;
use peregrine::protocols::AnyLending;
use peregrine::protocols::lending::Health;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::Refusal;
use peregrine::protocols::math::wide::mul_div;
use peregrine::protocols::math::wide::mul_div_up;
use peregrine::types::update::StateKey;
use revm::context::TxEnv;
use serde_json::Value;
use serde_json::json;

use crate::follower::getUserAccountDataCall;
use crate::liquidations::Rig;
use crate::liquidations::SLOT;
use crate::morpho::MarketParams;
use crate::morpho::{accrueInterestCall, marketCall, positionCall, priceCall};
use crate::send;

/// Blocks of the run, and at least so many transactions of traffic and answers in each.
const BLOCKS: u64 = 14;
const TRADES: u64 = 4;
const ANSWERS: u64 = 3;

/// A place among the markets, and an account.
type Place = (usize, Address);
type Healths = Vec<(Place, Health)>;

/// What was compared, and what was among it.
#[derive(Debug, Default)]
struct Seen {
    transactions: usize,
    healths: usize,
    /// Healths that a transaction changed.
    moved: usize,
    /// Positions that a transaction has sunk: an answer of an oracle's, governance, anybody else.
    liquidatable: [usize; 3],
    /// Liquidations that were made, by protocol.
    liquidated: BTreeMap<&'static str, usize>,
    /// Whom the book could not tell before something more was read.
    unread: BTreeSet<Address>,
}

fn call(machine: &mut Machine, to: Address, data: Vec<u8>) -> Bytes {
    let executed = machine.call(to, to, data.into()).expect("nothing is refused for being unknown");
    let output = executed.result.output().cloned();
    machine.take_back(executed.diff);
    output.unwrap_or_default()
}

/// What Aave's pool says of an account.
fn of_aave(machine: &mut Machine, pool: Address, user: Address) -> Option<Health> {
    let answer = call(machine, pool, getUserAccountDataCall { user }.abi_encode());
    let is = getUserAccountDataCall::abi_decode_returns(&answer).ok()?;
    // The sixth word is no part of what it answers.
    Some(Health { collateral: is.collateral, debt: is.debt, limit: U256::ZERO, factor: is.health })
}

/// What follows from Morpho's own answers: its market once it has accrued in this block, its position, its oracle's price.
fn of_morpho(
    machine: &mut Machine,
    market: &AnyLending,
    params: &MarketParams,
    accounts: &[Address],
) -> Vec<Option<Health>> {
    let (morpho, id) = (market.address(), cast::id(params));
    let accrue = machine.look(morpho, morpho, accrueInterestCall { params: params.clone() }.abi_encode().into());
    let look = machine.look(morpho, morpho, marketCall { id }.abi_encode().into());
    let between = machine.look_between(accrue, &look).expect("nothing is refused for being unknown");
    let totals = between.after.output().and_then(|output| marketCall::abi_decode_returns(output).ok());
    machine.take_back(between.executed.diff);
    let price = priceCall::abi_decode_returns(&call(machine, params.oracle, priceCall {}.abi_encode())).ok();
    let (Some(totals), Some(price)) = (totals, price) else { return vec![None; accounts.len()] };
    let wad = U256::from(10).pow(U256::from(18));
    let stand = |account: &Address| {
        let answer = call(machine, morpho, positionCall { id, user: *account }.abi_encode());
        let is = positionCall::abi_decode_returns(&answer).ok()?;
        let [shares, held, owed, all] = [is.shares, is.collateral, totals.owed, totals.owedShares].map(U256::from);
        let debt = mul_div_up(shares, owed + U256::ONE, all + U256::from(1_000_000))?;
        let collateral = held * price / (wad * wad);
        let limit = collateral * params.lltv / wad;
        let factor = if debt.is_zero() { U256::MAX } else { mul_div(limit, wad, debt)? };
        Some(Health { collateral, debt, limit, factor })
    };
    accounts.iter().map(stand).collect()
}

/// What the contracts themselves say of everyone, in the machine as it stands. `Err`: not all that they read is known.
fn contracts_say(engine: &mut Engine) -> Result<Healths, Vec<StateKey>> {
    let markets: Vec<AnyLending> = (0..).map_while(|place| engine.markets().market(place)).cloned().collect();
    let machine = engine.machine_mut();
    machine.db_mut().clear_notes();
    machine.db_mut().set_unknown(Unknown::AssumeEmpty);
    let mut all = Vec::new();
    for (place, market) in markets.iter().enumerate() {
        let accounts = market.accounts();
        let healths = match cast::params(market) {
            Some(params) => of_morpho(machine, market, &params, &accounts),
            None => accounts.iter().map(|account| of_aave(machine, market.address(), *account)).collect(),
        };
        all.extend(accounts.into_iter().zip(healths).map(|(account, health)| ((place, account), health)));
    }
    machine.db_mut().set_unknown(Unknown::Refuse);
    let wants: Vec<StateKey> = machine.db().assumed().iter().filter_map(|cold| cold.state_key()).collect();
    if !wants.is_empty() {
        return Err(wants);
    }
    Ok(all.into_iter().map(|(place, health)| (place, health.expect("the contract answers"))).collect())
}

/// Everyone's health by the book.
fn book_says(engine: &mut Engine) -> Vec<(Place, Result<Health, Refusal>)> {
    let now = markets::now(engine.machine_mut());
    let markets = (0..).map_while(|place| Some((place, engine.markets().market(place)?)));
    let stand = |(place, market): (usize, &AnyLending)| {
        let stand = |account| ((place, account), market.health(account, now));
        market.accounts().into_iter().map(stand).collect::<Vec<_>>()
    };
    markets.flat_map(stand).collect()
}

/// Holds the book against the contracts; how everyone stands. `Err`: what the contracts read and nobody knows.
fn hold(engine: &mut Engine, seen: &mut Seen) -> Result<Healths, Vec<StateKey>> {
    let found = book_says(engine);
    let unread = found.iter().filter(|(_, health)| *health == Err(Refusal::Cold));
    seen.unread.extend(unread.map(|((_, account), _)| *account));
    let due = contracts_say(engine)?;
    let is_pair = |place| engine.markets().market(place).is_some_and(|market| market.pair().is_some());
    let known = found.iter().zip(due).map(|((place, health), (_, due))| {
        // Aave's answer has no limit in it.
        let limit = health.map_or(U256::ZERO, |health| health.limit);
        let due = if is_pair(place.0) { due } else { Health { limit, ..due } };
        assert_eq!(*health, Ok(due), "{place:?}");
        (*place, due)
    });
    Ok(known.collect())
}

fn liquidatable(healths: &Healths) -> BTreeSet<Place> {
    let is_liquidatable = |(_, health): &&(Place, Health)| health.is_liquidatable() && !health.collateral.is_zero();
    healths.iter().filter(is_liquidatable).map(|(place, _)| *place).collect()
}

fn found(engine: &mut Engine, base: bool) -> BTreeSet<Place> {
    let now = markets::now(engine.machine_mut());
    engine
        .markets()
        .liquidatable(base, now)
        .into_iter()
        .map(|liquidatable| (liquidatable.market, liquidatable.account))
        .collect()
}

/// How everyone stands below the next block.
async fn base(rig: &Rig, engine: &mut Engine, seen: &mut Seen) -> Healths {
    let healths = loop {
        match hold(engine, seen) {
            Ok(healths) => break healths,
            Err(wants) => rig.tell(engine, &wants).await,
        }
    };
    assert_eq!(found(engine, true), liquidatable(&healths));
    healths
}

/// How everyone stands behind a transaction, which is offered until nothing is missing.
async fn behind(rig: &Rig, engine: &mut Engine, (tx, due): (&TxEnv, &TransactionReceipt), seen: &mut Seen) -> Healths {
    loop {
        let outcome = rig.offer(engine, tx).await;
        let Some(Trigger::Ran(result)) = &outcome.trigger else { panic!("{:?}", outcome.trigger) };
        let ran = (result.is_success(), result.tx_gas_used());
        assert_eq!(ran, (due.status(), due.gas_used), "{} ran otherwise than on the chain", due.transaction_hash);
        match hold(engine, seen) {
            Ok(healths) => return healths,
            Err(wants) => rig.tell(engine, &wants).await,
        }
    }
}

/// One block's transactions, each as pending, as forgotten again, and as included.
async fn replay(rig: &Rig, engine: &mut Engine, cast: &Cast, seen: &mut Seen) {
    let chain = rig.world.chain();
    let head = chain.at(engine.tip().unwrap().head().number + 1).await.unwrap().unwrap();
    let block = chain.full(head.hash).await.unwrap().unwrap();
    let receipts = chain.receipts(head.hash).await.unwrap().unwrap();
    let mut before = base(rig, engine, seen).await;
    for (tx, receipt) in block.transactions.into_transactions().zip(receipts) {
        let (tx, what) = (tx_env(&tx.inner), receipt.transaction_hash);
        let after = behind(rig, engine, (&tx, &receipt), seen).await;
        let (was, is) = (liquidatable(&before), liquidatable(&after));
        // Whoever had sunk before may be named again: the price has moved for him too.
        let new: BTreeSet<Place> = found(engine, false).difference(&was).copied().collect();
        assert_eq!(new, is.difference(&was).copied().collect(), "newly sunk by {what}");
        assert_eq!(found(engine, true), is, "sunk behind {what}");
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        if moved > 0 {
            // Told of another block than the tip: nothing is learnt, and what was laid over is taken off.
            engine.on_event(Event::FetchedState(Arc::default()));
            let under: Vec<_> = before.iter().map(|(place, health)| (*place, Ok(*health))).collect();
            assert_eq!(book_says(engine), under, "under {what}");
            rig.offer(engine, &tx).await;
        }
        engine.on_event(Event::Included);
        cast.watch(engine, (&tx, &receipt), &mut seen.liquidated);
        seen.transactions += 1;
        seen.healths += after.len();
        seen.moved += moved;
        seen.liquidatable[cast.who(tx.caller)] += new.len();
        before = after;
    }
}

/// Traffic, answers and the cast's deeds of one block, twelve seconds behind the last.
async fn play(rig: &mut Rig, engine: &Engine, cast: &Cast, act: u64) {
    // Traffic and answers begin anew in each block: with dice of its own.
    rig.world.net.options.seed = act;
    let net = &rig.world.net;
    let traffic = net.trade(200.0).unwrap();
    let prices = net.answer_prices(&net.rpc, Duration::from_millis(2)).unwrap();
    assert!(traffic.reached(TRADES).await && prices.reached(ANSWERS).await);
    traffic.stop().await;
    drop(prices);
    for (wallet, deeds) in cast.act(act, engine) {
        send(&rig.world, &wallet, deeds).await;
    }
    let time = engine.tip().unwrap().head().timestamp + SLOT;
    net.rpc.call::<Value>("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
    net.mine().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_health_is_the_markets_own_behind_every_transaction_and_whoever_one_sinks_is_found() {
    let mut rig = Rig::new(57).await;
    let mut engine = rig.engine();
    let cast = Cast::new(&rig.world, 57);
    let mut seen = Seen::default();
    for (wallet, deeds) in cast.approve() {
        send(&rig.world, &wallet, deeds).await;
    }
    rig.world.net.mine().await.unwrap();
    rig.follow(&mut engine).await;
    for act in 0..BLOCKS {
        play(&mut rig, &engine, &cast, act).await;
        replay(&rig, &mut engine, &cast, &mut seen).await;
        rig.follow(&mut engine).await;
    }
    base(&rig, &mut engine, &mut seen).await;
    println!("{seen:?}");
    assert!(seen.transactions > 100 && seen.moved > 1_000, "{seen:?}");
    assert!(seen.liquidatable[0] > 20 && seen.liquidatable[1] > 2, "{seen:?}");
    assert_eq!(seen.liquidated.len(), 3, "{seen:?}");
    // He began to owe another asset: a slot of his that the transaction has not read.
    assert_eq!(seen.unread, BTreeSet::from([cast.customer()]));
}
