//! Aave V3 as its package publishes it (3.0.2), the pool and its provider at mainnet's addresses.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::lending::abi;
use crate::lending::feeds::Feed;
use crate::lending::made_up;
use crate::lending::market;
use crate::lending::market::Market;
use crate::seed::Token;
use crate::seed::place;
use crate::seed::place::Placement;

const PROVIDER: Address = address!("0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e");
/// The proxy that the provider makes first.
const POOL: Address = address!("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2");
/// The proxy that it makes second.
const CONFIGURATOR: Address = address!("0x64b761D848206f447Fe2dd461b0c635Ec39EbB27");
const ORACLE: Address = address!("0x54586bE62E3c3580375aE3723C145253060Ca0C2");
const ACL: Address = address!("0xc2aaCf6553D20d1e9d78E365AAba8032af9c85b0");

/// Libraries without libraries of their own. `FlashLoanLogic` needs `BorrowLogic`.
const LIBRARIES: [&str; 7] =
    ["BorrowLogic", "BridgeLogic", "ConfiguratorLogic", "EModeLogic", "LiquidationLogic", "PoolLogic", "SupplyLogic"];
/// Of the bonus, in hundredths of a percent, that the treasury takes.
const FEE: u64 = 1_000;

fn artifact(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("@aave/core-v3/artifacts/contracts/{path}.sol/{name}.json")
}

fn library(name: &str) -> (String, Address) {
    (format!("contracts/protocol/libraries/logic/{name}.sol:{name}"), made_up(&format!("aave_v3 {name}")))
}

/// Everything whose constructor asks nobody.
pub(super) fn placements(admin: Address) -> Result<Vec<Placement>, DevnetError> {
    let mut libraries: Vec<_> = LIBRARIES.iter().map(|name| library(name)).collect();
    let mut placements = Vec::new();
    for name in LIBRARIES {
        let path = artifact(&format!("protocol/libraries/logic/{name}"));
        placements.push(Placement::new(library(name).1, &path, &[])?);
    }
    let flash = library("FlashLoanLogic");
    let path = artifact("protocol/libraries/logic/FlashLoanLogic");
    placements.push(Placement::linked(flash.1, &path, &libraries, &[])?);
    libraries.push(flash);

    let provider = ("Peregrine", admin).abi_encode_params();
    let none = Vec::<Address>::new();
    let usd = U256::from(100_000_000u64);
    let oracle = (PROVIDER, none.clone(), none, Address::ZERO, Address::ZERO, usd).abi_encode_params();
    placements.push(Placement::new(PROVIDER, &artifact("protocol/configuration/PoolAddressesProvider"), &provider)?);
    placements.push(Placement::new(ORACLE, &artifact("misc/AaveOracle"), &oracle)?);
    let pool = artifact("protocol/pool/Pool");
    placements.push(Placement::linked(made_up("aave_v3 Pool"), &pool, &libraries, &PROVIDER.abi_encode())?);
    let configurator = artifact("protocol/pool/PoolConfigurator");
    placements.push(Placement::linked(made_up("aave_v3 Configurator"), &configurator, &libraries, &[])?);
    let strategy = artifact("protocol/pool/DefaultReserveInterestRateStrategy");
    placements.push(Placement::new(made_up("aave_v3 Strategy"), &strategy, &rates())?);
    Ok(placements)
}

/// Optimal usage 80 %, from there on steep; the rest is for stable rates, which nobody takes.
fn rates() -> Vec<u8> {
    let percent = |percent: u64| U256::from(percent) * U256::from(10).pow(U256::from(25));
    let rates = [80, 0, 4, 60, 5, 60, 1, 8, 20].map(percent);
    (PROVIDER, rates).abi_encode()
}

/// Wires it up and lists the tokens.
pub(super) async fn open(chain: &mut Chain, tokens: &[Token], feeds: &[Feed]) -> Result<Market, DevnetError> {
    let me = chain.me();
    let provider = |what: &str, data| Step::call(format!("aave v3: {what}"), PROVIDER, data);
    chain
        .run(vec![
            provider("the pool", abi::setPoolImplCall { pool: made_up("aave_v3 Pool") }.abi_encode()),
            provider("its admin", abi::setACLAdminCall { admin: me }.abi_encode()),
            provider("its oracle", abi::setPriceOracleCall { oracle: ORACLE }.abi_encode()),
            provider(
                "its configurator",
                abi::setPoolConfiguratorImplCall { configurator: made_up("aave_v3 Configurator") }.abi_encode(),
            ),
        ])
        .await?;
    place::place(chain, &second()?).await?;
    let sources = abi::setAssetSourcesCall {
        assets: feeds.iter().map(|feed| feed.token).collect(),
        sources: feeds.iter().map(|feed| feed.proxy).collect(),
    };
    let mut steps = vec![
        provider("who may do what", abi::setACLManagerCall { manager: ACL }.abi_encode()),
        Step::call("aave v3: an admin", ACL, abi::addPoolAdminCall { admin: me }.abi_encode()),
        Step::call("aave v3: its prices", ORACLE, sources.abi_encode()),
    ];
    for token in tokens {
        steps.extend(list(token));
    }
    chain.run(steps).await?;
    Ok(Market { name: "aave_v3", pool: POOL, oracle: ORACLE, pair: None })
}

/// What asks the provider, or the pool, when it is made.
fn second() -> Result<Vec<Placement>, DevnetError> {
    let token = |name: &str| {
        let path = artifact(&format!("protocol/tokenization/{name}"));
        Placement::new(made_up(&format!("aave_v3 {name}")), &path, &POOL.abi_encode())
    };
    let acl = Placement::new(ACL, &artifact("protocol/configuration/ACLManager"), &PROVIDER.abi_encode())?;
    Ok(vec![acl, token("AToken")?, token("StableDebtToken")?, token("VariableDebtToken")?])
}

fn list(token: &Token) -> Vec<Step> {
    let name = |kind: &str| format!("{kind}{}", token.symbol);
    let reserve = abi::Reserve {
        aToken: made_up("aave_v3 AToken"),
        stableDebt: made_up("aave_v3 StableDebtToken"),
        variableDebt: made_up("aave_v3 VariableDebtToken"),
        decimals: token.decimals,
        strategy: made_up("aave_v3 Strategy"),
        underlying: token.address,
        treasury: made_up("aave_v3 treasury"),
        incentives: Address::ZERO,
        aTokenName: name("Aave "),
        aTokenSymbol: name("a"),
        variableName: name("Aave Variable Debt "),
        variableSymbol: name("variableDebt"),
        stableName: name("Aave Stable Debt "),
        stableSymbol: name("stableDebt"),
        params: Bytes::new(),
    };
    let [ltv, threshold, bonus] = market::terms(token).map(U256::from);
    let asset = token.address;
    let set = |data| Step::call(format!("aave v3: the reserve of {}", token.symbol), CONFIGURATOR, data);
    vec![
        set(abi::initReservesCall { reserves: vec![reserve] }.abi_encode()),
        set(abi::configureReserveAsCollateralCall { asset, ltv, threshold, bonus }.abi_encode()),
        set(abi::setReserveBorrowingCall { asset, enabled: true }.abi_encode()),
        set(abi::setLiquidationProtocolFeeCall { asset, fee: U256::from(FEE) }.abi_encode()),
    ]
}
