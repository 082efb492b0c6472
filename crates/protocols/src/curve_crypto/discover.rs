//! Is it a pool of this family, where does it keep its state, and does its own code pay what we count.
//!
//! # Invariants
//! - `Ok(None)`: no such pool. `Err`: one, or what looks like one, that cannot be used, and why.
//! - The slots that are kept are those that its getters answer out of: another value there is another answer.
//! - Its own code has paid what was foretold and not a unit more, between plain tokens, each coin into each, and by the `D` that is stored:
//!   it does not count it anew.

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, U256, address};

use crate::amm::Amm;
use crate::curve_crypto::Pool;
use crate::curve_crypto::abi;
use crate::curve_crypto::invariant::MOST_COINS;
use crate::curve_crypto::state::{FeeSlots, Places, State, Terms, Version, three, unpacked};
use crate::discover::{Answer, Creation, Probe, Venue, asked, plain_balance_slot, stored};
use crate::types::pool_key::PoolKey;

/// Who swaps: an address nobody has.
const NOBODY: Address = address!("0x7065726567726e65000000000000000000c0973e");
/// Parts of a balance that are swapped to see whether the pool pays as we count.
const PARTS: [u64; 3] = [20, 1_000, 100_003];
/// By what part of itself `D` is made larger to see that the pool pays by it: little enough to leave a swap of the first part something.
const D_MORE: u64 = 1_000_000;
/// What `A` is multiplied by: in all pools but the first.
const MULTIPLIERS: [u64; 2] = [10_000, 1];
/// Why a pool whose curve moves is none of ours.
const MOVED: &str = "its A moves, or has moved: it counts D anew with each swap";
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
        let Some(version) = asked.version() else { return Ok(None) };
        asked.found(version).map(Some)
    }
}

/// A pool that is asked.
struct Asked<'a, P> {
    probe: &'a mut P,
    pool: Address,
}

impl<P: Probe> Asked<'_, P> {
    /// It has a gamma, and one price, or prices of two coins but not of a third. Three may go by either code.
    fn version(&mut self) -> Option<Version> {
        let mut says = |data: Vec<u8>| {
            let answer = self.probe.call(self.pool, &data);
            // What is not known yet may be an answer.
            (answer.cold, answer.cold || answer.output.is_some_and(|output| output.len() == 32))
        };
        let (_, curve) = says(abi::gammaCall {}.abi_encode());
        let (_, fees) = says(abi::fee_gammaCall {}.abi_encode());
        if !curve || !fees {
            return None;
        }
        let ((_, second), (unknown, third)) =
            (says(abi::price(Version::Three, 1)), says(abi::price(Version::Three, 2)));
        if second && (unknown || !third) {
            return Some(Version::Three);
        }
        let (_, only) = says(abi::price(Version::Two, 0));
        (only && !second).then_some(Version::Two)
    }

    fn found(&mut self, version: Version) -> Result<Pool, String> {
        let (still, moving) = self.stored(&abi::future_A_gamma_timeCall {}.abi_encode())?;
        let mut fixed = vec![(moving, still)];
        let (ann, gamma) = self.curve(&mut fixed)?;
        let (places, state) = self.state(version, fixed)?;
        let coins = self.coins(version);
        let indices: Vec<usize> = (0..version.coins()).filter(|at| coins[*at].is_some()).collect();
        let tokens: Vec<Address> = coins.iter().flatten().copied().collect();
        if tokens.len() < 2 || (1..tokens.len()).any(|at| tokens[..at].contains(&tokens[at])) {
            return Err("fewer than two of its coins are known".to_owned());
        }
        let (address, state) = (self.pool, Box::new(state));
        let precisions = self.precisions(version, &coins);
        let terms = Terms { version, precisions: [U256::ONE; MOST_COINS], ann, multiplier: U256::ONE, gamma };
        let mut pool = Pool { address, tokens, indices, terms: Box::new(terms), places: Box::new(places), state };
        let mut choices = Vec::new();
        for version in [version, Version::ThreeByRoot].into_iter().filter(|other| other.coins() == version.coins()) {
            choices.extend(MULTIPLIERS.map(|by| (version, U256::from(by))));
        }
        for (precisions, (version, multiplier)) in
            precisions.iter().flat_map(|all| choices.iter().map(|by| (*all, *by)))
        {
            *pool.terms = Terms { version, precisions, multiplier, ..terms };
            if self.pays_as_counted(&pool) {
                return Ok(pool);
            }
        }
        Err(if still.is_zero() { "pays something else than we count" } else { MOVED }.to_owned())
    }

    /// `A` and gamma, which share a slot.
    fn curve(&mut self, fixed: &mut Vec<(U256, U256)>) -> Result<(U256, U256), String> {
        let [of_a, of_gamma] = [abi::ACall {}.abi_encode(), abi::gammaCall {}.abi_encode()];
        let (ann, gamma) = (self.word(&of_a)?, self.word(&of_gamma)?);
        let reads = self.answer(&of_a)?.reads;
        // On the move it reads where the move began as well.
        if reads.iter().filter(|(at, _)| *at == self.pool).count() > 2 {
            return Err(MOVED.to_owned());
        }
        for (at, slot) in reads.into_iter().filter(|(at, _)| *at == self.pool) {
            let held = self.probe.slot(at, slot).ok_or("a slot is not known")?;
            fixed.push((slot, held));
        }
        if ann.is_zero() || gamma.is_zero() { Err("it has no curve".to_owned()) } else { Ok((ann, gamma)) }
    }

    fn state(&mut self, version: Version, fixed: Vec<(U256, U256)>) -> Result<(Places, State), String> {
        let (mut balances, mut of_balances) = ([U256::ZERO; MOST_COINS], Vec::new());
        for (at, balance) in balances.iter_mut().enumerate().take(version.coins()) {
            let (held, slot) = self.stored(&abi::balancesCall { place: U256::from(at) }.abi_encode())?;
            *balance = held;
            of_balances.push(slot);
        }
        let answer = self.answer(&abi::price(version, 0))?;
        let of_prices = answer.reads.last().map(|(_, slot)| *slot).ok_or("its prices are no storage")?;
        let word = self.probe.slot(self.pool, of_prices).ok_or("its prices are not known")?;
        let prices = unpacked(version, word);
        for (at, price) in prices.iter().enumerate().take(version.coins() - 1) {
            if price.is_zero() || self.word(&abi::price(version, at))? != *price {
                return Err("its prices are packed in another way".to_owned());
            }
        }
        let (d, of_d) = self.stored(&abi::DCall {}.abi_encode())?;
        let (fees, of_fees) = self.fees()?;
        let places = Places { balances: of_balances, prices: of_prices, d: of_d, fees: of_fees, fixed };
        Ok((places, State { balances, prices, d, fees }))
    }

    /// The fees: each in a slot of its own, or all in one.
    fn fees(&mut self) -> Result<([U256; 3], FeeSlots), String> {
        let getters =
            [abi::mid_feeCall {}.abi_encode(), abi::out_feeCall {}.abi_encode(), abi::fee_gammaCall {}.abi_encode()];
        let packed = self.probe.call(self.pool, &abi::packed_fee_paramsCall {}.abi_encode());
        if packed.cold || packed.output.is_some_and(|output| output.len() == 32) {
            let (word, slot) = self.stored(&abi::packed_fee_paramsCall {}.abi_encode())?;
            let fees = three(word);
            for (getter, fee) in getters.iter().zip(fees) {
                if self.word(getter)? != fee {
                    return Err("its fees are packed in another way".to_owned());
                }
            }
            return Ok((fees, FeeSlots::Packed(slot)));
        }
        let (mut fees, mut slots) = ([U256::ZERO; 3], [U256::ZERO; 3]);
        for ((fee, slot), data) in fees.iter_mut().zip(&mut slots).zip(getters) {
            (*fee, *slot) = self.stored(&data)?;
        }
        Ok((fees, FeeSlots::Each(slots)))
    }

    fn coins(&mut self, version: Version) -> [Option<Address>; MOST_COINS] {
        std::array::from_fn(|at| {
            if at >= version.coins() {
                return None;
            }
            let answer = self.probe.call(self.pool, &abi::coinsCall { place: U256::from(at) }.abi_encode());
            let word = answer.word(0).filter(|word| !answer.cold && !word.is_zero())?;
            Some(Address::from_word(word.into()))
        })
    }

    /// Precisions of all coins in each way that they may be, first as the coins say: the pool's code has its own, whatever they say.
    fn precisions(&mut self, version: Version, coins: &[Option<Address>; MOST_COINS]) -> Vec<[U256; MOST_COINS]> {
        let mut all = vec![[U256::ONE; MOST_COINS]];
        for (at, coin) in coins.iter().enumerate().take(version.coins()) {
            let told = coin.and_then(|coin| self.probe.call(coin, &abi::decimalsCall {}.abi_encode()).word(0));
            let told = told.and_then(|word| u8::try_from(word).ok()).filter(|decimals| *decimals <= 18);
            let others = DECIMALS.into_iter().filter(|decimals| Some(*decimals) != told);
            let choices: Vec<u8> = told.into_iter().chain(others).collect();
            let with = |mut precisions: [U256; MOST_COINS], decimals: u8| {
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

    /// Each coin in each other, and not a unit more; and the same with more of `D` than there is, which no code pays by that counts it anew.
    fn pays_as_counted(&mut self, pool: &Pool) -> bool {
        let pairs = pool.tokens.iter().flat_map(|one| pool.tokens.iter().map(move |other| [*one, *other]));
        let swaps: Vec<_> = pairs.flat_map(|pair| PARTS.map(|part| (pair, part))).collect();
        let mut more = pool.clone();
        more.state.d += more.state.d / U256::from(D_MORE);
        swaps.iter().all(|(pair, part)| self.pays(pool, *pair, *part))
            && swaps.iter().filter(|(_, part)| *part == PARTS[0]).all(|(pair, part)| self.pays(&more, *pair, *part))
    }

    /// Does the pool's code, in this state, pay just what is counted for a part of what there is?
    fn pays(&mut self, pool: &Pool, tokens: [Address; 2], part: u64) -> bool {
        let Some(leg) = pool.leg(tokens[0], tokens[1]) else { return true };
        let amount = pool.held(leg) / U256::from(part);
        let Ok(due) = pool.quote_in(leg, amount) else { return false };
        let indices = [leg.token_in(), leg.token_out()].map(|place| U256::from(pool.index(place)));
        let (at, state) = (pool.address, pool.written(&pool.state));
        let mut overrides: Vec<_> = state.into_iter().map(|(slot, word)| (at, slot, word)).collect();
        overrides.push((tokens[0], plain_balance_slot(NOBODY), U256::MAX >> 1));
        let mut pays = |least: U256| {
            let call = abi::exchangeCall { i: indices[0], j: indices[1], dx: amount, min_dy: least }.abi_encode();
            self.probe.call_staged(NOBODY, at, &call, &overrides, &pool.tokens).output.is_some()
        };
        pays(due) && !pays(due + U256::ONE)
    }
}
