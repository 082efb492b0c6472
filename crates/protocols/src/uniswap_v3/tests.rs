//! What is known, what is not, and what a log or a slot may teach.

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::discover::Answer;
use crate::discover::Probe;
use crate::math::concentrated::words;
use crate::math::tick;
use crate::uniswap_v3::Flavour;
use crate::uniswap_v3::Immutables;
use crate::uniswap_v3::Layout;
use crate::uniswap_v3::Layouts;
use crate::uniswap_v3::Liquidity;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::Slots;
use crate::uniswap_v3::discover;
use crate::uniswap_v3::no_limit;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use std::collections::HashMap;

const POOL: Address = Address::repeat_byte(1);
const TOKENS: [Address; 2] = [Address::repeat_byte(2), Address::repeat_byte(3)];
const LIQUIDITY: u128 = 10u128.pow(18);

fn immutables() -> Immutables {
    Immutables { address: POOL, tokens: TOKENS, fee_pips: 3_000, tick_spacing: 60, flavour: Flavour::Uniswap }
}

/// One position from -120 to 180, the price at tick 7; only the word at the price and the one below are known.
fn pool() -> Pool {
    let mut pool = Pool::new(immutables()).unwrap();
    pool.set_price(tick::sqrt_price_at(7).unwrap(), 7, LIQUIDITY);
    pool.set_word(-1, U256::ONE << 254);
    pool.set_word(0, U256::ONE << 3);
    let net = LIQUIDITY as i128;
    pool.set_tick(-120, Liquidity { gross: LIQUIDITY, net });
    pool.set_tick(180, Liquidity { gross: LIQUIDITY, net: -net });
    pool
}

fn down() -> Leg {
    Leg::find(&TOKENS, TOKENS[0], TOKENS[1]).unwrap()
}

fn up() -> Leg {
    Leg::find(&TOKENS, TOKENS[1], TOKENS[0]).unwrap()
}

fn word(value: i128) -> [u8; 32] {
    let mut bytes = [if value < 0 { 0xff } else { 0 }; 32];
    bytes[16..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// A Mint or a Burn as the contract writes it.
fn position_log(name: &str, lower: i32, upper: i32, amount: u128) -> (Vec<B256>, Vec<u8>) {
    let (signature, words) = match name {
        "Mint" => ("Mint(address,address,int24,int24,uint128,uint256,uint256)", 4),
        _ => ("Burn(address,int24,int24,uint128,uint256,uint256)", 3),
    };
    let topics = vec![keccak256(signature), B256::ZERO, word(lower.into()).into(), word(upper.into()).into()];
    let mut data = vec![0; words * 32];
    data[(words - 3) * 32 + 16..(words - 2) * 32].copy_from_slice(&amount.to_be_bytes());
    (topics, data)
}

fn apply(pool: &mut Pool, name: &str, lower: i32, upper: i32, amount: u128) -> Result<Applied, ApplyError> {
    let (topics, data) = position_log(name, lower, upper, amount);
    pool.apply_log(pool.address(), &topics, &data)
}

#[test]
fn a_zero_amount_is_too_small_in_both_directions() {
    assert_eq!(pool().quote_in(down(), U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool().quote_out(up(), U256::ZERO), Err(QuoteError::TooSmall));
}

#[test]
fn an_input_too_small_to_buy_anything_is_legal_and_pays_nothing() {
    assert_eq!(pool().quote_in(down(), U256::ONE), Ok(U256::ZERO));
}

#[test]
fn an_amount_past_int256_is_too_large() {
    assert_eq!(pool().quote_in(down(), U256::ONE << 255), Err(QuoteError::TooLarge));
    assert_eq!(pool().quote_out(down(), U256::MAX), Err(QuoteError::TooLarge));
}

#[test]
fn a_pool_not_yet_initialised_quotes_nothing() {
    let pool = Pool::new(immutables()).unwrap();
    assert_eq!(pool.quote_in(down(), U256::from(5)), Err(QuoteError::TooLarge));
    assert_eq!(pool.marginal_rate(down()), 0.0);
    pool.segments(up(), |_| panic!("nothing to visit"));
}

#[test]
fn a_limit_behind_the_price_or_past_the_range_is_refused() {
    let (pool, one) = (pool(), U256::from(1_000));
    for limit in [pool.sqrt_price_x96(), no_limit(false), tick::MIN_SQRT_PRICE] {
        assert_eq!(pool.swap(down(), true, one, limit), Err(QuoteError::TooLarge));
    }
    assert_eq!(pool.swap(up(), true, one, tick::MAX_SQRT_PRICE), Err(QuoteError::TooLarge));
}

#[test]
fn a_walk_into_a_word_that_is_not_known_is_refused() {
    let pool = pool();
    let all = U256::from(LIQUIDITY);
    assert_eq!(pool.quote_in(down(), all), Err(QuoteError::UnknownTick));
    assert_eq!(pool.quote_out(up(), all), Err(QuoteError::UnknownTick));
    // Within what is known it answers.
    assert!(pool.quote_in(down(), U256::from(LIQUIDITY / 1_000)).is_ok());
}

#[test]
fn an_owner_may_take_the_unknown_as_empty() {
    let mut pool = pool();
    pool.assume_empty = true;
    let swap = pool.swap(down(), true, U256::from(LIQUIDITY), no_limit(true)).unwrap();
    assert!(!swap.complete);
    assert_eq!((swap.crossed, swap.liquidity), (1, 0));
}

#[test]
fn a_tick_known_to_be_set_but_not_its_liquidity_is_not_walked_past() {
    let mut pool = pool();
    pool.set_word(0, (U256::ONE << 3) | (U256::ONE << 2));
    assert_eq!(pool.ticks().tick(120).map(|t| t.liquidity), Some(None));
    let far = pool.quote_in(up(), U256::from(LIQUIDITY / 100));
    assert_eq!(far, Err(QuoteError::UnknownTick));
    assert!(pool.quote_in(up(), U256::from(LIQUIDITY / 1_000)).is_ok());
}

#[test]
fn segments_end_where_knowledge_ends() {
    let pool = pool();
    for leg in [down(), up()] {
        let (mut sum, mut rates) = (U256::ZERO, Vec::new());
        pool.segments(leg, |segment| {
            rates.push(segment.reserve_out * segment.gamma / segment.reserve_in);
            sum += segment.in_max;
            true
        });
        assert!((rates[0] / pool.marginal_rate(leg) - 1.0).abs() < 1e-9);
        // A word may end before the tick: the contract stops there too, and the price has moved on.
        assert!(rates.len() <= 2 && rates.is_sorted_by(|a, b| a > b), "{rates:?}");
        // To the unit: all of it reaches the tick, a unit less does not.
        let reach = |amount| pool.swap(leg, true, amount, no_limit(leg.zero_for_one())).map(|s| s.crossed);
        assert_eq!((reach(sum), reach(sum - U256::ONE)), (Ok(1), Ok(0)));
    }
}

#[test]
fn a_mint_in_range_adds_to_both_ticks_and_to_the_liquidity() {
    let mut pool = pool();
    assert_eq!(apply(&mut pool, "Mint", -120, 60, 5), Ok(Applied::Changed));
    assert_eq!(pool.liquidity(), LIQUIDITY + 5);
    let at = |tick| pool.ticks().tick(tick).and_then(|t| t.liquidity);
    assert_eq!(at(-120), Some(Liquidity { gross: LIQUIDITY + 5, net: LIQUIDITY as i128 + 5 }));
    assert_eq!(at(60), Some(Liquidity { gross: 5, net: -5 }));
    assert_eq!(pool.ticks().word(0), Some((U256::ONE << 3) | (U256::ONE << 1)));
}

#[test]
fn a_mint_and_its_burn_leave_no_trace() {
    let (mut changed, before) = (pool(), pool());
    for (lower, upper) in [(-120, 180), (60, 120), (-600, -60)] {
        apply(&mut changed, "Mint", lower, upper, 77).unwrap();
        assert!(!changed.same_state(&before));
        apply(&mut changed, "Burn", lower, upper, 77).unwrap();
        assert!(changed.same_state(&before));
    }
}

#[test]
fn a_mint_into_an_unknown_word_leaves_the_tick_unknown() {
    let mut pool = pool();
    apply(&mut pool, "Mint", 60, 60 * 256, 9).unwrap();
    assert_eq!(pool.ticks().word(1), None);
    assert_eq!(pool.ticks().tick(60 * 256).map(|t| t.liquidity), Some(None));
    // The burn cannot tell whether the tick is gone: it stays, and stays unknown.
    apply(&mut pool, "Burn", 60, 60 * 256, 9).unwrap();
    assert_eq!(pool.ticks().tick(60 * 256).map(|t| t.liquidity), Some(None));
    assert_eq!(pool.ticks().tick(60), None);
}

#[test]
fn a_mint_into_an_absent_word_counts_from_zero_when_the_owner_takes_it_as_empty() {
    let mut pool = pool();
    pool.assume_empty = true;
    apply(&mut pool, "Mint", 60, 60 * 256, 9).unwrap();
    let liquidity = pool.ticks().tick(60 * 256).and_then(|t| t.liquidity);
    assert_eq!(liquidity, Some(Liquidity { gross: 9, net: -9 }));
}

#[test]
fn a_log_that_contradicts_what_is_known_changes_nothing() {
    let (mut changed, before) = (pool(), pool());
    let refused = Err(ApplyError::Contradiction);
    // More than there is; a tick known to be clear; ends off the spacing, reversed, out of range.
    assert_eq!(apply(&mut changed, "Burn", -120, 180, LIQUIDITY + 1), refused);
    assert_eq!(apply(&mut changed, "Burn", -120, 60, 1), refused);
    assert_eq!(apply(&mut changed, "Mint", -120, 61, 1), refused);
    assert_eq!(apply(&mut changed, "Mint", 180, -120, 1), refused);
    assert_eq!(apply(&mut changed, "Mint", -120, 887_280, 1), refused);
    assert!(changed.same_state(&before));
}

#[test]
fn a_log_of_another_shape_is_refused_and_of_another_name_passed_over() {
    let mut pool = pool();
    let (topics, data) = position_log("Mint", -120, 180, 1);
    assert_eq!(pool.apply_log(pool.address(), &topics[..3], &data), Err(ApplyError::Topics { have: 3, due: 4 }));
    assert_eq!(pool.apply_log(pool.address(), &topics, &data[..96]), Err(ApplyError::Data { have: 96, due: 128 }));
    assert_eq!(pool.apply_log(pool.address(), &[keccak256("Flash(address)")], &[]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_log(pool.address(), &[], &[]), Ok(Applied::Irrelevant));
}

#[test]
fn a_poke_is_irrelevant() {
    assert_eq!(apply(&mut pool(), "Burn", -120, 180, 0), Ok(Applied::Irrelevant));
}

#[test]
fn a_word_and_its_new_ticks_may_come_in_any_order() {
    let (layout, net) = (Layout::UNISWAP, LIQUIDITY as i128);
    let packed = (U256::from_limbs([0, 0, 1, 0])) | U256::ONE;
    let mut changes = vec![(layout.tick_slot(120), packed), (layout.word_slot(0), U256::ONE << 2)];
    let slots = Slots::new(layout, 60).unwrap();
    let blank = Pool::load(&slots, POOL, TOKENS, 3_000, |_| Some(U256::ZERO)).unwrap();
    for _ in 0..2 {
        let mut pool = blank.clone();
        assert_eq!(pool.apply_slots(pool.address(), &changes), Ok(Applied::Changed));
        assert_eq!(pool.ticks().tick(120).and_then(|t| t.liquidity), Some(Liquidity { gross: 1, net: 1 }));
        assert_eq!(pool.apply_slots(pool.address(), &changes), Ok(Applied::Irrelevant));
        changes.reverse();
    }
    assert_eq!(words::unpack_tick(U256::MAX << 128), Liquidity { gross: 0, net: -1 });
    assert!(net > 0);
}

#[test]
fn a_first_slot_with_an_impossible_price_is_a_contradiction() {
    let slots = Slots::new(Layout::UNISWAP, 60).unwrap();
    let mut pool = Pool::load(&slots, POOL, TOKENS, 3_000, |_| Some(U256::ZERO)).unwrap();
    assert_eq!(pool.apply_slots(pool.address(), &[(U256::ZERO, U256::ONE)]), Err(ApplyError::Contradiction));
}

#[test]
fn junk_is_not_a_pool() {
    let good = immutables();
    assert!(Pool::new(good).is_some());
    let [a, b] = TOKENS;
    for tokens in [[a, a], [Address::ZERO, b], [a, Address::ZERO]] {
        assert!(Pool::new(Immutables { tokens, ..good }).is_none());
    }
    for tick_spacing in [0, -60, 16_384] {
        assert!(Pool::new(Immutables { tick_spacing, ..good }).is_none());
    }
    assert!(Pool::new(Immutables { fee_pips: 1_000_000, ..good }).is_none());
}

/// A pool whose chain knows only some slots: every other ends the call that reads it.
struct Strict {
    known: HashMap<U256, U256>,
    fee_reads: bool,
}

impl Strict {
    /// Price at tick 7, `LIQUIDITY` in range, and nothing of the ticks.
    fn new() -> Self {
        let price = tick::sqrt_price_at(7).unwrap();
        let slot0 = price | (U256::from(7) << 160);
        Self { known: HashMap::from([(U256::ZERO, slot0), (U256::from(4), U256::from(LIQUIDITY))]), fee_reads: false }
    }

    fn read(&self, slot: U256, say: impl Fn(U256) -> Vec<u8>) -> Answer {
        let value = self.known.get(&slot).copied();
        Answer { output: value.map(say), cold: value.is_none(), reads: vec![(POOL, slot)], ..Answer::default() }
    }
}

impl Probe for Strict {
    fn call(&mut self, _: Address, data: &[u8]) -> Answer {
        let plain = |value: U256| Answer { output: Some(value.to_be_bytes_vec()), ..Answer::default() };
        let key = || words::int24(U256::from_be_slice(&data[4..36]));
        let name = |text: &str| data[..4] == keccak256(text)[..4];
        if name("token0()") || name("token1()") || name("factory()") {
            let address = if name("token1()") { TOKENS[1] } else { TOKENS[0] };
            plain(U256::from_be_slice(address.as_slice()))
        } else if name("fee()") && self.fee_reads {
            self.read(U256::from(4), |_| word(3_000).to_vec())
        } else if name("fee()") {
            plain(U256::from(3_000))
        } else if name("tickSpacing()") {
            plain(U256::from(60))
        } else if name("slot0()") {
            self.read(U256::ZERO, |w| {
                [w & (U256::MAX >> 96), U256::from(7)]
                    .map(|w| w.to_be_bytes_vec())
                    .concat()
                    .into_iter()
                    .chain([0; 160])
                    .collect()
            })
        } else if name("liquidity()") {
            self.read(U256::from(4), |w| w.to_be_bytes_vec())
        } else if name("tickBitmap(int16)") {
            self.read(words::mapped(key(), U256::from(6)), |w| w.to_be_bytes_vec())
        } else if name("ticks(int24)") {
            self.read(words::mapped(key(), U256::from(5)), |w| w.to_be_bytes_vec())
        } else {
            Answer::default()
        }
    }

    fn call_with(&mut self, _: Address, to: Address, data: &[u8], _: &[(Address, U256, U256)]) -> Answer {
        self.call(to, data)
    }

    fn call_staged(
        &mut self,
        _: Address,
        to: Address,
        data: &[u8],
        _: &[(Address, U256, U256)],
        _: &[Address],
    ) -> Answer {
        self.call(to, data)
    }

    fn slot(&mut self, _: Address, slot: U256) -> Option<U256> {
        self.known.get(&slot).copied()
    }

    fn code_hash(&mut self, _: Address) -> Option<B256> {
        None
    }
}

#[test]
fn a_layout_is_learned_even_from_calls_that_end_on_an_unknown_slot() {
    let found = discover(&mut Strict::new(), &mut Layouts::default(), POOL).unwrap();
    assert!(!found.log_fed());
    assert_eq!((found.tick(), found.liquidity()), (7, LIQUIDITY));
    assert_eq!(found.quote_in(down(), U256::from(1_000)), Err(QuoteError::UnknownTick));
    // The layout is Uniswap's: a word and a tick learned later are understood.
    let mut found = found;
    let layout = Layout::UNISWAP;
    found.apply_slots(found.address(), &[(layout.word_slot(0), U256::ONE << 3)]).unwrap();
    assert!(found.quote_in(up(), U256::from(1_000)).is_ok());
}

#[test]
fn a_pool_whose_price_or_liquidity_is_not_known_is_not_found() {
    for slot in [0, 4] {
        let mut probe = Strict::new();
        probe.known.remove(&U256::from(slot));
        assert!(discover(&mut probe, &mut Layouts::default(), POOL).is_none());
    }
}

#[test]
fn a_fee_that_is_read_from_storage_can_change_and_is_not_ours() {
    let mut probe = Strict { fee_reads: true, ..Strict::new() };
    assert!(discover(&mut probe, &mut Layouts::default(), POOL).is_none());
}
