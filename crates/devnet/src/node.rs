//! The node that a devnet is on: what all of them offer.

use crate::anvil::Anvil;
use crate::geth::Geth;

/// Which of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// Foundry's, on which every devnet is set up.
    #[default]
    Anvil,
    /// go-ethereum, whose first block holds what was set up.
    Geth,
}

/// A running one. Dropped, it is gone.
#[derive(Debug)]
pub enum Node {
    /// Foundry's.
    Anvil(Anvil),
    /// go-ethereum.
    Geth(Geth),
}

impl Node {
    /// Which of them it is.
    #[must_use]
    pub const fn on(&self) -> On {
        match self {
            Self::Anvil(_) => On::Anvil,
            Self::Geth(_) => On::Geth,
        }
    }

    /// JSON-RPC over HTTP.
    #[must_use]
    pub fn http(&self) -> String {
        match self {
            Self::Anvil(anvil) => anvil.http(),
            Self::Geth(geth) => geth.http(),
        }
    }

    /// JSON-RPC over a websocket.
    #[must_use]
    pub fn ws(&self) -> String {
        match self {
            Self::Anvil(anvil) => anvil.ws(),
            Self::Geth(geth) => geth.ws(),
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match self {
            Self::Anvil(anvil) => anvil.pid(),
            Self::Geth(geth) => geth.pid(),
        }
    }
}
