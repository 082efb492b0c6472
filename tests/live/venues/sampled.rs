//! A contract that no protocol here can use, by what it answers: OpenZeppelin's own example of a vault with fees, of DAI, named in the configuration with the
//! functions that say what it pays and those that swap. Its shares have a pair of Uniswap V2 with USDC: what people trade there moves their price
//! away from the vault's; and what they pay in and take out moves the vault.

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
/// What it asks of who goes in and out, in basis points.
const FEES: [u64; 2] = [5, 10];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_a_contract_that_is_known_by_a_row_alone_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(433).await;
    let mut deployer = Deployer::of(&rig).await;
    let [usdc, dai] = [USDC, DAI].map(|place| rig.net.tokens[place]);
    let [entry, exit] = FEES.map(U256::from);
    let vault =
        deployer.deploy(&rig, ".peregrine/FeeVault.json", &(dai.address, entry, exit).abi_encode_params()).await;
    deployer.approve(&rig, &[dai], &[vault]).await;
    let receiver = deployer.address();
    let pay_in = |dollars: u64| depositCall { assets: dai.worth(dollars), receiver };
    deployer.call(&rig, vault, &pay_in(PAID_IN)).await;
    deployer.call(&rig, dai.address, &transferCall { to: vault, amount: dai.worth(PAID_IN * EARNED / 100) }).await;
    deployer.mined(&rig).await;
    let micro_usd = dai.micro_usd * (100 + EARNED) / 100;
    let shares = Token { symbol: "FDAI", address: vault, decimals: dai.decimals, micro_usd };
    deployer.pair(&rig, [shares, usdc], DEPTH).await;
    let router = rig.net.contracts.v2_router;
    deployer.approve(&rig, &[shares, usdc], &[router]).await;
    deployer.mined(&rig).await;
    rig.pools.push(PoolRow {
        tokens: vec![dai.address, vault],
        quote: Some("previewDeposit(uint256 amount_in) returns (uint256)".to_owned()),
        swap: Some("deposit(uint256 amount_in, address recipient)".to_owned()),
        quote_back: Some("previewRedeem(uint256 amount_in)".to_owned()),
        swap_back: Some("redeem(uint256 amount_in, address recipient, address recipient)".to_owned()),
        ..PoolRow::of(vault)
    });
    let searcher = rig.search().await;
    let made = Made { key: vault.into(), protocol: "sampled" };
    lands(&rig, &searcher, &mut deployer, (made, HOPS), async |rig, deployer, swaps| {
        // Somebody else goes in, so that what it answered before is answered no more.
        deployer.call(rig, vault, &pay_in(SWAP)).await;
        let sides = turned([shares, usdc], swaps);
        let (to, path) = (deployer.address(), sides.map(|token| token.address).to_vec());
        let (amount, least, deadline) = (sides[0].worth(SWAP), U256::ZERO, U256::MAX);
        deployer.call(rig, router, &swapExactTokensForTokensCall { amountIn: amount, least, path, to, deadline }).await;
    })
    .await;
    ends(rig, searcher).await;
}
