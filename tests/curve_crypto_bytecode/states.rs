//! Pools in states that are written into them: balances, `D`, prices, `A`, gamma and fees of any size that the contract's bounds let be.

use std::cell::Cell;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::curve_crypto::{Pool, State, Version};
use peregrine::protocols::discover::Probe;
use peregrine::replay::execute;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::rich;
use crate::{Seen, compare, one_of_each};

alloy::sol! {
    function virtual_price() external view returns (uint256);
}

/// Where the recorded pool of two coins writes that it is about to repeg: it claims its fees then, of which these states know nothing.
const NOT_ADJUSTED: U256 = U256::from_limbs([0x1f, 0, 0, 0]);

/// A state, in the powers of ten that its parts have.
#[derive(Clone, Debug)]
struct Drawn {
    /// What the coins are worth, were they even.
    d: f64,
    /// Shares of it.
    shares: [f64; 3],
    prices: [f64; 2],
    /// How far along its bounds `A` lies, and gamma.
    curve: [f64; 2],
    fees: [u32; 2],
    fee_gamma: f64,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let (prices, curve) = ([12.0..22.0f64, 12.0..22.0f64], [0.0..1.0f64, 0.0..1.0f64]);
    let fees = [0..500_000_000u32, 0..500_000_000u32];
    (20.0..28.0f64, prop::array::uniform3(0.1..3.0f64), prices, curve, fees, 10.0..18.0f64)
        .prop_map(|(d, shares, prices, curve, fees, fee_gamma)| Drawn { d, shares, prices, curve, fees, fee_gamma })
}

/// What is on the curve beside these balances, by halving: between the sum and what the product alone says.
fn invariant(x: &[f64], amplification: f64, gamma: f64) -> f64 {
    let count = x.len() as f64;
    let power = count.powf(count);
    let sum: f64 = x.iter().sum();
    let product: f64 = x.iter().product();
    let off = |d: f64| {
        let even = product / d.powf(count) * power;
        let near = gamma + 1.0 - even;
        amplification * even * gamma * gamma / (near * near) * (sum / d - 1.0) + (even - 1.0) / power
    };
    let (mut low, mut high) = (count * product.powf(1.0 / count), sum);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if off(middle) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// A float as an integer, to its precision.
fn whole(value: f64) -> U256 {
    let bits = value.log2().floor().max(0.0) as usize;
    if bits < 60 {
        U256::from(value as u64)
    } else {
        U256::from((value / 2f64.powi(bits as i32 - 60)) as u64) << (bits - 60)
    }
}

/// The pool in the drawn state, and the slots that its contract has it in. What a pool is worth is taken out of its storage: it knows no loss
/// then, whatever the balances are.
fn put(machine: &mut Machine, pool: &Pool, drawn: &Drawn) -> (Pool, Vec<(Address, U256, U256)>) {
    let terms = *pool.terms();
    let coins = terms.version.coins();
    let power = (coins as u64).pow(coins as u32);
    let multiplier = terms.multiplier.to::<u64>() as f64;
    let between = |least: f64, most: f64, share: f64| (least.ln() + (most.ln() - least.ln()) * share).exp();
    let ann = whole(between(power as f64 * multiplier / 9.0, power as f64 * multiplier * 999.0, drawn.curve[0]));
    let gamma = whole(between(1e11, if terms.version == Version::Two { 1.9e16 } else { 4.9e16 }, drawn.curve[1]));
    let prices = drawn.prices.map(|power| whole(10f64.powf(power)));
    let mut state = State { prices, fees: pool.state().fees, ..pool.state().clone() };
    if coins == 2 {
        state.prices[1] = U256::ZERO;
    }
    let mut x = [0.0; 3];
    for at in 0..coins {
        let price = if at == 0 { 1.0 } else { f64::from(prices[at - 1]) / 1e18 };
        let unit = price * f64::from(terms.precisions[at]);
        state.balances[at] = whole(10f64.powf(drawn.d) * drawn.shares[at] / coins as f64 / unit);
        x[at] = f64::from(state.balances[at]) * unit;
    }
    state.d = whole(invariant(&x[..coins], f64::from(ann) / multiplier / power as f64, f64::from(gamma) / 1e18));
    state.fees = [U256::from(drawn.fees[0]), U256::from(drawn.fees[1]), whole(10f64.powf(drawn.fee_gamma))];
    let mut said = serde_json::to_value(pool).expect("a pool");
    let curve = (ann << 128) | gamma;
    let own = (terms.ann << 128) | terms.gamma;
    let (slot, _) = *pool.fixed_slots().iter().find(|(_, word)| *word == own).expect("its curve");
    let fixed: Vec<_> =
        pool.fixed_slots().iter().map(|(at, word)| (*at, if *at == slot { curve } else { *word })).collect();
    said["terms"]["ann"] = serde_json::to_value(ann).expect("a number");
    said["terms"]["gamma"] = serde_json::to_value(gamma).expect("a number");
    said["places"]["fixed"] = serde_json::to_value(fixed).expect("slots");
    said["state"] = serde_json::to_value(&state).expect("a state");
    let worth = EvmProbe::new(machine).call(pool.address(), &virtual_priceCall {}.abi_encode());
    let (_, worth) = *worth.reads.last().expect("a slot");
    let pool: Pool = serde_json::from_value(said).expect("a pool");
    let mut written = pool.written(&state);
    written.extend([(slot, curve), (worth, U256::ZERO)]);
    if terms.version == Version::Two {
        written.push((NOT_ADJUSTED, U256::ZERO));
    }
    let at = pool.address();
    (pool, written.into_iter().map(|(slot, word)| (at, slot, word)).collect())
}

#[test]
fn in_any_state_a_pool_pays_what_is_quoted() {
    for (world, at) in one_of_each() {
        let seen = Cell::new(Seen { written: true, ..Seen::default() });
        let mut runner = TestRunner::new(Config { cases: 50, failure_persistence: None, ..Config::default() });
        let (record, _, pools) = world.start();
        let ran = runner.run(&drawn(), |drawn| {
            let mut machine = execute::machine(&record);
            rich(&mut machine, &pools[at]);
            let (pool, written) = put(&mut machine, &pools[at], &drawn);
            let mut now = seen.get();
            compare(&mut machine, &pool, &written, &mut now).map_err(TestCaseError::fail)?;
            seen.set(now);
            Ok(())
        });
        let Seen { equal, refused, reverted, .. } = seen.get();
        println!("{} 50 states: {equal} equal, {refused} refused by both, {reverted} reverted behind it", world.name());
        ran.unwrap_or_else(|error| panic!("{error}"));
        assert!(equal > 2_000, "{equal} amounts");
    }
}

/// Of what comes out here a fee is due of 0.15 units: the contract takes none, and pays more than the curve less its fee.
#[test]
fn where_the_fee_is_less_than_a_unit_a_pool_pays_what_is_quoted() {
    let Some((world, at)) =
        one_of_each().into_iter().find(|(world, at)| world.start().2[*at].terms().version == Version::Three)
    else {
        return;
    };
    let drawn = Drawn {
        d: 20.0,
        shares: [2.164_914_061_127_496, 1.782_620_333_545_191_8, 1.456_828_337_192_468_2],
        prices: [21.932_513_699_752_423, 12.0],
        curve: [0.853_779_657_532_148_6, 0.965_961_362_278_051_3],
        fees: [158_622_102, 267_644],
        fee_gamma: 10.0,
    };
    let (record, _, pools) = world.start();
    let mut machine = execute::machine(&record);
    rich(&mut machine, &pools[at]);
    let (pool, written) = put(&mut machine, &pools[at], &drawn);
    let mut seen = Seen { written: true, ..Seen::default() };
    compare(&mut machine, &pool, &written, &mut seen).unwrap_or_else(|error| panic!("{error}"));
    assert!(seen.equal > 50, "{} amounts", seen.equal);
}
