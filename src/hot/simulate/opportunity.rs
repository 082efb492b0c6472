//! What is proven: a cycle, or liquidations.

use std::sync::Arc;

use crate::hot::lending::Liquidation;
use crate::hot::search::Candidate;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// What search believes would pay.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a cycle is found behind every other event, and must not allocate")]
pub enum Opportunity {
    /// Through pools and back.
    Cycle(Candidate),
    /// Positions, each with the way on which its collateral is sold. Shared: it is looked at in many places, and made rarely.
    Liquidation(Arc<Liquidation>),
}

impl Opportunity {
    /// The token that the profit is held in.
    #[must_use]
    pub fn token(&self) -> TokenId {
        match self {
            Self::Cycle(candidate) => candidate.start(),
            Self::Liquidation(liquidation) => liquidation.token(),
        }
    }

    /// What is left of it, before gas and bid, in its units.
    #[must_use]
    pub fn gross(&self) -> u128 {
        match self {
            Self::Cycle(candidate) => candidate.gross(),
            Self::Liquidation(liquidation) => liquidation.gross(),
        }
    }

    /// The same in ether. `None` when the pools know no way to it.
    #[must_use]
    pub fn value(&self) -> Option<Wei> {
        match self {
            Self::Cycle(candidate) => candidate.value(),
            Self::Liquidation(liquidation) => Some(liquidation.value()),
        }
    }
}

impl From<Candidate> for Opportunity {
    fn from(candidate: Candidate) -> Self {
        Self::Cycle(candidate)
    }
}

impl From<Arc<Liquidation>> for Opportunity {
    fn from(liquidation: Arc<Liquidation>) -> Self {
        Self::Liquidation(liquidation)
    }
}
