// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

interface IAave {
    // Of the addresses provider.
    function setPoolImpl(address) external;
    function getPool() external view returns (address);
    function setACLAdmin(address) external;
    function setACLManager(address) external;
    function setPoolConfiguratorImpl(address) external;
    function getPoolConfigurator() external view returns (address);
    function setPriceOracle(address) external;
    function setPoolAdmin(address) external;
    function setLendingPoolImpl(address) external;
    function getLendingPool() external view returns (address);
    function setLendingPoolConfiguratorImpl(address) external;
    function getLendingPoolConfigurator() external view returns (address);
    function setLendingPoolCollateralManager(address) external;
    function setLendingRateOracle(address) external;
    // Of the ACL manager.
    function addPoolAdmin(address) external;
    // Of the configurators.
    function initReserve(address, address, address, uint8, address) external;
    function configureReserveAsCollateral(address, uint256, uint256, uint256) external;
    function setReserveBorrowing(address, bool) external;
    function enableBorrowingOnReserve(address, bool) external;
    function setLiquidationProtocolFee(address, uint256) external;
    function setReserveFlashLoaning(address, bool) external;
    function updateFlashloanPremiumTotal(uint128) external;
    function ADDRESSES_PROVIDER() external view returns (address);
    // Of the pools.
    function supply(address, uint256, address, uint16) external;
    function deposit(address, uint256, address, uint16) external;
    function borrow(address, uint256, uint256, uint16, address) external;
    function getUserAccountData(address) external view returns (uint256, uint256, uint256, uint256, uint256, uint256);
    function liquidationCall(address, address, address, uint256, bool) external;
}

interface IMorpho {
    struct Market {
        address loan;
        address collateral;
        address oracle;
        address irm;
        uint256 lltv;
    }

    function enableIrm(address) external;
    function enableLltv(uint256) external;
    function createMarket(Market memory) external;
    function supply(Market memory, uint256, uint256, address, bytes calldata) external;
    function supplyCollateral(Market memory, uint256, address, bytes calldata) external;
    function borrow(Market memory, uint256, uint256, address, address) external;
    function liquidate(Market memory, address, uint256, uint256, bytes calldata) external returns (uint256, uint256);
    function position(bytes32, address) external view returns (uint256, uint128, uint128);
}

interface IPriced {
    function setPrice(uint256) external;
}

interface IApprove {
    function approve(address, uint256) external returns (bool);
    function allowance(address, address) external view returns (uint256);
}

interface IAaveOracle {
    function setAssetSources(address[] calldata, address[] calldata) external;
}

interface IAaveConfigurator {
    struct Reserve {
        address aToken;
        address stableDebt;
        address variableDebt;
        uint8 decimals;
        address strategy;
        address underlying;
        address treasury;
        address incentives;
        string aTokenName;
        string aTokenSymbol;
        string variableName;
        string variableSymbol;
        string stableName;
        string stableSymbol;
        bytes params;
    }

    function initReserves(Reserve[] calldata) external;
}
