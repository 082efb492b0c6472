// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Tokens} from "./Tokens.sol";

/// The steps of a path as they lie in calldata, and what each kind of step calls. Executor.sol says how a path is gone.
///
/// # Invariants
/// - Steps are read where they lie, in the calldata of a run or in what a pool echoes of it: `base` is where that begins.
/// - A pool echoes the bytes from the base to the end of its own step, so a callback's data ends with the step in flight and has
///   all that goes before it. Whatever decides a callback lies in those bytes.
/// - The steps of the long form are walked once before the first of them is taken: sizes end where the steps begin, every kind is
///   known. What a pool echoes is a beginning of those bytes, so it needs no second walk.
abstract contract Steps is Tokens {
    error BadPayload();
    error AskedTooMuch();

    uint256 internal constant IDLE = 1;
    /// Bytes of a step's record.
    uint256 internal constant STEP = 57;
    uint256 internal constant AMOUNT = 16;
    /// Bytes between the data of a call and its record.
    uint256 internal constant SIZE = 2;
    /// The long form, from the base to the first step: token, min_profit, bid, start token, amount_in.
    uint256 internal constant LONG_HEAD = 88;

    // What a step is.
    uint256 internal constant KIND_V3 = 1;
    uint256 internal constant ZERO_FOR_ONE = 2;
    /// What the step spends is paid to this contract, and not to the address that it names. Alone: a stop.
    uint256 internal constant HELD = 4;
    uint256 internal constant STOP = HELD;
    /// HELD, and the target may take it by an allowance.
    uint256 internal constant ALLOWED = 8 | HELD;
    /// The target pays the next step itself, so nothing is measured or sent here.
    uint256 internal constant DIRECT = 16;
    /// Of a call: what it gives is ether, which comes here and is wrapped.
    uint256 internal constant ETHER_OUT = 2;
    /// Of a call, with HELD: what it spends is WETH, unwrapped, and it is called with the ether.
    uint256 internal constant ETHER_IN = 32;
    uint256 internal constant CALL = 128;
    /// A lender is called for what the path begins with, and calls back: CALL and MANAGED, and HELD, as the step before pays here.
    uint256 internal constant LOAN = 196;
    /// Of a loan: the lender takes what it is due by an allowance. Else it is sent there.
    uint256 internal constant TAKEN = 8;
    /// Of a loan: it is told that all went well as ERC-3156 has it. Else by 1.
    uint256 internal constant HASHED = 16;
    /// A swap in a pool of a manager, the terms of the pool before the record.
    uint256 internal constant MANAGED = 64;
    /// Of a managed swap: what it spends is what the step before, of the same manager, has left in the manager's books.
    uint256 internal constant NETTED = 8;
    /// Of a managed swap: a later step has unlocked its manager.
    uint256 internal constant INSIDE = 16;
    /// The kinds of calls that there are, a bit each, by what they are beside CALL: no bit but those above, no ALLOWED without HELD, and
    /// ether for a call that is HELD and not ALLOWED.
    uint256 private constant CALLS = 0x50005050555055;
    /// The same of loans.
    uint256 private constant LOANS = 0x101010100000000000000000;
    /// Bytes of a pool's terms: currency0, currency1, u24 fee, i24 tickSpacing, hooks.
    uint256 internal constant TERMS = 66;

    // How a callback is due, beside KIND_V3.
    uint256 internal constant LONG = 2;
    uint256 internal constant UNLOCKED = 4;
    /// A lender's callback: with LONG and UNLOCKED.
    uint256 internal constant LENT = KIND_V3 | LONG | UNLOCKED;

    /// TickMath.MIN_SQRT_RATIO + 1 and MAX_SQRT_RATIO - 1: no price limit, the amounts are the limit.
    uint256 private constant MIN_LIMIT = 4295128740;
    uint256 private constant MAX_LIMIT = 1461446703485210103287273052203988822378723970341;

    /// The one callback that is due: hash of the data it must echo, the three lowest bits KIND_V3, LONG and UNLOCKED; all three of a
    /// lender's. While a manager swaps and pays, or a call gives ether: who that is, whose ether alone is taken.
    /// Never zero, so that a run pays for a change of a slot and not for its creation.
    uint256 internal _due = IDLE;

    /// Takes the output of a V2 step to `to`. With `base` it is a flash swap: the pair calls back with the bytes from `base` to
    /// the end of the step. With base 0 the input is already in the pair.
    function _swapV2(uint256 step, address to, uint256 base, uint256 form) internal {
        address pool = _pool(step);
        uint256 zeroForOne = _zeroForOne(step);
        uint256 out = _amountOut(step);
        uint256 size = base == 0 ? 0 : step + STEP - base;
        if (size != 0) _due = _echoHash(base, size, form);
        // Assembly: abi.encodeCall would copy the echo twice, and demand code and a return value of the pool.
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x022c0d9f)) // swap(uint256,uint256,address,bytes)
            mstore(add(m, 0x04), mul(out, iszero(zeroForOne)))
            mstore(add(m, 0x24), mul(out, zeroForOne))
            mstore(add(m, 0x44), to)
            mstore(add(m, 0x64), 0x80)
            mstore(add(m, 0x84), size)
            calldatacopy(add(m, 0xa4), base, size)
            if iszero(call(gas(), pool, 0, m, add(0xa4, and(add(size, 31), not(31))), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Takes the output of a V3 step to `to`. The pool calls back for its input with the bytes from `base` to the end of the step.
    function _swapV3(uint256 base, uint256 step, address to, uint256 form) internal {
        address pool = _pool(step);
        uint256 zeroForOne = _zeroForOne(step);
        uint256 limit = _noLimit(zeroForOne);
        uint256 amount = _amountBefore(step);
        uint256 size = step + STEP - base;
        _due = _echoHash(base, size, form | KIND_V3);
        // Assembly: as in _swapV2.
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x128acb08)) // swap(address,bool,int256,uint160,bytes)
            mstore(add(m, 0x04), to)
            mstore(add(m, 0x24), zeroForOne)
            mstore(add(m, 0x44), amount)
            mstore(add(m, 0x64), limit)
            mstore(add(m, 0x84), 0xa0)
            mstore(add(m, 0xa4), size)
            calldatacopy(add(m, 0xc4), base, size)
            if iszero(call(gas(), pool, 0, m, add(0xc4, and(add(size, 31), not(31))), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    function _noLimit(uint256 zeroForOne) internal pure returns (uint256) {
        return zeroForOne == 1 ? MIN_LIMIT : MAX_LIMIT;
    }

    /// What the V3 pool in flight asks for: delta0 or delta1. More than its input is refused; a negative delta is a huge number.
    function _asked(uint256 step, uint256 most) internal pure returns (uint256 asked) {
        asked = _word(_zeroForOne(step) == 1 ? 4 : 36);
        if (asked > most) revert AskedTooMuch();
    }

    /// Calls what a CALL names with the bytes from `at` to its size, and with ether. Says what the target says; what it should have
    /// done is checked by balances.
    function _callTarget(address target, uint256 at, uint256 step, uint256 value) internal {
        uint256 size = _size(step);
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, at, size)
            if iszero(call(gas(), target, value, m, size, 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Asks a lender for what the path begins with: its step's data, which end where the bytes that it shall echo are due; their size,
    /// themselves, padded, and how many of them are read. It calls back before it returns.
    function _borrow(uint256 base, uint256 step) internal {
        address lender = _pool(step);
        uint256 size = step + STEP - base;
        uint256 data = _size(step);
        _due = _echoHash(base, size, LENT);
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, sub(sub(step, SIZE), data), data)
            let echo := add(m, data)
            let padded := and(add(size, 31), not(31))
            mstore(echo, add(padded, 32))
            calldatacopy(add(echo, 32), base, size)
            mstore(add(add(echo, 32), padded), size)
            if iszero(call(gas(), lender, 0, m, add(add(data, 64), padded), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// What `_due` holds while a pool has these bytes of calldata to echo. IDLE would take a hash of 0 to 7.
    function _echoHash(uint256 base, uint256 size, uint256 kind) internal pure returns (uint256 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, base, size)
            hash := or(and(keccak256(m, size), not(7)), kind)
        }
    }

    /// Walks the steps of the long form back to `first`: kinds that there are, sizes that end there, and at the end a swap or a loan,
    /// which lend, or a call that pays here itself. A call's data are never a token's own words: what leaves here leaves by this code,
    /// whatever an encoder wrote.
    function _checkSteps(uint256 first) internal pure {
        uint256 bad;
        // Assembly: a dozen conditions, one branch. A walk that goes below `first` ends there, and is refused for not having met it.
        assembly ("memory-safe") {
            let end := calldatasize()
            bad := lt(end, add(first, STEP))
            let kind := byte(0, calldataload(sub(end, STEP)))
            let fine := CALLS
            if gt(kind, 3) {
                // A swap in a manager, or a call that pays here; else it must be a loan, which no other step is.
                if iszero(or(eq(and(kind, 0xe1), MANAGED), eq(and(kind, 0xd0), or(CALL, DIRECT)))) {
                    bad := or(bad, lt(kind, CALL))
                    fine := LOANS
                }
            }
            for {} gt(end, first) {} {
                end := sub(end, STEP)
                kind := byte(0, calldataload(end))
                switch gt(kind, 127)
                case 0 {
                    switch gt(kind, 63)
                    case 0 { bad := or(bad, gt(kind, STOP)) }
                    default {
                        bad := or(bad, or(and(kind, 0x21), eq(and(kind, 12), 12))) // other bits, or NETTED and HELD
                        end := mul(sub(end, TERMS), lt(TERMS, end))
                    }
                }
                default {
                    let size := shr(240, calldataload(sub(end, SIZE)))
                    let whole := add(size, SIZE)
                    let selector := shr(224, calldataload(sub(end, whole)))
                    bad := or(bad, iszero(and(shr(and(kind, 127), fine), 1)))
                    fine := CALLS
                    bad := or(bad, or(lt(size, 4), eq(selector, 0xa9059cbb))) // transfer
                    bad := or(bad, or(eq(selector, 0x095ea7b3), eq(selector, 0x23b872dd))) // approve, transferFrom
                    end := mul(sub(end, whole), lt(whole, end))
                }
            }
            bad := or(bad, or(xor(end, first), eq(kind, STOP))) // nothing comes before the first step that could be kept
        }
        if (bad != 0) revert BadPayload();
    }

    // ---- where things lie

    /// Bytes of a CALL's data.
    function _size(uint256 step) internal pure returns (uint256) {
        unchecked {
            return _word(step - SIZE) >> 240;
        }
    }

    /// The token that the first step spends, in the long form. None is the profit token.
    function _start(uint256 base) internal pure returns (address start) {
        unchecked {
            start = _address(base + 52);
            if (start == address(0)) start = _address(base);
        }
    }

    function _word(uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }

    /// Shifted, so that the upper bits are zero: assembly stores it as it is.
    function _address(uint256 at) internal pure returns (address found) {
        assembly ("memory-safe") {
            found := shr(96, calldataload(at))
        }
    }

    function _kind(uint256 step) internal pure returns (uint256) {
        return _word(step) >> 248;
    }

    function _isV3(uint256 step) internal pure returns (bool) {
        return _kind(step) & KIND_V3 != 0;
    }

    function _zeroForOne(uint256 step) internal pure returns (uint256) {
        return _kind(step) >> 1 & 1;
    }

    /// The pool, the target of a CALL, or the manager.
    function _pool(uint256 step) internal pure returns (address) {
        unchecked {
            return _address(step + 1);
        }
    }

    function _tokenIn(uint256 step) internal pure returns (address) {
        unchecked {
            return _address(step + 21);
        }
    }

    function _amountOut(uint256 step) internal pure returns (uint256) {
        unchecked {
            return _amountBefore(step + STEP);
        }
    }

    /// The 16 bytes before `at`: what a pool's step spends, if that begins there.
    function _amountBefore(uint256 at) internal pure returns (uint256) {
        unchecked {
            return _word(at - AMOUNT) >> 128;
        }
    }
}
