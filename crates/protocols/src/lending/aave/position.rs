//! A position in an Aave market: which reserves an account uses, and its balances there, as the tokens keep them.
//!
//! # Cost
//! 96 bytes a reserve used, 80 besides, and the index of its slots: seven at most, whatever the number of reserves.

use alloy_primitives::Address;
use alloy_primitives::U256;

/// What is kept of an account in one reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Scaled balance of the receipt token.
    Supply,
    /// Scaled balance of the variable debt token.
    Variable,
    /// Principal of the stable debt.
    Principal,
    /// Its rate, in ray a year.
    Rate,
    /// When it was last settled, in seconds.
    Since,
}

const FIELDS: usize = 5;

/// An account's balances in one reserve, as far as they are known.
#[derive(Clone, Debug, Default)]
struct Held {
    reserve: u8,
    known: u8,
    values: [u128; FIELDS],
}

/// An account's position.
#[derive(Clone, Debug)]
pub struct Position {
    /// Whose.
    pub account: Address,
    /// Two bits a reserve: borrowed (the lower one), used as collateral. `None`: not known.
    pub flags: Option<U256>,
    /// The category it has chosen, zero for none. `None`: not known.
    pub category: Option<u8>,
    held: Vec<Held>,
}

impl Position {
    /// Nothing is known of it but whose it is.
    #[must_use]
    pub const fn new(account: Address) -> Self {
        Self { account, flags: None, category: None, held: Vec::new() }
    }

    /// A balance in a reserve; `None` when it is not known.
    #[must_use]
    pub fn value(&self, reserve: usize, field: Field) -> Option<u128> {
        let held = self.held.iter().find(|held| usize::from(held.reserve) == reserve)?;
        (held.known >> field as u8 & 1 == 1).then(|| held.values[field as usize])
    }

    /// Takes a balance, and says whether that is news. A reserve past 255 does not exist.
    pub fn set(&mut self, reserve: usize, field: Field, value: u128) -> bool {
        let Ok(id) = u8::try_from(reserve) else { return false };
        let at = self.held.iter().position(|held| held.reserve == id).unwrap_or_else(|| {
            self.held.push(Held { reserve: id, ..Held::default() });
            self.held.len() - 1
        });
        let Some(held) = self.held.get_mut(at) else { return false };
        let before = (held.known, held.values[field as usize]);
        held.known |= 1 << field as u8;
        held.values[field as usize] = value;
        before != (held.known, value)
    }

    /// True when the account borrows from the reserve.
    #[must_use]
    pub fn borrows(&self, reserve: usize) -> bool {
        self.flags.is_some_and(|flags| flags.bit(reserve * 2))
    }

    /// True when what the account holds in the reserve is its collateral.
    #[must_use]
    pub fn secures(&self, reserve: usize) -> bool {
        self.flags.is_some_and(|flags| flags.bit(reserve * 2 + 1))
    }

    /// Reserves that the account uses, in order.
    pub fn uses(&self) -> impl Iterator<Item = usize> + '_ {
        let flags = self.flags.unwrap_or_default();
        (0..128).filter(move |reserve| flags.bit(reserve * 2) || flags.bit(reserve * 2 + 1))
    }
}
