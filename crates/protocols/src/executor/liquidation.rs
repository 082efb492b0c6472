//! The liquidator, `contracts/src/Liquidator.sol`: a liquidation whose collateral pays the pool that lent for it.
//!
//! # Invariants
//! - A path goes from the collateral (or its receipt token) to the debt token, whose last pool lends. A cycle that begins
//!   elsewhere is the same cycle, turned until the liquidation is its first step.
//! - Amounts are integers that fit the field, or there is no calldata.
//! - Several runs are one call that runs all or none; each has its own block, least gain and bid.

use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::hex;

use crate::execution::Steps;
use crate::executor::Bid;
use crate::executor::EncodeError;
use crate::executor::HEAD;
use crate::executor::RUN;
use crate::executor::check;
use crate::executor::code;
use crate::executor::head;

pub use crate::execution::Asked;
pub use crate::execution::Lender;
pub use crate::execution::Paid;

/// Selector of `runAll()`.
pub const RUN_ALL: [u8; 4] = hex!("34ba89a6");

const LIQUIDATION: usize = 1 + 6 * 20 + 4 * 16;

/// One liquidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// Who sells.
    pub lender: Lender,
    /// Whose position it is.
    pub borrower: Address,
    /// What is repaid.
    pub debt: Address,
    /// What is seized, as the lender names it.
    pub collateral: Address,
    /// The most that the lender may take; what Aave is asked to take.
    pub repay: u128,
}

impl Liquidation {
    fn push(&self, data: &mut Vec<u8>) {
        let none = Address::ZERO;
        let (kind, lender, also, irm, lltv, asked) = match self.lender {
            Lender::Aave { pool, paid: Paid::Collateral } => (0, pool, none, none, 0, 0),
            Lender::Aave { pool, paid: Paid::Receipt(receipt) } => (1, pool, receipt, none, 0, 0),
            Lender::Aave { pool, paid: Paid::Withdrawn(receipt) } => (2, pool, receipt, none, 0, 0),
            Lender::Morpho { morpho, oracle, irm, lltv, asked: Asked::Collateral(asked) } => {
                (3, morpho, oracle, irm, lltv, asked)
            }
            Lender::Morpho { morpho, oracle, irm, lltv, asked: Asked::Shares(asked) } => {
                (4, morpho, oracle, irm, lltv, asked)
            }
        };
        data.push(kind);
        for party in [lender, self.borrower, self.debt, self.collateral, also, irm] {
            data.extend_from_slice(party.as_slice());
        }
        for amount in [lltv, asked, self.repay] {
            data.extend_from_slice(&amount.to_be_bytes());
        }
    }
}

/// One call of the liquidator's `run()`.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The only block it may run in.
    pub block: u64,
    /// Profit token: the debt token, the collateral, or the one at the stop.
    pub token: Address,
    /// Least gain in `token` before the builder is paid.
    pub min_profit: u128,
    /// Builder payment.
    pub bid: Bid,
    /// What the path begins with.
    pub liquidation: Liquidation,
    /// What the first hop spends, which the liquidation must bring.
    pub amount_in: u128,
    /// What the venues have written, from the collateral to the debt token, in order; a stop is where the profit stays, unless at
    /// an end.
    pub steps: &'a Steps,
}

impl Run<'_> {
    /// The calldata.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        check(self.steps)?;
        let hops = self.steps.hops().len();
        if let Some(before) = self.steps.stopped_before().filter(|before| !(1..hops).contains(before)) {
            return Err(EncodeError::Stop(before, hops));
        }
        let mut data = Vec::with_capacity(HEAD + LIQUIDATION + self.steps.bytes().len());
        head(&mut data, self.block, self.token, (self.min_profit, self.bid))?;
        self.liquidation.push(&mut data);
        data.extend_from_slice(&self.amount_in.to_be_bytes());
        data.extend_from_slice(self.steps.bytes());
        Ok(data.into())
    }
}

/// A bid divided among runs by what each gains: a run can pay out of its own profit alone. What rounding leaves goes to the one
/// that gains most.
#[must_use]
pub fn split(bid: U256, gains: &[u128]) -> Vec<U256> {
    let all = gains.iter().fold(U256::ZERO, |all, gain| all + U256::from(*gain));
    // A bid has 128 bits, or there is no calldata.
    let part = |gain: &u128| bid.saturating_mul(U256::from(*gain)).checked_div(all).unwrap_or_default();
    let mut parts: Vec<U256> = gains.iter().map(part).collect();
    let rest = parts.iter().fold(bid, |rest, part| rest.saturating_sub(*part));
    let most = gains.iter().enumerate().max_by_key(|(_, gain)| **gain).map_or(0, |(at, _)| at);
    if let Some(part) = parts.get_mut(most) {
        *part = part.saturating_add(rest);
    }
    parts
}

/// The calldata of one transaction that makes all these runs one after another, or none of them. One alone stays as it is.
///
/// # Errors
/// There is none, or one of them is not what [`Run::encode`] gives.
pub fn encode_all(runs: &[Bytes]) -> Result<Bytes, EncodeError> {
    let mut data = Vec::with_capacity(RUN_ALL.len() + runs.iter().map(|run| run.len()).sum::<usize>());
    data.extend_from_slice(&RUN_ALL);
    for (index, run) in runs.iter().enumerate() {
        // The contract writes the selector itself, so that nothing but a run can be meant.
        let payload = run.strip_prefix(&RUN).ok_or(EncodeError::NoRun(index))?;
        let size = u16::try_from(payload.len()).map_err(|_| EncodeError::NoRun(index))?;
        data.extend_from_slice(&size.to_be_bytes());
        data.extend_from_slice(payload);
    }
    match runs {
        [] => Err(EncodeError::NoRun(0)),
        [run] => Ok(run.clone()),
        _ => Ok(data.into()),
    }
}

const ARTIFACT: &str = include_str!("../../artifacts/liquidator.json");

/// Creation code of the liquidator with its arguments. `cancun`: for chains that have Cancun's opcodes; else for Istanbul and later.
///
/// # Errors
/// The committed artifact is not the JSON due: a broken build of ours.
pub fn creation(cancun: bool, owner: Address, weth: Address) -> Result<Bytes, serde_json::Error> {
    code(ARTIFACT, cancun, owner, weth)
}
