//! Every way a candidate can die, in the order of the funnel. Business, not error: counted, never logged in the hot room.

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refused {
    /// The trigger ran and failed. (One that is not valid on this state does not run: `Trigger::Stopped`.)
    TriggerFailed,
    /// The trigger moved no pool we know.
    NoPool,
    /// Not screened: the event's budget of cycles was spent.
    Unscreened,
    /// The marginal rates promise no gain.
    Screened,
    /// Not sized: the event's budget of walks was spent on more promising cycles.
    Unsized,
    /// Sized, and no input gains anything.
    NoGain,
    /// The gain is below the configured least.
    BelowMinimum,
    /// A pool or token on the path was caught deviating before.
    Distrusted,
    /// The simulation read a slot or account that is not known.
    Cold,
    /// The executor's transaction reverted: the pools did not do what they quote.
    Reverted,
    /// It ended with another profit than predicted.
    Mismatch,
    /// A token on the path delivers less, or more, than is sent.
    TransferTax,
    /// The amounts do not fit the executor's calldata.
    Unencodable,
    /// Our own transaction is at fault: its gas, its bid, its block.
    Ours,
    /// Our owner holds too little ether for its gas.
    Unfunded,
    /// No pool lends what the path begins with, and who is to have it has less: the executor than `search.capital` says, or a lender
    /// than `search.lenders` does.
    NoCapital,
    /// The proof rests on more guessed slots than is allowed to be sent.
    Assumed,
    /// The trigger has its bundle for this block already.
    Duplicate,
    /// The block has all the bundles it may get from us.
    BlockFull,
    /// The profit has no value in ether, so that no bid can be made out of it.
    Unvalued,
    /// Gas and bid leave less than is due to us.
    Unprofitable,
    /// The bid is above the limit.
    BidTooHigh,
    /// The transaction needs more gas than the limit.
    GasTooHigh,
    /// The trigger's bytes, encoded anew, do not hash to its hash.
    TargetMismatch,
    /// The trigger carries blobs: without their sidecar it cannot be sent on.
    TargetBlob,
    /// The bundle has more bytes than relays take.
    TooLarge,
    /// The digest could not be signed.
    Unsigned,
}

impl Refused {
    /// All of them, in order.
    pub const ALL: [Self; 27] = [
        Self::TriggerFailed,
        Self::NoPool,
        Self::Unscreened,
        Self::Screened,
        Self::Unsized,
        Self::NoGain,
        Self::BelowMinimum,
        Self::Distrusted,
        Self::Cold,
        Self::Reverted,
        Self::Mismatch,
        Self::TransferTax,
        Self::Unencodable,
        Self::Ours,
        Self::Unfunded,
        Self::NoCapital,
        Self::Assumed,
        Self::Duplicate,
        Self::BlockFull,
        Self::Unvalued,
        Self::Unprofitable,
        Self::BidTooHigh,
        Self::GasTooHigh,
        Self::TargetMismatch,
        Self::TargetBlob,
        Self::TooLarge,
        Self::Unsigned,
    ];

    /// Name in reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TriggerFailed => "trigger_failed",
            Self::NoPool => "no_pool",
            Self::Unscreened => "unscreened",
            Self::Screened => "screened",
            Self::Unsized => "unsized",
            Self::NoGain => "no_gain",
            Self::BelowMinimum => "below_minimum",
            Self::Distrusted => "distrusted",
            Self::Cold => "cold",
            Self::Reverted => "reverted",
            Self::Mismatch => "mismatch",
            Self::TransferTax => "transfer_tax",
            Self::Unencodable => "unencodable",
            Self::Ours => "ours",
            Self::Unfunded => "unfunded",
            Self::NoCapital => "no_capital",
            Self::Assumed => "assumed",
            Self::Duplicate => "duplicate",
            Self::BlockFull => "block_full",
            Self::Unvalued => "unvalued",
            Self::Unprofitable => "unprofitable",
            Self::BidTooHigh => "bid_too_high",
            Self::GasTooHigh => "gas_too_high",
            Self::TargetMismatch => "victim_mismatch",
            Self::TargetBlob => "victim_blob",
            Self::TooLarge => "too_large",
            Self::Unsigned => "unsigned",
        }
    }
}

/// How often each reason was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Refused::ALL.len()]);

impl Tally {
    /// Counts one more.
    pub const fn add(&mut self, reason: Refused) {
        self.add_many(reason, 1);
    }

    /// Counts `more`.
    pub const fn add_many(&mut self, reason: Refused, more: u64) {
        self.0[reason as usize] += more;
    }

    /// Reasons met, with their counts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Refused, u64)> + '_ {
        Refused::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}
