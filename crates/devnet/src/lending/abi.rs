//! The parts of Aave's, Morpho's and Chainlink's interfaces that the markets are set up and used through.

alloy::sol! {
    function approve(address spender, uint256 amount) external;

    // Aave V3: the addresses provider and the ACL manager.
    function setPoolImpl(address pool) external;
    function getPool() external view returns (address);
    function setPoolConfiguratorImpl(address configurator) external;
    function getPoolConfigurator() external view returns (address);
    function setACLAdmin(address admin) external;
    function setACLManager(address manager) external;
    function setPriceOracle(address oracle) external;
    function addPoolAdmin(address admin) external;

    // Aave V3: the oracle, the configurator, the pool.
    function setAssetSources(address[] assets, address[] sources) external;
    struct Reserve {
        address aToken; address stableDebt; address variableDebt; uint8 decimals; address strategy; address underlying;
        address treasury; address incentives; string aTokenName; string aTokenSymbol; string variableName;
        string variableSymbol; string stableName; string stableSymbol; bytes params;
    }
    function initReserves(Reserve[] reserves) external;
    function configureReserveAsCollateral(address asset, uint256 ltv, uint256 threshold, uint256 bonus) external;
    function setReserveBorrowing(address asset, bool enabled) external;
    function setLiquidationProtocolFee(address asset, uint256 fee) external;
    function deposit(address asset, uint256 amount, address owner, uint16 referral) external;
    function borrow(address asset, uint256 amount, uint256 mode, uint16 referral, address owner) external;

    // Aave V2: the addresses provider and the configurator.
    function setPoolAdmin(address admin) external;
    function setLendingPoolImpl(address pool) external;
    function setLendingPoolConfiguratorImpl(address configurator) external;
    function setLendingPoolCollateralManager(address manager) external;
    function setLendingRateOracle(address oracle) external;
    function initReserve(address aToken, address stableDebt, address variableDebt, uint8 decimals, address strategy) external;
    function enableBorrowingOnReserve(address asset, bool stable) external;

    // Morpho Blue.
    struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
    function enableIrm(address irm) external;
    function enableLltv(uint256 lltv) external;
    function createMarket(MarketParams params) external;
    function supply(MarketParams params, uint256 assets, uint256 shares, address owner, bytes data) external;
    function supplyCollateral(MarketParams params, uint256 assets, address owner, bytes data) external;

    // Chainlink: an aggregator.
    function changeOracles(address[] removed, address[] added, address[] admins, uint32 least, uint32 most, uint32 delay)
        external;
    function submit(uint256 round, int256 answer) external;
    function latestRound() external view returns (uint256);
    function latestAnswer() external view returns (int256);
}

/// Morpho's `borrow`, which has Aave's name.
pub(super) mod morpho {
    alloy::sol! {
        struct MarketParams { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }
        function borrow(MarketParams params, uint256 assets, uint256 shares, address owner, address receiver) external;
    }
}
