//! Is the contract at `executor.address` ours, and does it take our word? Asked by `check --dial`, and before anything is loaded.
//!
//! # Invariants
//! - It is asked and never assumed: without the contract no proof succeeds, so a searcher would find nothing and not say why.
//! - What is said names what is wrong and what mends it.

pub mod capital;

use std::fmt;

use alloy_primitives::Address;
use alloy_primitives::hex;

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::hot::evm::deployed;
use crate::hot::evm::deployed::Deployed;
use crate::hot::evm::own::InstallError;

/// The contract that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Where.
    pub address: Address,
    /// Whose, if his key could be read.
    pub owner: Option<Address>,
    /// `chain.wrapped_native`.
    pub weth: Address,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No code there.
    Nothing,
    /// Other code.
    Other,
    /// Somebody else's.
    Owner(Address),
    /// It unwraps another token.
    Weth(Address),
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The node does not say.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The node has no block yet.
    #[error("{0}: has no latest block")]
    NoBlock(String),
    /// This program is damaged.
    #[error(transparent)]
    Artifact(#[from] InstallError),
}

impl Due {
    /// Looks at the chain's last block. `None`: it is as due.
    ///
    /// # Errors
    /// It could not be looked at.
    pub async fn look(&self, chain: &Chain) -> Result<Option<Wrong>, LookError> {
        let head = chain.latest().await?.ok_or_else(|| LookError::NoBlock(chain.host().to_owned()))?;
        let accounts = chain.accounts(head.hash, &[self.address]).await?;
        let code = accounts.first().and_then(|account| account.code.clone()).unwrap_or_default();
        Ok(match deployed::read(&code)? {
            Deployed::Nothing => Some(Wrong::Nothing),
            Deployed::Other => Some(Wrong::Other),
            Deployed::Ours { owner, .. } if self.owner.is_some_and(|due| due != owner) => Some(Wrong::Owner(owner)),
            Deployed::Ours { weth, .. } if weth != self.weth => Some(Wrong::Weth(weth)),
            Deployed::Ours { .. } => None,
        })
    }

    /// What is said of it.
    #[must_use]
    pub const fn say(&self, wrong: Wrong) -> Said<'_> {
        Said { due: self, wrong }
    }
}

impl Wrong {
    /// Nothing can come of it: not one transaction of ours would do anything. Of other code nobody knows.
    #[must_use]
    pub const fn is_hopeless(self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// A sentence.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    due: &'a Due,
    wrong: Wrong,
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Due { address, owner, weth } = self.due;
        write!(f, "executor.address is {address}, ")?;
        match self.wrong {
            Wrong::Nothing => f.write_str("and there is no code")?,
            Wrong::Other => f.write_str(
                "and the code there is not that of contracts/artifacts/executor.json: it may be an executor that was deployed \
                 before the one that liquidates, which runs cycles alone",
            )?,
            Wrong::Owner(other) => write!(f, "whose owner is {other}, and executor.owner's key is another's: it refuses us")?,
            Wrong::Weth(other) => write!(f, "which unwraps {other}, and chain.wrapped_native is {weth}: it cannot pay builders")?,
        }
        f.write_str("; to deploy it, send a transaction without a receiver whose data are the creation code of ")?;
        f.write_str("contracts/artifacts/executor.json and, behind it, two words: ")?;
        match owner {
            Some(owner) => write!(f, "the owner 0x{}", hex::encode(owner.into_word()))?,
            None => f.write_str("the owner's address")?,
        }
        write!(f, " and wrapped ether 0x{} (contracts/README.md)", hex::encode(weth.into_word()))
    }
}
