//! A sample of the pools held against the node: its answers, our machine's, and the pools' own state must be one.

use alloy_primitives::{Address, Bytes, U256, hex};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::known::Known;
use crate::edge::bootstrap::site::Site;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::discover::View;

/// Holds `most` of the pools, spread evenly over their order, against the node.
pub(super) async fn verify(
    site: &Site,
    known: &mut Known,
    pools: &[AnyPool],
    most: usize,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let most = most.min(pools.len());
    hear(Progress::Verifying { pools: most });
    let sample = (0..most).filter_map(|place| pools.get(place * pools.len() / most));
    let questions: Vec<(Address, View)> =
        sample.flat_map(|pool| pool.views().into_iter().map(|view| (pool.address(), view))).collect();
    let calls: Vec<(Address, Bytes)> =
        questions.iter().map(|(pool, view)| (*pool, Bytes::from(view.data.clone()))).collect();
    let theirs = site.chain.views(site.head.hash, &calls).await?;
    let mut rounds = |round, open, missing| hear(Progress::Asking { round, open, missing });
    // A getter may read more than the pool's state does.
    let ours = site.answers(known, calls, &mut rounds).await?;
    for (((pool, view), theirs), ours) in questions.iter().zip(&theirs).zip(&ours) {
        let wrong = |what| BootstrapError::Wrong { pool: *pool, block: site.head.number, what };
        if ours.as_ref() != Some(theirs) {
            let ours = ours.as_ref().map_or_else(|| "nothing".to_owned(), hex::encode_prefixed);
            return Err(wrong(format!("the node answers {theirs} where our evm answers {ours}")));
        }
        if let Some((place, due)) = view.due.iter().find(|(place, due)| word(theirs, *place) != Some(*due)) {
            return Err(wrong(format!("the node answers {theirs}, whose word {place} should be {due:#x}")));
        }
    }
    Ok(())
}

fn word(bytes: &Bytes, place: usize) -> Option<U256> {
    bytes.get(place * 32..place * 32 + 32).map(U256::from_be_slice)
}
