//! Is there what a run may begin with where no pool lends it: does the executor hold what `search.capital` says that it may spend, and
//! has a lender of `search.lenders` as much as may be borrowed? Asked by `check --dial`, and before anything is loaded.
//!
//! # Invariants
//! - Nothing hangs on it: a path that begins with more than there is is refused (`no_capital`), and nobody is blamed. So it is said and
//!   not refused.

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};

use crate::edge::chain::Chain;
use crate::hot::evm::own;
use crate::hot::search::config::Config;
use crate::live::executor::LookError;
use crate::protocols::flash::{Funding, LoanRequest};

/// A token of which there is less than a run may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    due: Funding,
    executor: Address,
    /// `None`: whoever was asked does not say.
    has: Option<U256>,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due: Funding { token, most, lender }, executor, has } = self;
        match lender {
            None => write!(f, "search.capital has {most} of token {token} spent at most, and executor {executor} ")?,
            Some((by, at)) => {
                let protocol = by.protocol;
                write!(f, "search.lenders has {most} of token {token} borrowed at most, and {protocol} at {at} ")?;
            }
        }
        match has {
            Some(has) => write!(f, "has {has}")?,
            None => f.write_str("does not say that it has any")?,
        }
        f.write_str(": what would begin with more is refused as no_capital; ")?;
        f.write_str(match lender {
            None => "send it there, or lower search.capital.most",
            Some(_) => "look at its address, or lower search.lenders.most",
        })
    }
}

/// What is short at the chain's last block.
///
/// # Errors
/// The node does not say.
pub async fn short(chain: &Chain, executor: Address, search: &Config) -> Result<Vec<Short>, LookError> {
    let fundings = search.fundings();
    if fundings.is_empty() {
        return Ok(Vec::new());
    }
    let head = chain.latest().await?.ok_or_else(|| LookError::NoBlock(chain.host().to_owned()))?;
    let looks: Vec<(Address, Bytes)> = fundings.iter().map(|due| question(due, executor)).collect();
    let said = chain.views(head.hash, &looks).await?;
    let all = fundings.into_iter().zip(&said).map(|(due, said)| Short { due, executor, has: own::number(Some(said)) });
    Ok(all.filter(|short| short.has.is_none_or(|has| has < U256::from(short.due.most))).collect())
}

/// Who is asked how much there is, and what.
fn question(due: &Funding, own: Address) -> (Address, Bytes) {
    let Some((by, lender)) = due.lender else { return (due.token, own::balance_of(own)) };
    let (asked, data) = (by.stock)(&LoanRequest { lender, own, token: due.token, amount: due.most });
    (asked, Bytes::copy_from_slice(&data))
}

/// Says what is short.
pub async fn say(chain: &Chain, executor: Address, search: &Config) {
    match short(chain, executor, search).await {
        Ok(short) => short.iter().for_each(|short| tracing::warn!("{short}")),
        Err(error) => tracing::warn!(%error, "whether there is search.capital, and what lenders have, is not known"),
    }
}
