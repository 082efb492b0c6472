// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Attacker} from "./HostilePool.sol";
import {ITake} from "./HostileLender.sol";
import {IToken} from "./Interfaces.sol";

/// A lender in whatever words: it pays what it likes of the token that its call names first, calls back as often as it likes with what
/// it was given, or with less, and takes what it likes. It makes its attempts before, between and after.
contract HostileLoan is Attacker {
    uint256 private pays;
    uint256 private takes;
    uint256 private callbacks = 1;
    /// Bytes that it leaves out of what it echoes, at its front.
    uint256 private torn;
    uint256 public refused;
    bytes32 public said;

    function behave(uint256 pays_, uint256 takes_, uint256 callbacks_, uint256 torn_) external {
        (pays, takes, callbacks, torn) = (pays_, takes_, callbacks_, torn_);
    }

    /// lend(token, echo's length, echo)
    fallback() external {
        address token = abi.decode(msg.data[4:36], (address));
        _attack();
        IToken(token).transfer(msg.sender, pays);
        _attack();
        for (uint256 i = 0; i < callbacks; i++) {
            (bool ok, bytes memory answer) = msg.sender.call(bytes.concat(bytes4(0x12345678), msg.data[68 + torn:]));
            if (ok) said = abi.decode(answer, (bytes32));
            else refused++;
            _attack();
        }
        // What is not allowed it does not get.
        (bool got,) = token.call(abi.encodeCall(ITake.transferFrom, (msg.sender, address(this), takes)));
        got;
        _attack();
    }
}
