//! How a lending protocol's markets and borrowers are found: what a contract is asked before it is used, and what its logs say.
//! Here it is described; `edge::bootstrap` asks and reads.

use alloy_primitives::Address;
use alloy_primitives::B256;

use crate::discover::Probe;
use crate::lending::market_spec::MarketSpec;

/// What a log of a lending contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A market has been opened, of a contract that holds many: its id.
    Market(B256),
    /// An account has borrowed.
    Borrower {
        /// In which market, of a contract that holds many; else zero.
        market: B256,
        /// Who owes.
        account: Address,
    },
}

/// What is known of a market before its contract is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The contract.
    pub address: Address,
    /// Its id, of a contract that holds many; else zero.
    pub market: B256,
    /// Who answers for its prices, if that is not to be asked.
    pub oracle: Option<Address>,
}

/// How a protocol's markets are found.
#[derive(Clone, Copy, Debug)]
pub struct Lender {
    /// A contract holds many markets, each by its id.
    pub many: bool,
    /// Signatures of the logs that are looked for.
    pub topics: &'static [B256],
    /// What a log with one of these signatures says: topics, data. `None`: it is not the shape its signature promises.
    pub heard: fn(&[B256], &[u8]) -> Option<Heard>,
    /// Asks the contract for what makes a row of a market. An error says why it cannot be used.
    pub open: fn(&mut dyn Probe, &Place) -> Result<MarketSpec, String>,
}

/// The address that a contract answers to a question without arguments.
///
/// # Errors
/// It answers none.
pub fn ask_address(probe: &mut dyn Probe, to: Address, question: &[u8]) -> Result<Address, String> {
    let word = probe.call(to, question).word(0).filter(|word| word.bit_len() <= 160 && !word.is_zero());
    word.map(|word| Address::from_word(word.into())).ok_or_else(|| format!("{to} does not name whom it was asked for"))
}
