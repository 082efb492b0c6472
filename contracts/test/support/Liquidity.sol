// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IPair, IPool, IToken} from "./Interfaces.sol";

/// Fills pools. Must hold the tokens.
contract Liquidity {
    address private a;
    address private b;

    function fillV2(address pair, address x, uint256 amountX, address y, uint256 amountY) external {
        _send(x, pair, amountX);
        _send(y, pair, amountY);
        IPair(pair).mint(address(this));
    }

    /// Sets the price to amountY / amountX and adds both amounts over the whole range of ticks.
    function fillV3(address pool, address x, uint256 amountX, address y, uint256 amountY) external {
        (a, b, amountX, amountY) = x < y ? (x, y, amountX, amountY) : (y, x, amountY, amountX);
        IPool(pool).initialize(uint160(_sqrt((amountY << 128) / amountX) << 32));
        IPool(pool).mint(address(this), -887220, 887220, uint128(_sqrt(amountX * amountY)), "");
    }

    function uniswapV3MintCallback(uint256 owedA, uint256 owedB, bytes calldata) external {
        _send(a, msg.sender, owedA);
        _send(b, msg.sender, owedB);
    }

    function pancakeV3MintCallback(uint256 owedA, uint256 owedB, bytes calldata) external {
        _send(a, msg.sender, owedA);
        _send(b, msg.sender, owedB);
    }

    function _send(address token, address to, uint256 amount) private {
        (bool ok,) = token.call(abi.encodeCall(IToken.transfer, (to, amount)));
        require(ok, "transfer");
    }

    function _sqrt(uint256 n) private pure returns (uint256 root) {
        root = n;
        for (uint256 next = n / 2 + 1; next < root; next = (root + n / root) / 2) {
            root = next;
        }
    }
}
