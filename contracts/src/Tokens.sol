// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

/// What is said to tokens, in as little gas as it can be: transfers, allowances, balances, and WETH turned into ETH and back.
///
/// # Invariants
/// - True or nothing is success, as USDT returns nothing; anything else is a failure.
/// - An address without code returns nothing: where that could pass for success, a balance of the same token was read before.
abstract contract Tokens {
    error BalanceUnreadable();
    error TransferFailed();
    error PaymentFailed();

    /// Callers know that `token` has code.
    function _transfer(address token, address to, uint256 amount) internal {
        _tell(token, 0xa9059cbb, to, amount); // transfer(address,uint256)
    }

    function _approve(address token, address spender, uint256 amount) internal {
        _tell(token, 0x095ea7b3, spender, amount); // approve(address,uint256)
    }

    function _tell(address token, uint256 selector, address who, uint256 amount) private {
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, selector))
            mstore(add(m, 0x04), who)
            mstore(add(m, 0x24), amount)
            ok := call(gas(), token, 0, m, 0x44, 0x00, 0x20)
            let said := or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0x00), 1)))
            ok := and(ok, said)
        }
        if (!ok) revert TransferFailed();
    }

    function _balance(address token) internal view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0x70a08231)) // balanceOf(address)
            mstore(0x04, address())
            ok := staticcall(gas(), token, 0x00, 0x24, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 31)) // an address without code returns nothing
            amount := mload(0x00)
        }
        if (!ok) revert BalanceUnreadable();
    }

    function _allowance(address token, address spender) internal view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0xdd62ed3e)) // allowance(address,address)
            mstore(add(m, 0x04), address())
            mstore(add(m, 0x24), spender)
            ok := staticcall(gas(), token, m, 0x44, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 31)) // an address without code returns nothing
            amount := mload(0x00)
        }
        if (!ok) revert BalanceUnreadable();
    }

    function _unwrap(address weth, uint256 amount) internal {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0x2e1a7d4d)) // withdraw(uint256)
            mstore(0x04, amount)
            ok := call(gas(), weth, 0, 0x00, 0x24, 0, 0)
        }
        if (!ok) revert PaymentFailed();
    }

    function _wrap(address weth, uint256 amount) internal {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0xd0e30db0)) // deposit()
            ok := call(gas(), weth, amount, 0x00, 0x04, 0, 0)
        }
        if (!ok) revert PaymentFailed();
    }
}
