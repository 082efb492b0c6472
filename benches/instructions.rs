//! Question: how many instructions does each step of the way from a frame to a request take? Each has a hard budget, about
//! 5 % above what was measured, so that a step that grows is seen where no clock is steady enough to show it.
//! Input: the trigger of a golden bundle as a node announces it; a market of three pairs, the published bytecode of
//! Uniswap V2 deployed on our own machine, one of whose pairs a pending swap moves; for the screen and the sizing the made
//! world of `event_to_candidates` with 1,000 cycles. Nothing of it lies outside the repository and `contracts/node_modules`.
//!
//! The counts are of callgrind, of our packages at opt-level 3 in the dev profile (`scripts/budgets`): not of the release
//! profile, whose link takes minutes. They differ between compilers: a new toolchain may move the budgets, and says so.
#![allow(missing_docs, reason = "what is not documented is made by the harness' macros")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "common/dice.rs"]
mod dice;
#[path = "../tests/build/hot_loop.rs"]
mod hot_loop;
#[path = "../tests/build/market.rs"]
mod market;
#[path = "common/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, U256};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use hot_loop::{HotLoop, Mode};
use market::{BLOCK, Market, OTHER_KEY, contract, key};
use peregrine::edge::submit::DialectName;
use peregrine::hot::bundle::config::{Bid, Limits};
use peregrine::hot::bundle::{BundleSigner, SignedBundle, Target, TargetBlock};
use peregrine::hot::decode::PendingTx;
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::tip::{DEPTH, Tip};
use peregrine::hot::event::{AccountUpdate, BlockUpdate, Event, Head, LogUpdate, Outcome};
use peregrine::hot::evm::fork::Rules;
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::refused::Refused;
use peregrine::hot::search::Search;
use peregrine::hot::search::cycles::CycleId;
use peregrine::hot::search::screen::{Screen, Screened};
use peregrine::hot::search::sizing::path::Path as Cycle;
use peregrine::hot::search::sizing::{Best, Effort, Sizer};
use peregrine::hot::send;
use peregrine::hot::simulate::Proven;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::replay::bundle::Case;
use peregrine::types::amount::Wei;
use peregrine::types::id::PoolId;
use peregrine::types::onetime::OneTime;
use peregrine::types::secret::Key;
use revm::context::TxEnv;
use revm::state::EvmState;

/// A limit that fails the run.
fn most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// A pending transaction as a node announces it in full.
fn frame() -> String {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/backrun/v2_v3/case.json.zst");
    let trigger = Case::read(&place).expect("a case").trigger.expect("a backrun has one");
    let tx = TxEnvelope::decode_2718(&mut &trigger.raw[..]).expect("a transaction");
    let inner = Recovered::new_unchecked(tx, trigger.sender);
    hot_loop::notice(inner)
}

/// Into buffers that have grown.
fn announced() -> (String, PendingTx) {
    let (frame, mut tx) = (frame(), PendingTx::default());
    tx.read(&frame).expect("a notice");
    (frame, tx)
}

#[library_benchmark(config = most(DECODE))]
#[bench::pending(args = (), setup = announced)]
fn decode((frame, mut tx): (String, PendingTx)) -> (String, PendingTx) {
    tx.read(black_box(&frame)).expect("a notice");
    (frame, tx)
}

/// A market whose first pair has been paid for the swap that is pending.
struct Scene {
    market: Market,
    target: TxEnv,
}

fn scene() -> Scene {
    let (market, target) = hot_loop::scene();
    Scene { market, target }
}

#[library_benchmark(config = most(VICTIM))]
#[bench::v2_swap(args = (), setup = scene)]
fn target(mut scene: Scene) -> (Scene, Executed) {
    let target = scene.target.clone();
    let executed = scene.market.engine.machine_mut().execute(black_box(target)).expect("runs");
    (scene, executed)
}

/// An engine that follows the chain, and a block that holds that swap.
fn grown() -> (Engine, Event) {
    let Scene { mut market, target } = scene();
    let machine = market.engine.machine_mut();
    let executed = machine.execute(target).expect("runs");
    let beneficiary = machine.block().beneficiary;
    let timestamp = 1_717_000_000;
    let head = Head { number: BLOCK - 1, gas_limit: 30_000_000, timestamp, beneficiary, ..Head::default() };
    let child = Head { timestamp: timestamp + 12, ..head };
    let log = |log: &alloy_primitives::Log| LogUpdate {
        address: log.address,
        topics: log.topics().to_vec(),
        data: log.data.data.clone(),
    };
    let logs: Vec<LogUpdate> = executed.logs().iter().map(log).collect();
    let accounts = news(&executed.diff);
    let mut engine =
        market.engine.following(Tip::new(head, Rules::of(&peregrine::chain::Config::default()), 12)).with_base(false);
    let block = |above: u64| {
        let hash = |above: u64| B256::from(U256::from(above));
        let child = Head { number: head.number + above, hash: hash(above), parent: hash(above - 1), ..child };
        let news = BlockUpdate { head: child, accounts: accounts.clone(), logs: logs.clone() };
        Event::Block(Arc::new(news))
    };
    // The way back is full: each block is written over the oldest.
    let last = 2 + DEPTH as u64;
    assert!((1..last).all(|above| engine.on_event(block(above)).desync.is_none()));
    (engine, block(last))
}

fn news(diff: &EvmState) -> Vec<AccountUpdate> {
    let by_address: BTreeMap<_, _> = diff.iter().filter(|(_, account)| account.is_touched()).collect();
    let one = |(address, account): (&Address, &revm::state::Account)| AccountUpdate {
        address: *address,
        balance: Some(account.info.balance),
        nonce: Some(account.info.nonce),
        slots: account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect(),
        ..AccountUpdate::default()
    };
    by_address.into_iter().map(|(address, account)| one((address, account))).collect()
}

#[library_benchmark(config = most(APPLY))]
#[bench::one_swap(args = (), setup = grown)]
fn apply((mut engine, block): (Engine, Event)) -> (Engine, Outcome) {
    let outcome = engine.on_event(black_box(block));
    assert!(outcome.desync.is_none() && outcome.broken.is_empty());
    (engine, outcome)
}

/// The market behind the pending swap, with what was found there.
fn behind() -> (Market, Proven) {
    let Scene { mut market, target } = scene();
    let outcome = market.engine.on_event(Event::Pending(Box::new(target)));
    let proven = outcome.proven.into_iter().next().expect("a backrun");
    (market, proven)
}

#[library_benchmark(config = most(BACKRUN))]
#[bench::two_pairs(args = (), setup = behind)]
fn backrun((mut market, proven): (Market, Proven)) -> (Market, Result<Proven, Refused>) {
    let again = market.engine.prove_again(black_box(proven.opportunity()), Wei(U256::from(1_000)));
    assert!(again.is_ok());
    (market, again)
}

/// A proof about to be built into a bundle.
fn unsigned() -> (Market, BundleSigner, Proven, Target, TargetBlock) {
    let (market, proven) = behind();
    let mut signer = market.signer(Bid::default(), Limits { max_assumed_slots: 9, ..Limits::default() });
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/backrun/v2_v3/case.json.zst");
    let trigger = Case::read(&place).expect("a case").trigger.expect("a backrun has one");
    let target = Target::raw(&trigger.raw, trigger.hash).expect("whole");
    assert_eq!(contract(market.own.executor).address, market.own.executor);
    let before = TargetBlock { parent: B256::ZERO, ..market::target_block() };
    assert!(signer.build(&proven, market.engine.pools(), Some(&target), &before).is_ok(), "its buffers have grown");
    (market, signer, proven, target, market::target_block())
}

#[library_benchmark(config = most(SIGN))]
#[bench::owner(args = (), setup = unsigned)]
fn sign(
    (market, mut signer, proven, target, target_block): (Market, BundleSigner, Proven, Target, TargetBlock),
) -> (Market, Result<SignedBundle, Refused>) {
    let bundle = signer.build(black_box(&proven), market.engine.pools(), Some(&target), &target_block);
    assert!(bundle.is_ok());
    (market, bundle)
}

fn signed() -> SignedBundle {
    let (market, mut signer, proven, target, target_block) = unsigned();
    signer.build(&proven, market.engine.pools(), Some(&target), &target_block).expect("passes the limits")
}

fn write(bundle: &SignedBundle, to: &mut Vec<u8>) {
    to.clear();
    DialectName::Flashbots.dialect().bundle(bundle, &uuid::Uuid::from_u128(7), to);
}

/// Into a buffer that has grown.
fn to_write() -> (SignedBundle, Vec<u8>) {
    let (bundle, mut body) = (signed(), Vec::new());
    write(&bundle, &mut body);
    (bundle, body)
}

#[library_benchmark(config = most(BODY))]
#[bench::flashbots(args = (), setup = to_write)]
fn body((bundle, mut body): (SignedBundle, Vec<u8>)) -> (SignedBundle, Vec<u8>) {
    write(black_box(&bundle), &mut body);
    (bundle, body)
}

/// Key, nonce, body, and room for the header.
type Unheaded = (Key, Option<OneTime>, Vec<u8>, Vec<u8>);

fn written(prepared: bool) -> Unheaded {
    let nonce = prepared.then(|| OneTime::new(&mut [5; 32]).expect("a scalar"));
    (key(OTHER_KEY), nonce, to_write().1, Vec::with_capacity(256))
}

#[library_benchmark(config = most(HEADER))]
#[bench::identity(args = (false), setup = written)]
fn header((identity, nonce, body, mut to): Unheaded) -> (Key, Vec<u8>, Vec<u8>) {
    send::header::write(&identity, nonce, black_box(&body), &mut to).expect("signs");
    (identity, body, to)
}

#[library_benchmark(config = most(PREPARED))]
#[bench::identity(args = (true), setup = written)]
fn prepared((identity, nonce, body, mut to): Unheaded) -> (Key, Vec<u8>, Vec<u8>) {
    send::header::write(&identity, nonce, black_box(&body), &mut to).expect("signs");
    (identity, body, to)
}

/// A worker in whose socket a swap lies that it has not met.
fn told() -> HotLoop {
    let mut hot = HotLoop::new(Mode::Spin);
    let swap = hot.swap();
    hot.announce(swap);
    hot
}

// From the socket of a node to the socket of a relay: all that a hot thread does for one bundle, in one turn of its loop.
#[library_benchmark(config = most(TURN))]
#[bench::frame_to_request(args = (), setup = told)]
fn turn(mut hot: HotLoop) -> HotLoop {
    let before = hot.made();
    black_box(&mut hot).look();
    assert_eq!(hot.made(), before + 1);
    hot
}

/// A thousand cycles through a pool, once screened.
fn graph() -> (Pools<AnyPool>, PoolId, Search, Screen) {
    let (pools, moved) = world::world(&world::SHAPES[1]);
    let base = pools.find_token(world::token(0)).expect("in the table");
    let mut search = Search::new(&[base], 4, Effort::USUAL);
    search.extend(&pools);
    let mut screen = Screen::default();
    screen.run(search.cycles(), &pools, Some(&[moved]), u64::MAX, &|| true);
    (pools, moved, search, screen)
}

#[library_benchmark(config = most(SCREEN))]
#[bench::thousand_cycles(args = (), setup = graph)]
fn screen(
    (pools, moved, search, mut screen): (Pools<AnyPool>, PoolId, Search, Screen),
) -> (Pools<AnyPool>, Search, Screen, Screened) {
    let counts = screen.run(black_box(search.cycles()), &pools, Some(&[moved]), u64::MAX, &|| true);
    assert_eq!(counts.looked, 1_000);
    (pools, search, screen, counts)
}

/// A cycle of four hops that pays, sized once.
fn cycle() -> (Pools<AnyPool>, Search, Sizer, CycleId) {
    let (mut pools, moved, mut search, _) = graph();
    let data = world::sync(&pools, moved, 0.05);
    pools.edit(moved, |pool| pool.apply_log(pool.address(), &[world::SYNC], &data)).expect("a Sync log");
    let mut found = Vec::new();
    search.candidates(&pools, Some(&[moved]), &mut found);
    let best = found.iter().find(|candidate| candidate.hops().len() == 4).expect("pays");
    let same = |edges: &[_]| edges.iter().map(|id| pools.edge(*id)).eq(best.hops().iter().copied());
    let at = search.cycles().ids().find(|id| same(search.cycles().hops(*id))).expect("in the table");
    let mut sizer = Sizer::default();
    size((&pools, &search, &mut sizer, at));
    (pools, search, sizer, at)
}

fn size((pools, search, sizer, at): (&Pools<AnyPool>, &Search, &mut Sizer, CycleId)) -> Option<Best> {
    let path = Cycle::of(pools, search.cycles().hops(at))?;
    sizer.best(&path, Effort::USUAL)
}

#[library_benchmark(config = most(SIZING))]
#[bench::four_hops(args = (), setup = cycle)]
fn sizing(
    (pools, search, mut sizer, at): (Pools<AnyPool>, Search, Sizer, CycleId),
) -> (Pools<AnyPool>, Search, Sizer, Option<Best>) {
    let best = size(black_box((&pools, &search, &mut sizer, at)));
    assert!(best.is_some());
    (pools, search, sizer, best)
}

// Measured on 2026-11-21 with rustc 1.95.0 on x86-64, and 5 % more.
const DECODE: u64 = 21_000;
/// Onto a full undo log, which allocates nothing: 10,642 to 10,662 in nine runs (9,382 to 9,728 while it allocated).
const APPLY: u64 = 11_200;
const SCREEN: u64 = 41_000;
const SIZING: u64 = 295_200;
const VICTIM: u64 = 158_700;
const BACKRUN: u64 = 506_800;
const SIGN: u64 = 801_100;
const HEADER: u64 = 833_500;
/// With a nonce prepared ahead.
const PREPARED: u64 = 75_300;
const BODY: u64 = 3_000;
/// Measured on 2026-11-29: 2,437,794.
const TURN: u64 = 2_560_000;

library_benchmark_group!(
    name = steps,
    benchmarks = [decode, apply, screen, sizing, target, backrun, sign, header, prepared, body, turn]
);

main!(library_benchmark_groups = steps);
