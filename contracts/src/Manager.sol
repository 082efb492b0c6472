// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Steps} from "./Steps.sol";

/// What is said to a manager of Uniswap V4, the one contract that holds the tokens of all its pools and keeps books of who owes what
/// until it locks. Nest.sol says when.
///
/// # Invariants
/// - Ether is WETH to everyone but the manager: what it pays is wrapped at once, what it is paid is unwrapped for it.
/// - The manager pays ether into a measured balance: what is wrapped is what has come, never what was here.
/// - Between `sync` and `settle` nothing is paid to the manager but what is settled.
abstract contract Manager is Steps {
    error GotTooLittle();

    function _weth() internal view virtual returns (address);

    /// What `_due` holds while this manager swaps and pays: nobody's callback is obeyed, and its ether is taken.
    function _onlyEtherOf(address manager) internal pure returns (uint256) {
        return uint256(uint160(manager)) << 8 | UNLOCKED;
    }

    /// Unlocks the manager, which calls back with the bytes from `base` to the end of the step and who is to be paid behind them.
    function _unlock(uint256 base, uint256 step, address to) internal {
        address manager = _pool(step);
        uint256 size = step + STEP - base;
        uint256 due;
        assembly ("memory-safe") {
            let echo := add(mload(0x40), 0x44)
            calldatacopy(echo, base, size)
            mstore(add(echo, size), to)
            due := or(and(keccak256(echo, add(size, 0x20)), not(7)), or(LONG, UNLOCKED))
        }
        _due = due;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x48c89491)) // unlock(bytes)
            mstore(add(m, 0x04), 0x20)
            mstore(add(m, 0x24), add(size, 0x20))
            if iszero(call(gas(), manager, 0, m, add(0x64, and(add(size, 31), not(31))), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Swaps what the step spends. What the manager then is owed, and what it owes; more than was planned is refused, and less.
    function _swapManaged(uint256 step, uint256 amount) internal returns (uint256 owed, uint256 got) {
        address manager = _pool(step);
        uint256 zeroForOne = _zeroForOne(step);
        uint256 limit = _noLimit(zeroForOne);
        assembly ("memory-safe") {
            let m := mload(0x40)
            let terms := sub(step, TERMS)
            mstore(m, shl(224, 0xf3cd914c)) // swap((address,address,uint24,int24,address),(bool,int256,uint160),bytes)
            mstore(add(m, 0x04), shr(96, calldataload(terms)))
            mstore(add(m, 0x24), shr(96, calldataload(add(terms, 20))))
            mstore(add(m, 0x44), shr(232, calldataload(add(terms, 40))))
            mstore(add(m, 0x64), sar(232, calldataload(add(terms, 43))))
            mstore(add(m, 0x84), shr(96, calldataload(add(terms, 46))))
            mstore(add(m, 0xa4), zeroForOne)
            mstore(add(m, 0xc4), sub(0, amount)) // negative: this goes in
            mstore(add(m, 0xe4), limit)
            mstore(add(m, 0x104), 0x120)
            mstore(add(m, 0x124), 0)
            mstore(0x00, 0)
            if iszero(call(gas(), manager, 0, m, 0x144, 0x00, 0x20)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
            // Two int128: of currency0 and of currency1, negative what it is owed.
            let delta := mload(0x00)
            got := sar(128, delta)
            owed := signextend(15, delta)
            if zeroForOne {
                let zero := got
                got := owed
                owed := zero
            }
            owed := sub(0, owed)
        }
        // A negative number is a huge one.
        if (owed > amount) revert AskedTooMuch();
        if (int256(got) < int256(_amountOut(step))) revert GotTooLittle();
    }

    /// Has the manager pay out. Ether comes here first: nothing but that changes `_due`.
    function _take(address manager, address currency, address to, uint256 amount) internal {
        if (currency != address(0)) return _takeTo(manager, currency, to, amount);
        uint256 due = _due;
        uint256 held = address(this).balance;
        _due = _onlyEtherOf(manager);
        _takeTo(manager, address(0), address(this), amount);
        _due = due;
        uint256 holds = address(this).balance;
        unchecked {
            if (holds < held || holds - held < amount) revert GotTooLittle();
        }
        address weth = _weth();
        _wrap(weth, amount);
        if (to != address(this)) _transfer(weth, to, amount);
    }

    function _takeTo(address manager, address currency, address to, uint256 amount) private {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x0b0d9c09)) // take(address,address,uint256)
            mstore(add(m, 0x04), currency)
            mstore(add(m, 0x24), to)
            mstore(add(m, 0x44), amount)
            if iszero(call(gas(), manager, 0, m, 0x64, 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Pays the manager out of what is here.
    function _pay(address manager, address currency, uint256 amount) internal {
        // Of ether too: what somebody else has synced would be settled in its place.
        _sync(manager, currency);
        if (currency == address(0)) {
            _unwrap(_weth(), amount);
            _settle(manager, amount);
        } else {
            _transfer(currency, manager, amount);
            _settle(manager, 0);
        }
    }

    /// From here on what comes to the manager is ours to settle.
    function _sync(address manager, address currency) internal {
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0xa5841194)) // sync(address)
            mstore(0x04, currency)
            if iszero(call(gas(), manager, 0, 0x00, 0x24, 0, 0)) {
                let m := mload(0x40)
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// What has come to the manager since `_sync`, or this much ether.
    function _settle(address manager, uint256 value) internal returns (uint256 paid) {
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0x11da60b4)) // settle()
            if iszero(call(gas(), manager, value, 0x00, 0x04, 0x00, 0x20)) {
                let m := mload(0x40)
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
            paid := mload(0x00)
        }
    }

    /// What goes in, as the manager calls it: zero is ether.
    function _currencyIn(uint256 step) internal pure returns (address) {
        unchecked {
            return _address(step - TERMS + (_zeroForOne(step) == 1 ? 0 : 20));
        }
    }

    function _currencyOut(uint256 step) internal pure returns (address) {
        unchecked {
            return _address(step - TERMS + (_zeroForOne(step) == 1 ? 20 : 0));
        }
    }

    /// What everyone but the manager calls it.
    function _token(address currency) internal view returns (address) {
        return currency == address(0) ? _weth() : currency;
    }
}
