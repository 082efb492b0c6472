//! A block's changes by reading back all that is known of what it may have touched.
//!
//! # Limits
//! Touched is who is named (senders, receivers, access lists, emitters of logs, contracts made, authorities, who is paid)
//! and whom our own execution of the block touches, to its header or not. Where it goes another way than the chain's, a
//! contract that is called by another, changes, and says nothing in any log, is not seen. This is the last resort.

use std::collections::BTreeSet;

use alloy::consensus::Transaction as _;
use alloy::rpc::types::eth::Block;
use alloy_primitives::Address;

use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::keep::Keep;
use crate::edge::bootstrap::keep::execute;
use crate::edge::bootstrap::state_cache::Account;
use crate::edge::bootstrap::state_cache::Missing;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::hot::event::AccountUpdate;
use crate::types::pool_key::PoolKey;

/// What the block may have changed, as it is behind the block.
pub(super) async fn changes(keep: &Keep, head: &Head) -> Result<Vec<AccountUpdate>, ChainError> {
    let (block, logs, listing) =
        tokio::try_join!(keep.chain.full(head.hash), keep.chain.all_logs(head.hash), keep.chain.listing(head.hash))?;
    let mut open = keep.unowned(&listing);
    let block = block.ok_or_else(|| keep.chain.missing(head.hash))?;
    let mut touched = named(&block);
    touched.extend(logs.iter().map(|log| log.address));
    // A node that cannot serve the parent any more still serves the block itself.
    touched.extend(execute::touched(keep, head).await.unwrap_or_default());
    let pools = keep.lock().followed.at(&touched);
    let known = keep.behind(head.parent, touched.union(&pools.1).copied());
    add(&mut open, &known, &touched);
    let read = open.read(&keep.chain, head.hash).await?;
    let mut changes = read.accounts;
    changes.extend(grown(keep, head, known, &changes, pools).await?);
    Ok(changes)
}

/// Who is named by a block.
fn named(block: &Block) -> BTreeSet<Address> {
    let mut named = BTreeSet::from([block.header.beneficiary]);
    for tx in block.transactions.as_transactions().unwrap_or_default() {
        let (from, inner) = (tx.inner.signer(), tx.inner.inner());
        named.insert(from);
        named.insert(inner.to().unwrap_or_else(|| from.create(inner.nonce())));
        named.extend(inner.access_list().into_iter().flat_map(|list| list.iter().map(|item| item.address)));
        let authorities = inner.authorization_list().unwrap_or_default().iter();
        named.extend(authorities.filter_map(|signed| signed.recover_authority().ok()));
    }
    named
}

/// All that is known of the touched accounts; code only where it can have changed.
fn add(open: &mut Missing, known: &StateCache, touched: &BTreeSet<Address>) {
    for address in touched {
        let Some(account) = known.accounts.get(address) else { continue };
        open.slots.extend(account.slots.keys().map(|slot| (*address, *slot)));
        let fixed = Account::has_fixed_code(account);
        let of = if fixed { &mut open.holdings } else { &mut open.accounts };
        of.insert(*address);
    }
    let accounts = &open.accounts;
    open.holdings.retain(|address| !accounts.contains(address));
}

/// Slots that pools read now and did not read before: a new tick is known by a word of the bitmap, which is known.
async fn grown(
    keep: &Keep,
    head: &Head,
    mut known: StateCache,
    changes: &[AccountUpdate],
    (pools, contracts): (BTreeSet<PoolKey>, BTreeSet<Address>),
) -> Result<Vec<AccountUpdate>, ChainError> {
    let before = known.clone();
    known.learn(changes);
    let Ok(discovery) = Discovery::new(&keep.chain, keep.rules, head.clone()) else { return Ok(Vec::new()) };
    let pools = pools.into_iter().collect();
    if discovery.pools(&mut known, pools, &mut |_| ()).await.is_err() {
        return Err(keep.chain.missing(head.hash));
    }
    let new = |address: &Address| {
        let (old, now) = (before.accounts.get(address)?, known.accounts.get(address)?);
        let new = now.slots.iter().filter(|(slot, _)| !old.slots.contains_key(*slot));
        let slots = new.filter_map(|(slot, value)| Some((*slot, (*value)?))).collect();
        Some(AccountUpdate { address: *address, slots, ..AccountUpdate::default() })
    };
    Ok(contracts.iter().filter_map(new).collect())
}
