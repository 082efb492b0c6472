// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MissingReturnToken} from "solmate/test/utils/weird-tokens/MissingReturnToken.sol";
import {ReturnsFalseToken} from "solmate/test/utils/weird-tokens/ReturnsFalseToken.sol";
import {ReturnsTooLittleToken} from "solmate/test/utils/weird-tokens/ReturnsTooLittleToken.sol";
import {ReturnsTooMuchToken} from "solmate/test/utils/weird-tokens/ReturnsTooMuchToken.sol";
import {ReturnsTwoToken} from "solmate/test/utils/weird-tokens/ReturnsTwoToken.sol";
import {RevertingToken} from "solmate/test/utils/weird-tokens/RevertingToken.sol";
import {IExecutor, IToken} from "./support/Interfaces.sol";
import {World} from "./support/World.sol";

/// How the owner takes things out.
contract SweepTest is World {
    address private to = makeAddr("vault");

    function testFuzz_tokens_go_where_the_owner_says(uint128 amount) public {
        _fund(weth, executor, 1 ether);
        amount = uint128(bound(amount, 0, 1 ether));
        _sweep(weth, amount);
        assertEq(IToken(weth).balanceOf(to), amount);
        assertEq(_held(weth), 1 ether - amount);
    }

    function test_ether_goes_where_the_owner_says() public {
        vm.deal(executor, 3);
        _sweep(address(0), 2);
        assertEq(to.balance, 2);
        assertEq(executor.balance, 1);
    }

    function test_tokens_without_return_value_can_be_swept() public {
        MissingReturnToken token = new MissingReturnToken();
        token.transfer(executor, 5);
        _sweep(address(token), 5);
        assertEq(token.balanceOf(to), 5);
    }

    function test_tokens_that_return_more_than_true_can_be_swept() public {
        ReturnsTooMuchToken token = new ReturnsTooMuchToken();
        token.transfer(executor, 5);
        _sweep(address(token), 5);
        assertEq(token.balanceOf(to), 5);
    }

    function test_what_does_not_say_true_is_taken_for_a_failure() public {
        _sweepFails(address(new ReturnsFalseToken()), 0, IExecutor.TransferFailed.selector);
        _sweepFails(address(new ReturnsTwoToken()), 0, IExecutor.TransferFailed.selector);
        _sweepFails(address(new ReturnsTooLittleToken()), 0, IExecutor.TransferFailed.selector);
        _sweepFails(address(new RevertingToken()), 0, IExecutor.TransferFailed.selector);
        _sweepFails(stranger, 0, IExecutor.TransferFailed.selector);
    }

    function test_more_than_there_is_cannot_be_swept() public {
        _sweepFails(weth, 1, IExecutor.TransferFailed.selector);
        _sweepFails(address(0), 1, IExecutor.PaymentFailed.selector);
    }

    function test_nothing_is_swept_to_nobody() public {
        to = address(0);
        vm.deal(executor, 1);
        _sweepFails(address(0), 1, IExecutor.BadPayload.selector);
    }

    function test_ether_is_not_swept_to_a_contract_that_refuses_it() public {
        to = address(quoter);
        vm.deal(executor, 1);
        _sweepFails(address(0), 1, IExecutor.PaymentFailed.selector);
    }

    function _sweep(address token, uint256 amount) private {
        vm.prank(owner);
        IExecutor(executor).sweep(token, to, amount);
    }

    function _sweepFails(address token, uint256 amount, bytes4 why) private {
        vm.prank(owner);
        vm.expectRevert(why);
        IExecutor(executor).sweep(token, to, amount);
    }
}
