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

use crate::protocols::executor::Bid;
use crate::protocols::executor::EncodeError;
use crate::protocols::executor::HEAD;
use crate::protocols::executor::HOP;
use crate::protocols::executor::Hop;
use crate::protocols::executor::RUN;
use crate::protocols::executor::code;
use crate::protocols::executor::count;
use crate::protocols::executor::head;
use crate::protocols::executor::push;

/// Selector of `runAll()`.
pub const RUN_ALL: [u8; 4] = hex!("34ba89a6");

const LIQUIDATION: usize = 1 + 6 * 20 + 4 * 16;
const STOP: u8 = 4;

/// Who sells the collateral, and how he is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lender {
    /// Aave's pool, of V2, V3 or a fork.
    Aave {
        /// The pool.
        pool: Address,
        /// In what it pays.
        paid: Paid,
    },
    /// A market of Morpho Blue.
    Morpho {
        /// The one contract.
        morpho: Address,
        /// The market's oracle.
        oracle: Address,
        /// The market's interest rate model.
        irm: Address,
        /// The market's liquidation threshold, in wad.
        lltv: u128,
        /// What is asked for.
        asked: Asked,
    },
}

/// In what an Aave pool pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// The collateral itself.
    Collateral,
    /// Its receipt token, which the first pool buys.
    Receipt(Address),
    /// Its receipt token, of which the first hop's input is withdrawn to the first pool.
    Withdrawn(Address),
}

/// What Morpho is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Collateral to seize.
    Collateral(u128),
    /// Borrow shares to repay.
    Shares(u128),
}

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

/// Where the profit token is kept, if that is between two pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Index of the hop that it goes on to; not the first.
    pub before: usize,
    /// What that hop spends.
    pub amount_out: u128,
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
    /// From the collateral to the debt token, in order. What goes into a hop but the first is not read.
    pub hops: &'a [Hop],
    /// Where the profit stays, unless at an end.
    pub stop: Option<Stop>,
}

impl Run<'_> {
    /// The calldata.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        count(self.hops)?;
        if let Some(stop) = self.stop.filter(|stop| !(1..self.hops.len()).contains(&stop.before)) {
            return Err(EncodeError::Stop(stop.before, self.hops.len()));
        }
        let steps = self.hops.len() + usize::from(self.stop.is_some());
        let mut data = Vec::with_capacity(HEAD + LIQUIDATION + HOP * steps);
        head(&mut data, self.block, self.token, (self.min_profit, self.bid))?;
        self.liquidation.push(&mut data);
        data.extend_from_slice(&self.amount_in.to_be_bytes());
        for (index, hop) in self.hops.iter().enumerate() {
            if let Some(stop) = self.stop.filter(|stop| stop.before == index) {
                data.push(STOP);
                data.extend_from_slice(&[0; 40]);
                data.extend_from_slice(&stop.amount_out.to_be_bytes());
            }
            // Not read, and zeros cost less.
            push(&mut data, hop, Address::ZERO);
        }
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

const ARTIFACT: &str = include_str!("../../../contracts/artifacts/liquidator.json");

/// Creation code of the liquidator with its arguments. `cancun`: for chains that have Cancun's opcodes; else for Istanbul and later.
///
/// # Errors
/// The committed artifact is not the JSON due: a broken build of ours.
pub fn creation(cancun: bool, owner: Address, weth: Address) -> Result<Bytes, serde_json::Error> {
    code(ARTIFACT, cancun, owner, weth)
}
