// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IApprove} from "./support/LenderInterfaces.sol";
import {Order} from "./support/Payload.sol";
import {Lend, Sale} from "./support/Sale.sol";
import {SaleHandler} from "./support/SaleHandler.sol";
import {Sales} from "./support/Sales.sol";

/// Whatever strangers do, in whatever order, the executor keeps what it has, and nobody has an allowance.
contract LiquidationInvariantTest is Sales {
    uint256 private constant INVENTORY = 100 ether;
    SaleHandler private handler;
    address[] private tokens;
    address private lender;

    function setUp() public override {
        super.setUp();
        (Sale memory sale, uint256 seized) = _sunk(Lend.AAVE_V3, 1 ether);
        // V3 pays, V2 lends.
        Order memory order = _path(collateral, 2, 1, seized);
        tokens = [debt, collateral, weth];
        for (uint256 i = 0; i < 3; i++) {
            _fund(tokens[i], executor, INVENTORY);
        }
        vm.deal(executor, INVENTORY);
        lender = sale.lender;
        handler = new SaleHandler(executor, owner, quoter, feed, order, sale);
        targetContract(address(handler));
    }

    function invariant_no_token_leaves_the_executor() public view {
        for (uint256 i = 0; i < 3; i++) {
            assertGe(_held(tokens[i]), INVENTORY);
        }
    }

    function invariant_no_ether_leaves_the_executor() public view {
        assertGe(executor.balance, INVENTORY);
    }

    function invariant_nobody_has_an_allowance() public view {
        assertEq(IApprove(debt).allowance(executor, lender), 0);
    }

    function invariant_no_stranger_is_obeyed() public view {
        assertEq(handler.obeyed(), 0);
    }

    function invariant_no_callback_is_due_between_transactions() public view {
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    function test_an_honest_run_of_the_handler_succeeds() public {
        handler.ownerRuns(1 ether, 1.2 ether);
        assertEq(handler.runs(), 1);
    }
}
