//! Quotes, applying a diff, resolving a pending swap, screening and sizing allocate nothing once warm; a what-if, a proof, a
//! block and a bundle each within a budget: counted by the allocator itself.

mod common;
#[path = "build/market.rs"]
mod market;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use alloy::sol_types::SolCall;
use alloy_primitives::aliases::U24;
use alloy_primitives::{Address, B256, Bytes, TxKind, U160, U256, address, b256};
use common::chain::{USER, transferCall};
use common::pools::token;
use market::{BLOCK, Market};
use peregrine::hot::build::Target;
use peregrine::hot::build::config::{Bid, Limits};
use peregrine::hot::engine::tip::Tip;
use peregrine::hot::event::{AccountNews, BlockNews, Event, Head, LogNews};
use peregrine::hot::evm::db::Db;
use peregrine::hot::evm::fork::{Fork, Rules};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::reckon::{Faith, Reckoner, Why};
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::calldata::WETH;
use peregrine::protocols::uniswap_v2::{Fee, Layout as Slots, Pool as Pair};
use peregrine::protocols::uniswap_v3::{self, Flavour, Immutables, Liquidity};
use peregrine::types::amount::Wei;
use peregrine::types::id::PoolId;
use revm::context::{BlockEnv, TxEnv};
use revm::state::AccountInfo;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks of it.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; every call goes to the system's unchanged")]
// SAFETY: both methods pass their arguments to `System` as they came, and return what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `work` makes.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.with(Cell::get);
    let answer = work();
    (COUNT.with(Cell::get) - before, answer)
}

/// Wrapped ether and six tokens, two pairs of each two, at prices that differ a little.
fn market() -> (Pools<Pair>, Search) {
    let mut pools: Pools<Pair> = Pools::default();
    let base = pools.intern(token(0));
    let fee = Fee::new(3, 1000).expect("a fee");
    for i in 0..7u64 {
        for j in i + 1..7 {
            for copy in 0..2 {
                let reserves = [10u128.pow(21) + u128::from(i + copy) * 10u128.pow(19), 10u128.pow(21)];
                let address = common::pools::place(100 * i + 10 * j + copy);
                let layout = Slots::Packed { slot: U256::from(8) };
                let pair = Pair::new(address, [token(i), token(j)], [fee; 2], layout, reserves).expect("sound");
                pools.add(pair).expect("new");
            }
        }
    }
    let mut search = Search::new(&[base], 4, Effort::USUAL);
    search.extend(&pools);
    (pools, search)
}

#[test]
fn a_diff_laid_over_the_pools_and_searched_allocates_nothing_once_warm() {
    let (pools, mut search) = market();
    let mut overlay = Overlay::default();
    let mut found = Vec::new();
    let touched = [PoolId::new(0), PoolId::new(5)];
    let mut solve = |skew: u128| {
        overlay.clear();
        found.clear();
        for id in touched {
            let reserves = U256::from(10u128.pow(21) + skew) | U256::from(10u128.pow(21)) << 112;
            overlay.edit(&pools, id, |pair| pair.apply_slots(&[(U256::from(8), reserves)])).expect("understood");
        }
        let counts = search.candidates(&overlay.over(&pools), Some(&touched), &mut found);
        (counts.screened.looked, found.len())
    };
    // Warm: the largest answer first, so that every buffer has its size.
    solve(9 * 10u128.pow(19));
    for skew in [9 * 10u128.pow(19), 5 * 10u128.pow(19), 8 * 10u128.pow(19)] {
        let (count, (looked, candidates)) = allocations(|| solve(skew));
        assert!(looked > 100 && candidates > 0, "{looked} cycles, {candidates} candidates: nothing was measured");
        assert_eq!(count, 0, "{looked} cycles, {candidates} candidates");
    }
}

alloy::sol! {
    function swapExactETHForTokens(uint256 least, address[] path, address to, uint256 deadline) external payable;
    struct InSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
        uint256 amount; uint256 least; uint160 limit; }
    function exactInputSingle(InSingle params) external payable;
}

const USDC: Address = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
const SENDER: Address = address!("00000000000000000000000000000000000e0a00");

/// Mainnet's two pools of USDC and wrapped ether, where their factories put them.
fn mainnets() -> Pools<AnyPool> {
    let fee = Fee::new(3, 1000).expect("a fee");
    let at = address!("B4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc");
    let layout = Slots::Packed { slot: U256::from(8) };
    let pair = Pair::new(at, [USDC, WETH], [fee; 2], layout, [10u128.pow(13), 10u128.pow(22)]).expect("sound");
    let of = Immutables {
        address: address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"),
        tokens: [USDC, WETH],
        fee_pips: 500,
        tick_spacing: 10,
        flavour: Flavour::Uniswap,
    };
    let mut pool = uniswap_v3::Pool::new(of).expect("sane");
    pool.set_price(U256::ONE << 96, 0, 10u128.pow(22));
    for (position, tick) in [(-1, -1_000), (0, 1_000)] {
        pool.set_word(position, U256::ONE << ((tick / 10i32) & 255) as usize);
        pool.set_tick(tick, Liquidity { gross: 10u128.pow(22), net: -10i128.pow(22) * i128::from(tick.signum()) });
    }
    let mut pools = Pools::default();
    pools.add(pair.into()).expect("new");
    pools.add(pool.into()).expect("new");
    pools
}

#[test]
fn a_pending_swap_resolved_by_maths_allocates_nothing_once_warm() {
    let pools = mainnets();
    let mut db = Db::default();
    db.tell_account(SENDER, AccountInfo { balance: U256::from(10u128.pow(20)), ..AccountInfo::default() });
    let machine = Machine::new(1, Fork::PRAGUE, BlockEnv::default(), db);
    let tx = |to: Address, value: u128, data: Vec<u8>| TxEnv {
        caller: SENDER,
        kind: TxKind::Call(to),
        value: U256::from(value),
        data: data.into(),
        gas_limit: 300_000,
        ..TxEnv::default()
    };
    let (least, deadline, amount) = (U256::ZERO, U256::MAX, U256::from(10u128.pow(18)));
    let v2 = swapExactETHForTokensCall { least, path: vec![WETH, USDC], to: SENDER, deadline }.abi_encode();
    let params = InSingle {
        tokenIn: WETH,
        tokenOut: USDC,
        fee: U24::from(500),
        recipient: SENDER,
        deadline,
        amount,
        least,
        limit: U160::ZERO,
    };
    let v3 = exactInputSingleCall { params }.abi_encode();
    let txs = [
        tx(address!("7a250d5630B4cF539739dF2C5dAcb4c659F2488D"), 10u128.pow(18), v2),
        tx(address!("E592427A0AEce92De3Edee1F18E0157C05861564"), 0, v3),
    ];
    let mut reckoner = Reckoner::default();
    reckoner.extend(&pools);
    for tx in &txs {
        let mut resolve = |faith| reckoner.reckon(&machine, &pools, tx, faith);
        assert_eq!(resolve(Faith::Proven), Err(Why::Code));
        assert_eq!(resolve(Faith::Blind), Ok(()));
        reckoner.believe();
        assert_eq!(reckoner.reckon(&machine, &pools, tx, Faith::Proven), Ok(()));
        let (count, answer) = allocations(|| reckoner.reckon(&machine, &pools, tx, Faith::Proven));
        assert_eq!((count, answer, reckoner.moved().len()), (0, Ok(()), 1));
    }
}

#[test]
fn quotes_both_ways_allocate_nothing() {
    let (pools, _) = market();
    let pair = pools.pool(PoolId::new(0));
    let leg = pair.leg(token(0), token(1)).expect("its tokens");
    let amount = U256::from(10u128.pow(18));
    let (count, quotes) = allocations(|| (pair.quote_in(leg, amount), pair.quote_out(leg, amount)));
    assert!(quotes.0.is_ok() && quotes.1.is_ok());
    assert_eq!(count, 0);
}

/// Allocations of one run once warm, with some room: the EVM's frames, journal and diff, the proof's hops, calldata and
/// access list. What holds them is `revm`'s, and stated here so that it does not grow unseen.
const MOST_A_WHAT_IF: u64 = 12;
const MOST_A_PROOF: u64 = 90;
/// What outlives the call: calldata, the encoded transaction, the list of the bundle's transactions.
const MOST_A_BUNDLE: u64 = 8;
/// What the way back from a reorg keeps of a block that moves one pool.
const MOST_A_BLOCK: u64 = 8;

/// The most that the fourth to the eighth of the same kind allocate.
fn once_warm(mut work: impl FnMut(u64) -> u64) -> u64 {
    (0..8).map(&mut work).skip(3).max().unwrap_or_default()
}

#[test]
fn a_what_if_and_a_proof_allocate_within_their_budgets() {
    let mut market = Market::new(3, 1_000);
    let candidate = *market.proven[0].candidate();
    let proofs = once_warm(|_| {
        let (count, proven) = allocations(|| market.engine.prove_again(&candidate, Wei(U256::from(1_000))));
        assert!(proven.is_ok());
        count
    });
    let weth = market.own.weth;
    let machine = market.engine.machine_mut();
    let nonce = machine.db().known_account(USER).expect("sends everything").nonce;
    let data = transferCall { to: market.own.executor, amount: U256::from(1) }.abi_encode();
    let (gas_limit, kind, data) = (100_000, TxKind::Call(weth), Bytes::from(data));
    let tx = TxEnv { caller: USER, gas_limit, gas_price: 7, kind, data, nonce, ..TxEnv::default() };
    let what_ifs = once_warm(|_| {
        let (count, executed) = allocations(|| machine.execute(tx.clone()));
        assert!(executed.is_ok_and(|executed| executed.is_success()));
        count
    });
    println!("a proof allocates {proofs} times, a what-if {what_ifs} times");
    assert!(proofs <= MOST_A_PROOF && what_ifs <= MOST_A_WHAT_IF, "{proofs} a proof, {what_ifs} a what-if");
}

#[test]
fn a_bundle_is_built_and_signed_within_its_budget() {
    let market = Market::new(3, 1_000);
    let mut builder = market.builder(Bid::default(), Limits { max_assumed_slots: 9, ..Limits::default() });
    let bundles = once_warm(|turn| {
        // Each in a block of its own: no limit counts them together.
        let target = Target { parent: B256::from(U256::from(turn + 1)), ..market::target() };
        let (proof, pools) = (&market.proven[0], market.engine.pools());
        let (count, bundle) = allocations(|| builder.build(proof, pools, None, &target));
        assert!(bundle.is_ok(), "{bundle:?}");
        count
    });
    println!("a bundle allocates {bundles} times");
    assert!(bundles <= MOST_A_BUNDLE, "{bundles}");
}

#[test]
fn a_block_that_moves_a_pool_is_applied_within_its_budget() {
    let market = Market::new(3, 1_000);
    let pair = market.engine.pools().pool(PoolId::new(0)).address();
    let mut engine = market.engine;
    let beneficiary = engine.machine_mut().block().beneficiary;
    let (number, timestamp, gas_limit) = (BLOCK - 1, 1_717_000_000, 30_000_000);
    let mut head = Head { number, timestamp, gas_limit, beneficiary, ..Head::default() };
    let mut engine = engine.following(Tip::new(head, Rules::Mainnet, 12)).with_base(false);
    let blocks = once_warm(|turn| {
        let (hash, number) = (B256::from(U256::from(turn + 1)), head.number + 1);
        head = Head { number, hash, parent: head.hash, timestamp: head.timestamp + 12, ..head };
        let reserve = U256::from(10).pow(U256::from(20)) + U256::from(turn);
        let slots = vec![(U256::from(8), reserve | reserve << 112)];
        let data = [reserve.to_be_bytes::<32>(), reserve.to_be_bytes()].concat().into();
        let accounts = vec![AccountNews { address: pair, slots, ..AccountNews::default() }];
        let logs = vec![LogNews { address: pair, topics: vec![SYNC], data }];
        let event = Event::Block(std::sync::Arc::new(BlockNews { head, accounts, logs }));
        let (count, outcome) = allocations(|| engine.on_event(event));
        assert!(outcome.adrift.is_none() && outcome.broken.is_empty(), "{outcome:?}");
        count
    });
    println!("a block allocates {blocks} times");
    assert!(blocks <= MOST_A_BLOCK, "{blocks}");
}

/// `Sync(uint112,uint112)`.
const SYNC: B256 = b256!("0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");

#[test]
fn the_counter_counts() {
    let (count, list) = allocations(|| vec![1u8; 100]);
    assert_eq!((count, list.len()), (1, 100));
}
