//! Question: does the Uniswap V2 module say what the real pair does, to the unit?
//! Input: the published bytecode of the factory, the pair and its test token (npm `@uniswap/v2-core`), run in revm; forks
//! are made by patching constants in the pair's bytecode. Nothing here is a mock of the pair.

#[path = "uniswap_v2_bytecode/chain.rs"]
mod chain;

use crate::chain::FEE_SLOT;
use crate::chain::MUL_FEE;
use crate::chain::Market;
use crate::chain::RESERVES;
use crate::chain::SQUARE;
use crate::chain::Trace;
use crate::chain::UNLOCKED;
use crate::chain::USER;
use crate::chain::balance_slot;
use crate::chain::burnCall;
use crate::chain::fee_in_storage;
use crate::chain::mintCall;
use crate::chain::pack;
use crate::chain::patched;
use crate::chain::runtime;
use crate::chain::standard;
use crate::chain::swap;
use crate::chain::thirty;
use crate::chain::transferCall;
use crate::chain::with_fee;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Applied;
use peregrine::protocols::amm::Exact;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::discover::Probe;
use peregrine::protocols::uniswap_v2::FeeCache;
use peregrine::protocols::uniswap_v2::Layout;
use peregrine::protocols::uniswap_v2::MAX_RESERVE;
use peregrine::protocols::uniswap_v2::Pool;
use peregrine::protocols::uniswap_v2::Reason;
use peregrine::protocols::uniswap_v2::discover;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prelude::prop;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::prelude::prop_oneof;
use proptest::prelude::proptest;

/// Without a file of old failures: a failure prints its input, and the property has no other memory.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

const DEEP: [u128; 2] = [5_000_000_000_000, 2_000_000_000_000_000_000_123];

// ---- quotes -------------------------------------------------------------------------------------------------------

/// From 1000 to `uint112`, each size as likely.
fn reserve() -> impl Strategy<Value = u128> {
    (10u32..=112, any::<u128>()).prop_map(|(bits, x)| ((x & MAX_RESERVE) >> (112 - bits)).max(1_000))
}

/// Dust, typical against `whole`, or nearly (or more than) all of it.
fn amount(whole: u128) -> impl Strategy<Value = u128> {
    prop_oneof![0..1_000u128, 0..=(whole / 50), 0..=whole, (0..1_000u128).prop_map(move |d| whole.saturating_sub(d))]
}

fn trade() -> impl Strategy<Value = ([u128; 2], usize, u128, u128)> {
    (reserve(), reserve(), 0..2usize).prop_flat_map(|(r0, r1, token_in)| {
        let reserves = [r0, r1];
        let input = prop_oneof![amount(reserves[token_in]), amount(MAX_RESERVE - reserves[token_in] + 500)];
        let output = amount(reserves[1 - token_in].saturating_add(2));
        (input, output).prop_map(move |(x, y)| (reserves, token_in, x, y))
    })
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn quotes_are_the_most_the_pair_pays_and_the_least_it_asks((reserves, token_in, x, y) in trade()) {
        thread_local!(static MARKET: std::cell::RefCell<Market> = Market::new([1, 1]).into());
        MARKET.with_borrow_mut(|market| {
            market.hold(reserves);
            let pool = standard(market, reserves);
            let leg = pool.leg(market.tokens[token_in], market.tokens[1 - token_in]).unwrap();
            let r_in = reserves[token_in];
            match pool.quote_in(leg, U256::from(x)) {
                Ok(out) => {
                    let out = out.to::<u128>();
                    prop_assert!(market.pays(token_in, r_in, x, out));
                    prop_assert!(!market.pays(token_in, r_in, x, out + 1));
                }
                Err(why) => {
                    prop_assert!(!market.pays(token_in, r_in, x, 1));
                    prop_assert_eq!(why == QuoteError::TooLarge, x > MAX_RESERVE - r_in);
                }
            }
            match pool.quote_out(leg, U256::from(y)) {
                Ok(input) => {
                    let input = input.to::<u128>();
                    prop_assert!(market.pays(token_in, r_in, input, y));
                    prop_assert!(!market.pays(token_in, r_in, input - 1, y));
                }
                Err(QuoteError::TooSmall) => prop_assert_eq!(y, 0),
                Err(_) => prop_assert!(!market.pays(token_in, r_in, MAX_RESERVE - r_in, y)),
            }
            Ok(())
        })?;
    }
}

// ---- state --------------------------------------------------------------------------------------------------------

/// One transaction against the pair.
#[derive(Clone, Copy, Debug)]
enum Step {
    Mint { parts: [u128; 2] },
    Burn { share: u128 },
    Swap { token_in: usize, part: u128 },
}

fn step() -> impl Strategy<Value = Step> {
    let part = 1..1_000u128;
    prop_oneof![
        [part.clone(), part.clone()].prop_map(|parts| Step::Mint { parts }),
        (1..900u128).prop_map(|share| Step::Burn { share }),
        (0..2usize, part).prop_map(|(token_in, part)| Step::Swap { token_in, part }),
    ]
}

impl Market {
    /// Sends `value` of a token to the pair, from the user.
    fn pay(&mut self, token: Address, value: U256) {
        let data = transferCall { to: self.pair, value }.abi_encode();
        self.world.send(token.into(), &data).expect("a transfer");
    }

    fn act(&mut self, pool: &Pool, step: Step) -> Option<Trace> {
        let reserves = pool.state();
        let data = match step {
            Step::Mint { parts } => {
                for i in 0..2 {
                    self.pay(self.tokens[i], U256::from(reserves[i] / 1_000 * parts[i] + 1));
                }
                mintCall { to: USER }.abi_encode()
            }
            Step::Burn { share } => {
                let mine = self.world.slot(self.pair, balance_slot(USER)).unwrap();
                self.pay(self.pair, mine / U256::from(1_000) * U256::from(share));
                burnCall { to: USER }.abi_encode()
            }
            Step::Swap { token_in, part } => {
                let leg = pool.leg(self.tokens[token_in], self.tokens[1 - token_in])?;
                let x = U256::from(reserves[token_in] / 300 * part + 1);
                let y = pool.quote_in(leg, x).ok()?;
                self.pay(self.tokens[token_in], x);
                swap(token_in, y.to()).abi_encode()
            }
        };
        self.world.send(self.pair.into(), &data)
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn logs_storage_and_a_fresh_read_tell_the_same_state(steps in prop::collection::vec(step(), 1..12)) {
        let mut market = Market::new([0, 0]);
        for token in market.tokens {
            market.world.set(token, balance_slot(USER), U256::from(1) << 110);
        }
        let mut by_logs = standard(&market, [1 << 70, 1 << 50]);
        let first = market.act(&by_logs, Step::Mint { parts: [1_000; 2] }).expect("the first mint");
        let mut by_slots = standard(&market, [0, 0]);
        follow(&market, &mut by_logs, &mut by_slots, &first);
        for step in steps {
            let made = by_swap(&market, &by_logs, step);
            let Some(trace) = market.act(&by_logs, step) else { continue };
            follow(&market, &mut by_logs, &mut by_slots, &trace);
            let fresh = by_logs.layout().load(|slot| market.world.slot(market.pair, slot)).unwrap();
            prop_assert_eq!(by_logs.state(), fresh);
            prop_assert_eq!(by_slots.state(), fresh);
            if let Some(made) = made {
                prop_assert_eq!(made.state(), fresh);
            }
        }
    }

    #[test]
    fn what_the_periphery_asks_for_an_output_is_enough_and_leaves_the_pair_as_foretold((reserves, token_in, _, y) in trade()) {
        let mut market = Market::new(reserves);
        let pool = standard(&market, reserves);
        let [paying, paid] = [token_in, 1 - token_in].map(|i| market.tokens[i]);
        let leg = pool.leg(paying, paid).expect("its tokens");
        let mut made = pool.clone();
        let Ok(traded) = made.trade(leg, Exact::Out(U256::from(y)), None) else { return Ok(()) };
        market.world.set(paying, balance_slot(USER), traded.amount_in);
        market.pay(paying, traded.amount_in);
        let done = market.world.send(market.pair.into(), &swap(token_in, y).abi_encode());
        prop_assert!(done.is_some(), "the pair pays");
        prop_assert_eq!(pool.layout().load(|slot| market.world.slot(market.pair, slot)), Some(made.state()));
    }
}

/// The pair as a swap of this step would leave it; `None` for other steps, and where nothing comes out.
fn by_swap(market: &Market, pool: &Pool, step: Step) -> Option<Pool> {
    let Step::Swap { token_in, part } = step else { return None };
    let leg = pool.leg(market.tokens[token_in], market.tokens[1 - token_in])?;
    let mut made = pool.clone();
    let x = U256::from(pool.state()[token_in] / 300 * part + 1);
    made.trade(leg, Exact::In(x), None).ok().map(|_| made)
}

/// Applies a transaction's logs to one pool and its storage changes to the other.
fn follow(market: &Market, by_logs: &mut Pool, by_slots: &mut Pool, trace: &Trace) {
    let mut changed = 0;
    for log in trace.logs.iter().filter(|log| log.address == market.pair) {
        changed += usize::from(
            by_logs.apply_log(by_logs.address(), log.topics(), &log.data.data).unwrap() == Applied::Changed,
        );
    }
    assert_eq!(changed, 1, "one Sync a transaction");
    let slots = trace.changes.iter().find(|(at, _)| *at == market.pair).map(|(_, slots)| slots).unwrap();
    assert_eq!(by_slots.apply_slots(by_slots.address(), slots), Ok(Applied::Changed));
}

// ---- discovery ----------------------------------------------------------------------------------------------------

#[test]
fn the_real_pair_is_found_with_its_layout_and_three_thousandths() {
    let mut market = Market::new(DEEP);
    let pool = market.discover().unwrap().unwrap();
    assert_eq!(pool.fees(), thirty());
    assert_eq!(pool.layout(), Layout::Packed { slot: U256::from(RESERVES) });
    assert_eq!((pool.state(), pool.tokens(), pool.log_fed()), (DEEP, &market.tokens[..], false));
}

#[test]
fn other_fees_are_read_off_the_code_as_the_simplest_fraction() {
    for (num, den, found) in [
        (2, 1000, (2, 1000)),
        (5, 1000, (5, 1000)),
        (0, 1000, (0, 1000)),
        (5, 2000, (25, 10_000)),
        (1, 4000, (25, 100_000)),
        (200, 1000, (200, 1000)),
    ] {
        for reserves in [DEEP, [DEEP[1], DEEP[0]], [MAX_RESERVE, 20_000_000], [30_000_000, 30_000_000]] {
            let mut market = Market::forked(reserves, with_fee(num, den));
            assert_eq!(market.fees(), Ok([found; 2]), "{num}/{den} at {reserves:?}");
        }
    }
}

#[test]
fn a_millionth_is_resolved() {
    // 3/3125 = 0.00096 exactly, 96/100000. 1/3125 = 0.00032. 3125^2 fits in three bytes.
    let mut market = Market::forked(DEEP, with_fee(3, 3125));
    assert_eq!(market.fees(), Ok([(96, 100_000); 2]));
    // 3/1600 = 0.001875 needs the last denominator.
    let mut market = Market::forked(DEEP, with_fee(3, 1600));
    assert_eq!(market.fees(), Ok([(1875, 1_000_000); 2]));
}

#[test]
fn a_fee_that_no_millionth_explains_is_refused() {
    let mut market = Market::forked(DEEP, with_fee(1, 3000));
    assert_eq!(market.fees(), Err(Reason::OddFee));
}

#[test]
fn a_fee_that_differs_by_direction_is_found_for_each() {
    let code = hex::encode(patched(&[]));
    let site = code.find(MUL_FEE).unwrap();
    let code = format!("{}6007{}", &code[..site], &code[site + 4..]);
    let mut market = Market::forked(DEEP, hex::decode(code).unwrap());
    assert_eq!(market.fees(), Ok([(7, 1000), (3, 1000)]));
}

#[test]
fn a_cached_fee_is_confirmed_on_each_pair_and_found_again_where_it_is_wrong() {
    let mut cache = FeeCache::default();
    let mut found = Vec::new();
    for fee in [4u64, 9, 4] {
        let mut market = Market::forked(DEEP, fee_in_storage());
        market.world.set(market.pair, FEE_SLOT, U256::from(fee));
        found.push(discover(&mut market.world, market.pair, &mut cache).unwrap().unwrap().fees()[0].num());
    }
    assert_eq!(found, [4, 9, 4]);
    assert_eq!(cache.len(), 1, "one code, whatever its pairs charge");
}

#[test]
fn a_fee_read_from_a_slot_that_is_not_known_is_refused() {
    let mut market = Market::forked(DEEP, fee_in_storage());
    market.world.set(market.pair, FEE_SLOT, U256::from(4));
    let (at, slot) = (market.pair, U256::from(FEE_SLOT));
    market.world.unknown.insert((at, slot));
    assert_eq!(market.fees(), Err(Reason::Cold { at, slot: Some(slot) }));
}

#[test]
fn a_cached_fee_is_no_word_for_a_slot_that_is_not_known_nor_for_a_pair_that_is_locked() {
    let mut cache = FeeCache::default();
    let mut market = Market::forked(DEEP, fee_in_storage());
    // Zero, which is what an unknown slot counts as.
    market.world.set(market.pair, FEE_SLOT, U256::ZERO);
    assert!(discover(&mut market.world, market.pair, &mut cache).unwrap().is_some());
    let (at, slot) = (market.pair, U256::from(FEE_SLOT));
    market.world.unknown.insert((at, slot));
    let reason = Reason::Cold { at, slot: Some(slot) };
    assert_eq!(discover(&mut market.world, market.pair, &mut cache).unwrap_err(), reason);
    market.world.unknown.remove(&(at, slot));
    market.world.set(market.pair, UNLOCKED, U256::ZERO);
    assert_eq!(discover(&mut market.world, market.pair, &mut cache).unwrap_err(), Reason::NotExecutable);
}

#[test]
fn a_record_without_lock_factory_or_cumulative_prices_is_enough() {
    let mut market = Market::new(DEEP);
    for slot in [5, 9, 10, UNLOCKED] {
        market.world.unknown.insert((market.pair, U256::from(slot)));
    }
    assert_eq!(market.fees(), Ok([(3, 1000); 2]));
}

#[test]
fn a_record_without_the_reserves_names_the_missing_slot() {
    let mut market = Market::new(DEEP);
    let (at, slot) = (market.pair, U256::from(RESERVES));
    market.world.unknown.insert((at, slot));
    assert_eq!(market.fees(), Err(Reason::Cold { at, slot: Some(slot) }));
}

#[test]
fn a_locked_pair_cannot_be_executed() {
    let mut market = Market::new(DEEP);
    market.world.set(market.pair, UNLOCKED, U256::ZERO);
    assert_eq!(market.fees(), Err(Reason::NotExecutable));
}

#[test]
fn another_curve_is_refused() {
    // Both products of the K check become sums: 1000 * (b0 + b1) - 3 * in >= 1000 * (r0 + r1).
    let add = runtime("UniswapV2Pair").find("5b80820182811015").expect("SafeMath.add") / 2;
    let left = ("610c69838363ffffffff6121e8", format!("610c69838363ffffffff61{add:04x}"));
    let right = ("8b1663ffffffff6121e8", format!("8b1663ffffffff61{add:04x}"));
    let code = patched(&[(left.0, &left.1, 1), (right.0, &right.1, 1), (SQUARE, "620003e8", 1)]);
    let even = 1_000_000_000_000_000_000;
    let mut market = Market::forked([even, even], code);
    assert_eq!(market.fees(), Err(Reason::NotConstantProduct));
}

#[test]
fn a_pair_with_dust_or_nothing_in_it_is_refused() {
    assert_eq!(Market::new([5_000, 5_000]).fees(), Err(Reason::Shallow));
    assert_eq!(Market::new([0, 0]).fees(), Err(Reason::Empty));
}

#[test]
fn a_donation_does_not_disturb_the_fee() {
    let mut market = Market::new(DEEP);
    for token in market.tokens {
        market.world.set(token, balance_slot(market.pair), U256::from(DEEP[1] * 3));
    }
    let pool = market.discover().unwrap().unwrap();
    assert_eq!((pool.fees(), pool.state()), (thirty(), DEEP));
}

#[test]
fn what_is_no_pair_is_no_pair() {
    let mut market = Market::new(DEEP);
    for other in [market.tokens[0], USER, Address::ZERO] {
        let answer = discover(&mut market.world, other, &mut FeeCache::default());
        assert!(matches!(answer, Ok(None)), "{other}: {answer:?}");
    }
}

#[test]
fn shifted_reserves_are_found_where_they_are() {
    let code = patched(&[("600854", "602054", 7), ("600880547f", "602080547f", 1)]);
    let mut market = Market::forked(DEEP, code);
    market.world.set(market.pair, 0x20, pack(DEEP));
    market.world.set(market.pair, RESERVES, U256::ZERO);
    let pool = market.discover().unwrap().unwrap();
    assert_eq!((pool.layout(), pool.fees()), (Layout::Packed { slot: U256::from(0x20) }, thirty()));
}

// ---- forks with other storage: a shell that rewrites its storage round the real pair's code ------------------------

const PAIR_CODE: Address = address!("0x000000000000000000000000000000000000c0de");

/// `before`, then the real pair by delegatecall, then `after`; three-word answers are cut to `words`.
fn shell(before: &str, after: &str, words: u8) -> Vec<u8> {
    let cut = (3 - words) * 32;
    // returndatasize - (returndatasize == 96) * cut
    let size = format!("3d60601460{cut:02x}023d03");
    let call = format!("365f5f375f5f365f73{}5af4", hex::encode(PAIR_CODE));
    let head = format!("{before}{call}{after}3d5f5f3e");
    let done = head.len() / 2 + 6;
    hex::decode(format!("{head}60{done:02x}573d5ffd5b{size}5ff3")).unwrap()
}

impl Market {
    fn in_shell(code: Vec<u8>, pair: Vec<u8>) -> Self {
        let mut market = Self::new(DEEP);
        market.world.place(PAIR_CODE, pair);
        market.world.place(market.pair, code);
        market.world.set(market.pair, RESERVES, U256::ZERO);
        market
    }
}

impl Market {
    /// A pair that keeps its packed word XORed with a constant.
    fn scrambled(pair: Vec<u8>) -> Self {
        let key = keccak256("odd packing");
        let flip = format!("7f{}60085418600855", hex::encode(key));
        let mut market = Self::in_shell(shell(&flip, &flip, 3), pair);
        market.world.set(market.pair, RESERVES, pack(DEEP) ^ U256::from_be_bytes(key.0));
        market
    }
}

#[test]
fn two_slots_and_a_two_word_answer_are_understood() {
    let mask = "6dffffffffffffffffffffffffffff16";
    // slot8 = slot31 << 112 | slot30, and back.
    let before = "60315460701b60305417600855";
    let after = format!("600854{mask}60305560085460701c{mask}6031555f600855");
    let mut market = Market::in_shell(shell(before, &after, 2), patched(&[]));
    for (slot, reserve) in [0x30, 0x31].into_iter().zip(DEEP) {
        market.world.set(market.pair, slot, U256::from(reserve));
    }
    let pool = market.discover().unwrap().unwrap();
    assert_eq!(pool.layout(), Layout::Split { slots: [U256::from(0x30), U256::from(0x31)] });
    assert_eq!((pool.fees(), pool.state(), pool.log_fed()), (thirty(), DEEP, false));
}

#[test]
fn storage_that_is_not_understood_leaves_a_pool_fed_by_logs() {
    let mut market = Market::scrambled(patched(&[]));
    let mut pool = market.discover().unwrap().unwrap();
    assert_eq!((pool.layout(), pool.fees(), pool.state()), (Layout::Opaque, thirty(), DEEP));
    assert!(pool.log_fed());
    assert_eq!(pool.apply_slots(pool.address(), &[(U256::from(RESERVES), pack([1, 1]))]), Ok(Applied::Irrelevant));
    // A real swap's own log moves it.
    market.world.set(market.tokens[0], balance_slot(USER), U256::from(1_000_000));
    let leg = pool.leg(market.tokens[0], market.tokens[1]).unwrap();
    let y = pool.quote_in(leg, U256::from(1_000_000)).unwrap();
    market.pay(market.tokens[0], U256::from(1_000_000));
    let trace = market.world.send(market.pair.into(), &swap(0, y.to()).abi_encode()).unwrap();
    for log in trace.logs.iter().filter(|log| log.address == market.pair) {
        pool.apply_log(pool.address(), log.topics(), &log.data.data).unwrap();
    }
    assert_eq!(pool.state(), [DEEP[0] + 1_000_000, DEEP[1] - y.to::<u128>()]);
}

#[test]
fn fees_are_found_where_the_reserves_cannot_be_staged_and_whatever_the_tokens_do() {
    for (num, den, found) in [(2, 1000, (2, 1000)), (5, 2000, (25, 10_000)), (3, 1600, (1875, 1_000_000))] {
        assert_eq!(Market::scrambled(with_fee(num, den)).fees(), Ok([found; 2]));
    }
    assert_eq!(Market::scrambled(with_fee(1, 3000)).fees(), Err(Reason::OddFee));
    // A surplus over the reserves is staged away.
    let mut market = Market::scrambled(patched(&[]));
    for token in market.tokens {
        market.world.set(token, balance_slot(market.pair), U256::from(DEEP[1] * 3));
    }
    assert_eq!(market.fees(), Ok([(3, 1000); 2]));
    // A token that answers the same balance to everyone: the pair's fee is the pair's own.
    let token = market.tokens[0];
    market.world.place(token, hex::decode("620fffff5f5260205ff3").unwrap());
    assert_eq!(market.fees(), Ok([(3, 1000); 2]));
}

#[test]
fn gas_is_near_what_a_swap_costs() {
    let mut market = Market::new(DEEP);
    let pool = standard(&market, DEEP);
    market.world.set(market.tokens[0], balance_slot(USER), U256::from(DEEP[0]));
    let leg = pool.leg(market.tokens[0], market.tokens[1]).unwrap();
    // The first swap writes slots that were zero: cumulative prices, the recipient's balance. The second is typical.
    market.act(&pool, Step::Swap { token_in: 0, part: 1 }).unwrap();
    let fresh = market.discover().unwrap().unwrap();
    let trace = market.act(&fresh, Step::Swap { token_in: 0, part: 1 }).unwrap();
    // Less what every transaction pays, and about that much for its calldata.
    let used = trace.gas - 21_000 - 2_000;
    assert!(pool.gas(leg).abs_diff(used) < 15_000, "swap used {used}");
    println!("swap used {used}");
}
