//! The published contracts of Aave V2, deployed and configured as its own scripts do it.

use crate::aave_deploy::Deployer;
use crate::aave_drive::World;
use crate::market_evm::ADMIN;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::address;
use peregrine::protocols::aave_v2::LAYOUT;
use peregrine::protocols::lending::Refusal;

alloy::sol! {
    function setLendingPoolImpl(address pool) external;
    function setLendingPoolConfiguratorImpl(address configurator) external;
    function setLendingPoolCollateralManager(address manager) external;
    function setPoolAdmin(address admin) external;
    function setEmergencyAdmin(address admin) external;
    function setPriceOracle(address oracle) external;
    function setLendingRateOracle(address oracle) external;
    function setMarketBorrowRate(address asset, uint256 rate) external;
    function getLendingPool() external view returns (address);
    function getLendingPoolConfigurator() external view returns (address);
    function initReserve(address receipt, address stable, address variable, uint8 decimals, address strategy) external;
    function configureReserveAsCollateral(address asset, uint256 ltv, uint256 threshold, uint256 bonus) external;
    function enableBorrowingOnReserve(address asset, bool stable) external;
    function setReserveFactor(address asset, uint256 factor) external;
    function setPoolPause(bool value) external;
}

const TREASURY: Address = address!("0000000000000000000000000000000007ea5c77");
/// What the oracle takes for ether itself: no asset of the market, so that every price has a feed.
const ETHER: Address = address!("00000000000000000000000000000000000e77e2");

/// Decimals, price in wei, loan to value, threshold, bonus.
type Plan = (u8, u64, u64, u64, u64);
const PLANS: [Plan; 5] = [
    (18, 1_000_000_000_000_000_000, 8_000, 8_250, 10_500),
    (6, 500_000_000_000_000, 8_000, 8_500, 10_500),
    (8, 15_000_000_000_000_000_000, 7_000, 7_500, 11_000),
    (18, 499_900_000_000_000, 7_500, 8_000, 10_500),
    (18, 3_561_728_394_506_172, 5_000, 6_500, 11_500),
];

/// Steps of its own.
trait Steps {
    fn pool(&mut self) -> Address;
    fn oracles(&mut self, tokens: &[(Address, Address)], per_mille: impl Fn(u64) -> U256);
    fn list(&mut self, pool: Address, tokens: &[(Address, Address)], per_mille: impl Fn(u64) -> U256);
}

impl Steps for Deployer {
    /// The pool behind its proxy, with its libraries and its collateral manager.
    fn pool(&mut self) -> Address {
        let logic = |name: &str| format!("protocol/libraries/logic/{name}");
        let generic = self.create(&logic("GenericLogic"), &[], &[]);
        let validation = self.create(&logic("ValidationLogic"), &[], &[("GenericLogic", generic)]);
        let reserve = self.create(&logic("ReserveLogic"), &[], &[]);
        self.provide(&setPoolAdminCall { admin: ADMIN });
        self.provide(&setEmergencyAdminCall { admin: ADMIN });
        let links = [("ReserveLogic", reserve), ("ValidationLogic", validation)];
        let pool = self.create("protocol/lendingpool/LendingPool", &[], &links);
        self.provide(&setLendingPoolImplCall { pool });
        let configurator = self.create("protocol/lendingpool/LendingPoolConfigurator", &[], &[]);
        self.provide(&setLendingPoolConfiguratorImplCall { configurator });
        let manager = self.create("protocol/lendingpool/LendingPoolCollateralManager", &[], &[]);
        self.provide(&setLendingPoolCollateralManagerCall { manager });
        self.configurator = self.address(&getLendingPoolConfiguratorCall {});
        self.address(&getLendingPoolCall {})
    }

    fn oracles(&mut self, tokens: &[(Address, Address)], per_mille: impl Fn(u64) -> U256) {
        let (assets, sources): (Vec<_>, Vec<_>) = tokens.iter().copied().unzip();
        let args = (assets.clone(), sources, Address::ZERO, ETHER).abi_encode_params();
        let oracle = self.create("misc/AaveOracle", &args, &[]);
        self.provide(&setPriceOracleCall { oracle });
        let oracle = self.create("mocks/oracle/LendingRateOracle", &[], &[]);
        for asset in assets {
            self.chain.send(ADMIN, oracle, &setMarketBorrowRateCall { asset, rate: per_mille(40) }).expect("a rate");
        }
        self.provide(&setLendingRateOracleCall { oracle });
    }

    fn list(&mut self, pool: Address, tokens: &[(Address, Address)], per_mille: impl Fn(u64) -> U256) {
        let [optimal, base, one, two, stable_one, stable_two] = [800, 0, 40, 750, 20, 600].map(per_mille);
        let args = (self.provider, optimal, base, one, two, stable_one, stable_two).abi_encode_params();
        let strategy = self.create("protocol/lendingpool/DefaultReserveInterestRateStrategy", &args, &[]);
        let name = || "Name".to_owned();
        for ((asset, _), (decimals, _, ltv, threshold, bonus)) in tokens.iter().copied().zip(PLANS) {
            let args = (pool, asset, TREASURY, name(), name(), Address::ZERO).abi_encode_params();
            let receipt = self.create("protocol/tokenization/AToken", &args, &[]);
            let args = (pool, asset, name(), name(), Address::ZERO).abi_encode_params();
            let stable = self.create("protocol/tokenization/StableDebtToken", &args, &[]);
            let variable = self.create("protocol/tokenization/VariableDebtToken", &args, &[]);
            self.configure(&initReserveCall { receipt, stable, variable, decimals, strategy });
            let [ltv, threshold, bonus] = [ltv, threshold, bonus].map(U256::from);
            self.configure(&configureReserveAsCollateralCall { asset, ltv, threshold, bonus });
            self.configure(&enableBorrowingOnReserveCall { asset, stable: true });
            self.configure(&setReserveFactorCall { asset, factor: U256::from(1_000) });
        }
    }
}

/// Reasons are numbers: `Errors.sol`. What the collateral manager's tokens say is lost on the way (`LP_LIQUIDATION_CALL_FAILED`).
fn refusal(reason: &str) -> Option<Refusal> {
    Some(match reason {
        "2" => Refusal::Inactive,
        "42" => Refusal::Healthy,
        "43" => Refusal::NotCollateral,
        "44" => Refusal::NotBorrowed,
        "45" => Refusal::Illiquid,
        "64" => Refusal::Paused,
        _ => return None,
    })
}

/// A market of five assets, all of which can be borrowed at both rates.
pub fn deploy() -> World {
    let mut deployer = Deployer::new("@aave/protocol-v2");
    let args = ("Market".to_owned(),).abi_encode_params();
    deployer.provider = deployer.create("protocol/configuration/LendingPoolAddressesProvider", &args, &[]);
    let pool = deployer.pool();
    let tokens = deployer.tokens(PLANS.iter().map(|plan| (plan.0, plan.1)));
    let per_mille = |part: u64| U256::from(part) * U256::from(10).pow(U256::from(24));
    deployer.oracles(&tokens, per_mille);
    deployer.list(pool, &tokens, per_mille);
    deployer.configure(&setPoolPauseCall { value: false });
    let data = deployer.create("misc/AaveProtocolDataProvider", &deployer.provider.abi_encode(), &[]);
    let assets = deployer.assets(data, &tokens, PLANS.iter().map(|plan| plan.0));
    let mut world = World {
        chain: deployer.chain,
        pool,
        layout: LAYOUT,
        assets,
        sources: Vec::new(),
        treasury: TREASURY,
        dollar: U256::from(500_000_000_000_000_u64),
        refusal,
        silent: &[Refusal::Arithmetic, Refusal::Dust],
    };
    world.stock();
    world
}
