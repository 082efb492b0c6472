//! Aave V2 as its package publishes it, its provider at mainnet's address.
//!
//! # Limits
//! - Its oracle counts in dollars, of the same feeds as Aave V3's. Mainnet's counts in ether, of feeds of its own.
//! - Nobody borrows at stable rates: what their oracle says is nothing.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
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
use crate::seed::place::Placement;

const PROVIDER: Address = address!("0xB53C1a33016B2DC2fF3653530bfF1848a515c8c5");

/// The proxy that the provider makes first.
fn pool() -> Address {
    PROVIDER.create(1)
}

/// The proxy that it makes second.
fn configurator() -> Address {
    PROVIDER.create(2)
}

fn artifact(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("@aave/protocol-v2/artifacts/contracts/{path}.sol/{name}.json")
}

fn ours(name: &str) -> Address {
    made_up(&format!("aave_v2 {name}"))
}

fn library(name: &str) -> (String, Address) {
    (format!("contracts/protocol/libraries/logic/{name}.sol:{name}"), ours(name))
}

/// All of it: no constructor asks anybody.
pub(super) fn placements(tokens: &[Token], feeds: &[Feed]) -> Result<Vec<Placement>, DevnetError> {
    let logic = |name: &str| artifact(&format!("protocol/libraries/logic/{name}"));
    let [reserve, generic, validation] = ["ReserveLogic", "GenericLogic", "ValidationLogic"].map(library);
    let plain = |name: &str, path: &str, arguments: &[u8]| Placement::new(ours(name), &artifact(path), arguments);
    let assets: Vec<Address> = feeds.iter().map(|feed| feed.token).collect();
    let sources: Vec<Address> = feeds.iter().map(|feed| feed.proxy).collect();
    let oracle = (assets, sources, Address::ZERO, Address::ZERO).abi_encode_params();
    let provider = artifact("protocol/configuration/LendingPoolAddressesProvider");
    let mut placements = vec![
        Placement::new(reserve.1, &logic("ReserveLogic"), &[])?,
        Placement::new(generic.1, &logic("GenericLogic"), &[])?,
        Placement::linked(validation.1, &logic("ValidationLogic"), &[generic], &[])?,
        Placement::new(PROVIDER, &provider, &"Peregrine".abi_encode())?,
        Placement::linked(
            ours("LendingPool"),
            &artifact("protocol/lendingpool/LendingPool"),
            &[reserve, validation],
            &[],
        )?,
        plain("Configurator", "protocol/lendingpool/LendingPoolConfigurator", &[])?,
        plain("CollateralManager", "protocol/lendingpool/LendingPoolCollateralManager", &[])?,
        plain("Oracle", "misc/AaveOracle", &oracle)?,
        plain("RateOracle", "mocks/oracle/LendingRateOracle", &[])?,
        plain("Strategy", "protocol/lendingpool/DefaultReserveInterestRateStrategy", &rates())?,
    ];
    for token in tokens {
        placements.extend(receipts(token)?);
    }
    Ok(placements)
}

/// Optimal usage 80 %, from there on steep.
fn rates() -> Vec<u8> {
    let percent = |percent: u64| U256::from(percent) * U256::from(10).pow(U256::from(25));
    (PROVIDER, [80, 0, 4, 60, 5, 60].map(percent)).abi_encode()
}

/// What stands for a supply and for debts of a token.
fn receipts(token: &Token) -> Result<[Placement; 3], DevnetError> {
    let (asset, nobody, symbol) = (token.address, Address::ZERO, token.symbol);
    let supply = (pool(), asset, ours("treasury"), symbol, symbol, nobody).abi_encode_params();
    let debt = (pool(), asset, symbol, symbol, nobody).abi_encode_params();
    let place = |kind: &str, arguments: &[u8]| {
        let path = artifact(&format!("protocol/tokenization/{kind}"));
        Placement::new(ours(&format!("{kind} {symbol}")), &path, arguments)
    };
    Ok([place("AToken", &supply)?, place("StableDebtToken", &debt)?, place("VariableDebtToken", &debt)?])
}

/// Wires it up and lists the tokens.
pub(super) async fn open(chain: &mut Chain, tokens: &[Token]) -> Result<Market, DevnetError> {
    let me = chain.me();
    let calls = [
        abi::setPoolAdminCall { admin: me }.abi_encode(),
        abi::setLendingPoolImplCall { pool: ours("LendingPool") }.abi_encode(),
        abi::setLendingPoolConfiguratorImplCall { configurator: ours("Configurator") }.abi_encode(),
        abi::setLendingPoolCollateralManagerCall { manager: ours("CollateralManager") }.abi_encode(),
        abi::setPriceOracleCall { oracle: ours("Oracle") }.abi_encode(),
        abi::setLendingRateOracleCall { oracle: ours("RateOracle") }.abi_encode(),
    ];
    let wire = |data| Step::call("aave v2: its provider", PROVIDER, data);
    let mut steps: Vec<Step> = calls.map(wire).into();
    steps.extend(tokens.iter().flat_map(list));
    chain.run(steps).await?;
    Ok(Market { name: "aave_v2", pool: pool(), oracle: ours("Oracle"), pair: None })
}

fn list(token: &Token) -> [Step; 3] {
    let [ltv, threshold, bonus] = market::terms(token).map(U256::from);
    let (asset, symbol) = (token.address, token.symbol);
    let reserve = abi::initReserveCall {
        aToken: ours(&format!("AToken {symbol}")),
        stableDebt: ours(&format!("StableDebtToken {symbol}")),
        variableDebt: ours(&format!("VariableDebtToken {symbol}")),
        decimals: token.decimals,
        strategy: ours("Strategy"),
    };
    let set = |data| Step::call(format!("aave v2: the reserve of {symbol}"), configurator(), data);
    [
        set(reserve.abi_encode()),
        set(abi::configureReserveAsCollateralCall { asset, ltv, threshold, bonus }.abi_encode()),
        set(abi::enableBorrowingOnReserveCall { asset, stable: false }.abi_encode()),
    ]
}
