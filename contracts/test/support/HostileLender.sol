// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Attacker} from "./HostilePool.sol";
import {IToken} from "./Interfaces.sol";

interface ITake {
    function transferFrom(address, address, uint256) external returns (bool);
}

/// A lender of either kind that takes what it likes of the debt token, gives what it likes of the collateral, and makes its
/// attempts before, between and after. What is not allowed to it, it does not get; that alone does not make it revert.
contract HostileLender is Attacker {
    address private immutable DEBT;
    address private immutable COLLATERAL;
    uint256 private take;
    uint256 private give;

    constructor(address debt, address collateral) {
        (DEBT, COLLATERAL) = (debt, collateral);
    }

    function behave(uint256 take_, uint256 give_) external {
        (take, give) = (take_, give_);
    }

    /// Takes from somebody who may have forgotten to take an allowance back.
    function pull(address token, address from, uint256 amount) public returns (bool ok) {
        (ok,) = token.call(abi.encodeCall(ITake.transferFrom, (from, address(this), amount)));
    }

    /// Any call of a lender: liquidationCall, liquidate, withdraw.
    fallback() external {
        _attack();
        pull(DEBT, msg.sender, take);
        _attack();
        IToken(COLLATERAL).transfer(msg.sender, give);
        _attack();
    }
}
