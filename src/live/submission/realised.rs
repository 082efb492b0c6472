//! What a landed bundle earned, by balances.
//!
//! # Limits
//! - It is what changed for owner and contracts of ours from the block's parent to the block: ether, wrapped ether, and the token that
//!   the cycle starts from, valued as it was predicted. Whoever sends them anything in that block is counted in. What other
//!   transactions of the owner's burnt there in vain is not.

use alloy_primitives::{Address, B256, I256, U256};

use crate::edge::chain::Chain;
use crate::edge::chain::ChainError;
use crate::edge::ledger::row::Bundle;
use crate::hot::evm::own;
use crate::hot::evm::own::Own;

struct Holdings {
    ether: U256,
    token: U256,
    weth: U256,
}

/// What the bundle left us in its block, in wei; `span`: that block's parent, and it; `besides`: see [`Block::burnt_besides`].
///
/// [`Block::burnt_besides`]: crate::edge::ledger::landed::Block::burnt_besides
///
/// # Errors
/// The node does not say, or a token's balance is no number.
pub async fn realised(
    chain: &Chain,
    own: &Own,
    bundle: &Bundle,
    (span, besides): ([B256; 2], U256),
) -> Result<I256, ChainError> {
    let [parent, block] = span.map(|at| holdings(chain, own, at, bundle.token));
    let (before, after) = tokio::try_join!(parent, block)?;
    let ether = (signed(after.ether) - signed(before.ether)).saturating_add(signed(besides));
    let gain = signed(after.token) - signed(before.token);
    let gross = signed(bundle.gross);
    // As predicted it is worth what was predicted; anything else is valued in proportion.
    let worth = if bundle.token == own.weth || gross.is_zero() {
        gain
    } else if gain == gross {
        signed(bundle.value)
    } else {
        gain.saturating_mul(signed(bundle.value)) / gross
    };
    let wrapped = if bundle.token == own.weth { I256::ZERO } else { signed(after.weth) - signed(before.weth) };
    Ok(ether.saturating_add(wrapped).saturating_add(worth))
}

async fn holdings(chain: &Chain, own: &Own, at: B256, token: Address) -> Result<Holdings, ChainError> {
    let asked = [token, own.weth].map(|token| (token, own::balance_of(own.executor)));
    let ours = [own.executor, own.owner];
    let (accounts, tokens) = tokio::try_join!(chain.holdings(at, &ours), chain.views(at, &asked))?;
    let ether = accounts.iter().filter_map(|account| account.balance).sum();
    // A token that says no number says nothing of what was earned: as good as no answer.
    let unreadable = || chain.unreadable("eth_call", "a balance that is no number");
    let number = |place: usize| own::number(tokens.get(place)).ok_or_else(unreadable);
    Ok(Holdings { ether, token: number(0)?, weth: number(1)? })
}

/// No balance on earth has the highest bit.
pub(super) fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}
