// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {HostileLender} from "./support/HostileLender.sol";
import {IApprove} from "./support/LenderInterfaces.sol";
import {Plan, Plans} from "./support/Plans.sol";
import {Lend, Sale, SalePayload} from "./support/Sale.sol";
import {Keep} from "./support/Sales.sol";
import {HookToken} from "./support/Tokens.sol";

/// Several positions sold in one transaction: together they earn what each was predicted to, and if one cannot be sold none is.
contract LiquidationSeveralTest is Plans {
    uint256 private constant INVENTORY = 100 ether;

    function test_two_positions_behind_one_price_are_both_sold_and_earn_the_sum_to_the_wei() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            for (uint256 keep = 0; keep < 3; keep++) {
                (Plan memory first, Plan memory second) = _two(Lend(lend), Keep(keep), 2);
                _demandAll(first, second);
                uint256 before = _held(first.order.token);
                _succeeds(_both(first, second), 0);
                assertEq(_held(first.order.token) - before, first.profit + second.profit);
                _isIdle(first.sale);
            }
        }
    }

    function test_one_wei_more_than_either_earns_undoes_both() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            for (uint256 which = 0; which < 2; which++) {
                (Plan memory first, Plan memory second) = _two(Lend(lend), Keep.DEBT, 1);
                _demandAll(first, second);
                (which == 0 ? first : second).order.minProfit += 1;
                _undoes(first, second, IExecutor.Unprofitable.selector);
            }
        }
    }

    function test_positions_of_two_lenders_are_sold_together() public {
        Plan memory first;
        Plan memory second;
        first.sale = _position(Lend.AAVE_V3, debt, collateral);
        second.sale = _position(Lend.MORPHO, debt, collateral);
        _plan(first, second, Keep.DEBT, 2);
        _demandAll(first, second);
        _succeeds(_both(first, second), 0);
        assertEq(_held(debt), first.profit + second.profit);
        _isIdle(first.sale);
        _isIdle(second.sale);
    }

    function test_a_second_position_that_is_no_longer_there_undoes_the_first() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Plan memory first, Plan memory second) = _two(Lend(lend), Keep.DEBT, 1);
            second.sale.borrower = stranger;
            _undoesWhatTheLenderRefuses(first, second);
        }
    }

    function test_the_same_position_twice_is_refused_by_morpho_when_nothing_is_left_of_it() public {
        (Plan memory first,) = _two(Lend.MORPHO, Keep.DEBT, 1);
        first.sale.asked = uint128(_shares(first.sale));
        (uint256 seized, uint128 repaid) = _exact(_with(first.sale, DEBT * 2));
        first.sale.repay = repaid;
        first.order = _path(collateral, 1, 0, seized);
        _undoesWhatTheLenderRefuses(first, first);
    }

    /// Both would pay at the price at which they were planned.
    function test_positions_that_are_healthy_again_are_refused_and_nothing_is_lost() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Plan memory first, Plan memory second) = _two(Lend(lend), Keep.DEBT, 1);
            _price(100);
            _undoesWhatTheLenderRefuses(first, second);
        }
    }

    function test_each_run_is_bound_to_its_own_block() public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        second.order.inBlock += 1;
        _undoes(first, second, IExecutor.WrongBlock.selector);
    }

    /// The pool lends less than the second debt: what the first has earned would cover it.
    function test_what_a_run_has_earned_the_next_one_may_not_lose() public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        _demandAll(first, second);
        (second.order.minProfit, second.order.amountIn) = (0, second.order.amountIn / 4 * 3);
        _undoes(first, second, IExecutor.Unprofitable.selector);
    }

    // ---- who pays the builder

    function test_each_bid_in_wei_is_paid_once_out_of_the_value_sent() public {
        (Plan memory first, Plan memory second) = _two(Lend.AAVE_V3, Keep.DEBT, 1);
        (first.order.bid, second.order.bid) = (3 ether, 2 ether);
        _succeeds(_both(first, second), 6 ether);
        assertEq(builder.balance, 5 ether);
        assertEq(executor.balance, 1 ether);
        assertEq(_held(debt), first.profit + second.profit);
    }

    /// The value covers either bid and not both: the second finds what the first has left.
    function test_value_that_the_first_bid_took_does_not_pay_the_second() public {
        (Plan memory first, Plan memory second) = _two(Lend.AAVE_V3, Keep.DEBT, 1);
        (first.order.bid, second.order.bid) = (3 ether, 3 ether);
        bytes memory both = _both(first, second);
        _isRefused(both, 6 ether - 1, IExecutor.BidTooHigh.selector);
        assertEq(builder.balance, 0);
        _succeeds(both, 6 ether);
        assertEq(builder.balance, 6 ether);
    }

    /// With inventory of WETH beside it, which neither may touch.
    function test_a_bid_above_the_ether_here_comes_from_the_profit_of_its_own_run() public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.BETWEEN, 2);
        assertEq(first.order.token, weth);
        _fund(weth, executor, INVENTORY);
        (first.order.bid, second.order.bid) = (uint128(first.profit) + 1, uint128(second.profit) + 1);
        _isRefused(_both(first, second), 1, IExecutor.BidTooHigh.selector);
        second.order.bid -= 1;
        _succeeds(_both(first, second), 1);
        assertEq(builder.balance, first.profit + second.profit + 1);
        assertEq(_held(weth), INVENTORY);
        assertEq(executor.balance, 0);
    }

    function test_each_share_is_one_of_its_own_profit() public {
        (Plan memory first, Plan memory second) = _two(Lend.AAVE_V2, Keep.BETWEEN, 2);
        (first.order.flags, first.order.bid) = (1, 9000);
        (second.order.flags, second.order.bid) = (1, 5000);
        _succeeds(_both(first, second), 0);
        uint256 paid = first.profit * 9 / 10 + second.profit / 2;
        assertEq(builder.balance, paid);
        assertEq(_held(weth), first.profit + second.profit - paid);
    }

    // ---- who may, and what is no payload

    function testFuzz_a_stranger_cannot_run_several(address caller) public {
        vm.assume(caller != owner);
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        bytes memory both = _both(first, second);
        vm.prank(caller);
        (bool ok, bytes memory reason) = executor.call(both);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotOwner.selector);
    }

    function testFuzz_a_torn_payload_runs_nothing(uint16 cut) public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        bytes memory both = _both(first, second);
        // Cut at the end of the first it would be whole.
        uint256 whole = 4 + 2 + SalePayload.encode(first.order, first.sale).length - 4;
        uint256 left = bound(cut, 4, both.length - 1);
        vm.assume(left != whole);
        assembly ("memory-safe") {
            mstore(both, left)
        }
        uint256 before = _held(debt);
        _refuses(both, IExecutor.BadPayload.selector);
        assertEq(_held(debt), before);
    }

    function testFuzz_bytes_behind_the_last_payload_undo_all(uint8 more) public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        _refuses(bytes.concat(_both(first, second), new bytes(bound(more, 1, 80))), IExecutor.BadPayload.selector);
    }

    function test_nothing_at_all_and_empty_payloads_are_refused() public {
        bytes4 all = SalePayload.RUN_ALL;
        _refuses(abi.encodePacked(all), IExecutor.BadPayload.selector);
        _refuses(abi.encodePacked(all, uint16(0)), IExecutor.BadPayload.selector);
        _refuses(abi.encodePacked(all, uint16(3), uint24(0)), IExecutor.BadPayload.selector);
        _refuses(abi.encodePacked(all, type(uint16).max), IExecutor.BadPayload.selector);
    }

    /// A payload has no selector of its own: whatever it begins with is read as a run.
    function test_a_payload_can_mean_nothing_but_a_run() public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        _fund(debt, executor, INVENTORY);
        bytes[] memory other = new bytes[](1);
        other[0] = bytes.concat(bytes4(0), abi.encodeCall(IExecutor.sweep, (debt, owner, INVENTORY)));
        _refuses(SalePayload.several(other), IExecutor.BadPayload.selector);
        other[0] = bytes.concat(bytes4(0), _both(first, second));
        (bool ok,) = _send(SalePayload.several(other), 0);
        assertFalse(ok);
        assertEq(_held(debt), INVENTORY);
    }

    // ---- who calls in

    function test_a_collateral_that_calls_back_in_any_of_the_runs_is_obeyed_in_nothing() public {
        HookToken hook = new HookToken();
        collateral = address(hook);
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 2);
        _demandAll(first, second);
        bytes memory both = _both(first, second);
        hook.attempt(executor, both);
        hook.attempt(executor, abi.encodeCall(IExecutor.sweep, (debt, address(hook), 1)));
        for (uint256 i = 0; i < 2; i++) {
            Plan memory plan = i == 0 ? first : second;
            hook.attempt(executor, SalePayload.encode(plan.order, plan.sale));
            for (uint256 count = 0; count <= 2; count++) {
                bytes memory echo = SalePayload.echo(plan.order, plan.sale, count);
                hook.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo));
                hook.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
            }
        }
        _succeeds(both, 0);
        assertGt(hook.tried(), 0);
        assertEq(hook.obeyed(), 0);
        assertEq(_held(debt), first.profit + second.profit);
    }

    /// The lender of the second run is hostile; what the first has earned lies there.
    function testFuzz_a_hostile_lender_in_a_later_run_gets_nothing_of_what_is_here(uint96 take, uint96 give, uint8 kind) public {
        (Plan memory first, Plan memory second) = _two(Lend.MORPHO, Keep.DEBT, 1);
        HostileLender lender = new HostileLender(debt, collateral);
        _fund(collateral, address(lender), INVENTORY);
        second.sale.kind = uint8(bound(kind, 0, 4));
        (second.sale.lender, second.sale.also) = (address(lender), collateral);
        bytes memory both = _both(first, second);
        lender.attempt(executor, both);
        lender.attempt(executor, SalePayload.encode(second.order, second.sale));
        lender.attempt(executor, abi.encodeWithSelector(0xfa461e33, 1, 1, SalePayload.echo(second.order, second.sale, 1)));
        lender.behave(bound(take, 0, INVENTORY), bound(give, 0, INVENTORY));
        _fund(debt, executor, INVENTORY);
        _fund(collateral, executor, INVENTORY);
        (bool ok,) = _send(both, 0);
        assertGe(_held(debt), INVENTORY + (ok ? first.profit : 0));
        assertGe(_held(collateral), INVENTORY);
        assertEq(lender.obeyed(), 0);
        assertFalse(lender.pull(debt, executor, 1));
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    // ---- outcomes

    function _with(Sale memory sale, uint256 repay) private pure returns (Sale memory) {
        sale.repay = uint128(repay);
        return sale;
    }

    function _isRefused(bytes memory payload, uint256 value, bytes4 why) private {
        (bool ok, bytes memory reason) = _send(payload, value);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    function _undoes(Plan memory first, Plan memory second, bytes4 why) private {
        assertEq(bytes4(_undone(first, second)), why);
    }

    /// The lender's own words come through: it is none of our errors.
    function _undoesWhatTheLenderRefuses(Plan memory first, Plan memory second) private {
        uint256 state = vm.snapshotState();
        bytes memory reason = _undone(first, second);
        vm.revertToState(state);
        (bool ok, bytes memory alone) = _send(_both(second, second), 0);
        assertFalse(ok);
        assertGt(reason.length, 0);
        if (first.sale.borrower != second.sale.borrower) assertEq(reason, alone);
    }

    /// Both fail together, beside inventory, and nothing has moved.
    function _undone(Plan memory first, Plan memory second) private returns (bytes memory reason) {
        _fund(debt, executor, INVENTORY);
        _fund(collateral, executor, INVENTORY);
        bool ok;
        (ok, reason) = _send(_both(first, second), 0);
        assertFalse(ok);
        assertEq(_held(debt), INVENTORY);
        assertEq(_held(collateral), INVENTORY);
        _isIdle(first.sale);
    }

    function _isIdle(Sale memory sale) private view {
        assertEq(IApprove(debt).allowance(executor, sale.lender), 0, "allowance left");
        assertEq(vm.load(executor, 0), bytes32(uint256(1)), "a callback is due");
    }
}
