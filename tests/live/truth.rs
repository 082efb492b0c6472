//! What the searcher holds for the chain's state against the chain's, to the wei.

use alloy_primitives::{Address, Bytes, U64, U256};
use peregrine::edge::bootstrap::{self, Rules, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::hot::worker::message::Seen;
use peregrine::live::Searcher;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use serde_json::json;

use crate::rig::Rig;

/// Every pool's own getters, asked of the node behind the block, against what each thread holds. How many numbers were
/// compared.
pub async fn views(chain: &Chain, seen: &[Seen]) -> usize {
    let mut compared = 0;
    for seen in seen {
        let views = |(pool, _): &(AnyPool, bool)| pool.views().into_iter().map(|view| (pool.address(), view)).collect();
        let views: Vec<(Address, _)> = seen.pools.iter().flat_map(|pool| -> Vec<_> { views(pool) }).collect();
        let calls: Vec<(Address, Bytes)> =
            views.iter().map(|(pool, view)| (*pool, Bytes::from(view.data.clone()))).collect();
        let answers = chain.views(seen.head.hash, &calls).await.unwrap();
        for ((pool, view), answer) in views.iter().zip(&answers) {
            for (place, due) in &view.due {
                let word = answer.get(place * 32..place * 32 + 32).map(U256::from_be_slice);
                assert_eq!(word, Some(*due), "pool {pool} behind block {}", seen.head.number);
                compared += 1;
            }
        }
    }
    compared
}

/// Everything loaded anew behind the chain's last block, against what each thread holds behind it: each pool whole, ticks
/// and all, and the owner's nonce.
pub async fn whole(rig: &Rig, searcher: &Searcher) -> Vec<Seen> {
    let (seen, config) = (rig.followed(searcher).await, rig.config());
    let rules = Rules::of(&config.chain);
    let accounts = vec![rig.net.owner.address()];
    let wanted = Wanted { factories: config.factory, pools: config.pool, accounts, ..Wanted::default() };
    let due = bootstrap::load(&rig.chain, &config.bootstrap, rules, &wanted, &mut |_| ()).await.unwrap();
    let owner = rig.net.owner.address();
    let nonce: U64 = rig.net.rpc.call("eth_getTransactionCount", json!([owner, "latest"])).await.unwrap();
    for seen in &seen {
        assert_eq!((seen.head, seen.nonce), (due.head, nonce.to()));
        assert_eq!(seen.pools.len(), due.pools.len());
        for (pool, out) in &seen.pools {
            let due = due.pools.iter().find(|due| due.key() == pool.key()).unwrap();
            assert!(!out && due.agrees(pool) && pool.agrees(due), "{due:?} due, {pool:?} held");
        }
    }
    views(&rig.chain, &seen).await;
    seen
}
