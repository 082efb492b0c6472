//! Decoding, applying a diff or a block, quoting, resolving a pending swap, screening, sizing, building, signing and writing a
//! request allocate nothing once warm; a what-if and a proof each within a budget: counted by the allocator itself.

mod common;
#[path = "build/hot_loop.rs"]
mod hot_loop;
#[path = "build/market.rs"]
mod market;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::sol_types::SolCall;
use alloy_primitives::aliases::U24;
use alloy_primitives::{Address, B256, Bytes, TxKind, U160, U256, address, b256, keccak256};
use common::chain::{USER, transferCall};
use common::pools::token;
use hot_loop::{HotLoop, Mode};
use market::{BLOCK, Market};
use peregrine::edge::submit::DialectName;
use peregrine::hot::bundle::config::{Bid, Executor, Limits};
use peregrine::hot::bundle::{BundleSigner, Target, TargetBlock};
use peregrine::hot::decode::PendingTx;
use peregrine::hot::engine::tip::{DEPTH, Tip};
use peregrine::hot::event::{AccountUpdate, BlockUpdate, Event, Head, LogUpdate};
use peregrine::hot::evm::block;
use peregrine::hot::evm::db::Db;
use peregrine::hot::evm::fork::{Fork, Rules};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::forecast::{Forecaster, MinConfidence, Why};
use peregrine::hot::rt::inbox::{Supply, supply};
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::send;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::metrics::count::Counter;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::uniswap_v2::{Fee, Layout as Slots, Pool as Pair};
use peregrine::protocols::uniswap_v3::{self, Flavour, Immutables, Liquidity};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::replay::record::{Codes, Record};
use peregrine::replay::{discover, execute};
use peregrine::types::amount::Wei;
use peregrine::types::id::PoolId;
use peregrine::types::onetime::OneTime;
use revm::context::{BlockEnv, TxEnv};
use revm::state::AccountInfo;
use uuid::Uuid;

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
            overlay
                .edit(&pools, id, |pair| pair.apply_slots(pair.address(), &[(U256::from(8), reserves)]))
                .expect("understood");
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

const WETH: Address = peregrine::chain::MAINNET.wrapped_native;
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
    let mut forecaster = Forecaster::new(peregrine::chain::MAINNET.contracts());
    forecaster.extend(&pools);
    for tx in &txs {
        let mut resolve = |required| forecaster.forecast(&machine, &pools, tx, required);
        assert_eq!(resolve(MinConfidence::Proven), Err(Why::Code));
        assert_eq!(resolve(MinConfidence::Blind), Ok(()));
        forecaster.believe();
        assert_eq!(forecaster.forecast(&machine, &pools, tx, MinConfidence::Proven), Ok(()));
        let (count, answer) = allocations(|| forecaster.forecast(&machine, &pools, tx, MinConfidence::Proven));
        assert_eq!((count, answer, forecaster.moved().len()), (0, Ok(()), 1));
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
const MOST_A_WHAT_IF: u64 = 10;
const MOST_A_PROOF: u64 = 72;

/// A folder of records, and a part of it.
type Records = fn(&str) -> Option<PathBuf>;

/// Records that hold pools of every venue that any record holds one of.
const RECORDS: [(Records, &str); 6] = [
    (common::mainnet, "blocks/10760440"),
    (common::mainnet, "blocks/12300570"),
    (common::mainnet, "blocks/13217637"),
    (common::mainnet, "blocks/19933597"),
    (common::newer_mainnet, "blocks/21077746"),
    (common::newer_mainnet, "blocks/24628607"),
];

/// A pool's stretches each way, and a quote each way of half of the first.
fn quoted(pool: &AnyPool) -> u64 {
    let mut quotes = 0;
    for edge in 0..pool.tokens().len() * pool.tokens().len() {
        let [from, to] = [edge / pool.tokens().len(), edge % pool.tokens().len()].map(|at| pool.tokens()[at]);
        let Some(leg) = pool.leg(from, to) else { continue };
        let (mut stretches, mut amount) = (0, U256::ZERO);
        pool.segments(leg, |stretch| {
            if stretches == 0 {
                amount = stretch.in_max / U256::from(2);
            }
            stretches += 1;
            stretches < 16
        });
        let Ok(out) = pool.quote_in(leg, amount) else { continue };
        quotes += 1 + u64::from(pool.quote_out(leg, out).is_ok());
    }
    quotes
}

#[test]
fn quotes_of_every_venue_that_is_recorded_allocate_nothing() {
    let mut venues = BTreeMap::new();
    for (folder, block) in RECORDS {
        let Some(dir) = folder(block) else { continue };
        let record = Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record");
        let mut machine = execute::machine(&record);
        for pool in discover::pools(&mut machine, &mut DiscoveryCache::default(), true).pools {
            let (allocated, quotes) = allocations(|| quoted(&pool));
            assert_eq!(allocated, 0, "{} {}", pool.protocol(), pool.key());
            *venues.entry(pool.protocol()).or_insert(0) += quotes;
        }
    }
    println!("quotes by venue: {venues:?}");
    if RECORDS.iter().all(|(folder, block)| folder(block).is_some()) {
        let due = ["balancer_v1", "curve_crypto", "curve_stable", "uniswap_v2", "uniswap_v3", "uniswap_v4"];
        assert!(due.iter().all(|venue| venues.get(venue).is_some_and(|quotes| *quotes > 0)), "{venues:?}");
    }
}

/// The most that the fourth to the eighth of the same kind allocate.
fn once_warm(mut work: impl FnMut(u64) -> u64) -> u64 {
    (0..8).map(&mut work).skip(3).max().unwrap_or_default()
}

#[test]
fn a_what_if_and_a_proof_allocate_within_their_budgets() {
    let mut market = Market::new(3, 1_000);
    let opportunity = market.proven[0].opportunity().clone();
    let mut prove = |bid: u64| {
        let (count, proven) = allocations(|| market.engine.prove_again(&opportunity, Wei(U256::from(bid))));
        assert!(proven.is_ok());
        count
    };
    // With another bid each time: what was proven of the same state is found again.
    let proofs = once_warm(|turn| prove(1_000 + turn));
    let again = prove(1_003);
    assert!(again < proofs / 8, "{again} allocations where nothing is to be run, {proofs} for a proof");
    let weth = market.own.weth;
    let machine = market.engine.machine_mut();
    let nonce = machine.db().known_account(USER).expect("sends everything").nonce;
    let data = transferCall { to: market.own.executor, amount: U256::from(1) }.abi_encode();
    let (gas_limit, kind, data) = (100_000, TxKind::Call(weth), Bytes::from(data));
    let tx = TxEnv { caller: USER, gas_limit, gas_price: 7, kind, data, nonce, ..TxEnv::default() };
    let what_ifs = once_warm(|_| {
        let (count, executed) = allocations(|| machine.execute(tx.clone()));
        let executed = executed.expect("runs");
        assert!(executed.is_success());
        machine.take_back(executed.diff);
        count
    });
    println!("a proof allocates {proofs} times, a what-if {what_ifs} times");
    assert!(proofs <= MOST_A_PROOF && what_ifs <= MOST_A_WHAT_IF, "{proofs} a proof, {what_ifs} a what-if");
}

/// A pending transaction as a node announces it, with an access list.
const LISTED: &str = concat!(
    r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x5176","result":{"type":"0x2","#,
    r#""chainId":"0x1","nonce":"0x7","gas":"0x30d40","maxFeePerGas":"0x77359400","maxPriorityFeePerGas":"0x1","#,
    r#""to":"0x7a250d5630b4cf539739df2c5dacb4c659f2488d","value":"0xde0b6b3a7640000","input":"0x7ff36ab5000000","#,
    r#""accessList":[{"address":"0x7a250d5630b4cf539739df2c5dacb4c659f2488d","storageKeys":["#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000001"]}],"#,
    r#""from":"0x00000000000000000000000000000000000e0a00","v":"0x1","yParity":"0x1","r":"0x11","s":"0x22","#,
    r#""hash":"0x0101010101010101010101010101010101010101010101010101010101010101","#,
    r#""blockHash":null,"blockNumber":null,"transactionIndex":null}}}"#
);

/// An access list's brackets are counted by `serde_json` in a stack of its own, of 8 bytes.
const LIST: u64 = 1;

#[test]
fn a_notice_is_decoded_without_allocating_once_warm_but_for_the_stack_of_an_access_list() {
    let (from, to) = (LISTED.find("[{").expect("a list"), LISTED.find("}],").expect("its end"));
    let plain = [&LISTED[..=from], &LISTED[to + 1..]].concat();
    let mut tx = PendingTx::default();
    for (notice, most) in [(LISTED, LIST), (&plain, 0)] {
        let count = once_warm(|_| {
            let (count, read) = allocations(|| tx.read(notice));
            assert_eq!(read, Ok(()));
            count
        });
        assert!(count <= most, "{count}");
        assert_eq!((tx.env().access_list.len() as u64, tx.input().len(), tx.sender()), (most, 7, SENDER));
    }
}

/// With its access list: the longest form that a bundle has.
fn signer(market: &Market) -> BundleSigner {
    let contract = Executor { access_list: true, ..market::contract(market.own.executor) };
    let limits = Limits { max_assumed_slots: 9, ..Limits::default() };
    BundleSigner::new(market::key(market::OWNER_KEY), 1, contract, Bid::default(), limits)
}

/// So many nonces, prepared.
fn nonces() -> Supply<OneTime> {
    let (to, nonces) = supply(99);
    for seed in 1..99 {
        assert!(to.try_send(OneTime::new(&mut [seed; 32]).expect("a scalar")).is_ok());
    }
    nonces
}

#[test]
fn a_bundle_is_built_and_signed_behind_its_trigger_without_allocating_once_warm() {
    let market = Market::new(3, 1_000);
    let mut tx = PendingTx::default();
    tx.read(LISTED).expect("a notice");
    let mut raw = Vec::new();
    tx.encode(&mut raw);
    let hash = keccak256(&raw);
    for prepared in [false, true] {
        let mut signer = signer(&market).with_nonces(prepared.then(nonces));
        let bundles = once_warm(|turn| {
            // Each in a block of its own: no limit counts them together.
            let target_block = TargetBlock { parent: B256::from(U256::from(turn + 1)), ..market::target_block() };
            let (proof, pools) = (&market.proven[0], market.engine.pools());
            let write = |to: &mut Target| to.write(hash, |raw| tx.encode(raw));
            let (count, bundle) = allocations(|| {
                signer.behind(&write, |signer, target| signer.build(proof, pools, Some(target), &target_block))
            });
            let bundle = bundle.flatten().expect("passes the limits");
            assert_eq!((bundle.txs().len(), bundle.txs()[0]), (2, &raw[..]));
            count
        });
        assert_eq!(bundles, 0);
    }
}

#[test]
fn a_request_is_written_and_signed_without_allocating_once_warm() {
    let market = Market::new(3, 1_000);
    let bundle =
        signer(&market).build(&market.proven[0], market.engine.pools(), None, &market::target_block()).expect("signed");
    let (identity, nonces) = (market::key(market::OTHER_KEY), nonces());
    let (mut body, mut header) = (Vec::new(), Vec::new());
    for (kind, prepared) in DialectName::ALL.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        let requests = once_warm(|turn| {
            body.clear();
            header.clear();
            let nonce = if prepared { nonces.take() } else { None };
            let (count, written) = allocations(|| {
                kind.dialect().bundle(&bundle, &Uuid::from_u128(turn.into()), &mut body);
                send::header::write(&identity, nonce, &body, &mut header)
            });
            assert!(written.is_ok() && body.len() > 1_000 && header.len() > 100);
            count
        });
        assert_eq!(requests, 0);
    }
}

#[test]
fn a_block_that_moves_a_pool_is_applied_without_allocating_once_the_way_back_is_full() {
    let market = Market::new(3, 1_000);
    let pair = market.engine.pools().pool(PoolId::new(0)).address();
    let mut engine = market.engine;
    let beneficiary = engine.machine_mut().block().beneficiary;
    let (number, timestamp, gas_limit) = (BLOCK - 1, 1_717_000_000, 30_000_000);
    let mut head = Head { number, timestamp, gas_limit, beneficiary, ..Head::default() };
    let mut engine =
        engine.following(Tip::new(head, Rules::of(&peregrine::chain::Config::default()), 12)).with_base(false);
    let blocks = |turn: u64| {
        let (hash, number) = (B256::from(U256::from(turn + 1)), head.number + 1);
        head = Head { number, hash, parent: head.hash, timestamp: head.timestamp + 12, ..head };
        let reserve = U256::from(10).pow(U256::from(20)) + U256::from(turn);
        let slots = vec![(U256::from(8), reserve | reserve << 112)];
        let data = [reserve.to_be_bytes::<32>(), reserve.to_be_bytes()].concat().into();
        let accounts = vec![AccountUpdate { address: pair, slots, ..AccountUpdate::default() }];
        let logs = vec![LogUpdate { address: pair, topics: vec![SYNC], data }];
        let event = Event::Block(Arc::new(BlockUpdate { head, accounts, logs }));
        let (count, outcome) = allocations(|| engine.on_event(event));
        assert!(outcome.desync.is_none() && outcome.broken.is_empty(), "{outcome:?}");
        count
    };
    let (full, more) = (DEPTH as u64, 4 * HASHES);
    let counts: Vec<u64> = (0..full + more).map(blocks).collect();
    assert!(counts[..DEPTH].iter().any(|count| *count > 0), "nothing was kept");
    assert_eq!(counts[DEPTH + 1..].iter().max(), Some(&0));
}

#[test]
fn blocks_that_move_pools_of_several_protocols_in_turn_are_applied_without_allocating_once_the_way_back_is_full() {
    let mut pools = mainnets();
    let [pair, ticked] = [0, 1].map(|index| pools.pool(PoolId::new(index)).address());
    let mut machine = Machine::new(1, Fork::PRAGUE, BlockEnv::default(), Db::default());
    let mut tip = Tip::new(Head::default(), Rules::of(&peregrine::chain::Config::default()), 12);
    let (mut broken, mut head) = (Vec::new(), Head::default());
    let log = |address, topics, words: &[U256]| {
        let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        LogUpdate { address, topics, data: data.into() }
    };
    for turn in 1..4 * DEPTH as u64 {
        head = Head { number: turn, hash: B256::from(U256::from(turn)), parent: head.hash, ..head };
        let (mut accounts, mut logs) = (Vec::new(), Vec::new());
        if turn % 3 != 0 {
            let reserve = U256::from(10).pow(U256::from(20)) + U256::from(turn);
            let slots = vec![(U256::from(8), reserve | reserve << 112)];
            accounts.push(AccountUpdate { address: pair, slots, ..AccountUpdate::default() });
            logs.push(log(pair, vec![SYNC], &[reserve, reserve]));
        }
        if turn % 2 != 0 {
            let price = (U256::ONE << 96) + U256::from(turn);
            let who = B256::ZERO;
            let words = [U256::ONE, U256::ONE, price, U256::from(10u128.pow(22)), U256::ZERO];
            logs.push(log(ticked, vec![SWAP, who, who], &words));
        }
        let news = Arc::new(BlockUpdate { head, accounts, logs });
        let (count, grown) = allocations(|| tip.grow(&mut machine, &mut pools, &news, &mut broken));
        assert!(grown.is_ok() && broken.is_empty(), "{broken:?}");
        assert!(turn <= DEPTH as u64 + 6 || count == 0, "{count} in block {turn}");
    }
    let AnyPool::UniswapV3(pool) = pools.pool(PoolId::new(1)) else { panic!("not the pool") };
    assert_eq!(pool.sqrt_price_x96(), (U256::ONE << 96) + U256::from(4 * DEPTH - 1), "the logs moved it");
}

/// `Swap(address,address,int256,int256,uint160,uint128,int24)`.
const SWAP: B256 = b256!("0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67");

/// Blocks whose hashes are known at once.
const HASHES: u64 = 512;

/// `Sync(uint112,uint112)`.
const SYNC: B256 = b256!("0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1");

/// Allocations of a bundle besides its what-if and its proof: what was proven, in order, and its accesses; the path, for the
/// ledger; what is handed to the sender; now and then a trigger more in the count of a block's bundles.
const MOST_A_BUNDLE: u64 = 10;

#[test]
fn a_hot_thread_allocates_for_a_pending_transaction_what_its_what_if_does_and_little_for_a_bundle() {
    for mode in [Mode::Spin, Mode::Share, Mode::Dry] {
        let mut hot = HotLoop::new(mode);
        let turn = |tx: Recovered<TxEnvelope>, hot: &mut HotLoop| {
            let machine = hot.machine();
            let (alone, executed) = allocations(|| machine.execute(block::tx_env(&tx)));
            machine.take_back(executed.expect("runs").diff);
            hot.tell_of(tx);
            let (all, ()) = allocations(|| hot.look());
            hot.rest();
            assert!(hot.missed().is_empty(), "nothing is missed any more");
            [all, alone]
        };
        let (mut nothing, mut bundles) = (Vec::new(), Vec::new());
        for _ in 0..256 {
            nothing.push(turn(hot.transfer(), &mut hot));
            bundles.push(turn(hot.swap(), &mut hot));
        }
        let most = |turns: &[[u64; 2]], of: usize| turns[3..].iter().map(|turn| turn[of]).max().expect("turns");
        let (idle, found, what_if) = (most(&nothing, 0), most(&bundles, 0), most(&bundles, 1));
        println!("{mode:?}: {idle} a transfer, {found} a bundle, of which {what_if} its what-if");
        let made = hot.count(Counter::Built);
        assert!(made >= 256 && hot.made() == made, "{made} bundles built, {} sent or handed on", hot.made());
        assert!(idle <= MOST_A_WHAT_IF, "{idle} for a transfer: {nothing:?}");
        assert!(found <= what_if + MOST_A_PROOF + MOST_A_BUNDLE, "{found} for a bundle: {bundles:?}");
    }
}

#[test]
fn the_counter_counts() {
    let (count, list) = allocations(|| vec![1u8; 100]);
    assert_eq!((count, list.len()), (1, 100));
}
