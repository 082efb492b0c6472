//! Pairs: the quote passes the pair's own check, and one unit better does not.

use alloy::sol_types::SolCall;
use alloy_primitives::{Bytes, U256};
use peregrine::hot::evm::machine::Machine;
use peregrine::protocols::amm::{Amm, Leg, QuoteError};
use peregrine::protocols::discover::plain_balance_slot;
use peregrine::protocols::uniswap_v2::{MAX_RESERVE, Pool, abi};

use crate::bench::{Bench, SWAPPER};
use crate::spread::{DUE, Seen, Way, spread};

/// A pair on the bench.
struct Pair<'a> {
    bench: Bench<'a>,
    pool: &'a Pool,
    leg: Leg,
}

impl Pair<'_> {
    fn reserves(&self) -> [U256; 2] {
        let reserves = self.pool.state();
        [self.leg.token_in(), self.leg.token_out()].map(|token| U256::from(reserves[token]))
    }

    /// Does the pair pay `out` for `paid`?
    fn pays(&mut self, paid: U256, out: U256) -> bool {
        let mut amounts = [U256::ZERO; 2];
        amounts[self.leg.token_out()] = out;
        let [amount0, amount1] = amounts;
        let call = abi::swapCall { amount0Out: amount0, amount1Out: amount1, to: SWAPPER, data: Bytes::new() };
        let [r_in, r_out] = self.reserves();
        let (tokens, held) = (self.pool.tokens(), plain_balance_slot(self.pool.address()));
        let balances = [(tokens[self.leg.token_in()], held, r_in + paid), (tokens[self.leg.token_out()], held, r_out)];
        self.bench.call(self.pool.address(), call.abi_encode(), &balances).is_success()
    }

    /// A record may lack the reentrancy lock, which then reads as zero, locked. It is one between transactions.
    fn unlock(&mut self) -> bool {
        let [r_in, r_out] = self.reserves();
        let some = (r_out / U256::from(1_000_000)).max(U256::ONE);
        if self.pays(r_in, some) {
            return true;
        }
        for slot in self.bench.assumed(self.pool.address()) {
            self.bench.standing = vec![(self.pool.address(), slot, U256::ONE)];
            if self.pays(r_in, some) {
                return true;
            }
        }
        false
    }

    /// The largest output for what is paid: it passes, and one more does not.
    fn exact_in(&mut self, paid: U256) -> Result<bool, String> {
        match self.pool.quote_in(self.leg, paid) {
            Ok(out) if !self.pays(paid, out) => Err(format!("quotes {out}, which the pair does not pay")),
            Ok(out) if self.pays(paid, out + U256::ONE) => Err(format!("quotes {out}, the pair pays one more")),
            Ok(_) => Ok(true),
            Err(_) if self.pays(paid, U256::ONE) => Err("is refused, the pair pays".to_owned()),
            Err(_) => Ok(false),
        }
    }

    /// The smallest input that buys `out`: it passes, and one less does not.
    fn exact_out(&mut self, out: U256) -> Result<bool, String> {
        match self.pool.quote_out(self.leg, out) {
            Ok(paid) if !self.pays(paid, out) => Err(format!("quotes {paid}, which the pair does not take")),
            Ok(paid) if self.pays(paid - U256::ONE, out) => Err(format!("quotes {paid}, one less is enough")),
            Ok(_) => Ok(true),
            // Nothing the pair can hold is enough.
            Err(_) if self.pays(self.room(), out) => Err("is refused, the pair pays".to_owned()),
            Err(_) => Ok(false),
        }
    }

    fn room(&self) -> U256 {
        U256::from(MAX_RESERVE) - self.reserves()[0]
    }

    fn amounts(&self, exact_in: bool) -> Vec<U256> {
        let one = U256::ONE;
        let most_out = self.pool.quote_in(self.leg, self.room()).unwrap_or(one);
        if exact_in {
            let least = self.pool.quote_out(self.leg, one).unwrap_or(one);
            // 10 000 times the reserve leaves a ten-thousandth of the other.
            let drained = (self.reserves()[0] * U256::from(10_000)).min(self.room());
            let edges = [U256::ZERO, one, U256::from(2), least - one, self.room(), self.room() + one];
            spread(least, drained.max(least)).into_iter().chain(edges).collect()
        } else {
            let r_out = self.reserves()[1];
            let edges = [U256::ZERO, r_out - one, r_out, r_out + one, r_out * U256::from(2)];
            spread(one, most_out).into_iter().chain(edges).collect()
        }
    }

    fn compare(&mut self, exact_in: bool, seen: &mut Seen) {
        let way = Way { pool: self.pool.address(), zero_for_one: self.leg.zero_for_one(), exact_in, emptied: false };
        let mut equal = 0;
        for amount in self.amounts(exact_in) {
            let outcome = if exact_in { self.exact_in(amount) } else { self.exact_out(amount) };
            match outcome {
                Ok(true) => equal += 1,
                Ok(false) => seen.refused += 1,
                Err(what) => seen.differs(way, amount, what),
            }
        }
        seen.equal[usize::from(!exact_in)] += equal;
        if equal < DUE {
            seen.few.push(format!("{way}: {equal} amounts, {:?}", self.pool.state()));
        }
    }
}

/// Compares a pair both ways.
pub fn compare(machine: &mut Machine, pool: &Pool, seen: &mut Seen) {
    let [token0, token1] = [pool.tokens()[0], pool.tokens()[1]];
    seen.v2 += 1;
    for (token_in, token_out) in [(token0, token1), (token1, token0)] {
        let leg = pool.leg(token_in, token_out).expect("its own tokens");
        let mut pair = Pair { bench: Bench::new(machine, pool.tokens()), pool, leg };
        assert!(pair.unlock(), "{}: discovered, yet its swap does not execute", pool.address());
        assert_eq!(pool.quote_in(leg, U256::ZERO), Err(QuoteError::TooSmall));
        pair.compare(true, seen);
        pair.compare(false, seen);
        pair.bench.clear();
    }
}
