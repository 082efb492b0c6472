// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {Attacker} from "./HostilePool.sol";
import {SwapParams, Terms} from "./ManagerHand.sol";

/// What a manager says, and does not do.
struct Lies {
    /// How often it calls back when it is unlocked.
    uint256 callbacks;
    /// What it says a swap costs and gives.
    int256 owed;
    int256 got;
    /// What it pays of what it is asked for, in percent.
    uint256 pays;
    /// What it says it has been paid.
    uint256 settled;
}

/// A manager with the entrances of Uniswap V4's that keeps no books, and makes its attempts in each.
contract HostileManager is Attacker {
    Lies private lies;
    /// A refusal of its first callback makes the unlocking revert, later ones are counted here.
    uint256 public refusedCallbacks;
    bytes private lateCall;
    address private lateTo;

    receive() external payable {}

    function behave(Lies calldata lies_) external {
        lies = lies_;
    }

    function unlock(bytes calldata data) external returns (bytes memory) {
        _attack();
        (lateTo, lateCall) = (msg.sender, abi.encodeWithSelector(0x91dd7346, data));
        for (uint256 i = 0; i < lies.callbacks; i++) {
            (bool ok, bytes memory reason) = lateTo.call(lateCall);
            if (ok) continue;
            refusedCallbacks++;
            if (i > 0) continue;
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
        return "";
    }

    /// The callback that was not made while it was unlocked.
    function late() external {
        (bool ok,) = lateTo.call(lateCall);
        require(ok, "late callback refused");
    }

    function swap(Terms calldata, SwapParams calldata params, bytes calldata) external returns (int256) {
        _attack();
        (int256 zero, int256 one) = params.zeroForOne ? (-lies.owed, lies.got) : (lies.got, -lies.owed);
        return zero << 128 | int256(uint256(uint128(int128(one))));
    }

    function take(address currency, address to, uint256 amount) external {
        _attack();
        // Said to be more than there can be: nothing of it is paid.
        uint256 pays = amount < 1 << 128 ? amount * lies.pays / 100 : 0;
        if (currency != address(0)) {
            MockERC20(currency).transfer(to, pays);
            return;
        }
        (bool ok,) = to.call{value: pays}("");
        require(ok, "ether refused");
        _attack();
    }

    function sync(address) external {
        _attack();
    }

    function settle() external payable returns (uint256) {
        _attack();
        return lies.settled;
    }
}

/// Hooks that are called before and after a swap, agree to it and make their attempts. Put where their address says so.
contract HostileHooks is Attacker {
    fallback() external {
        _attack();
        // beforeSwap: (selector, delta, fee); afterSwap: (selector, delta).
        assembly ("memory-safe") {
            mstore(0x00, and(calldataload(0), shl(224, 0xffffffff)))
            mstore(0x20, 0)
            mstore(0x40, 0)
            return(0x00, add(0x40, mul(0x20, eq(shr(224, calldataload(0)), 0x575e24b4))))
        }
    }
}

/// Sends ether, and says whether it was taken.
contract Sender {
    constructor() payable {}

    function send(address to) external {
        (bool ok,) = to.call{value: 1}("");
        require(ok, "ether refused");
    }
}
