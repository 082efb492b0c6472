//! Paths of which no pool lends what they begin with: they begin with what the executor holds itself, as far as it may be spent, or with
//! what somebody lends: Morpho, a vault of Balancer's that is not on the path, a token that mints itself.

use alloy::sol_types::SolValue;
use alloy_primitives::{Address, U256};
use peregrine::edge::ledger::row::Row;
use peregrine::hot::search::config::{Capital, Lender};
use peregrine::live::Searcher;
use peregrine_devnet::Token;

use crate::rig::Rig;
use crate::venues::balancer_v2::{Code, Vault};
use crate::venues::deployer::{Deployer, transferCall, view};
use crate::venues::{Made, SWAP, WETH, ends, factory, lands_such, turned};

alloy::sol! {
    function balanceOf(address holder) external view returns (uint256);
}

/// Two pools of one vault, of wrapped ether and a token that is in these alone.
struct Twins {
    vault: Vault,
    first: Made,
    sides: [Token; 2],
}

impl Twins {
    async fn deploy(rig: &mut Rig, deployer: &mut Deployer, own: Token) -> Self {
        let vault = Vault::deploy(rig, deployer).await;
        let weth = rig.net.tokens[WETH];
        let first = vault.pool(rig, deployer, Code::First, vec![(own, 80), (weth, 20)]).await;
        vault.pool(rig, deployer, Code::Third, vec![(own, 50), (weth, 50)]).await;
        rig.factories.push(factory("balancer_v2", vault.at));
        Self { vault, first, sides: [own, weth] }
    }

    /// A path through both lands, with what it was to be begun with, and nothing is refused for want of that.
    async fn land(&self, rig: &Rig, searcher: &Searcher, deployer: &mut Deployer) {
        let lends_nothing = |row: &Row| row.bundle.protocols.iter().all(|protocol| protocol == "balancer_v2");
        lands_such(rig, searcher, deployer, (self.first, &lends_nothing), async |rig, deployer, swaps| {
            self.vault.swap(rig, deployer, self.first, turned(self.sides, swaps)).await;
        })
        .await;
        assert_eq!(searcher.status().refused["no_capital"], 0);
    }
}

async fn holds(rig: &Rig, token: Token, holder: Address) -> U256 {
    view(rig, token.address, &balanceOfCall { holder }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_nothing_lends_for_begin_with_what_the_executor_holds_and_land() {
    let mut rig = Rig::start_calm(430).await;
    let mut deployer = Deployer::of(&rig).await;
    let own = deployer.token(&rig, "HELD", 18, 2_000_000).await;
    let twins = Twins::deploy(&mut rig, &mut deployer, own).await;
    let (weth, executor) = (rig.net.tokens[WETH], rig.net.executor);
    // A path is worth more the more it begins with: the best begins with all that may be spent.
    let most = weth.worth(SWAP / 10);
    deployer.call(&rig, weth.address, &transferCall { to: executor, amount: most }).await;
    deployer.mined(&rig).await;
    let held = holds(&rig, weth, executor).await;
    let mut config = rig.config();
    config.search.capital = vec![Capital { token: weth.address, most }];
    let searcher = rig.search_as(&config).await;
    twins.land(&rig, &searcher, &mut deployer).await;
    let holds = holds(&rig, weth, executor).await;
    assert!(holds > held && held >= most, "{held}, then {holds}");
    ends(rig, searcher).await;
}

/// Of what is lent the executor holds nothing.
async fn are_lent(rig: Rig, mut deployer: Deployer, twins: Twins, (lender, token): ((&str, Address), Token)) {
    let (protocol, address) = (lender.0.to_owned(), lender.1);
    let mut config = rig.config();
    if !config.search.base_tokens.contains(&token.address) {
        config.search.base_tokens.push(token.address);
    }
    config.search.lenders = vec![Lender { protocol, address, token: token.address, most: token.worth(SWAP) }];
    let searcher = rig.search_as(&config).await;
    twins.land(&rig, &searcher, &mut deployer).await;
    ends(rig, searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_nothing_lends_for_are_lent_by_morpho_and_land() {
    let mut rig = Rig::start_calm(433).await;
    let mut deployer = Deployer::of(&rig).await;
    let own = deployer.token(&rig, "LENT", 18, 2_000_000).await;
    let twins = Twins::deploy(&mut rig, &mut deployer, own).await;
    let weth = rig.net.tokens[WETH];
    let morpho = deployer.deploy(&rig, ".peregrine/Morpho.json", &deployer.address().abi_encode()).await;
    deployer.call(&rig, weth.address, &transferCall { to: morpho, amount: weth.worth(SWAP) }).await;
    deployer.mined(&rig).await;
    are_lent(rig, deployer, twins, (("morpho_blue", morpho), weth)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_nothing_lends_for_are_lent_by_a_vault_that_is_not_on_them_and_land() {
    let mut rig = Rig::start_calm(434).await;
    let mut deployer = Deployer::of(&rig).await;
    let own = deployer.token(&rig, "LENT", 18, 2_000_000).await;
    let twins = Twins::deploy(&mut rig, &mut deployer, own).await;
    let weth = rig.net.tokens[WETH];
    let other = Vault::deploy(&rig, &mut deployer).await.at;
    deployer.call(&rig, weth.address, &transferCall { to: other, amount: weth.worth(SWAP) }).await;
    deployer.mined(&rig).await;
    are_lent(rig, deployer, twins, (("balancer_v2", other), weth)).await;
}

/// The profit is in that token, which nothing else buys or sells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_nothing_lends_for_are_lent_by_a_token_that_mints_itself_and_land() {
    let mut rig = Rig::start_calm(435).await;
    let mut deployer = Deployer::of(&rig).await;
    let supply = (deployer.address(), U256::from(10).pow(U256::from(27))).abi_encode_params();
    let at = deployer.deploy(&rig, ".peregrine/MintedToken.json", &supply).await;
    deployer.mined(&rig).await;
    let minted = Token { symbol: "MINT", address: at, decimals: 18, micro_usd: 2_000_000 };
    let twins = Twins::deploy(&mut rig, &mut deployer, minted).await;
    are_lent(rig, deployer, twins, (("erc3156", at), minted)).await;
}
