//! The published contracts of Aave V3, deployed and configured as its own scripts do it.

use crate::aave_deploy::Deployer;
use crate::aave_drive::World;
use crate::market_evm::ADMIN;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::address;
use peregrine::protocols::aave_v3::LAYOUT;
use peregrine::protocols::lending::Refusal;

alloy::sol! {
    struct InitReserveInput {
        address aTokenImpl;
        address stableDebtTokenImpl;
        address variableDebtTokenImpl;
        uint8 underlyingAssetDecimals;
        address interestRateStrategyAddress;
        address underlyingAsset;
        address treasury;
        address incentivesController;
        string aTokenName;
        string aTokenSymbol;
        string variableDebtTokenName;
        string variableDebtTokenSymbol;
        string stableDebtTokenName;
        string stableDebtTokenSymbol;
        bytes params;
    }

    function setPoolImpl(address impl) external;
    function setPoolConfiguratorImpl(address impl) external;
    function setPriceOracle(address oracle) external;
    function setACLAdmin(address admin) external;
    function setACLManager(address manager) external;
    function setPoolDataProvider(address provider) external;
    function getPool() external view returns (address);
    function getPoolConfigurator() external view returns (address);
    function addPoolAdmin(address admin) external;
    function addAssetListingAdmin(address admin) external;
    function initReserves(InitReserveInput[] input) external;
    function configureReserveAsCollateral(address asset, uint256 ltv, uint256 threshold, uint256 bonus) external;
    function setReserveBorrowing(address asset, bool enabled) external;
    function setReserveStableRateBorrowing(address asset, bool enabled) external;
    function setReserveFactor(address asset, uint256 factor) external;
    function setLiquidationProtocolFee(address asset, uint256 fee) external;
    function setEModeCategory(uint8 id, uint16 ltv, uint16 threshold, uint16 bonus, address oracle, string label) external;
    function setAssetEModeCategory(address asset, uint8 id) external;
    function setDebtCeiling(address asset, uint256 ceiling) external;
    function setBorrowableInIsolation(address asset, bool borrowable) external;
}

const TREASURY: Address = address!("0000000000000000000000000000000007ea5c77");
/// Key of the first category's own price at the oracle.
const COMMON: Address = address!("00000000000000000000000000000000c0330a00");

/// Decimals, price (8 decimals), loan to value, threshold, bonus, fee, category, debt ceiling (2 decimals).
type Plan = (u8, u64, u64, u64, u64, u64, u8, u64);
const PLANS: [Plan; 5] = [
    (18, 200_000_000_000, 8_000, 8_250, 10_500, 1_000, 2, 0),
    (6, 100_000_000, 7_400, 7_600, 10_450, 1_000, 1, 0),
    (8, 3_000_000_000_000, 7_000, 7_500, 10_625, 1_500, 0, 0),
    (18, 99_980_000, 6_700, 7_700, 10_400, 0, 1, 0),
    (18, 712_345_678, 5_000, 6_500, 11_000, 2_000, 2, 5_000_000_000),
];

/// Steps of its own.
trait Steps {
    fn pool(&mut self) -> Address;
    fn oracle(&mut self, keys: &[(Address, Address)]);
    fn list(&mut self, pool: Address, tokens: &[(Address, Address)]);
    fn terms(&mut self, tokens: &[(Address, Address)]);
}

impl Steps for Deployer {
    /// The pool behind its proxy, with its libraries.
    fn pool(&mut self) -> Address {
        let logic = |name: &str| format!("protocol/libraries/logic/{name}");
        let mut links = Vec::new();
        for name in ["SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "PoolLogic"] {
            links.push((name, self.create(&logic(name), &[], &[])));
        }
        links.push(("FlashLoanLogic", self.create(&logic("FlashLoanLogic"), &[], &links)));
        let args = self.provider.abi_encode();
        let implementation = self.create("protocol/pool/Pool", &args, &links);
        self.provide(&setPoolImplCall { r#impl: implementation });
        let configuration = self.create(&logic("ConfiguratorLogic"), &[], &[]);
        self.provide(&setACLAdminCall { admin: ADMIN });
        let manager = self.create("protocol/configuration/ACLManager", &args, &[]);
        self.provide(&setACLManagerCall { manager });
        self.chain.send(ADMIN, manager, &addPoolAdminCall { admin: ADMIN }).expect("an admin");
        self.chain.send(ADMIN, manager, &addAssetListingAdminCall { admin: ADMIN }).expect("an admin");
        let links = [("ConfiguratorLogic", configuration)];
        let implementation = self.create("protocol/pool/PoolConfigurator", &[], &links);
        self.provide(&setPoolConfiguratorImplCall { r#impl: implementation });
        self.configurator = self.address(&getPoolConfiguratorCall {});
        self.address(&getPoolCall {})
    }

    fn oracle(&mut self, keys: &[(Address, Address)]) {
        let (assets, sources): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
        let base = (Address::ZERO, Address::ZERO, U256::from(100_000_000));
        let args = (self.provider, assets, sources, base.0, base.1, base.2).abi_encode_params();
        let oracle = self.create("misc/AaveOracle", &args, &[]);
        self.provide(&setPriceOracleCall { oracle });
    }

    fn list(&mut self, pool: Address, tokens: &[(Address, Address)]) {
        let args = pool.abi_encode();
        let [receipt, stable, variable] = ["AToken", "StableDebtToken", "VariableDebtToken"]
            .map(|name| self.create(&format!("protocol/tokenization/{name}"), &args, &[]));
        let ray = |per_mille: u64| U256::from(per_mille) * U256::from(10).pow(U256::from(24));
        let curve = (ray(800), ray(0), ray(40), ray(750), ray(20), ray(600), ray(20), ray(50), ray(200));
        let (a, b, c, d, e, f, g, h, i) = curve;
        let args = (self.provider, a, b, c, d, e, f, g, h, i).abi_encode_params();
        let strategy = self.create("protocol/pool/DefaultReserveInterestRateStrategy", &args, &[]);
        let name = || "Name".to_owned();
        let input = tokens.iter().zip(PLANS).map(|((token, _), plan)| InitReserveInput {
            aTokenImpl: receipt,
            stableDebtTokenImpl: stable,
            variableDebtTokenImpl: variable,
            underlyingAssetDecimals: plan.0,
            interestRateStrategyAddress: strategy,
            underlyingAsset: *token,
            treasury: TREASURY,
            incentivesController: Address::ZERO,
            aTokenName: name(),
            aTokenSymbol: name(),
            variableDebtTokenName: name(),
            variableDebtTokenSymbol: name(),
            stableDebtTokenName: name(),
            stableDebtTokenSymbol: name(),
            params: Bytes::new(),
        });
        self.configure(&initReservesCall { input: input.collect() });
    }

    fn terms(&mut self, tokens: &[(Address, Address)]) {
        let category = |id, ltv, threshold, bonus, oracle| setEModeCategoryCall {
            id,
            ltv,
            threshold,
            bonus,
            oracle,
            label: "Category".to_owned(),
        };
        self.configure(&category(1, 9_300, 9_500, 10_100, COMMON));
        self.configure(&category(2, 9_000, 9_300, 10_200, Address::ZERO));
        for ((asset, _), (_, _, ltv, threshold, bonus, fee, category, ceiling)) in tokens.iter().copied().zip(PLANS) {
            let [ltv, threshold, bonus] = [ltv, threshold, bonus].map(U256::from);
            self.configure(&configureReserveAsCollateralCall { asset, ltv, threshold, bonus });
            self.configure(&setReserveBorrowingCall { asset, enabled: true });
            self.configure(&setReserveStableRateBorrowingCall { asset, enabled: true });
            self.configure(&setReserveFactorCall { asset, factor: U256::from(1_000) });
            self.configure(&setLiquidationProtocolFeeCall { asset, fee: U256::from(fee) });
            if category != 0 {
                self.configure(&setAssetEModeCategoryCall { asset, id: category });
            }
            self.configure(&setDebtCeilingCall { asset, ceiling: U256::from(ceiling) });
            self.configure(&setBorrowableInIsolationCall { asset, borrowable: true });
        }
    }
}

/// Reasons are numbers: `Errors.sol`.
fn refusal(reason: &str) -> Option<Refusal> {
    Some(match reason {
        "25" => Refusal::Dust,
        "27" => Refusal::Inactive,
        "29" => Refusal::Paused,
        "45" => Refusal::Healthy,
        "46" => Refusal::NotCollateral,
        "47" => Refusal::NotBorrowed,
        _ => return None,
    })
}

/// A market of five assets: two categories, one with a price of its own; one asset that is only lent against in isolation.
pub fn deploy() -> World {
    let mut deployer = Deployer::new("@aave/core-v3");
    let args = ("Market".to_owned(), ADMIN).abi_encode_params();
    deployer.provider = deployer.create("protocol/configuration/PoolAddressesProvider", &args, &[]);
    let pool = deployer.pool();
    let tokens = deployer.tokens(PLANS.iter().map(|plan| (plan.0, plan.1)));
    let common = deployer.chain.feed(address!("00000000000000000000000000000000c0330afe"), U256::from(99_900_000));
    let keys = [tokens.clone(), vec![(COMMON, common)]].concat();
    deployer.oracle(&keys);
    let args = deployer.provider.abi_encode();
    let data = deployer.create("misc/AaveProtocolDataProvider", &args, &[]);
    deployer.provide(&setPoolDataProviderCall { provider: data });
    deployer.list(pool, &tokens);
    deployer.terms(&tokens);
    let assets = deployer.assets(data, &tokens, PLANS.iter().map(|plan| plan.0));
    let (sources, dollar) = (vec![(COMMON, common)], U256::from(100_000_000));
    let mut world = World {
        chain: deployer.chain,
        pool,
        layout: LAYOUT,
        assets,
        sources,
        treasury: TREASURY,
        dollar,
        refusal,
        silent: &[Refusal::Arithmetic, Refusal::Illiquid],
    };
    world.stock();
    world
}
