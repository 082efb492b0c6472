//! A path of five hops through five venues: ether to USDC by Uniswap V3, to a token by V2, to another by Balancer, to a third by
//! Solidly, and back to ether by Uniswap V4. And beside each of the last three a pool of another venue, so that paths choose.

use crate::rig::Rig;
use crate::venues::balancer_v2::{Code, Vault};
use crate::venues::deployer::Deployer;
use crate::venues::uniswap_v4::Manager;
use crate::venues::{WETH, ends, factory, lands, listed, solidly, turned, v3_forks};

/// Hops of every path through these pools.
const HOPS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_of_five_hops_through_five_venues_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(426).await;
    let (mut deployer, weth) = (Deployer::of(&rig).await, rig.net.tokens[WETH]);
    let hand = &mut deployer;
    let (vault, manager) = (Vault::deploy(&rig, hand).await, Manager::deploy(&rig, hand).await);
    let (solid, cakes) = (solidly::deploy(&rig, hand).await, v3_forks::pancake(&rig, hand).await);
    // Of the three tokens USDC has a pair with the first, and ether pools with the last.
    let first = listed(&rig, hand, ("ANKA", 18, 5_000_000)).await;
    let second = hand.token(&rig, "BERT", 6, 2_000_000).await;
    let third = hand.token(&rig, "CARL", 8, 700_000_000).await;
    let weighted = vault.pool(&rig, hand, Code::First, vec![(first, 50), (second, 50)]).await;
    let volatile = solidly::pool(&rig, hand, solid, ([second, third], false)).await;
    let ether = manager.pool(&rig, hand, ([weth, third], true)).await;
    let cake = v3_forks::pancake_pool(&rig, hand, cakes, [first, second]).await;
    let slips = v3_forks::slipstream(&rig, hand).await;
    let slip = v3_forks::slipstream_pool(&rig, hand, slips, [second, third]).await;
    let rows = [("balancer_v2", vault.at), ("uniswap_v4", manager.at), ("solidly", solid)];
    rig.factories.extend(rows.map(|(protocol, at)| factory(protocol, at)));
    rig.factories.extend([cakes, slips].map(|at| factory("uniswap_v3", at)));
    let mut config = rig.config();
    config.search.max_hops = HOPS;
    let searcher = rig.search_as(&config).await;
    let hops = HOPS..=HOPS;
    lands(&rig, &searcher, hand, (weighted, hops.clone()), async |rig, hand, swaps| {
        vault.swap(rig, hand, weighted, turned([first, second], swaps)).await;
    })
    .await;
    lands(&rig, &searcher, hand, (volatile.made, hops.clone()), async |rig, hand, swaps| {
        solidly::swap(rig, hand, &volatile, swaps % 2).await;
    })
    .await;
    lands(&rig, &searcher, hand, (ether.made, hops.clone()), async |rig, hand, swaps| {
        manager.swap(rig, hand, &ether, swaps % 2).await;
    })
    .await;
    for pool in [cake, slip] {
        lands(&rig, &searcher, hand, (pool.made, hops.clone()), async |rig, hand, swaps| {
            v3_forks::swap(rig, hand, &pool, swaps % 2).await;
        })
        .await;
    }
    ends(rig, searcher).await;
}
