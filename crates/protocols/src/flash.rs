//! Flash loans: where no venue on a path lends what it begins with, somebody else does, calls our contract back, and is paid back before
//! that call ends. A lender says how it is asked; how its callback is heard and the path gone in it, our contract knows alone.
//!
//! # Invariants
//! - A lender's call ends with the bytes that it echoes, and so does what it calls back with: our contract appends and finds them there.
//! - What is lent is what is due: a lender that asks for more is none of these, since then a path would be worth less than its swaps say.

use std::fmt;

use alloy_primitives::{Address, hex};

/// What is to be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoanRequest {
    /// Who lends.
    pub lender: Address,
    /// Our contract.
    pub own: Address,
    /// What of.
    pub token: Address,
    /// How much, in its smallest unit.
    pub amount: u128,
}

/// How a lender is paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaid {
    /// Our contract sends it what it is due.
    Sent,
    /// It takes that from our contract, by an allowance.
    Taken,
    /// The same, and its callback wants to hear the hash that ERC-3156 names.
    Hashed,
}

/// A question, and who is asked: an answer is a number.
pub type StockQuestion = (Address, [u8; 36]);

/// A protocol that lends.
pub struct FlashLender {
    /// Its name in the settings.
    pub protocol: &'static str,
    /// How it is paid back.
    pub repaid: Repaid,
    /// Writes the call that asks for a loan, up to where the length of the echoed bytes is due.
    pub ask: fn(&LoanRequest, &mut Vec<u8>),
    /// How much there is to lend.
    pub stock: fn(&LoanRequest) -> StockQuestion,
}

impl fmt::Debug for FlashLender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol)
    }
}

impl PartialEq for FlashLender {
    fn eq(&self, other: &Self) -> bool {
        self.protocol == other.protocol
    }
}

impl Eq for FlashLender {}

/// `balanceOf(address)`.
const BALANCE_OF: [u8; 4] = hex!("70a08231");

/// A lender's stock is what it has of the token.
pub(crate) fn balance(request: &LoanRequest) -> StockQuestion {
    let mut data = [0; 36];
    data[..4].copy_from_slice(&BALANCE_OF);
    data[16..].copy_from_slice(request.lender.as_slice());
    (request.token, data)
}

/// Out of what a path that nothing on it lends for can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// What it begins with.
    pub token: Address,
    /// The most of it, in its smallest unit.
    pub most: u128,
    /// Who has it; `None`: our contract itself.
    pub lender: Option<(&'static FlashLender, Address)>,
}

impl Funding {
    /// Whoever has it is not itself on the path: a contract that swaps on it may be locked while it lends.
    #[must_use]
    pub fn is_free(&self, is_on: impl Fn(Address) -> bool) -> bool {
        self.lender.is_none_or(|(_, at)| !is_on(at))
    }
}
