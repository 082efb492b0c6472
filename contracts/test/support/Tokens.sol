// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {Attacker} from "./HostilePool.sol";

/// Takes 1% of every transfer, once it is told to.
contract FeeToken is MockERC20("Fee", "FEE", 18) {
    bool private charging;

    function charge() external {
        charging = true;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        uint256 fee = charging ? amount / 100 : 0;
        _burn(msg.sender, fee);
        return super.transfer(to, amount - fee);
    }
}

/// Says false, and moves nothing, when `mute` sends. Everyone else gets the usual answer.
contract FalseToken is MockERC20("False", "FLS", 18) {
    address private mute;

    function silence(address who) external {
        mute = who;
    }

    function approve(address spender, uint256 amount) public override returns (bool) {
        return msg.sender != mute && super.approve(spender, amount);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return msg.sender != mute && super.transfer(to, amount);
    }
}

/// Makes its attempts in every transfer.
contract HookToken is MockERC20("Hook", "HOOK", 18), Attacker {
    function transfer(address to, uint256 amount) public override returns (bool) {
        _attack();
        return super.transfer(to, amount);
    }
}
