//! What is known, what is not, what a log or a slot may teach, and which pools are not ours.

mod properties;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::math::concentrated::ticks::Liquidity;
use crate::math::concentrated::walk::no_limit;
use crate::math::swap_step::PIPS;
use crate::math::tick;
use crate::site::Slots;
use crate::uniswap_v4::DYNAMIC_FEE;
use crate::uniswap_v4::Fees;
use crate::uniswap_v4::Hooks;
use crate::uniswap_v4::Key;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::Unfit;
use crate::uniswap_v4::initialized;
use crate::uniswap_v4::logs::manager;
use crate::uniswap_v4::storage;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::LogData;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::{I24, U24};

const MANAGER: Address = Address::repeat_byte(1);
const ETHER: Option<Address> = Some(Address::repeat_byte(0xee));
const LIQUIDITY: u128 = 10u128.pow(18);
/// The first 146 bits of an address that has hooks; its last 14 say which.
const HOOKS: u64 = 0xabcd_0000;

fn hooks(flags: u64) -> Address {
    Address::left_padding_from(&(HOOKS | flags).to_be_bytes())
}

fn terms() -> Key {
    Key { currencies: [Address::ZERO, Address::repeat_byte(3)], fee: 3_000, tick_spacing: 60, hooks: Address::ZERO }
}

/// One position from -120 to 180, the price at tick 7; only the word at the price and the one below are known.
fn pool_of(terms: Key) -> Pool {
    let mut pool = Pool::new(MANAGER, terms, ETHER).unwrap();
    pool.set_word(-1, U256::ONE << 254);
    pool.set_word(0, U256::ONE << 3);
    let net = LIQUIDITY as i128;
    pool.set_tick(-120, Liquidity { gross: LIQUIDITY, net });
    pool.set_tick(180, Liquidity { gross: LIQUIDITY, net: -net });
    let slot0 = first_slot(Fees { lp: terms.first_fee(), protocol: 0 });
    let home = pool.home();
    let changes = [(home.slot0(), slot0), (home.liquidity(), U256::from(LIQUIDITY))];
    assert_eq!(pool.apply_slots(MANAGER, &changes), Ok(Applied::Changed));
    pool
}

fn first_slot(fees: Fees) -> U256 {
    storage::pack_slot0(tick::sqrt_price_at(7).unwrap(), 7, fees)
}

fn pool() -> Pool {
    pool_of(terms())
}

fn dynamic() -> Key {
    Key { fee: DYNAMIC_FEE, hooks: hooks(0), ..terms() }
}

fn leg(down: bool) -> Leg {
    let [zero, one] = terms().currencies;
    Leg::find(&terms().currencies, if down { zero } else { one }, if down { one } else { zero }).unwrap()
}

fn apply(pool: &mut Pool, log: &LogData) -> Result<Applied, ApplyError> {
    pool.apply_log(MANAGER, log.topics(), &log.data)
}

fn liquidity_log(id: B256, ticks: [i32; 2], delta: i128) -> LogData {
    let [lower, upper] = ticks.map(I24::unchecked_from);
    manager::ModifyLiquidity {
        id,
        sender: MANAGER,
        tickLower: lower,
        tickUpper: upper,
        liquidityDelta: I256::try_from(delta).unwrap(),
        salt: B256::ZERO,
    }
    .encode_log_data()
}

fn swap_log(id: B256, amounts: [i128; 2], at: i32, fee: u32) -> LogData {
    let [amount0, amount1] = amounts;
    manager::Swap {
        id,
        sender: MANAGER,
        amount0,
        amount1,
        sqrtPriceX96: tick::sqrt_price_at(at).unwrap().to::<U160>(),
        liquidity: LIQUIDITY,
        tick: I24::unchecked_from(at),
        fee: U24::from(fee),
    }
    .encode_log_data()
}

#[test]
fn hooks_are_native_where_no_swap_calls_them() {
    let of = |flags| Hooks::of(hooks(flags), 3_000);
    assert_eq!(Hooks::of(Address::ZERO, 3_000), Hooks::None);
    // All but a swap's: pools being made, liquidity and what its hooks return, donations.
    for bit in [13, 12, 11, 10, 9, 8, 5, 4, 1, 0] {
        assert_eq!(of(1 << bit), Hooks::OffSwap, "bit {bit}");
        assert!(of(1 << bit).is_native());
    }
    for (flags, due) in [
        (1 << 6, Hooks::AfterSwap),
        (1 << 7, Hooks::BeforeSwap),
        (1 << 7 | 1 << 6, Hooks::BeforeSwap),
        (1 << 7 | 1 << 3, Hooks::ChangesAmounts),
        (1 << 6 | 1 << 2, Hooks::ChangesAmounts),
        ((1 << 14) - 1, Hooks::ChangesAmounts),
    ] {
        assert_eq!(of(flags), due, "{flags:b}");
        assert!(!due.is_native() && !due.reason().is_empty());
    }
    assert_eq!(Hooks::of(hooks(1 << 7), DYNAMIC_FEE), Hooks::SetsFee);
    assert_eq!(Hooks::of(hooks(1 << 6), DYNAMIC_FEE), Hooks::AfterSwap);
    assert_eq!(Hooks::of(hooks(0), DYNAMIC_FEE), Hooks::OffSwap);
    // Bits above the last 14 say nothing.
    assert_eq!(Hooks::of(hooks(1 << 14), DYNAMIC_FEE), Hooks::OffSwap);
}

#[test]
fn a_pool_whose_hooks_a_swap_calls_is_refused_with_the_reason() {
    let new =
        |flags, fee| Pool::new(MANAGER, Key { hooks: hooks(flags), fee, ..terms() }, ETHER).map(|pool| pool.fees());
    assert_eq!(new(1 << 7, 3_000), Err(Unfit::Hooks(Hooks::BeforeSwap)));
    assert_eq!(new(1 << 7, DYNAMIC_FEE), Err(Unfit::Hooks(Hooks::SetsFee)));
    assert_eq!(Unfit::Hooks(Hooks::AfterSwap).to_string(), Hooks::AfterSwap.reason());
    assert!(new(1 << 11, 3_000).is_ok() && new(0, DYNAMIC_FEE).is_ok());
}

#[test]
fn terms_that_the_manager_takes_of_no_pool_are_none_of_ours() {
    let good = terms();
    assert!(good.is_sane());
    let [ether, token] = good.currencies;
    for currencies in [[token, ether], [token, token], [ether, ether]] {
        assert!(!Key { currencies, ..good }.is_sane());
    }
    for tick_spacing in [0, -60, 32_768] {
        let odd = Key { tick_spacing, ..good };
        assert!(!odd.is_sane());
        assert_eq!(Pool::new(MANAGER, odd, ETHER).map(|_| ()), Err(Unfit::Terms));
    }
    assert!(Key { tick_spacing: 32_767, fee: PIPS, ..good }.is_sane());
    // More than everything; dynamic without hooks; hooks without a use; what returns a delta and is not called.
    for (fee, hooks) in [
        (PIPS + 1, Address::ZERO),
        (DYNAMIC_FEE | 1, hooks(1 << 11)),
        (DYNAMIC_FEE, Address::ZERO),
        (3_000, hooks(0)),
        (3_000, hooks(1 << 3)),
        (3_000, hooks(1 << 2)),
        (3_000, hooks(1 << 1)),
        (3_000, hooks(1)),
    ] {
        assert!(!Key { fee, hooks, ..good }.is_sane(), "{fee:x} {hooks}");
    }
}

#[test]
fn what_initialize_says_is_believed_where_its_terms_hash_to_its_id() {
    let (key, price) = (terms(), tick::sqrt_price_at(7).unwrap());
    let log = |id| {
        manager::Initialize {
            id,
            currency0: key.currencies[0],
            currency1: key.currencies[1],
            fee: U24::from(key.fee),
            tickSpacing: I24::unchecked_from(key.tick_spacing),
            hooks: key.hooks,
            sqrtPriceX96: price.to::<U160>(),
            tick: I24::unchecked_from(7),
        }
        .encode_log_data()
    };
    let said = log(key.id());
    let begun = initialized(said.topics(), &said.data).unwrap();
    assert_eq!((begun.key, begun.id, begun.sqrt_price_x96, begun.tick), (key, key.id(), price, 7));
    let (other, short) = (log(B256::repeat_byte(7)), &said.data[..128]);
    assert_eq!(initialized(other.topics(), &other.data), None);
    assert_eq!(initialized(said.topics(), short), None);
    let mut pool = Pool::new(MANAGER, key, ETHER).unwrap();
    assert_eq!(apply(&mut pool, &said), Ok(Applied::Changed));
    assert_eq!((pool.sqrt_price_x96(), pool.tick(), pool.liquidity(), pool.fees().lp), (price, 7, 0, 3_000));
}

#[test]
fn amounts_past_what_the_manager_keeps_are_too_large() {
    let mut pool = pool();
    pool.assume_empty = true;
    let int128 = U256::ONE << 127;
    for amount in [int128, int128 + U256::ONE, U256::ONE << 255, U256::MAX] {
        for down in [true, false] {
            assert_eq!(pool.quote_in(leg(down), amount), Err(QuoteError::TooLarge));
            assert_eq!(pool.quote_out(leg(down), amount), Err(QuoteError::TooLarge));
        }
    }
    // In part it fills all the same.
    let swap = pool.swap(leg(true), true, int128 + U256::ONE, no_limit(true)).unwrap();
    assert!(!swap.complete && swap.amount_in < int128);
}

#[test]
fn a_zero_amount_is_too_small_whatever_the_fee() {
    for fee in [3_000, PIPS] {
        let pool = pool_of(Key { fee, ..terms() });
        assert_eq!(pool.quote_in(leg(true), U256::ZERO), Err(QuoteError::TooSmall));
        assert_eq!(pool.quote_out(leg(false), U256::ZERO), Err(QuoteError::TooSmall));
    }
}

#[test]
fn a_walk_into_a_word_that_is_not_known_is_refused() {
    let pool = pool();
    let all = U256::from(LIQUIDITY);
    assert_eq!(pool.quote_in(leg(true), all), Err(QuoteError::UnknownTick));
    assert_eq!(pool.quote_out(leg(false), all), Err(QuoteError::UnknownTick));
    assert!(pool.quote_in(leg(true), U256::from(LIQUIDITY / 1_000)).is_ok());
}

#[test]
fn the_protocols_share_is_each_directions_own() {
    let fees = Fees { lp: 3_000, protocol: 1_000 | 500 << 12 };
    // 1000 + 3000 - 3 and 500 + 3000 - 1: rounded against the user.
    assert_eq!((fees.of_swap(true), fees.of_swap(false)), (3_997, 3_499));
    assert_eq!(Fees { lp: PIPS, ..fees }.of_swap(true), PIPS);
    assert_eq!(Fees { lp: 0, ..fees }.of_swap(false), 500);
    assert!(fees.are_sane() && !Fees { lp: PIPS + 1, ..fees }.are_sane());
    assert!(!Fees { protocol: 1_001, ..fees }.are_sane() && !Fees { protocol: 1_001 << 12, ..fees }.are_sane());
    assert!(!Fees { protocol: 1 << 24, ..fees }.are_sane());
}

#[test]
fn a_swap_that_names_another_fee_contradicts_a_fixed_one() {
    let (mut changed, before) = (pool(), pool());
    let id = terms().id();
    assert_eq!(apply(&mut changed, &swap_log(id, [-5, 4], 3, 3_001)), Err(ApplyError::Contradiction));
    assert!(changed.same_state(&before));
    assert_eq!(apply(&mut changed, &swap_log(id, [-5, 4], 3, 3_000)), Ok(Applied::Changed));
    // By direction: an input of token 1 is charged the upper share.
    let fee = manager::ProtocolFeeUpdated { id, protocolFee: U24::from(1_000 << 12) }.encode_log_data();
    assert_eq!(apply(&mut changed, &fee), Ok(Applied::Changed));
    assert_eq!(apply(&mut changed, &swap_log(id, [5, -6], 9, 3_997)), Ok(Applied::Changed));
    // Nothing moved: which way it went shows in the price.
    assert_eq!(apply(&mut changed, &swap_log(id, [0, 0], 8, 3_000)), Ok(Applied::Changed));
    assert_eq!(apply(&mut changed, &swap_log(id, [0, 0], 10, 3_997)), Ok(Applied::Changed));
    assert_eq!((changed.tick(), changed.fees().protocol), (10, 1_000 << 12));
    let fee = manager::ProtocolFeeUpdated { id, protocolFee: U24::from(1_001) }.encode_log_data();
    assert_eq!(apply(&mut changed, &fee), Err(ApplyError::Contradiction));
}

#[test]
fn of_a_dynamic_pool_storage_says_the_fee_and_logs_do_not_disagree() {
    let (mut by_logs, mut by_slots) = (pool_of(dynamic()), pool_of(dynamic()));
    assert_eq!(by_logs.fees().lp, 0);
    let slot0 = first_slot(Fees { lp: 777, protocol: 0 });
    assert_eq!(by_slots.apply_slots(MANAGER, &[(by_slots.home().slot0(), slot0)]), Ok(Applied::Changed));
    assert_eq!(by_slots.fees().lp, 777);
    assert!(by_logs.agrees(&by_slots) && !by_logs.same_state(&by_slots));
    assert_eq!(apply(&mut by_logs, &swap_log(dynamic().id(), [-1, 0], 6, 777)), Ok(Applied::Changed));
    assert!(!by_logs.agrees(&by_slots));
}

#[test]
fn a_first_slot_that_the_manager_cannot_hold_is_a_contradiction() {
    let mut pool = pool();
    let before = pool.clone();
    let odd = [
        U256::ONE,
        first_slot(Fees { lp: 3_001, protocol: 0 }),
        first_slot(Fees { lp: 3_000, protocol: 4_095 }),
        U256::ONE << 208,
    ];
    for word in odd {
        assert_eq!(pool.apply_slots(MANAGER, &[(pool.home().slot0(), word)]), Err(ApplyError::Contradiction));
    }
    assert!(pool.same_state(&before));
    let home = pool.home();
    let loaded = |slot0: U256| Pool::load(MANAGER, terms(), ETHER, |slot| (slot == home.slot0()).then_some(slot0));
    assert_eq!(loaded(U256::ZERO).map(|_| ()), Err(Unfit::Cold));
    assert_eq!(Pool::load(MANAGER, terms(), ETHER, |_| Some(U256::ONE)).map(|_| ()), Err(Unfit::Impossible));
}

#[test]
fn liquidity_that_comes_and_goes_leaves_no_trace() {
    let (mut changed, before) = (pool(), pool());
    let id = terms().id();
    for ticks in [[-120, 180], [60, 120], [-600, -60]] {
        assert_eq!(apply(&mut changed, &liquidity_log(id, ticks, 77)), Ok(Applied::Changed));
        assert!(!changed.same_state(&before));
        assert_eq!(apply(&mut changed, &liquidity_log(id, ticks, -77)), Ok(Applied::Changed));
        assert!(changed.same_state(&before));
    }
    assert_eq!(apply(&mut changed, &liquidity_log(id, [-120, 180], 0)), Ok(Applied::Irrelevant));
}

#[test]
fn a_log_that_contradicts_what_is_known_changes_nothing() {
    let (mut changed, before) = (pool(), pool());
    let id = terms().id();
    let too_much = -(LIQUIDITY as i128) - 1;
    for (ticks, delta) in
        [([-120, 180], too_much), ([-120, 60], -1), ([-120, 61], 1), ([180, -120], 1), ([-120, 887_280], 1)]
    {
        let refused = apply(&mut changed, &liquidity_log(id, ticks, delta));
        assert_eq!(refused, Err(ApplyError::Contradiction), "{ticks:?} {delta}");
    }
    let log = liquidity_log(id, [-120, 180], 1);
    let applied = changed.apply_log(MANAGER, &log.topics()[..2], &log.data);
    assert_eq!(applied, Err(ApplyError::Topics { have: 2, due: 3 }));
    let applied = changed.apply_log(MANAGER, log.topics(), &log.data[..96]);
    assert_eq!(applied, Err(ApplyError::Data { have: 96, due: 128 }));
    assert!(changed.same_state(&before));
}

#[test]
fn other_pools_and_other_contracts_are_passed_over() {
    let (mut changed, before) = (pool(), pool());
    let other = liquidity_log(B256::repeat_byte(9), [-120, 180], 1);
    assert_eq!(apply(&mut changed, &other), Ok(Applied::Irrelevant));
    let own = liquidity_log(terms().id(), [-120, 180], 1);
    assert_eq!(changed.apply_log(Address::ZERO, own.topics(), &own.data), Ok(Applied::Irrelevant));
    assert_eq!(changed.apply_log(MANAGER, &[], &[]), Ok(Applied::Irrelevant));
    let liquidity = [(changed.home().liquidity(), U256::ONE)];
    assert_eq!(changed.apply_slots(Address::ZERO, &liquidity), Ok(Applied::Irrelevant));
    assert_eq!(changed.apply_slots(MANAGER, &[(U256::from(6), U256::ONE)]), Ok(Applied::Irrelevant));
    assert!(changed.same_state(&before));
}

#[test]
fn a_pool_names_every_slot_that_it_recognises_and_says_when_they_are_more() {
    let mut pool = pool();
    let home = pool.home();
    let named = |pool: &Pool| match pool.sites().remove(0).slots {
        Slots::Listed(slots) => slots,
        other => panic!("{other:?}"),
    };
    let due = [home.slot0(), home.liquidity(), home.word(-1), home.word(0), home.tick(-120), home.tick(180)];
    assert!(due.iter().all(|slot| named(&pool).contains(slot)) && named(&pool).len() == due.len());
    let seen = pool.sites_seen();
    // A word and its new tick in one batch, whatever the order.
    let packed = storage::pack_tick(Liquidity { gross: 1, net: -1 });
    let changes = [(home.tick(120), packed), (home.word(0), U256::ONE << 3 | U256::ONE << 2)];
    assert_eq!(pool.apply_slots(MANAGER, &changes), Ok(Applied::Changed));
    assert_eq!(pool.ticks().tick(120).and_then(|t| t.liquidity), Some(Liquidity { gross: 1, net: -1 }));
    assert_eq!(pool.sites_seen(), seen + 1);
    assert!(named(&pool).contains(&home.tick(120)));
    // Gone again, its slot stays recognised.
    assert_eq!(apply(&mut pool, &liquidity_log(terms().id(), [120, 180], -1)), Ok(Applied::Changed));
    assert!(pool.ticks().tick(120).is_none());
    assert_eq!(pool.sites_seen(), seen + 1);
}

#[test]
fn a_pool_that_is_written_down_is_read_back_as_the_same() {
    for terms in [terms(), dynamic()] {
        let pool = pool_of(terms);
        let read: Pool = serde_json::from_str(&serde_json::to_string(&pool).unwrap()).unwrap();
        assert!(read.same_state(&pool) && read.sites() == pool.sites() && read.views() == pool.views());
    }
    let odd = serde_json::to_string(&pool()).unwrap().replace("\"lp_fee\":3000", "\"lp_fee\":3001");
    assert!(serde_json::from_str::<Pool>(&odd).is_err());
}

#[test]
fn segments_end_where_knowledge_ends_and_a_fee_of_everything_has_none() {
    let pool = pool();
    for down in [true, false] {
        let (mut sum, mut rates) = (U256::ZERO, Vec::new());
        pool.segments(leg(down), |segment| {
            rates.push(segment.reserve_out * segment.gamma / segment.reserve_in);
            sum += segment.in_max;
            true
        });
        assert!((rates[0] / pool.marginal_rate(leg(down)) - 1.0).abs() < 1e-9);
        let reach = |amount| pool.swap(leg(down), true, amount, no_limit(down)).map(|s| s.crossed);
        assert_eq!((reach(sum), reach(sum - U256::ONE)), (Ok(1), Ok(0)));
        let crossed = sum.to::<u128>();
        assert_eq!((pool.crossed(leg(down), crossed), pool.crossed(leg(down), crossed - 1)), (1, 0));
        let dear = pool_of(Key { fee: PIPS, ..terms() });
        dear.segments(leg(down), |_| panic!("nothing to visit"));
        assert_eq!((dear.marginal_rate(leg(down)), dear.depth(leg(down))), (0.0, 0.0));
        assert_eq!(dear.quote_in(leg(down), U256::from(LIQUIDITY)), Ok(U256::ZERO));
        assert_eq!(dear.quote_out(leg(down), U256::ONE), Err(QuoteError::TooLarge));
    }
}
