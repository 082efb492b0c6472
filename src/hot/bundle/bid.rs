//! How a profit is shared: gas to the chain, the bid to the builder, the rest to us. Integers only.
//!
//! # Invariants
//! - `floor <= bid <= cap`, `bid <= limits.max_bid`, `take >= limits.min_net`, or a refusal.
//! - `value == gas_cost + bid + take`, to the wei.

use alloy_primitives::U256;

use crate::hot::bundle::config::Bid;
use crate::hot::bundle::config::Limits;
use crate::hot::bundle::config::WHOLE_BPS;
use crate::hot::refused::Refused;
use crate::protocols::executor::several::split;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;
use crate::types::gas::GasCost;

/// Who gets what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfitSplit {
    /// The gross profit in ether.
    pub value: Wei,
    /// What the chain takes for gas.
    pub gas_cost: Wei,
    /// What the builder gets by coinbase transfer.
    pub bid: Wei,
    /// What is left to us.
    pub take: Wei,
}

/// What the run costs the chain, as far as its bid decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost<'a> {
    /// Gas of the run as it was proven.
    pub gas: GasCost,
    /// Price of a unit.
    pub price: WeiPerGas,
    /// The bid in wei that it was proven with.
    pub bid: Wei,
    /// What several runs in one gain, among which the bid is divided; none where it is one run's.
    pub among: &'a [u128],
}

impl Cost<'_> {
    /// Bytes that a bid fills in the calldata.
    fn filled(&self, bid: Wei) -> i64 {
        if self.among.is_empty() {
            bytes(bid)
        } else {
            split(bid.0, self.among).into_iter().map(|part| bytes(Wei(part))).sum()
        }
    }

    /// With another bid, which fills other bytes of the calldata.
    #[must_use]
    pub fn with(&self, bid: Wei) -> Wei {
        self.gas.with(self.filled(bid) - self.filled(self.bid)) * self.price
    }
}

/// Bytes of an amount that are not zero.
fn bytes(amount: Wei) -> i64 {
    // 32 at most.
    amount.0.to_be_bytes::<32>().iter().filter(|byte| **byte != 0).count() as i64
}

/// Shares `value`.
pub fn settle(value: Wei, cost: &Cost<'_>, bid: &Bid, limits: &Limits) -> Result<ProfitSplit, Refused> {
    let net = value.0.checked_sub(cost.with(cost.bid).0).ok_or(Refused::Unprofitable)?;
    let offer = share(net, bid.share_bps.min(WHOLE_BPS)).max(bid.floor_wei).min(bid.cap_wei);
    if offer > limits.max_bid_wei {
        return Err(Refused::BidTooHigh);
    }
    let gas_cost = cost.with(Wei(offer));
    let spent = gas_cost.0.checked_add(offer).ok_or(Refused::Unprofitable)?;
    let take = value.0.checked_sub(spent).ok_or(Refused::Unprofitable)?;
    if take < limits.min_net_wei {
        return Err(Refused::Unprofitable);
    }
    Ok(ProfitSplit { value, gas_cost, bid: Wei(offer), take: Wei(take) })
}

/// `amount * bps / 10000`, rounded down, without the product that could overflow.
fn share(amount: U256, bps: u16) -> U256 {
    let (whole, bps) = (U256::from(WHOLE_BPS), U256::from(bps));
    amount / whole * bps + amount % whole * bps / whole
}
