//! Our own contract: `contracts/src/Executor.sol`, its calldata and its creation code.
//!
//! # Invariants
//! - The layout is the one that the contract's header describes; `tests/prove.rs`, `tests/liquidator.rs` and every recorded
//!   block run both against each other.
//! - A path of callbacks from a token and back to it is written in the plain form, and in no other; what else there is in the long one.
//! - Amounts are integers that fit the field, or there is no calldata.

pub mod several;
#[cfg(test)]
mod tests;

use alloy::sol_types::SolError;
use alloy_primitives::{Address, Bytes, U256, hex};
use serde::Deserialize;

use crate::execution::{DIRECT, STEP, Steps};
use crate::types::amount::Wei;

/// Most hops a path may have.
pub const MAX_HOPS: usize = 6;

/// Selector of `run()`.
pub const RUN: [u8; 4] = hex!("c0406226");

alloy::sol! {
    error NotOwner();
    error BadPayload();
    error WrongBlock();
    error BidTooHigh();
    error PaymentFailed();
    error NotDue();
    error CallbackMissing();
    error AskedTooMuch();
    error BalanceUnreadable();
    error TransferFailed();
    error Unprofitable();
    error GotTooLittle();
    error TokenSpent();
    // Of the second contract that there was, for whoever reads what it did.
    error SeizedTooLittle();
    error DebtTokenSpent();
}

/// Selectors of our contract's errors that speak of our own call and of nobody on the path.
pub const OWN_FAULTS: [[u8; 4]; 5] =
    [NotOwner::SELECTOR, BadPayload::SELECTOR, WrongBlock::SELECTOR, BidTooHigh::SELECTOR, PaymentFailed::SELECTOR];

/// The name of the error of ours that `output` is, if it is one.
#[must_use]
pub fn error_name(output: &[u8]) -> Option<&'static str> {
    let names = [
        (NotOwner::SELECTOR, "NotOwner"),
        (BadPayload::SELECTOR, "BadPayload"),
        (WrongBlock::SELECTOR, "WrongBlock"),
        (BidTooHigh::SELECTOR, "BidTooHigh"),
        (PaymentFailed::SELECTOR, "PaymentFailed"),
        (NotDue::SELECTOR, "NotDue"),
        (CallbackMissing::SELECTOR, "CallbackMissing"),
        (AskedTooMuch::SELECTOR, "AskedTooMuch"),
        (BalanceUnreadable::SELECTOR, "BalanceUnreadable"),
        (TransferFailed::SELECTOR, "TransferFailed"),
        (Unprofitable::SELECTOR, "Unprofitable"),
        (GotTooLittle::SELECTOR, "GotTooLittle"),
        (TokenSpent::SELECTOR, "TokenSpent"),
        (SeizedTooLittle::SELECTOR, "SeizedTooLittle"),
        (DebtTokenSpent::SELECTOR, "DebtTokenSpent"),
    ];
    names.into_iter().find(|(selector, _)| selector == output).map(|(_, name)| name)
}

const HEAD: usize = 4 + 1 + 5 + 20 + 16 + 16;
const AMOUNT: usize = 16;
const FLAG_BPS: u8 = 1;
/// The steps are of every kind, and the start token is named.
const FLAG_LONG: u8 = 2;

/// What the builder is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bid {
    /// A fixed amount.
    Wei(Wei),
    /// A share of the profit in basis points (start token WETH only).
    Bps(u16),
}

/// One call of `run()`.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The only block it may run in.
    pub block: u64,
    /// Profit token, and the start token unless the steps say another.
    pub token: Address,
    /// Least gain in `token` before the builder is paid.
    pub min_profit: u128,
    /// Builder payment.
    pub bid: Bid,
    /// What the first step spends; if that is a lending market, the most that it may take.
    pub amount_in: u128,
    /// What the venues have written, in order.
    pub steps: &'a Steps,
}

/// The run does not fit the calldata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Block numbers have 40 bits.
    #[error("block {0} does not fit 40 bits")]
    Block(u64),
    /// Bids have 128 bits.
    #[error("bid of {0} wei does not fit 128 bits")]
    Bid(U256),
    /// A path has 1 to [`MAX_HOPS`] hops.
    #[error("{0} hops, 1 to {MAX_HOPS} due")]
    Hops(usize),
    /// A stop is between two hops.
    #[error("a stop before hop {0} of {1}, between two hops is due")]
    Stop(usize, usize),
    /// What a path begins with and does not end with is lent by its last venue, which pays before it is paid. Else what it may begin out
    /// of has to go so far.
    #[error("the last venue of the path does not pay before it is paid, and nobody else lends what it begins with")]
    NotLent,
    /// A venue that is called may pay our contract, and must know it.
    #[error("a venue is called for a contract of ours that is not named")]
    Nobody,
    /// A call's size has 16 bits.
    #[error("a call with {0} bytes of data, 65535 at most are due")]
    Data(usize),
    /// One call makes at least one run, and nothing else.
    #[error("run {0} of several is not there, or is no call of run()")]
    NoRun(usize),
}

impl Run<'_> {
    /// The calldata.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut data = Vec::with_capacity(HEAD + 20 + AMOUNT + self.steps.bytes().len());
        self.write(&mut data)?;
        Ok(data.into())
    }

    /// The calldata, in the place of what `data` holds.
    pub fn write(&self, data: &mut Vec<u8>) -> Result<(), EncodeError> {
        check(self.steps)?;
        self.head(data)?;
        if self.steps.is_long() {
            // Zeros are cheaper than the same token once more.
            let start = self.steps.start().filter(|start| *start != self.token).unwrap_or_default();
            data.extend_from_slice(start.as_slice());
        }
        data.extend_from_slice(&self.amount_in.to_be_bytes());
        data.extend_from_slice(self.steps.bytes());
        if self.steps.lends() {
            return Ok(());
        }
        // Behind the last step is nobody to measure for or to send to: its venue has paid our contract.
        if let Some([kind, ..]) = data.last_chunk_mut::<STEP>() {
            *kind |= DIRECT;
        }
        let start = self.steps.start().unwrap_or(self.token);
        let funding = self.steps.funding(start, self.amount_in).map_err(|_| EncodeError::NotLent)?;
        let Some(funding) = funding else { return Ok(()) };
        self.steps.write_loan(funding, self.amount_in, data).map_err(EncodeError::Data)
    }

    /// What every run begins with, in the place of what `data` holds.
    fn head(&self, data: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.block >> 40 != 0 {
            return Err(EncodeError::Block(self.block));
        }
        let (flags, bid) = match self.bid {
            Bid::Wei(wei) => (0, u128::try_from(wei.0).map_err(|_| EncodeError::Bid(wei.0))?),
            Bid::Bps(bps) => (FLAG_BPS, u128::from(bps)),
        };
        data.clear();
        data.extend_from_slice(&RUN);
        data.push(flags | if self.steps.is_long() { FLAG_LONG } else { 0 });
        data.extend_from_slice(&self.block.to_be_bytes()[3..]);
        data.extend_from_slice(self.token.as_slice());
        data.extend_from_slice(&self.min_profit.to_be_bytes());
        data.extend_from_slice(&bid.to_be_bytes());
        Ok(())
    }
}

/// A path that our contract can go.
fn check(steps: &Steps) -> Result<(), EncodeError> {
    let hops = steps.hops().len();
    if !(1..=MAX_HOPS).contains(&hops) {
        return Err(EncodeError::Hops(hops));
    }
    if let Some(before) = steps.stopped_before().filter(|before| !(1..hops).contains(before)) {
        return Err(EncodeError::Stop(before, hops));
    }
    if let Some(bytes) = steps.oversize() {
        return Err(EncodeError::Data(bytes));
    }
    if steps.nobodys() {
        return Err(EncodeError::Nobody);
    }
    if steps.lends() || steps.start().is_none() { Ok(()) } else { Err(EncodeError::NotLent) }
}

/// Creation code for one set of opcodes.
#[derive(Deserialize)]
struct Build {
    creation: Bytes,
}

#[derive(Deserialize)]
struct Artifact {
    istanbul: Build,
    cancun: Build,
}

/// The artifact that `contracts/script/build.mjs` makes from the source, and that CI holds against it.
const ARTIFACT: &str = include_str!("../../artifacts/executor.json");

/// Creation code with its arguments. `cancun`: for chains that have Cancun's opcodes; else for Istanbul and later.
///
/// # Errors
/// The committed artifact is not the JSON due: a broken build of ours.
pub fn creation(cancun: bool, owner: Address, weth: Address) -> Result<Bytes, serde_json::Error> {
    let artifact: Artifact = serde_json::from_str(ARTIFACT)?;
    let build = if cancun { artifact.cancun } else { artifact.istanbul };
    let mut code = build.creation.to_vec();
    code.extend_from_slice(owner.into_word().as_slice());
    code.extend_from_slice(weth.into_word().as_slice());
    Ok(code.into())
}
