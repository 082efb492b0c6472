//! Where the state of an Aave market lies in storage: layouts as data, and the slots of keys.
//!
//! A fork with the same code and other numbers is another [`Layout`], not other code.

use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::keccak256;

/// Words of a reserve's record that are read: configuration, two of indexes and rates, time, and the three tokens.
pub const RESERVE_WORDS: usize = 7;

/// Which of a reserve's words holds what; the halves are of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Aave V3: each index with its rate.
    ByReserveSide,
    /// Aave V2: both indexes, then both rates.
    IndexesThenRates,
}

/// Numbers of the slots in which the pool and its tokens keep their mappings and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pool: asset to reserve.
    pub reserves: u64,
    /// Pool: account to its flags.
    pub users: u64,
    /// Pool: id to asset.
    pub list: u64,
    /// Pool: how many reserves there are, and the lowest bit of that number's 16.
    pub count: (u64, usize),
    /// Pool: category to its terms, and account to category. `None`: there are no categories.
    pub categories: Option<(u64, u64)>,
    /// Pool: the flag that pauses it whole. `None`: reserves are paused one by one.
    pub paused: Option<u64>,
    /// Receipt token: account to scaled balance (low half).
    pub supply: u64,
    /// Variable debt token: account to scaled balance (low half).
    pub variable: u64,
    /// Stable debt token: account to principal (low half).
    pub principal: u64,
    /// Stable debt token: account to its rate. `None`: it is the high half of the principal's word.
    pub rate: Option<u64>,
    /// Stable debt token: account to when its principal was last settled.
    pub since: u64,
    /// How a reserve's indexes and rates are packed.
    pub packing: Packing,
}

impl Layout {
    /// The numbers of mappings by account that are looked at, each once.
    pub fn by_account(&self) -> impl Iterator<Item = u64> {
        let categories = self.categories.map(|(_, users)| users);
        let stable = [self.principal, self.since];
        let all = [self.users, self.supply, self.variable].into_iter().chain(stable).chain(self.rate).chain(categories);
        let mut seen = Vec::new();
        all.filter(move |number| {
            let new = !seen.contains(number);
            seen.push(*number);
            new
        })
    }
}

/// Slot of a key in the mapping numbered `mapping`.
#[must_use]
pub fn of(key: U256, mapping: u64) -> U256 {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&key.to_be_bytes::<32>());
    bytes[56..].copy_from_slice(&mapping.to_be_bytes());
    keccak256(bytes).into()
}

/// Slot of an account, or of an asset, in the mapping numbered `mapping`.
#[must_use]
pub fn of_address(key: Address, mapping: u64) -> U256 {
    of(address_word(key), mapping)
}

/// An address as a word.
#[must_use]
pub fn address_word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// The address in the low bits of a word.
#[must_use]
pub fn word_address(word: U256) -> Address {
    Address::from_word(word.into())
}

/// The low 128 bits.
#[must_use]
pub fn low(word: U256) -> u128 {
    let [a, b, ..] = *word.as_limbs();
    u128::from(a) | u128::from(b) << 64
}

/// The high 128 bits.
#[must_use]
pub fn high(word: U256) -> u128 {
    low(word >> 128_usize)
}

/// `bits` bits of a word (64 at most), from the bit `from`.
#[must_use]
pub fn field(word: U256, from: usize, bits: usize) -> u64 {
    let value = (word >> from).as_limbs()[0];
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

/// `part` millionths of a number, rounded up: a part of something is never nothing.
#[must_use]
pub fn part(whole: U256, part: u32) -> U256 {
    const MILLION: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
    let (whole, rest) = whole.div_rem(MILLION);
    let part = U256::from(part);
    // The rest is under a million, so only a part past the whole could leave 256 bits.
    whole.saturating_mul(part).saturating_add((rest * part).div_ceil(MILLION))
}
