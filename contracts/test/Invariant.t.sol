// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Handler} from "./support/Handler.sol";
import {IToken} from "./support/Interfaces.sol";
import {Order} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// Whatever strangers do, in whatever order, the executor keeps what it has.
contract InvariantTest is World {
    uint256 private constant INVENTORY = 100 ether;
    Handler private handler;
    address[] private tokens;

    function setUp() public override {
        super.setUp();
        // V2, V3, V2: a pair to flash on either side.
        Order memory order = _cycle(weth, 3, 2);
        for (uint256 i = 0; i < 3; i++) {
            tokens.push(order.legs[i].tokenIn);
            _fund(tokens[i], executor, INVENTORY);
        }
        vm.deal(executor, INVENTORY);
        handler = new Handler(executor, owner, quoter, weth, order.legs);
        for (uint256 i = 0; i < 3; i++) {
            _fund(tokens[i], address(handler), 1e6 ether);
        }
        targetContract(address(handler));
    }

    function invariant_no_token_leaves_the_executor() public view {
        for (uint256 i = 0; i < 3; i++) {
            assertGe(IToken(tokens[i]).balanceOf(executor), handler.floor(tokens[i]));
        }
    }

    function invariant_no_ether_leaves_the_executor() public view {
        assertGe(executor.balance, INVENTORY);
    }

    function invariant_no_stranger_is_obeyed() public view {
        assertEq(handler.obeyed(), 0);
    }

    function invariant_no_callback_is_due_between_transactions() public view {
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    function test_an_honest_run_of_the_handler_succeeds() public {
        handler.ownerRuns(5 ether);
        assertEq(handler.runs(), 1);
    }
}
