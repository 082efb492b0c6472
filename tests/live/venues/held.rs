//! Paths of which no pool lends what they begin with: they begin with what the executor holds itself, as far as it may be spent.

use alloy_primitives::U256;
use peregrine::edge::ledger::row::Row;
use peregrine::hot::search::config::Capital;

use crate::rig::Rig;
use crate::venues::balancer_v2::{Code, Vault};
use crate::venues::deployer::{Deployer, transferCall, view};
use crate::venues::{SWAP, WETH, ends, factory, lands_such, turned};

alloy::sol! {
    function balanceOf(address holder) external view returns (uint256);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_nothing_lends_for_begin_with_what_the_executor_holds_and_land() {
    let mut rig = Rig::start_calm(430).await;
    let mut deployer = Deployer::of(&rig).await;
    let vault = Vault::deploy(&rig, &mut deployer).await;
    let own = deployer.token(&rig, "HELD", 18, 2_000_000).await;
    let weth = rig.net.tokens[WETH];
    // The token is in these two pools alone.
    let first = vault.pool(&rig, &mut deployer, Code::First, vec![(own, 80), (weth, 20)]).await;
    vault.pool(&rig, &mut deployer, Code::Third, vec![(own, 50), (weth, 50)]).await;
    rig.factories.push(factory("balancer_v2", vault.at));
    // A path is worth more the more it begins with: the best begins with all that may be spent.
    let most = weth.worth(SWAP / 10);
    deployer.call(&rig, weth.address, &transferCall { to: rig.net.executor, amount: most }).await;
    deployer.mined(&rig).await;
    let held = view(&rig, weth.address, &balanceOfCall { holder: rig.net.executor }).await;
    let mut config = rig.config();
    config.search.capital = vec![Capital { token: weth.address, most }];
    let searcher = rig.search_as(&config).await;
    let lends_nothing = |row: &Row| row.bundle.protocols.iter().all(|protocol| protocol == "balancer_v2");
    lands_such(&rig, &searcher, &mut deployer, (first, &lends_nothing), async |rig, deployer, swaps| {
        vault.swap(rig, deployer, first, turned([own, weth], swaps)).await;
    })
    .await;
    assert_eq!(searcher.status().refused["no_capital"], 0);
    let holds: U256 = view(&rig, weth.address, &balanceOfCall { holder: rig.net.executor }).await;
    assert!(holds > held && held >= most, "{held}, then {holds}");
    ends(rig, searcher).await;
}
