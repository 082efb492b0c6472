//! Several runs in one transaction: `runAll()` of `contracts/src/Executor.sol`.
//!
//! # Invariants
//! - Several runs are one call that runs all or none; each has its own block, least gain and bid.

use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::hex;

use crate::executor::EncodeError;
use crate::executor::RUN;

/// Selector of `runAll()`.
pub const RUN_ALL: [u8; 4] = hex!("34ba89a6");

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
/// There is none, or one of them is not what [`crate::executor::Run::encode`] gives.
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
