//! An Aave V3 market of as many positions as one likes, made of storage words: eight reserves of one price each, and
//! accounts with two collaterals and one debt, whose health factors spread from 1.0 to 3.

use alloy_primitives::Address;
use alloy_primitives::U256;
use peregrine::protocols::aave_v3::LAYOUT;
use peregrine::protocols::aave_v3::Market;
use peregrine::protocols::lending::Lending;
use peregrine::protocols::lending::slots;

/// When all indexes were last brought up to date, in seconds.
pub const START: u64 = 1_700_000_000;
/// Reserves, and so feeds.
pub const ASSETS: u64 = 8;
/// Price of every asset: 1000 dollars of 8 decimals.
pub const PRICE: u64 = 100_000_000_000;

const POOL: Address = Address::repeat_byte(0xaa);

/// The `index`th asset.
pub fn asset(index: u64) -> Address {
    Address::left_padding_from(&(0xa55e_7000 + index).to_be_bytes())
}

fn token(index: u64, kind: u64) -> Address {
    Address::left_padding_from(&(0x70ce_0000 + index * 16 + kind).to_be_bytes())
}

/// A generator of numbers, the same every time (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }
}

fn words(index: u64) -> [U256; 7] {
    let ray = U256::from(10).pow(U256::from(27));
    let percent = |rate: u64| (ray * U256::from(rate) / U256::from(100)) << 128_usize;
    // Threshold 80 %, bonus 5 %, 18 decimals, active.
    let config = U256::from(8_000_u64 << 16 | 10_500 << 32 | 18 << 48 | 1 << 56);
    let tokens = [0, 1, 2].map(|kind| slots::address_word(token(index, kind)));
    let time = U256::from(START) << 128_usize;
    [config, ray | percent(2), ray | percent(3), time, tokens[0], tokens[1], tokens[2]]
}

/// The market, with everything known.
pub fn market(positions: u64) -> Market {
    let mut market = Market::new(POOL, LAYOUT);
    let put = |market: &mut Market, at: Address, slot: U256, value: U256| {
        market.apply_slots(at, &[(slot, value)]).expect("a slot of the market");
    };
    put(&mut market, POOL, U256::from(LAYOUT.count.0), U256::from(ASSETS) << LAYOUT.count.1);
    for index in 0..ASSETS {
        put(&mut market, POOL, slots::of(U256::from(index), LAYOUT.list), slots::address_word(asset(index)));
        let first = slots::of_address(asset(index), LAYOUT.reserves);
        for (word, value) in words(index).into_iter().enumerate() {
            put(&mut market, POOL, first + U256::from(word), value);
        }
        market.set_price(asset(index), U256::from(PRICE));
        market.set_cash(asset(index), U256::MAX);
    }
    let mut dice = Dice(7);
    for index in 0..positions {
        let account = Address::left_padding_from(&(0xacc0_0000_0000 + index).to_be_bytes());
        market.watch(account);
        let of = |mapping| slots::of_address(account, mapping);
        let [one, two, debt] = [(); 3].map(|()| dice.below(ASSETS));
        let flags = U256::from(2_u64 << (2 * one) | 2 << (2 * two) | 1 << (2 * debt));
        put(&mut market, POOL, of(LAYOUT.users), flags);
        put(&mut market, POOL, of(LAYOUT.categories.expect("categories").1), U256::ZERO);
        let units = U256::from(10).pow(U256::from(15)) * U256::from(1 + dice.below(100_000));
        for collateral in [one, two] {
            put(&mut market, token(collateral, 0), of(LAYOUT.supply), units);
        }
        let held = if one == two { units } else { units * U256::from(2) };
        let factor_mille = 1_000 + dice.below(2_000);
        let owed = held * U256::from(800) / U256::from(factor_mille);
        put(&mut market, token(debt, 2), of(LAYOUT.variable), owed);
        put(&mut market, token(debt, 1), of(LAYOUT.principal), U256::ZERO);
    }
    assert_eq!(market.missing(), Vec::new(), "everything is known");
    market
}
