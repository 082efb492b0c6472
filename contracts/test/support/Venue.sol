// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {ITake} from "./HostileLender.sol";
import {Attacker} from "./HostilePool.sol";

/// A venue that is called: it pulls, burns or has been sent what goes in, and pays whom it is told to. It does what it likes instead,
/// once it is told what, and makes its attempts before, between and after.
contract Venue is Attacker {
    bool private hostile;
    uint256 private take;
    uint256 private give;
    bool public pulled;

    function behave(uint256 take_, uint256 give_) external {
        (hostile, take, give) = (true, take_, give_);
    }

    function pull(MockERC20 tokenIn, uint256 amountIn, MockERC20 tokenOut, uint256 out, address to) external {
        _attack();
        (amountIn, out) = _amounts(amountIn, out);
        // What is not allowed it does not get; that alone does not make it revert.
        (pulled,) = address(tokenIn).call(abi.encodeCall(ITake.transferFrom, (msg.sender, address(this), amountIn)));
        require(pulled || hostile, "not allowed");
        _pay(tokenOut, out, to);
    }

    /// It issued what goes in, and needs no allowance.
    function redeem(MockERC20 tokenIn, uint256 amountIn, MockERC20 tokenOut, uint256 out, address to) external {
        _attack();
        (amountIn, out) = _amounts(amountIn, out);
        tokenIn.burn(msg.sender, amountIn);
        _pay(tokenOut, out, to);
    }

    function prepaid(MockERC20 tokenIn, uint256 amountIn, MockERC20 tokenOut, uint256 out, address to) external {
        _attack();
        require(hostile || tokenIn.balanceOf(address(this)) >= amountIn, "not paid");
        (, out) = _amounts(amountIn, out);
        _pay(tokenOut, out, to);
        tokenIn.burn(address(this), tokenIn.balanceOf(address(this)));
    }

    function _amounts(uint256 amountIn, uint256 out) private view returns (uint256, uint256) {
        return hostile ? (take, give) : (amountIn, out);
    }

    function _pay(MockERC20 token, uint256 amount, address to) private {
        _attack();
        token.mint(to, amount);
        _attack();
    }
}
