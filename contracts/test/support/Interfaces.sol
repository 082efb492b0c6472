// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

/// The entrances of Executor.sol, which dispatches by hand.
interface IExecutor {
    error NotOwner();
    error BadPayload();
    error WrongBlock();
    error NotDue();
    error CallbackMissing();
    error AskedTooMuch();
    error BalanceUnreadable();
    error TransferFailed();
    error Unprofitable();
    error TokenSpent();
    error GotTooLittle();
    error BidTooHigh();
    error PaymentFailed();

    function run() external payable;
    function runAll() external payable;
    function sweep(address token, address to, uint256 amount) external;
}

interface IToken {
    function balanceOf(address) external view returns (uint256);
    function transfer(address, uint256) external returns (bool);
}

interface IWeth is IToken {
    function deposit() external payable;
}

interface IFactoryV2 {
    function createPair(address, address) external returns (address);
}

interface IPair {
    function token0() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function mint(address) external returns (uint256);
    function swap(uint256, uint256, address, bytes calldata) external;
}

interface IFactoryV3 {
    function createPool(address, address, uint24) external returns (address);
}

interface IPool {
    function initialize(uint160) external;
    function mint(address, int24, int24, uint128, bytes calldata) external returns (uint256, uint256);
    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
}
