// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Executor} from "../src/Executor.sol";
import {IExecutor, IPair} from "./support/Interfaces.sol";
import {Order, Payload} from "./support/Payload.sol";
import {HookToken} from "./support/Tokens.sol";
import {World} from "./support/World.sol";

/// Who may do what.
contract AccessTest is World {
    function testFuzz_a_stranger_cannot_run(address caller) public {
        vm.assume(caller != owner);
        bytes memory payload = Payload.encode(_cycle(weth, 2, 0));
        vm.prank(caller);
        (bool ok, bytes memory reason) = executor.call(payload);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotOwner.selector);
    }

    function testFuzz_a_stranger_cannot_sweep(address caller, address token, address to, uint256 amount) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(IExecutor.NotOwner.selector);
        IExecutor(executor).sweep(token, to, amount);
    }

    function testFuzz_no_callback_is_obeyed_when_idle(address caller, bytes4 selector, bytes calldata data) public {
        vm.assume(caller != owner || (selector != IExecutor.run.selector && selector != IExecutor.sweep.selector));
        _callIsRefused(caller, bytes.concat(selector, data));
    }

    function testFuzz_the_callback_of_a_real_path_is_refused_when_idle(uint8 kinds, uint8 count, bytes4 selector) public {
        Order memory order = _cycle(weth, 3, kinds);
        _fund(weth, executor, 100 ether);
        _run(order);
        count = uint8(bound(count, 1, 3));
        address pool = order.legs[count - 1].pool;
        bytes memory echo = Payload.echo(order, count);
        _callIsRefused(pool, abi.encodeWithSelector(selector, executor, uint256(1 ether), uint256(0), echo));
        _callIsRefused(pool, abi.encodeWithSelector(selector, int256(1 ether), int256(-1 ether), echo));
    }

    function test_a_flash_swap_that_a_stranger_sends_here_is_refused() public {
        Order memory order = _cycle(weth, 2, 0);
        _fund(weth, executor, 100 ether);
        uint256 out0 = order.legs[0].tokenIn < order.legs[0].tokenOut ? 0 : 1 ether;
        bytes memory echo = Payload.echo(order, 1);
        vm.prank(stranger);
        vm.expectRevert(IExecutor.NotDue.selector);
        IPair(order.legs[0].pool).swap(out0, 1 ether - out0, executor, echo);
    }

    function test_a_token_in_the_path_cannot_make_the_pools_callbacks() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            HookToken token = new HookToken();
            address[] memory tokens = new address[](3);
            (tokens[0], tokens[1], tokens[2]) = (weth, address(token), _token());
            Order memory order = _cycle(tokens, kinds);
            _fund(weth, executor, 100 ether);
            for (uint256 count = 1; count <= 3; count++) {
                bytes memory echo = Payload.echo(order, count);
                token.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(0), uint256(1), echo));
                token.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
            }
            token.attempt(executor, Payload.encode(order));
            token.attempt(executor, abi.encodeCall(IExecutor.sweep, (weth, stranger, 1)));
            uint256 before = _held(weth);
            _run(order);
            assertEq(_held(weth) - before, _profit(order));
            assertGt(token.tried(), 0);
            assertEq(token.obeyed(), 0);
        }
    }

    function test_ether_is_taken_from_weth_and_the_owner_only() public {
        assertTrue(_pays(weth));
        assertTrue(_pays(owner));
        assertFalse(_pays(stranger));
        assertFalse(_pays(builder));
    }

    function test_a_callback_takes_no_ether() public {
        vm.deal(stranger, 1);
        vm.prank(stranger);
        (bool ok,) = executor.call{value: 1}(hex"10d1e85c");
        assertFalse(ok);
    }

    function test_deploying_without_owner_or_weth_is_refused() public {
        vm.expectRevert(IExecutor.BadPayload.selector);
        new Executor(address(0), weth);
        vm.expectRevert(IExecutor.BadPayload.selector);
        new Executor(owner, address(0));
    }

    function _pays(address from) private returns (bool ok) {
        vm.deal(from, 1);
        vm.prank(from);
        (ok,) = executor.call{value: 1, gas: 50_000}("");
    }

    function _callIsRefused(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool ok,) = executor.call(data);
        assertFalse(ok, "a callback was obeyed");
    }
}
