//! Balancer V2: the published vault, a weighted pool of three tokens that is there at the start, and one of two, of the newest code,
//! that is made while the searcher runs. Then one of Balancer V1.

use alloy::sol_types::SolValue;
use alloy_primitives::{Address, B256, Bytes, U256};
use peregrine::types::pool_key::PoolKey;
use peregrine_devnet::Token;

use crate::rig::Rig;
use crate::venues::balancer_v1;
use crate::venues::deployer::{Deployer, view};
use crate::venues::{AAVE, DAI, DEPTH, HOPS, Made, SWAP, WETH, ends, factory, lands, listed, turned};

alloy::sol! {
    struct SingleSwap { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
    struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }
    struct JoinPoolRequest { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
    struct NewPool {
        string name; string symbol; address[] tokens; uint256[] weights; address[] rateProviders; address[] assetManagers; uint256 fee;
    }

    function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) external payable returns (uint256);
    function joinPool(bytes32 poolId, address sender, address recipient, JoinPoolRequest request) external payable;
    function getPoolId() external view returns (bytes32);
}

const TASKS: &str = "@balancer-labs/v2-deployments/dist/tasks";
/// While these last, in seconds, a vault or a pool can be paused.
const PAUSE: u64 = 7_776_000;
const BUFFER: u64 = 2_592_000;
/// One per cent in eighteen decimals.
const PER_CENT: u64 = 10_000_000_000_000_000;
/// What a pool charges: 0.3 %.
const FEE: u64 = 3 * PER_CENT / 10;

/// The codes of weighted pools that are published for use on their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Of 2021.
    First,
    /// Of 2023.
    Third,
}

pub struct Vault {
    pub at: Address,
    /// Says what share of its fees the protocol takes.
    fees: Address,
}

impl Vault {
    pub async fn deploy(rig: &Rig, deployer: &mut Deployer) -> Self {
        let task = |path: &str| format!("{TASKS}/{path}");
        let owner = deployer.address().abi_encode();
        let authorizer = deployer.deploy(rig, &task("20210418-authorizer/artifact/Authorizer.json"), &owner).await;
        let (pause, buffer) = (U256::from(PAUSE), U256::from(BUFFER));
        let arguments = (authorizer, rig.net.contracts.weth, pause, buffer).abi_encode_params();
        let at = deployer.deploy(rig, &task("20210418-vault/artifact/Vault.json"), &arguments).await;
        let fees = task("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider.json");
        let whole = U256::from(100 * PER_CENT);
        let fees = deployer.deploy(rig, &fees, &(at, whole, whole).abi_encode_params()).await;
        deployer.mined(rig).await;
        Self { at, fees }
    }

    /// A pool of these tokens and weights in per cent, which holds as many dollars of each as its weight is of a hundred, twice over
    /// the usual depth.
    pub async fn pool(&self, rig: &Rig, deployer: &mut Deployer, code: Code, mut sides: Vec<(Token, u64)>) -> Made {
        sides.sort_unstable_by_key(|(token, _)| token.address);
        let tokens: Vec<Address> = sides.iter().map(|(token, _)| token.address).collect();
        let weights: Vec<U256> = sides.iter().map(|(_, weight)| U256::from(weight * PER_CENT)).collect();
        let ([pause, buffer, fee], owner) = ([PAUSE, BUFFER, FEE].map(U256::from), deployer.address());
        let [name, symbol] = ["a pool", "P"].map(str::to_owned);
        let (path, arguments) = match code {
            Code::First => (
                "20210418-weighted-pool/bytecode/WeightedPool.json",
                (self.at, name, symbol, tokens.clone(), weights, fee, pause, buffer, owner).abi_encode_params(),
            ),
            Code::Third => {
                let none = vec![Address::ZERO; tokens.len()];
                let (rates, managers, tokens) = (none.clone(), none, tokens.clone());
                let params =
                    NewPool { name, symbol, tokens, weights, rateProviders: rates, assetManagers: managers, fee };
                let rest = (params, self.at, self.fees, pause, buffer, owner, "3".to_owned());
                ("20230206-weighted-pool-v3/artifact/WeightedPool.json", rest.abi_encode_params())
            }
        };
        let pool = deployer.deploy(rig, &format!("{TASKS}/{path}"), &arguments).await;
        deployer.mined(rig).await;
        let id = view(rig, pool, &getPoolIdCall {}).await;
        let amounts: Vec<U256> = sides.iter().map(|(token, weight)| token.worth(2 * DEPTH * weight / 100)).collect();
        let sides: Vec<Token> = sides.into_iter().map(|(token, _)| token).collect();
        deployer.approve(rig, &sides, &[self.at]).await;
        let request = JoinPoolRequest {
            assets: tokens,
            maxAmountsIn: amounts.clone(),
            userData: (U256::ZERO, amounts).abi_encode_params().into(),
            fromInternalBalance: false,
        };
        deployer.call(rig, self.at, &joinPoolCall { poolId: id, sender: owner, recipient: owner, request }).await;
        deployer.mined(rig).await;
        let key = PoolKey { contract: self.at, id: Some(id) };
        Made { key, protocol: "balancer_v2" }
    }

    /// Swaps so many dollars of one token into another.
    pub async fn swap(&self, rig: &Rig, deployer: &mut Deployer, pool: Made, [from, to]: [Token; 2]) {
        let single = SingleSwap {
            poolId: pool.key.id.unwrap_or(B256::ZERO),
            kind: 0,
            assetIn: from.address,
            assetOut: to.address,
            amount: from.worth(SWAP),
            userData: Bytes::new(),
        };
        let (sender, recipient) = (deployer.address(), deployer.address());
        let funds = FundManagement { sender, fromInternalBalance: false, recipient, toInternalBalance: false };
        let call = swapCall { singleSwap: single, funds, limit: U256::ZERO, deadline: U256::MAX };
        deployer.call(rig, self.at, &call).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_through_weighted_pools_of_a_vault_and_of_balancer_v1_land_and_earn_what_was_predicted() {
    let mut rig = Rig::start_calm(423).await;
    let mut deployer = Deployer::of(&rig).await;
    let vault = Vault::deploy(&rig, &mut deployer).await;
    let one = listed(&rig, &mut deployer, ("BONE", 8, 20_000_000)).await;
    let two = listed(&rig, &mut deployer, ("BTWO", 18, 3_000_000)).await;
    let [weth, dai, aave] = [WETH, DAI, AAVE].map(|place| rig.net.tokens[place]);
    let three = vec![(one, 50), (aave, 25), (dai, 25)];
    let first = vault.pool(&rig, &mut deployer, Code::First, three).await;
    rig.factories.push(factory("balancer_v2", vault.at));
    rig.factories.push(factory("balancer_v1", balancer_v1::ANNOUNCER));
    let searcher = rig.search().await;
    lands(&rig, &searcher, &mut deployer, (first, HOPS), async |rig, deployer, swaps| {
        vault.swap(rig, deployer, first, turned([one, dai], swaps)).await;
    })
    .await;
    let second = vault.pool(&rig, &mut deployer, Code::Third, vec![(two, 80), (weth, 20)]).await;
    lands(&rig, &searcher, &mut deployer, (second, HOPS), async |rig, deployer, swaps| {
        vault.swap(rig, deployer, second, turned([two, weth], swaps)).await;
    })
    .await;
    if let Some(code) = balancer_v1::code() {
        let three = listed(&rig, &mut deployer, ("BTRE", 6, 1_000_000)).await;
        let third = balancer_v1::pool(&rig, &mut deployer, code, &[(three, 50), (aave, 25), (dai, 25)]).await;
        lands(&rig, &searcher, &mut deployer, (third, HOPS), async |rig, deployer, swaps| {
            balancer_v1::swap(rig, deployer, turned([three, aave], swaps)).await;
        })
        .await;
    }
    ends(rig, searcher).await;
}
