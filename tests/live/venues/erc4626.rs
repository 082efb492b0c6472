//! ERC-4626: solmate's vault of DAI, whose shares are worth more than what was paid in, named in the configuration. Its shares have a
//! pair of Uniswap V2 with USDC: what people trade there moves their price away from the vault's.

use alloy::sol_types::SolValue;
use alloy_primitives::U256;
use peregrine::edge::bootstrap::PoolRow;
use peregrine_devnet::Token;

use crate::rig::Rig;
use crate::venues::deployer::{Deployer, transferCall};
use crate::venues::{DAI, DEPTH, HOPS, Made, SWAP, USDC, ends, lands, turned};

alloy::sol! {
    function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    function swapExactTokensForTokens(uint256 amountIn, uint256 least, address[] path, address to, uint256 deadline)
        external returns (uint256[] amounts);
}

/// What is paid in, in dollars, and what comes on top of it, of a hundred.
const PAID_IN: u64 = 4 * DEPTH;
const EARNED: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_a_vault_s_shares_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(431).await;
    let mut deployer = Deployer::of(&rig).await;
    let [usdc, dai] = [USDC, DAI].map(|place| rig.net.tokens[place]);
    let arguments = (dai.address, "a vault".to_owned(), "V".to_owned()).abi_encode_params();
    let vault = deployer.deploy(&rig, ".peregrine/SolmateVault.json", &arguments).await;
    deployer.approve(&rig, &[dai], &[vault]).await;
    let receiver = deployer.address();
    deployer.call(&rig, vault, &depositCall { assets: dai.worth(PAID_IN), receiver }).await;
    let earned = dai.worth(PAID_IN * EARNED / 100);
    deployer.call(&rig, dai.address, &transferCall { to: vault, amount: earned }).await;
    deployer.mined(&rig).await;
    let micro_usd = dai.micro_usd * (100 + EARNED) / 100;
    let shares = Token { symbol: "VDAI", address: vault, decimals: dai.decimals, micro_usd };
    deployer.pair(&rig, [shares, usdc], DEPTH).await;
    let router = rig.net.contracts.v2_router;
    deployer.approve(&rig, &[shares, usdc], &[router]).await;
    deployer.mined(&rig).await;
    rig.pools.push(PoolRow::of(vault));
    let searcher = rig.search().await;
    let made = Made { key: vault.into(), protocol: "erc4626" };
    lands(&rig, &searcher, &mut deployer, (made, HOPS), async |rig, deployer, swaps| {
        let sides = turned([shares, usdc], swaps);
        let (to, path) = (deployer.address(), sides.map(|token| token.address).to_vec());
        let (amount, least, deadline) = (sides[0].worth(SWAP), U256::ZERO, U256::MAX);
        deployer.call(rig, router, &swapExactTokensForTokensCall { amountIn: amount, least, path, to, deadline }).await;
    })
    .await;
    ends(rig, searcher).await;
}
