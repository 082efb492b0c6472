//! What `getAmountOut` answers: what a router pays out. In a stable pool it is found by Newton's steps on scaled balances, which stop at
//! their own place: the pool may pay more, or, of tokens of other than eighteen decimals, refuse what was answered.
//!
//! # Invariants
//! - The contract's own steps, in its order: `None` where it reverts, be it that nothing converges.

use alloy_primitives::U256;

use crate::solidly::curve::Curve;
use crate::solidly::curve::Fee;
use crate::solidly::curve::ONE;
use crate::solidly::curve::Side;
use crate::solidly::curve::stable_k;

/// Steps after which the contract gives up.
const MOST_STEPS: usize = 255;

/// A stable pool's iteration: `y` such that `k` of `x` and it is about `xy`.
struct Newton {
    x: U256,
    xy: U256,
    /// Units of a whole token of either, in the pool's order.
    units: [U256; 2],
}

fn scale(amount: U256, unit: U256) -> Option<U256> {
    amount.checked_mul(ONE)?.checked_div(unit)
}

impl Newton {
    /// The derivative by `y`.
    fn slope(&self, y: U256) -> Option<U256> {
        let square = y.checked_mul(y)? / ONE;
        let rising = U256::from(3).checked_mul(self.x)?.checked_mul(square)? / ONE;
        let steady = (self.x.checked_mul(self.x)? / ONE).checked_mul(self.x)? / ONE;
        rising.checked_add(steady)
    }

    /// What the contract looks at before it takes one more for the answer: `k` of balances that are scaled already, scaled once more, the
    /// pool's first token first whichever goes in.
    fn scaled_twice(&self, y: U256) -> Option<U256> {
        stable_k(scale(self.x, self.units[0])?, scale(y, self.units[1])?)
    }

    /// What the contract looks at where a step is none, and whether it takes it for the answer.
    fn candidate(&self, y: U256, off: U256, is_short: bool) -> Option<(U256, bool)> {
        if is_short {
            let next = y.checked_add(U256::ONE)?;
            return Some((next, self.scaled_twice(next)? > self.xy));
        }
        Some((y, off.is_zero() || stable_k(self.x, y.checked_sub(U256::ONE)?)? < self.xy))
    }

    fn run(&self, start: U256) -> Option<U256> {
        let mut y = start;
        for _ in 0..MOST_STEPS {
            let k = stable_k(self.x, y)?;
            let is_short = k < self.xy;
            let off = if is_short { self.xy - k } else { k - self.xy };
            let mut step = off.checked_mul(ONE)?.checked_div(self.slope(y)?)?;
            if step.is_zero() {
                let (answer, is_taken) = self.candidate(y, off, is_short)?;
                if is_taken {
                    return Some(answer);
                }
                step = U256::ONE;
            }
            y = if is_short { y.checked_add(step)? } else { y.checked_sub(step)? };
        }
        None
    }
}

/// The answer for `x` of the token that goes in. `None`: it reverts.
pub(super) fn amount_out(curve: Curve, fee: Fee, side: Side, x: u128) -> Option<U256> {
    let net = U256::from(fee.net(x));
    let [r_in, r_out] = [side.r_in, side.r_out].map(U256::from);
    let Curve::Stable { units } = curve else {
        return net.checked_mul(r_out)?.checked_div(r_in.checked_add(net)?);
    };
    let units = units.map(U256::from);
    let [unit_in, unit_out] = [units[side.token_in], units[1 - side.token_in]];
    let [r_in, r_out] = [scale(r_in, unit_in)?, scale(r_out, unit_out)?];
    let newton = Newton { x: scale(net, unit_in)?.checked_add(r_in)?, xy: stable_k(r_in, r_out)?, units };
    let y = r_out.checked_sub(newton.run(r_out)?)?;
    Some(y.checked_mul(unit_out)? / ONE)
}
