//! A sample of pools and positions held against the node: its answers, our machine's, and what follows from our own state
//! must be one.

use alloy_primitives::{Address, Bytes, U256, hex};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::protocols::AnyLending;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::discover::View;
use crate::protocols::lending::Lending;
use crate::types::pool_key::PoolKey;

/// A question whose answer follows from what we hold.
struct Asked {
    /// The pool, or the market.
    of: PoolKey,
    /// Whose position there.
    account: Option<Address>,
    to: Address,
    view: View,
}

/// Holds `most` of the pools, spread evenly over their order, against the node.
pub(super) async fn pools(
    discovery: &Discovery,
    known: &mut StateCache,
    pools: &[AnyPool],
    most: usize,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let asked = |pool: &AnyPool| -> Vec<Asked> {
        let (of, to) = (pool.key(), pool.address());
        pool.views().into_iter().map(|view| Asked { of, account: None, to, view }).collect()
    };
    hear(Progress::Verifying { pools: most.min(pools.len()) });
    hold(discovery, known, sample(pools, most).flat_map(asked).collect(), hear).await
}

/// Holds `most` of the positions that have a health, spread evenly over all markets, against the node.
pub(super) async fn positions(
    discovery: &Discovery,
    known: &mut StateCache,
    markets: impl Iterator<Item = &AnyLending>,
    most: usize,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let of = |market| Lending::accounts(market).into_iter().map(move |account| (market, account)).collect::<Vec<_>>();
    let all: Vec<(&AnyLending, Address)> = markets.flat_map(of).collect();
    let asked = |(market, account): &(&AnyLending, Address)| -> Vec<Asked> {
        let (of, account) = (PoolKey::from(market.address()), *account);
        let views = market.views(account, discovery.head.timestamp).unwrap_or_default().into_iter();
        views.map(|(to, view)| Asked { of, account: Some(account), to, view }).collect()
    };
    hear(Progress::Positions { held: most.min(all.len()) });
    hold(discovery, known, sample(&all, most).flat_map(asked).collect(), hear).await
}

/// `most` of them, spread evenly.
pub(super) fn sample<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let most = most.min(all.len());
    (0..most).filter_map(move |place| all.get(place * all.len() / most))
}

async fn hold(
    discovery: &Discovery,
    known: &mut StateCache,
    asked: Vec<Asked>,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let calls: Vec<(Address, Bytes)> =
        asked.iter().map(|asked| (asked.to, Bytes::from(asked.view.data.clone()))).collect();
    let theirs = discovery.chain.views(discovery.head.hash, &calls).await?;
    // A getter may read more than the state does.
    let ours = discovery.answers(known, calls, hear).await?;
    for ((asked, theirs), ours) in asked.iter().zip(&theirs).zip(&ours) {
        let whose = asked.account.map(|account| format!("of account {account} ")).unwrap_or_default();
        let wrong =
            |what| BootstrapError::Wrong { pool: asked.of, block: discovery.head.number, what: whose.clone() + what };
        if ours.as_ref() != Some(theirs) {
            return Err(wrong(&differing(theirs, ours.as_ref())));
        }
        if let Some((place, due)) = asked.view.due.iter().find(|(place, due)| word(theirs, *place) != Some(*due)) {
            let found = shown(theirs, *place);
            return Err(wrong(&format!("word {place} of the node's answer is {found}, {due:#x} due")));
        }
    }
    Ok(())
}

/// The first word in which two answers differ: answers may be pages long, and one word is what there is to look for.
fn differing(theirs: &Bytes, ours: Option<&Bytes>) -> String {
    let Some(ours) = ours else { return format!("the node gives an answer of {} bytes, our evm none", theirs.len()) };
    let same = theirs.chunks(32).zip(ours.chunks(32)).take_while(|(one, other)| one == other).count();
    let [theirs, ours] = [theirs, ours].map(|answer| (shown(answer, same), answer.len()));
    format!(
        "the node answers {} in word {same} of {} bytes, where our evm answers {} of {}",
        theirs.0, theirs.1, ours.0, ours.1
    )
}

/// A word, as far as there is one.
fn shown(bytes: &Bytes, place: usize) -> String {
    let word = bytes.get(place * 32..).unwrap_or_default();
    if word.is_empty() { "nothing".to_owned() } else { hex::encode_prefixed(&word[..word.len().min(32)]) }
}

fn word(bytes: &Bytes, place: usize) -> Option<U256> {
    bytes.get(place * 32..place * 32 + 32).map(U256::from_be_slice)
}
