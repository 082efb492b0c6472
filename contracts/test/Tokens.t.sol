// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MissingReturnToken} from "solmate/test/utils/weird-tokens/MissingReturnToken.sol";
import {IExecutor, IToken} from "./support/Interfaces.sol";
import {Order} from "./support/Payload.sol";
import {FalseToken, FeeToken} from "./support/Tokens.sol";
import {World} from "./support/World.sol";

/// Tokens that are not what ERC-20 says, first and second in a path.
contract TokensTest is World {
    address private usdt;

    function setUp() public override {
        super.setUp();
        // Returns nothing from transfer, as USDT. All of it belongs to this test.
        usdt = address(new MissingReturnToken());
    }

    function test_tokens_without_return_value_work() public {
        for (uint256 kinds = 0; kinds < 4; kinds++) {
            _earns(_cycle(_pair(usdt, weth), kinds));
            _earns(_cycle(_pair(weth, usdt), kinds));
        }
    }

    function test_a_fee_on_transfer_makes_the_run_revert() public {
        for (uint256 kinds = 0; kinds < 4; kinds++) {
            for (uint256 first = 0; first < 2; first++) {
                FeeToken fee = new FeeToken();
                Order memory order = _cycle(first == 0 ? _pair(address(fee), weth) : _pair(weth, address(fee)), kinds);
                _fund(order.token, executor, 100 ether);
                uint256 before = _held(order.token);
                fee.charge();
                _fails(order);
                assertEq(_held(order.token), before);
            }
        }
    }

    function test_a_token_that_returns_false_makes_the_run_revert() public {
        for (uint256 kinds = 0; kinds < 4; kinds++) {
            FalseToken token = new FalseToken();
            token.silence(executor);
            Order memory order = _cycle(_pair(address(token), weth), kinds);
            _refuses(order, IExecutor.TransferFailed.selector);
        }
    }

    function test_a_token_that_cannot_say_a_balance_is_refused() public {
        Order memory order = _cycle(weth, 2, 0);
        // A contract, but not a token: its fallback reverts.
        order.token = executor;
        order.legs[0].tokenIn = executor;
        _refuses(order, IExecutor.BalanceUnreadable.selector);
    }

    function _earns(Order memory order) private {
        uint256 before = _held(order.token);
        _run(order);
        assertEq(_held(order.token) - before, _profit(order));
    }

    function _pair(address a, address b) private pure returns (address[] memory tokens) {
        tokens = new address[](2);
        (tokens[0], tokens[1]) = (a, b);
    }

    function _fund(address token, address to, uint256 amount) internal override {
        if (token != usdt) return super._fund(token, to, amount);
        (bool ok,) = usdt.call(abi.encodeCall(IToken.transfer, (to, amount)));
        require(ok);
    }
}
