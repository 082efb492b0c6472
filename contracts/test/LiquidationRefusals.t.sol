// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {IAave, IApprove, IMorpho} from "./support/LenderInterfaces.sol";
import {Kind, Order, Payload} from "./support/Payload.sol";
import {Lend, Sale, SalePayload} from "./support/Sale.sol";
import {Keep, Sales} from "./support/Sales.sol";

/// Liquidations that must not run, or not run at a loss, beside inventory that could pay for them.
contract LiquidationRefusalsTest is Sales {
    uint256 private constant INVENTORY = 100 ether;

    function test_a_position_that_is_healthy_again_is_refused_and_nothing_is_lost() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Order memory order, Sale memory sale) = _sound(Lend(lend));
            _price(100);
            _losesNothing(order, sale);
        }
    }

    function test_a_position_that_a_rival_sold_first_is_refused() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Order memory order, Sale memory sale) = _sound(Lend(lend));
            (uint8 kind, uint128 asked) = (sale.kind, sale.asked);
            if (sale.kind == 4) sale.asked = uint128(_shares(sale) * 9 / 10);
            _rival(sale);
            (sale.kind, sale.asked) = (kind, asked);
            order.minProfit = 1 ether;
            _losesNothing(order, sale);
        }
    }

    function test_a_borrower_who_owes_nothing_is_refused() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Order memory order, Sale memory sale) = _sound(Lend(lend));
            sale.borrower = stranger;
            _losesNothing(order, sale);
        }
    }

    function testFuzz_a_stranger_cannot_run(address caller) public {
        vm.assume(caller != owner);
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        bytes memory payload = SalePayload.encode(order, sale);
        vm.prank(caller);
        (bool ok, bytes memory reason) = executor.call(payload);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotOwner.selector);
    }

    function testFuzz_any_other_block_is_refused(uint40 inBlock) public {
        vm.assume(inBlock != block.number);
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        order.inBlock = inBlock;
        _refuses(order, sale, IExecutor.WrongBlock.selector);
    }

    function testFuzz_unknown_kinds_and_flags_are_refused(uint8 kind, uint8 flags) public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        order.flags = uint8(bound(flags, 4, 255));
        _refuses(order, sale, IExecutor.BadPayload.selector);
        order.flags = 0;
        bytes memory payload = SalePayload.encode(order, sale);
        // Those of the call and of the pool behind it.
        uint256 pool = payload.length - 57;
        (uint8 called, uint8 swaps) = (uint8(payload[pool - 57]), uint8(payload[pool]));
        vm.assume(!Kind.isCall(kind));
        vm.assume(kind > 4);
        payload[pool - 57] = bytes1(kind);
        _refuses(payload, IExecutor.BadPayload.selector);
        (payload[pool - 57], payload[pool]) = (bytes1(called), bytes1(uint8(bound(kind, 4, 255))));
        _refuses(payload, IExecutor.BadPayload.selector);
        payload[pool] = bytes1(swaps);
        _succeeds(payload, 0);
    }

    function testFuzz_a_payload_of_another_length_is_refused(uint8 cut, bool longer) public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        bytes memory payload = SalePayload.encode(order, sale);
        cut = uint8(bound(cut, 1, 56));
        if (longer) payload = bytes.concat(payload, new bytes(cut));
        assembly ("memory-safe") {
            if iszero(longer) { mstore(payload, sub(mload(payload), cut)) }
        }
        _refuses(payload, IExecutor.BadPayload.selector);
    }

    function test_a_payload_without_pools_is_refused() public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        delete order.legs;
        _refuses(order, sale, IExecutor.BadPayload.selector);
        _refuses(abi.encodePacked(Payload.RUN), IExecutor.BadPayload.selector);
    }

    function test_a_share_of_a_profit_that_is_not_weth_is_refused() public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        (order.flags, order.bid) = (1, 1);
        _refuses(order, sale, IExecutor.BadPayload.selector);
    }

    function test_min_profit_is_met_exactly_or_not_at_all() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Order memory order, Sale memory sale) = _sound(Lend(lend));
            order.minProfit = order.legs[0].out - sale.repay + 1;
            _refuses(order, sale, IExecutor.Unprofitable.selector);
            order.minProfit -= 1;
            _liquidates(order, sale);
        }
    }

    /// One unit more than is seized would come out of the inventory of it.
    function test_a_seizure_of_one_unit_less_than_goes_on_is_refused() public {
        for (uint256 lend = 0; lend < 3; lend++) {
            (Order memory order, Sale memory sale) = _sound(Lend(lend));
            order.amountIn += 1;
            _refuses(order, sale, IExecutor.GotTooLittle.selector);
        }
    }

    /// The profit is in collateral, and what the pool lends does not cover the debt: the inventory of it must not.
    function test_a_debt_that_the_pool_does_not_cover_is_not_paid_from_inventory() public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        _keep(order, sale, order.amountIn, Keep.COLLATERAL);
        order.legs[0].out = sale.repay - 1;
        _refuses(order, sale, IExecutor.TokenSpent.selector);
        order.legs[0].out = sale.repay;
        _liquidates(order, sale);
    }

    /// A stop sends on more than has come: the inventory of the profit token must not pay for it.
    function test_a_stop_that_sends_on_more_than_comes_is_refused() public {
        (Sale memory sale, uint256 seized) = _sunk(Lend.MORPHO, DEBT / 2);
        Order memory order = _path(collateral, 2, 0, seized);
        _fund(weth, executor, INVENTORY);
        _keep(order, sale, seized, Keep.BETWEEN);
        sale.goesOn = order.legs[0].out + 1;
        _refuses(order, sale, IExecutor.Unprofitable.selector);
    }

    function test_a_lender_that_may_take_one_unit_too_little_is_refused() public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        sale.repay -= 1;
        _losesNothing(order, sale);
    }

    function test_a_receipt_token_of_another_reserve_is_refused() public {
        for (uint8 kind = 1; kind < 3; kind++) {
            (Order memory order, Sale memory sale) = _sound(Lend.AAVE_V3);
            (sale.kind, sale.also) = (kind, weth);
            _fund(weth, executor, INVENTORY);
            _refuses(order, sale, IExecutor.GotTooLittle.selector);
        }
    }

    function test_a_lender_without_code_is_refused() public {
        for (uint8 kind = 0; kind < 5; kind++) {
            (Order memory order, Sale memory sale) = _sound(Lend.AAVE_V3);
            (sale.kind, sale.lender, sale.also) = (kind, stranger, collateral);
            _refuses(order, sale, IExecutor.GotTooLittle.selector);
        }
    }

    function test_collateral_that_is_the_debt_is_refused() public {
        Sale memory sale = _position(Lend.MORPHO, debt, debt);
        _price(80);
        _ask(sale, DEBT / 2);
        Order memory order = _path(weth, 1, 0, DEBT);
        _fund(debt, executor, INVENTORY);
        _refuses(order, sale, IExecutor.GotTooLittle.selector);
    }

    function test_the_executor_is_no_lender_of_its_own() public {
        (Order memory order, Sale memory sale) = _sound(Lend.MORPHO);
        sale.lender = executor;
        _losesNothing(order, sale);
    }

    /// A position that pays, its sale over one V2 pool, and 100 of both tokens that belong to the owner.
    function _sound(Lend lend) private returns (Order memory order, Sale memory sale) {
        uint256 seized;
        (sale, seized) = _sunk(lend, DEBT / 2);
        order = _path(collateral, 1, 0, seized);
        _fund(debt, executor, INVENTORY);
        _fund(collateral, executor, INVENTORY);
    }

    function _losesNothing(Order memory order, Sale memory sale) private {
        (uint256 debts, uint256 collaterals) = (_held(debt), _held(collateral));
        _fails(order, sale);
        assertEq(_held(debt), debts);
        assertEq(_held(collateral), collaterals);
        assertEq(IApprove(debt).allowance(executor, sale.lender), 0);
    }

    /// Somebody with capital takes all that the lender gives.
    function _rival(Sale memory sale) private {
        _own(debt, DEBT * 2, sale.lender);
        if (sale.kind == 4) IMorpho(sale.lender).liquidate(_market(sale), sale.borrower, 0, sale.asked, "");
        else IAave(sale.lender).liquidationCall(collateral, debt, sale.borrower, DEBT * 2, false);
    }
}
