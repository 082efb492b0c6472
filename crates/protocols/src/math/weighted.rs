//! The real-valued curve of a pool that holds the product of its balances, each to the power of its weight, constant: Balancer's
//! weighted pools. In and out it is `out = balance_out * (1 - (balance_in / (balance_in + gamma * in)) ^ power)`.
//!
//! # Invariants
//! - Floats steer and reject; no amount is taken from them.
//! - Stretches never lie below the curve. With `u` the net input over the balance, the curve's slope falls as `(1 + u) ^ -(1 + power)`
//!   and a stretch's as `(1 + bend * u) ^ -2`. A bend of `(1 + power) / 2` is Bernoulli's bound from `power` 1 up; below that
//!   the chord of `(1 + u) ^ ((1 + power) / 2)`, which is concave, is.

use alloy_primitives::U256;

use crate::amm::Segment;

/// How far above the curve rates and stretches lie, as a share: what fixed-point contracts round is less, for any trade worth making.
const ABOVE: f64 = 1e-9;
/// Net input of a stretch, as a share of the balance, where the weights are even.
const STRETCH: f64 = 1.0 / 64.0;

/// Two tokens of a weighted pool, the way a swap goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// What the pool has of the token that goes in.
    pub balance_in: f64,
    /// What it has of the other.
    pub balance_out: f64,
    /// Weight of the token that goes in over that of the other.
    pub power: f64,
    /// Share of the input left after the fee.
    pub gamma: f64,
}

impl Weighted {
    fn is_dead(&self) -> bool {
        let all = [self.balance_in, self.balance_out, self.power, self.gamma];
        !all.into_iter().all(|part| part.is_finite() && part > 0.0)
    }

    /// Output per unit of input for a vanishing input, or a little more. Zero where it cannot swap.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.is_dead() {
            return 0.0;
        }
        self.balance_out / self.balance_in * self.power * self.gamma * (1.0 + ABOVE)
    }

    /// Input at which a unit pays half of what a vanishing one does, were the curve to go on as it begins.
    #[must_use]
    pub fn depth(&self) -> f64 {
        if self.is_dead() { 0.0 } else { self.balance_in / (self.gamma * (1.0 + self.power) / 2.0) }
    }

    /// About the input that pays `out`. `None` where none does.
    #[must_use]
    pub fn input_for(&self, out: f64) -> Option<f64> {
        if self.is_dead() || out >= self.balance_out {
            return None;
        }
        let net = self.balance_in * (-(-out / self.balance_out).ln_1p() / self.power).exp_m1();
        Some(net / self.gamma)
    }

    /// Walks stretches that bound the curve, as far as an input of `most`; `visit` returns `false` to stop.
    pub fn stretches(mut self, most: u128, mut visit: impl FnMut(Segment) -> bool) {
        if self.is_dead() {
            return;
        }
        let (half, mut left) = ((1.0 + self.power) / 2.0, most);
        while left > 0 {
            // Float to integer saturates.
            let whole = STRETCH / half.max(1.0) * self.balance_in / self.gamma;
            let length = left.min((whole as u128).max(1));
            let share = length as f64 * self.gamma / self.balance_in;
            let bend = if half >= 1.0 { half } else { (half * share.ln_1p()).exp_m1() / share };
            let reserve_in = self.balance_in / bend;
            let reserve_out = self.rate() * reserve_in / self.gamma;
            if !visit(Segment { in_max: U256::from(length), reserve_in, reserve_out, gamma: self.gamma }) {
                return;
            }
            self.balance_out *= (1.0 + share).powf(-self.power);
            self.balance_in *= 1.0 + share;
            left -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Weighted;

    impl Weighted {
        fn out(&self, input: f64) -> f64 {
            let share = input * self.gamma / self.balance_in;
            -self.balance_out * (-self.power * share.ln_1p()).exp_m1()
        }
    }

    proptest! {
        #[test]
        fn stretches_lie_on_or_above_the_curve_and_near_it(
            balance_in in 1e9..1e30f64,
            balance_out in 1e9..1e30f64,
            power in prop_oneof![0.02..1.0f64, 1.0..50.0f64, Just(1.0)],
            fee in 0.0..0.1f64,
            share in 1e-6..0.5f64,
        ) {
            let curve = Weighted { balance_in, balance_out, power, gamma: 1.0 - fee };
            let most = balance_in * share;
            let (mut at, mut bound, mut count) = (0.0, 0.0, 0);
            curve.stretches(most as u128, |stretch| {
                let length = f64::from(stretch.in_max);
                for part in [0.25, 0.5, 0.75, 1.0] {
                    let net = length * part * stretch.gamma;
                    let here = bound + stretch.reserve_out * net / (stretch.reserve_in + net);
                    let due = curve.out(at + length * part);
                    assert!(here >= due * (1.0 - 1e-12), "{here} below {due}");
                    // A stretch's slope is off by a part of the square of its length.
                    assert!(here <= due * 1.01, "{here} far above {due}");
                }
                let net = length * stretch.gamma;
                bound += stretch.reserve_out * net / (stretch.reserve_in + net);
                at += length;
                count += 1;
                true
            });
            prop_assert!(count > 0 && (at / most - 1.0).abs() < 1e-6);
            let out = curve.out(most);
            // Drained to the last digits of a double, an output tells no input.
            if out < balance_out * 0.999 {
                prop_assert!((curve.input_for(out).expect("within") / most - 1.0).abs() < 1e-9);
            }
        }
    }
}
