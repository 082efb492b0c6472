// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {Attacker} from "./HostilePool.sol";

/// A venue one of whose coins is ether, or both: it pulls or is sent tokens, is called with ether, and pays the caller ether with the gas
/// of a bare transfer. It pays less or gives some back once it is told to, and makes its attempts.
contract EtherVenue is Attacker {
    uint256 private less;
    uint256 private back;

    constructor() payable {}

    function behave(uint256 less_, uint256 back_) external {
        (less, back) = (less_, back_);
    }

    function sell(MockERC20 tokenIn, uint256 amountIn, uint256 out) external {
        tokenIn.transferFrom(msg.sender, address(this), amountIn);
        _payEther(out);
    }

    function buy(uint256 amountIn, MockERC20 tokenOut, uint256 out, address to) external payable {
        require(msg.value == amountIn, "ether due");
        _attack();
        tokenOut.mint(to, out - less);
        if (back != 0) payable(msg.sender).transfer(back);
    }

    function turn(uint256 amountIn, uint256 out) external payable {
        require(msg.value == amountIn, "ether due");
        _payEther(out);
    }

    function _payEther(uint256 out) private {
        _attack();
        payable(msg.sender).transfer(out - less);
        _attack();
    }
}

/// Pays ether to whom it is told.
contract Payer {
    constructor() payable {}

    function pay(address to, uint256 amount) external {
        (bool ok,) = to.call{value: amount}("");
        require(ok, "not taken");
    }
}
