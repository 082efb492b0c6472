//! What must hold of every weighted pool, whatever its state. The published bytecode is held against in `tests/balancer_v2_bytecode.rs`.

use std::sync::Arc;

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, B256, I256, U256};
use proptest::prelude::*;

use crate::amm::{Amm, Applied, ApplyError, Exact, Leg, QuoteError, Traded};
use crate::balancer_v2::curve::{LIMIT, ONE};
use crate::balancer_v2::storage::packed;
use crate::balancer_v2::{Balance, Field, Layout, Pool, Powers, Terms, abi, log_exp};
use crate::discover::Venue;
use crate::execution::{PlannedSwap, Steps};
use crate::site::{Logs, Slots};

const VAULT: Address = Address::repeat_byte(0xba);
const CONTRACT: Address = Address::repeat_byte(0xcc);
const FEE_SLOT: U256 = U256::from_limbs([8, 0, 0, 0]);
const PAUSE_SLOT: U256 = U256::from_limbs([7, 0, 0, 0]);
const VAULT_PAUSE_SLOT: U256 = U256::from_limbs([3, 0, 0, 0]);

fn id() -> B256 {
    let mut id = B256::ZERO;
    id[..20].copy_from_slice(CONTRACT.as_slice());
    id
}

fn terms(weights: &[u64], powers: Powers, shared: bool) -> Terms {
    let layout = if shared {
        Layout::Shared { cash: U256::from(100), managed: U256::from(101) }
    } else {
        Layout::Own((100_u64..).take(weights.len()).map(U256::from).collect())
    };
    let flag = |at, slot| Some(Field { at, slot, shift: 160, width: 8 });
    Terms {
        vault: VAULT,
        id: id(),
        tokens: (1..=weights.len() as u8).map(Address::with_last_byte).collect(),
        weights: weights.to_vec(),
        powers,
        layout,
        fee: Field { at: CONTRACT, slot: FEE_SLOT, shift: 192, width: 63 },
        pauses: [flag(CONTRACT, PAUSE_SLOT), flag(VAULT, VAULT_PAUSE_SLOT)],
    }
}

fn pool(weights: &[u64], balances: &[Balance], fee: u64, powers: Powers) -> Pool {
    Pool::new(terms(weights, powers, false), balances.to_vec(), U256::from(fee)).expect("a weighted pool")
}

fn cash(amounts: &[u128]) -> Vec<Balance> {
    amounts.iter().map(|cash| Balance { cash: *cash, managed: 0 }).collect()
}

fn leg(pool: &Pool, from: usize, to: usize) -> Leg {
    let tokens = pool.tokens();
    pool.leg(tokens[from], tokens[to]).expect("two of its tokens")
}

const PER_CENT: u64 = ONE / 100;

/// Amounts of every size up to so many bits.
fn amount(bits: u32) -> impl Strategy<Value = u128> {
    (0..bits, any::<u128>()).prop_map(|(bits, random)| 1 << bits | random & ((1 << bits) - 1))
}

/// Weights and fees as factories take them, even ones among them, and any balances.
fn pools() -> impl Strategy<Value = Pool> {
    let weight = prop_oneof![
        Just(50 * PER_CENT),
        Just(80 * PER_CENT),
        Just(20 * PER_CENT),
        Just(PER_CENT),
        (PER_CENT..=99 * PER_CENT),
    ];
    let balance = || (amount(100), prop_oneof![3 => Just(0_u128), 1 => amount(100)]);
    let fee = prop_oneof![ONE / 1_000_000..=ONE / 10, Just(ONE / 1_000)];
    let powers = prop_oneof![Just(Powers::General), Just(Powers::Products)];
    (weight, balance(), balance(), fee, powers).prop_map(|(weight, a, b, fee, powers)| {
        let held = [a, b].map(|(cash, managed)| Balance { cash, managed });
        pool(&[weight, ONE - weight], &held, fee, powers)
    })
}

proptest! {
    #[test]
    fn more_in_never_pays_less_but_where_two_pieces_of_the_power_meet(
        pool in pools(), forth in any::<bool>(), amount in amount(100), more in amount(100),
    ) {
        let leg = leg(&pool, usize::from(!forth), usize::from(forth));
        let [less, more] = [amount, amount.saturating_add(more)].map(|amount| pool.quote_in(leg, U256::from(amount)));
        if let (Ok(less), Ok(more)) = (less, more) {
            // Two hundred units of the last of eighteen decimals: far less than the margin that the pool keeps.
            let slack = U256::from(pool.held()[leg.token_out()].total()) * U256::from(200) / U256::from(ONE);
            prop_assert!(more + slack >= less, "{} then {}", less, more);
        }
    }

    #[test]
    fn the_pool_gives_no_unit_away(
        pool in pools(), forth in any::<bool>(), amount in amount(100),
    ) {
        let (there, back) = (leg(&pool, usize::from(!forth), usize::from(forth)), leg(&pool, usize::from(forth), usize::from(!forth)));
        let mut moved = pool;
        let Ok(Traded { amount_out, .. }) = moved.trade(there, Exact::In(U256::from(amount)), None) else { return Ok(()) };
        // What has come out goes in again.
        let returned = moved.quote_in(back, amount_out).unwrap_or_default();
        prop_assert!(returned <= U256::from(amount), "{} in, {} out, {} back", amount, amount_out, returned);
    }

    #[test]
    fn the_least_input_pays_what_is_asked_and_one_unit_less_does_not(
        pool in pools(), forth in any::<bool>(), out in amount(100),
    ) {
        let leg = leg(&pool, usize::from(!forth), usize::from(forth));
        let out = U256::from(out);
        match pool.quote_out(leg, out) {
            Ok(least) => {
                prop_assert!(pool.quote_in(leg, least).expect("it pays") >= out);
                prop_assert!(pool.quote_in(leg, least - U256::ONE).unwrap_or_default() < out);
            }
            Err(QuoteError::TooLarge) => {
                // Neither the largest input nor any other pays it.
                let mut most = 0_u128;
                for bit in (0..112).rev() {
                    let next = most | 1 << bit;
                    most = if pool.quote_in(leg, U256::from(next)).is_ok() { next } else { most };
                }
                let paid = pool.quote_in(leg, U256::from(most)).unwrap_or_default();
                prop_assert!(paid < out, "{} in pays {}", most, paid);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn stretches_bound_what_it_pays(pool in pools(), forth in any::<bool>(), share in 0.0..1.0f64) {
        let leg = leg(&pool, usize::from(!forth), usize::from(forth));
        let (mut at, mut bound) = (0_u128, 0.0);
        pool.segments(leg, |stretch| {
            let length: u128 = stretch.in_max.saturating_to();
            let part = ((length as f64 * share) as u128).clamp(1, length);
            let pays = |input: f64| stretch.reserve_out * stretch.gamma * input / (stretch.reserve_in + stretch.gamma * input);
            let paid = pool.quote_in(leg, U256::from(at + part)).map_or(0.0, f64::from);
            let due = bound + pays(part as f64);
            assert!(paid <= due * (1.0 + 1e-9) + 1.0, "{paid} for {}, bound {due}", at + part);
            bound += pays(length as f64);
            at += length;
            true
        });
    }

    #[test]
    fn a_trade_told_by_a_log_and_by_slots_is_the_same_state(
        pool in pools(), forth in any::<bool>(), amount in amount(100), exact_in in any::<bool>(),
    ) {
        let leg = leg(&pool, usize::from(!forth), usize::from(forth));
        let exact = if exact_in { Exact::In(U256::from(amount)) } else { Exact::Out(U256::from(amount)) };
        let mut traded = pool.clone();
        let Ok(Traded { amount_in, amount_out }) = traded.trade(leg, exact, None) else {
            prop_assert!(traded.agrees(&pool));
            return Ok(());
        };
        let [mut logged, mut stored] = [pool.clone(), pool.clone()];
        let token = |place: usize| pool.tokens()[place];
        let said = abi::Swap {
            poolId: id(), tokenIn: token(leg.token_in()), tokenOut: token(leg.token_out()),
            amountIn: amount_in, amountOut: amount_out,
        };
        let said = said.encode_log_data();
        logged.apply_log(VAULT, said.topics(), &said.data).expect("applied");
        stored.apply_slots(VAULT, &pool.terms().layout.write(traded.held())).expect("applied");
        prop_assert!(logged.agrees(&traded) && stored.agrees(&traded));
        // And back again, by the words that were there.
        stored.apply_slots(VAULT, &pool.terms().layout.write(pool.held())).expect("applied");
        prop_assert!(stored.agrees(&pool));
        let written = serde_json::to_string(&traded).expect("it can be written");
        let read: Pool = serde_json::from_str(&written).expect("and read");
        prop_assert!(read.agrees(&traded) && read.terms() == traded.terms());
    }

    #[test]
    fn powers_are_those_of_real_numbers_to_a_part_in_ten_to_the_fourteen(
        base in 700_000_000_000_000_000_u64..1_500_000_000_000_000_000, exponent in 10_000_000_000_000_000_u64..5 * ONE,
    ) {
        let power = log_exp::pow(U256::from(base), U256::from(exponent)).expect("in range");
        let due = (base as f64 / ONE as f64).powf(exponent as f64 / ONE as f64) * ONE as f64;
        // Doubles are off by some parts in ten to the sixteen themselves.
        prop_assert!((f64::from(power) / due - 1.0).abs() < 2e-14);
    }
}

#[test]
fn powers_at_the_edges_of_their_range() {
    let whole = |n: u64| U256::from(n) * U256::from(ONE);
    let pow = log_exp::pow;
    assert_eq!(pow(U256::ZERO, U256::ZERO), Some(whole(1)));
    assert_eq!(pow(U256::ZERO, whole(1)), Some(U256::ZERO));
    assert_eq!(pow(U256::ONE << 255, whole(1)), None);
    assert_eq!(pow(whole(2), U256::MAX), None);
    // The logarithm of the least number is below -41.
    assert_eq!(pow(U256::ONE, whole(1)), None);
    assert_eq!(pow(whole(1), whole(1_000)), Some(whole(1)));
    // 130 is the largest exponent of e; e is 2.718281828459045235 and a bit.
    let e = U256::from(2_718_281_828_459_045_235_u64);
    assert!(pow(e, whole(129)).is_some() && pow(e, whole(131)).is_none());
}

#[test]
fn what_no_swap_may_do_is_refused() {
    let held = [Balance { cash: 1_000, managed: 9_000 }, Balance { cash: 10_000, managed: 0 }];
    let mut pool = pool(&[50 * PER_CENT; 2], &held, ONE / 1_000_000, Powers::Products);
    let (there, back) = (leg(&pool, 0, 1), leg(&pool, 1, 0));
    assert_eq!(pool.quote_in(there, U256::ZERO), Err(QuoteError::TooSmall));
    assert_eq!(pool.quote_out(there, U256::ZERO), Err(QuoteError::TooSmall));
    // One unit in is all fee: the pool takes it and pays nothing.
    assert_eq!(pool.quote_in(there, U256::ONE), Ok(U256::ZERO));
    // Three tenths go in at most, after the fee.
    assert!(pool.quote_in(there, U256::from(3_001)).is_ok());
    assert_eq!(pool.quote_in(there, U256::from(3_002)), Err(QuoteError::TooLarge));
    assert_eq!(pool.asks(there, U256::from(3_001)), Err(QuoteError::TooLarge));
    // What is managed counts, and cannot be paid.
    assert!(pool.quote_in(back, U256::from(1_000)).is_ok());
    assert_eq!(pool.quote_in(back, U256::from(1_200)), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_out(back, U256::from(1_001)), Err(QuoteError::TooLarge));
    assert_eq!(pool.quote_in(there, U256::MAX), Err(QuoteError::TooLarge));
    assert_eq!(pool.trade(there, Exact::In(U256::from(10)), Some(U256::ONE)), Err(QuoteError::TooLarge));
    // A balance of 112 bits takes no more.
    pool.apply_slots(VAULT, &[(U256::from(100), packed([LIMIT - 10, 0], 0))]).expect("applied");
    assert!(pool.quote_in(there, U256::from(9)).is_ok());
    assert_eq!(pool.quote_in(there, U256::from(10)), Err(QuoteError::TooLarge));
}

#[test]
fn fee_and_pauses_are_told_by_slots_and_by_the_pools_own_logs() {
    let held = cash(&[1_000_000; 2]);
    let start = pool(&[50 * PER_CENT; 2], &held, ONE / 100, Powers::Products);
    let [mut logged, mut stored] = [start.clone(), start.clone()];
    let fee = abi::SwapFeePercentageChanged { swapFeePercentage: U256::from(ONE / 50) }.encode_log_data();
    assert_eq!(logged.apply_log(CONTRACT, fee.topics(), &fee.data), Ok(Applied::Changed));
    assert_eq!(logged.apply_log(CONTRACT, fee.topics(), &fee.data), Ok(Applied::Irrelevant));
    // The bit above the fee is another's.
    let word = U256::from(ONE / 50) << 192 | U256::ONE << 255;
    assert_eq!(stored.apply_slots(CONTRACT, &[(FEE_SLOT, word)]), Ok(Applied::Changed));
    assert!(logged.agrees(&stored) && logged.fee() == ONE / 50);
    let paused = abi::PausedStateChanged { paused: true }.encode_log_data();
    assert_eq!(logged.apply_log(CONTRACT, paused.topics(), &paused.data), Ok(Applied::Changed));
    assert_eq!(stored.apply_slots(CONTRACT, &[(PAUSE_SLOT, U256::ONE << 160)]), Ok(Applied::Changed));
    assert!(logged.agrees(&stored) && !logged.agrees(&start));
    let there = leg(&start, 0, 1);
    assert_eq!((logged.quote_in(there, U256::from(10)), logged.marginal_rate(there)), (Err(QuoteError::TooLarge), 0.0));
    stored.apply_slots(CONTRACT, &[(PAUSE_SLOT, U256::MAX >> 96)]).expect("other bits of the slot");
    assert!(stored.quote_in(there, U256::from(10)).is_ok());
    // The vault's own pause is storage's to tell.
    stored.apply_slots(VAULT, &[(VAULT_PAUSE_SLOT, U256::MAX)]).expect("applied");
    assert!(stored.is_paused());
    let refused = stored.apply_slots(CONTRACT, &[(FEE_SLOT, U256::MAX)]);
    assert_eq!((refused, stored.fee()), (Err(ApplyError::Contradiction), ONE / 50));
}

#[test]
fn joins_and_managers_move_balances_by_what_the_vault_says() {
    let mut pool = pool(&[25 * PER_CENT; 4], &cash(&[100, 200, 300, 400]), ONE / 100, Powers::General);
    let deltas = [10, -20, 0, 0].map(|delta| I256::try_from(delta).expect("small"));
    let fees = [1, 2, 3, 0].map(U256::from);
    let tokens = pool.tokens().to_vec();
    let changed = |deltas: &[I256], fees: &[U256]| {
        let said = abi::PoolBalanceChanged {
            poolId: id(),
            liquidityProvider: Address::ZERO,
            tokens: tokens.clone(),
            deltas: deltas.to_vec(),
            protocolFeeAmounts: fees.to_vec(),
        };
        said.encode_log_data()
    };
    let log = changed(&deltas, &fees);
    assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data), Ok(Applied::Changed));
    assert_eq!(pool.held(), cash(&[109, 178, 297, 400]));
    let before = pool.clone();
    // More leaves than is there, of the last token alone: none moves.
    let log = changed(&deltas, &[0, 0, 0, 401].map(U256::from));
    assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data), Err(ApplyError::Contradiction));
    let log = changed(&deltas[..3], &fees);
    assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data), Err(ApplyError::Contradiction));
    assert!(pool.agrees(&before));
    let managed = |cash: i64, managed: i64| {
        let delta = |value| I256::try_from(value).expect("small");
        let said = abi::PoolBalanceManaged {
            poolId: id(),
            assetManager: Address::ZERO,
            token: tokens[1],
            cashDelta: delta(cash),
            managedDelta: delta(managed),
        };
        said.encode_log_data()
    };
    for log in [managed(-100, 100), managed(0, -30)] {
        assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data), Ok(Applied::Changed));
    }
    assert_eq!(pool.held()[1], Balance { cash: 78, managed: 70 });
    let log = managed(-79, 79);
    assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data), Err(ApplyError::Contradiction));
    // Another pool's, another contract's, and what has lost its shape.
    let mut topics = log.topics().to_vec();
    topics[1] = B256::ZERO;
    assert_eq!(pool.apply_log(VAULT, &topics, &log.data), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_log(Address::ZERO, log.topics(), &log.data), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_log(VAULT, log.topics(), &log.data[1..]), Err(ApplyError::Data { have: 63, due: 64 }));
    assert_eq!(pool.apply_log(VAULT, &log.topics()[..2], &log.data), Err(ApplyError::Topics { have: 2, due: 4 }));
}

#[test]
fn a_step_is_what_the_abi_encodes() {
    let pool = pool(&[25 * PER_CENT; 4], &cash(&[1_000; 4]), ONE / 100, Powers::General);
    let leg = leg(&pool, 2, 1);
    let (own, recipient) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    let swap = PlannedSwap { leg, token_in: pool.tokens()[2], amount_in: 77, amount_out: 55, recipient };
    let mut steps = Steps::of(own);
    pool.write_step(&swap, &mut steps);
    let single = abi::SingleSwap {
        poolId: id(),
        kind: abi::SwapKind::GIVEN_IN,
        assetIn: pool.tokens()[2],
        assetOut: pool.tokens()[1],
        amount: U256::from(77),
        userData: Default::default(),
    };
    let funds = abi::FundManagement { sender: own, fromInternalBalance: false, recipient, toInternalBalance: false };
    let call = abi::swapCall { singleSwap: single, funds, limit: U256::from(55), deadline: U256::MAX }.abi_encode();
    assert_eq!(&steps.bytes()[..call.len()], &call[..]);
    assert_eq!(steps.hops()[0].pool, pool.key());
}

#[test]
fn sites_name_the_slots_that_are_its_own_and_a_copy_keeps_its_buffer() {
    let shared = Pool::new(terms(&[50 * PER_CENT; 2], Powers::General, true), cash(&[5, 6]), U256::from(ONE / 100));
    let mut shared = shared.expect("a weighted pool");
    let [vault, contract] = &shared.sites()[..] else { panic!("two contracts") };
    assert_eq!(vault.slots, Slots::Listed(vec![U256::from(100), U256::from(101), VAULT_PAUSE_SLOT]));
    assert_eq!((vault.logs, contract.logs), (Logs::Of(id()), Logs::All));
    assert_eq!(contract.slots, Slots::Listed(vec![FEE_SLOT, PAUSE_SLOT]));
    let other = pool(&[50 * PER_CENT; 2], &cash(&[7, 8]), ONE / 50, Powers::Products);
    let buffer = shared.held().as_ptr();
    shared.clone_from(&other);
    assert!(shared.agrees(&other) && Arc::ptr_eq(&shared.terms, &other.terms) && shared.held().as_ptr() == buffer);
    assert_eq!(Pool::PROTOCOL, "balancer_v2");
}
