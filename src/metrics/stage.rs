//! The stages of the path, each timed by itself.

/// A stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// Parsing a transaction's frame, and nothing else.
    Decode,
    /// From the decoded transaction to the look at it: waiting for its turn, in the edge's queue and in a hot thread's.
    Queue,
    /// Running the pending transaction.
    WhatIf,
    /// Applying what it did to the pools, screening, sizing.
    Search,
    /// Proving candidates.
    Simulate,
    /// Bid, limits, transaction, signature.
    Build,
    /// From a notification's arrival to what was decided about it at the first look: nothing, mostly, or a signed bundle.
    Decision,
    /// From the signed bundle to the relays' sockets: the ledger's acknowledgement, body, header, hand-over.
    Submit,
    /// From a notification's arrival to the relays' sockets.
    Total,
}

impl Stage {
    /// All of them, in the order of the path.
    pub const ALL: [Self; 9] = [
        Self::Decode,
        Self::Queue,
        Self::WhatIf,
        Self::Search,
        Self::Simulate,
        Self::Build,
        Self::Decision,
        Self::Submit,
        Self::Total,
    ];

    /// Name in reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Queue => "queue",
            Self::WhatIf => "what_if",
            Self::Search => "search",
            Self::Simulate => "simulate",
            Self::Build => "build",
            Self::Decision => "notification_to_decision",
            Self::Submit => "submit",
            Self::Total => "notification_to_bundle",
        }
    }
}
