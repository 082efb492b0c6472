//! Does the executor hold what `search.capital` says that a run may spend of it? Asked by `check --dial`, and before anything is loaded.
//!
//! # Invariants
//! - Nothing hangs on it: a path that begins with more than is held is refused (`no_capital`), and nobody is blamed. So it is said and
//!   not refused.

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};

use crate::edge::chain::Chain;
use crate::hot::evm::own;
use crate::hot::search::config::Capital;
use crate::live::executor::LookError;

/// A token of which the executor holds less than it may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    due: Capital,
    executor: Address,
    /// `None`: the token does not say.
    holds: Option<U256>,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due: Capital { token, most }, executor, holds } = self;
        write!(f, "search.capital has {most} of token {token} spent at most, and executor {executor} ")?;
        match holds {
            Some(holds) => write!(f, "holds {holds}")?,
            None => f.write_str("holds none that the token tells of")?,
        }
        f.write_str(
            ": what would begin with more is refused as no_capital; send it there, or lower search.capital.most",
        )
    }
}

/// What is short at the chain's last block.
///
/// # Errors
/// The node does not say.
pub async fn short(chain: &Chain, executor: Address, capital: &[Capital]) -> Result<Vec<Short>, LookError> {
    if capital.is_empty() {
        return Ok(Vec::new());
    }
    let head = chain.latest().await?.ok_or_else(|| LookError::NoBlock(chain.host().to_owned()))?;
    let looks: Vec<(Address, Bytes)> = capital.iter().map(|due| (due.token, own::balance_of(executor))).collect();
    let holds = chain.views(head.hash, &looks).await?;
    let said = capital.iter().zip(&holds).map(|(due, said)| (*due, own::number(Some(said))));
    let short = said.filter(|(due, holds)| holds.is_none_or(|holds| holds < due.most));
    Ok(short.map(|(due, holds)| Short { due, executor, holds }).collect())
}

/// Says what is short.
pub async fn say(chain: &Chain, executor: Address, capital: &[Capital]) {
    match short(chain, executor, capital).await {
        Ok(short) => short.iter().for_each(|short| tracing::warn!("{short}")),
        Err(error) => tracing::warn!(%error, "whether the executor holds search.capital is not known"),
    }
}
