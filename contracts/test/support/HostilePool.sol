// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IToken} from "./Interfaces.sol";

/// Something to try against the executor, in the middle of a run.
struct Attempt {
    address target;
    bytes data;
}

/// Tries its attempts and counts those that were not refused.
abstract contract Attacker {
    Attempt[] private attempts;
    uint256 public tried;
    uint256 public obeyed;

    function attempt(address target, bytes calldata data) external {
        attempts.push(Attempt(target, data));
    }

    function _attack() internal {
        for (uint256 i = 0; i < attempts.length; i++) {
            // Capped, for a length that is nonsense burns all it gets.
            (bool ok,) = attempts[i].target.call{gas: 1_000_000}(attempts[i].data);
            tried++;
            if (ok) obeyed++;
        }
    }
}

/// A pool of either family that pays out what it is told to and checks nothing. It makes its attempts, and its callback as
/// often as it is told to, for as much as it likes.
contract HostilePool is Attacker {
    address private immutable TOKEN_OUT;
    uint256 private immutable OUT;
    uint256 private callbacks = 1;
    /// What a V3 callback asks for beyond the amount of the swap.
    int256 private surcharge;
    /// A refusal of its first callback makes the swap revert, later ones are counted here.
    uint256 public refusedCallbacks;
    address private lateTo;
    bytes private lateCall;

    constructor(address tokenOut, uint256 out) {
        TOKEN_OUT = tokenOut;
        OUT = out;
    }

    function behave(uint256 callbacks_, int256 surcharge_) external {
        (callbacks, surcharge) = (callbacks_, surcharge_);
    }

    function swap(uint256 amount0, uint256 amount1, address to, bytes calldata data) external {
        IToken(TOKEN_OUT).transfer(to, OUT);
        _attack();
        // A selector that no fork has.
        if (data.length > 0) _callBack(to, abi.encodeWithSelector(0x12345678, msg.sender, amount0, amount1, data));
    }

    function swap(address to, bool zeroForOne, int256 amount, uint160, bytes calldata data) external {
        IToken(TOKEN_OUT).transfer(to, OUT);
        _attack();
        (int256 delta0, int256 delta1) = zeroForOne ? (amount + surcharge, -int256(OUT)) : (-int256(OUT), amount + surcharge);
        _callBack(msg.sender, abi.encodeWithSelector(0x12345678, delta0, delta1, data));
    }

    /// The callback that was not made during the swap.
    function late() external {
        (bool ok,) = lateTo.call(lateCall);
        require(ok, "late callback refused");
    }

    function _callBack(address executor, bytes memory call) private {
        (lateTo, lateCall) = (executor, call);
        for (uint256 i = 0; i < callbacks; i++) {
            (bool ok, bytes memory reason) = executor.call(call);
            if (ok) continue;
            refusedCallbacks++;
            if (i > 0) continue;
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}
