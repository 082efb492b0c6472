//! Is it a pool of this family, where does it keep its state, and does its own code pay what we count.
//!
//! # Invariants
//! - `Ok(None)`: no such pool. `Err`: one, or what looks like one, that cannot be used, and why.
//! - The slots that are kept are those that its getters answer out of: another value there is another answer.
//! - Its own code has paid what was foretold and not a unit more, between plain tokens, each coin into each.

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, U256, address};

use crate::amm::Amm;
use crate::curve_crypto::Pool;
use crate::curve_crypto::abi;
use crate::curve_crypto::invariant::COINS;
use crate::curve_crypto::state::{Places, State, Terms, unpacked};
use crate::discover::{Answer, Creation, Probe, Venue, asked, plain_balance_slot, stored};
use crate::types::pool_key::PoolKey;

/// Who swaps: an address nobody has.
const NOBODY: Address = address!("0x7065726567726e65000000000000000000c0973e");
/// Parts of a balance that are swapped to see whether the pool pays as we count.
const PARTS: [u64; 3] = [20, 1_000, 100_003];
/// What `A` is multiplied by: in all pools but the first.
const MULTIPLIERS: [u64; 2] = [10_000, 1];
/// Decimals that a coin may have, beside what it says.
const DECIMALS: [u8; 3] = [18, 8, 6];

impl Venue for Pool {
    const PROTOCOL: &'static str = "curve_crypto";

    /// The registry's word: pools are made by hand.
    const CREATION: Creation = Creation {
        topic: abi::PoolAdded::SIGNATURE_HASH,
        pool: |_registry, topics, data| {
            abi::PoolAdded::decode_raw_log(topics.iter().copied(), data).ok().map(|added| added.pool.into())
        },
    };

    type Cache = ();

    fn discover(
        probe: &mut impl Probe,
        (): &mut (),
        key: PoolKey,
        _assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if key.id.is_some() || probe.code_hash(key.contract).is_none() {
            return Ok(None);
        }
        let mut asked = Asked { probe, pool: key.contract };
        if !asked.is_of_three() {
            return Ok(None);
        }
        asked.found().map(Some)
    }
}

/// A pool that is asked.
struct Asked<'a, P> {
    probe: &'a mut P,
    pool: Address,
}

impl<P: Probe> Asked<'_, P> {
    /// It has a gamma, and prices of two coins but not of a third.
    fn is_of_three(&mut self) -> bool {
        let mut says = |data: Vec<u8>| {
            let answer = self.probe.call(self.pool, &data);
            // What is not known yet may be an answer.
            (answer.cold, answer.cold || answer.output.is_some_and(|output| output.len() == 32))
        };
        let price = |place: usize| abi::price_scaleCall { place: U256::from(place) }.abi_encode();
        let (_, curve) = says(abi::gammaCall {}.abi_encode());
        let (_, fees) = says(abi::fee_gammaCall {}.abi_encode());
        let ((_, second), (unknown, third)) = (says(price(COINS - 2)), says(price(COINS - 1)));
        curve && fees && second && (unknown || !third)
    }

    fn found(&mut self) -> Result<Pool, String> {
        let (still, moving) = self.stored(&abi::future_A_gamma_timeCall {}.abi_encode())?;
        if !still.is_zero() {
            return Err("its A moves, or has moved: it counts D anew with each swap".to_owned());
        }
        let mut places = Places { fixed: vec![(moving, still)], ..Places::default() };
        let (ann, gamma) = self.curve(&mut places)?;
        let state = self.state(&mut places)?;
        let coins = self.coins();
        let indices: Vec<usize> = (0..COINS).filter(|at| coins[*at].is_some()).collect();
        let tokens: Vec<Address> = coins.iter().flatten().copied().collect();
        if tokens.len() < 2 || (1..tokens.len()).any(|at| tokens[..at].contains(&tokens[at])) {
            return Err("fewer than two of its coins are known".to_owned());
        }
        let (address, state) = (self.pool, Box::new(state));
        let precisions = self.precisions(&coins);
        let terms = Terms { precisions: [U256::ONE; COINS], ann, multiplier: U256::ONE, gamma };
        let mut pool = Pool { address, tokens, indices, terms: Box::new(terms), places: Box::new(places), state };
        for (precisions, multiplier) in precisions.iter().flat_map(|all| MULTIPLIERS.map(|by| (*all, by))) {
            *pool.terms = Terms { precisions, multiplier: U256::from(multiplier), ..terms };
            if self.pays_as_counted(&pool) {
                return Ok(pool);
            }
        }
        Err("pays something else than we count".to_owned())
    }

    /// `A` and gamma, which share a slot.
    fn curve(&mut self, places: &mut Places) -> Result<(U256, U256), String> {
        let [of_a, of_gamma] = [abi::ACall {}.abi_encode(), abi::gammaCall {}.abi_encode()];
        let (ann, gamma) = (self.word(&of_a)?, self.word(&of_gamma)?);
        let reads = self.answer(&of_a)?.reads;
        for (at, slot) in reads.into_iter().filter(|(at, _)| *at == self.pool) {
            let held = self.probe.slot(at, slot).ok_or("a slot is not known")?;
            places.fixed.push((slot, held));
        }
        if ann.is_zero() || gamma.is_zero() { Err("it has no curve".to_owned()) } else { Ok((ann, gamma)) }
    }

    fn state(&mut self, places: &mut Places) -> Result<State, String> {
        let mut balances = [U256::ZERO; COINS];
        for (at, (balance, slot)) in balances.iter_mut().zip(&mut places.balances).enumerate() {
            (*balance, *slot) = self.stored(&abi::balancesCall { place: U256::from(at) }.abi_encode())?;
        }
        let price = |place: usize| abi::price_scaleCall { place: U256::from(place) }.abi_encode();
        let answer = self.answer(&price(0))?;
        places.prices = answer.reads.last().map(|(_, slot)| *slot).ok_or("its prices are no storage")?;
        let held = self.probe.slot(self.pool, places.prices).ok_or("its prices are not known")?;
        let prices = unpacked(held);
        if [self.word(&price(0))?, self.word(&price(1))?] != prices || prices.iter().any(U256::is_zero) {
            return Err("its prices are packed in another way".to_owned());
        }
        let (d, of_d) = self.stored(&abi::DCall {}.abi_encode())?;
        places.d = of_d;
        let mut fees = [U256::ZERO; 3];
        let getters =
            [abi::mid_feeCall {}.abi_encode(), abi::out_feeCall {}.abi_encode(), abi::fee_gammaCall {}.abi_encode()];
        for ((fee, place), data) in fees.iter_mut().zip(&mut places.fees).zip(getters) {
            (*fee, *place) = self.stored(&data)?;
        }
        Ok(State { balances, prices, d, fees })
    }

    fn coins(&mut self) -> [Option<Address>; COINS] {
        std::array::from_fn(|at| {
            let answer = self.probe.call(self.pool, &abi::coinsCall { place: U256::from(at) }.abi_encode());
            let word = answer.word(0).filter(|word| !answer.cold && !word.is_zero())?;
            Some(Address::from_word(word.into()))
        })
    }

    /// Precisions of all coins in each way that they may be, first as the coins say: the pool's code has its own, whatever they say.
    fn precisions(&mut self, coins: &[Option<Address>; COINS]) -> Vec<[U256; COINS]> {
        let mut all = vec![[U256::ONE; COINS]];
        for (at, coin) in coins.iter().enumerate() {
            let told = coin.and_then(|coin| self.probe.call(coin, &abi::decimalsCall {}.abi_encode()).word(0));
            let told = told.and_then(|word| u8::try_from(word).ok()).filter(|decimals| *decimals <= 18);
            let others = DECIMALS.into_iter().filter(|decimals| Some(*decimals) != told);
            let choices: Vec<u8> = told.into_iter().chain(others).collect();
            let with = |mut precisions: [U256; COINS], decimals: u8| {
                precisions[at] = U256::from(10).pow(U256::from(18 - decimals));
                precisions
            };
            all = all.iter().flat_map(|one| choices.iter().map(|decimals| with(*one, *decimals))).collect();
        }
        all
    }

    fn answer(&mut self, data: &[u8]) -> Result<Answer, String> {
        asked(self.probe, self.pool, data)
    }

    fn word(&mut self, data: &[u8]) -> Result<U256, String> {
        self.answer(data)?.word(0).ok_or_else(|| "a getter does not answer".to_owned())
    }

    fn stored(&mut self, data: &[u8]) -> Result<(U256, U256), String> {
        stored(self.probe, NOBODY, self.pool, data)
    }

    /// Each coin in each other, and not a unit more.
    fn pays_as_counted(&mut self, pool: &Pool) -> bool {
        let pairs = pool.tokens.iter().flat_map(|one| pool.tokens.iter().map(move |other| [*one, *other]));
        let mut swaps = pairs.flat_map(|pair| PARTS.map(|part| (pair, part)));
        swaps.all(|(tokens, part)| {
            let Some(leg) = pool.leg(tokens[0], tokens[1]) else { return true };
            let amount = pool.held(leg) / U256::from(part);
            let Ok(due) = pool.quote_in(leg, amount) else { return false };
            let indices = [leg.token_in(), leg.token_out()].map(|place| U256::from(pool.index(place)));
            let mut pays = |least: U256| {
                let call = abi::exchangeCall { i: indices[0], j: indices[1], dx: amount, min_dy: least };
                let funds = [(tokens[0], plain_balance_slot(NOBODY), U256::MAX >> 1)];
                self.probe.call_staged(NOBODY, pool.address, &call.abi_encode(), &funds, &tokens).output.is_some()
            };
            pays(due) && !pays(due + U256::ONE)
        })
    }
}
