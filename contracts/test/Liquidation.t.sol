// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IAave} from "./support/LenderInterfaces.sol";
import {Order} from "./support/Payload.sol";
import {Lend, Sale} from "./support/Sale.sol";
import {Keep, Sales} from "./support/Sales.sol";

/// Positions of the real lenders, sold over the real pools: what is earned is what was predicted, to the wei, wherever it is kept.
contract LiquidationTest is Sales {
    function test_every_path_of_one_to_three_pools_earns_what_was_predicted_of_aave_v2() public {
        _everyMix(Lend.AAVE_V2);
    }

    function test_every_path_of_one_to_three_pools_earns_what_was_predicted_of_aave_v3() public {
        _everyMix(Lend.AAVE_V3);
    }

    function test_every_path_of_one_to_three_pools_earns_what_was_predicted_of_morpho() public {
        _everyMix(Lend.MORPHO);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_any_amount_and_any_path_earn_what_was_predicted(uint8 lend, uint8 hops, uint8 kinds, uint8 keep, uint256 repay)
        public
    {
        Keep where = Keep(bound(keep, 0, 2));
        hops = uint8(bound(hops, where == Keep.BETWEEN ? 2 : 1, 4));
        (Sale memory sale, uint256 seized) = _sunk(Lend(lend % 3), bound(repay, 1e9, DEBT / 2));
        Order memory order = _path(collateral, hops, kinds, seized);
        _earns(order, sale, _keep(order, sale, seized, where));
    }

    function test_a_position_far_below_is_sold_whole() public {
        (Sale memory sale,) = _sunk(Lend.AAVE_V3, DEBT / 2);
        sale.repay = uint128(DEBT * 2);
        _sellsWhole(sale);
        assertEq(_health(sale), type(uint256).max);
    }

    function test_every_share_of_a_morpho_position_is_sold() public {
        (Sale memory sale,) = _sunk(Lend.MORPHO, DEBT / 2);
        (sale.asked, sale.repay) = (uint128(_shares(sale)), uint128(DEBT * 2));
        _sellsWhole(sale);
        assertEq(_shares(sale), 0);
    }

    function test_morpho_is_asked_for_collateral_too() public {
        (Sale memory sale,) = _sunk(Lend.MORPHO, DEBT / 2);
        (sale.kind, sale.asked, sale.repay) = (3, 31 ether, uint128(DEBT));
        _sellsWhole(sale);
    }

    function test_a_position_just_below_is_sold_by_half_and_what_the_lender_leaves_is_not_lost() public {
        for (uint256 lend = 0; lend < 2; lend++) {
            (Sale memory sale,) = _sunk(Lend(lend), DEBT / 2);
            _price(84);
            sale.repay = uint128(DEBT * 2 / 3);
            (uint256 seized, uint256 taken) = _byHand(sale);
            assertLt(taken, sale.repay);
            Order memory order = _path(collateral, 1, 0, seized);
            order.legs[0].out = uint128(quoter.quote(order.legs[0], seized));
            // The pool lends less than the lender is allowed: what it does not take need not be there.
            assertLt(order.legs[0].out, sale.repay);
            _earns(order, sale, order.legs[0].out - taken);
        }
    }

    function test_receipt_tokens_are_sold_as_they_are() public {
        for (uint256 lend = 0; lend < 2; lend++) {
            (Sale memory sale,) = _sunk(Lend(lend), DEBT / 2);
            uint256 seized = _inReceipts(sale, false);
            // Their transfers round, by up to a unit each.
            Order memory order = _path(sale.also, 1, lend, seized - 2);
            _predict(order);
            uint256 profit = order.legs[0].out - 2 - sale.repay;
            order.legs[0].out -= 2;
            order.minProfit = uint128(profit);
            _liquidates(order, sale);
            assertLe(_held(sale.also), 4);
        }
    }

    function test_receipt_tokens_are_withdrawn_straight_to_the_pool() public {
        for (uint256 lend = 0; lend < 2; lend++) {
            (Sale memory sale,) = _sunk(Lend(lend), DEBT / 2);
            uint256 seized = _inReceipts(sale, true);
            Order memory order = _path(collateral, 2, 2, seized);
            _earns(order, sale, _keep(order, sale, seized, Keep.DEBT));
            assertEq(_held(collateral), 0);
            assertLe(_held(sale.also), 1);
        }
    }

    function test_what_a_lender_that_is_lent_out_still_has_is_withdrawn_and_the_rest_stays_as_receipts() public {
        (Sale memory sale,) = _sunk(Lend.AAVE_V3, DEBT / 2);
        IAave(sale.lender).borrow(collateral, 170 ether, 2, 0, address(this));
        Order memory order = _path(collateral, 1, 0, 15 ether);
        _fails(order, sale);
        uint256 seized = _inReceipts(sale, true);
        order.token = sale.also;
        sale.repay = order.legs[0].out;
        (seized,) = _byHand(sale);
        uint256 kept = seized - order.amountIn;
        order.minProfit = uint128(kept - 1);
        _liquidates(order, sale);
        assertApproxEqAbs(_held(sale.also), kept, 1);
    }

    function test_the_lenders_fee_is_paid_out_of_what_is_seized() public {
        (Sale memory sale, uint256 seized) = _sunk(Lend.AAVE_V3, DEBT / 2);
        Order memory order = _path(collateral, 1, 0, seized);
        uint256 before = _heldBy(sale.also, treasury);
        _earns(order, sale, _keep(order, sale, seized, Keep.DEBT));
        // A tenth of the bonus of 5%: the borrower gives it up and whoever liquidates does not get it.
        uint256 bonus = (_heldBy(sale.also, treasury) - before) * 10;
        assertApproxEqRel(bonus, (seized + bonus / 10) * 5 / 105, 1e12);
    }

    function test_a_cycle_that_ends_with_the_liquidation_earns_in_weth_and_pays_a_share_of_it() public {
        collateral = weth;
        for (uint256 lend = 0; lend < 3; lend++) {
            (Sale memory sale, uint256 seized) = _sunk(Lend(lend), DEBT / 2);
            Order memory order = _path(weth, 1, 1, seized);
            uint256 profit = _keep(order, sale, seized, Keep.COLLATERAL);
            (order.flags, order.bid, order.minProfit) = (1, 9000, uint128(profit));
            uint256 before = _held(weth);
            uint256 paid = builder.balance;
            _liquidates(order, sale);
            assertEq(builder.balance - paid, profit * 9000 / 10000);
            assertEq(_held(weth) - before, profit - profit * 9000 / 10000);
        }
    }

    function test_profit_kept_between_two_pools_pays_a_bid_in_wei() public {
        (Sale memory sale, uint256 seized) = _sunk(Lend.AAVE_V3, DEBT / 2);
        Order memory order = _path(collateral, 2, 0, seized);
        uint256 profit = _keep(order, sale, seized, Keep.BETWEEN);
        assertEq(order.token, weth);
        (order.bid, order.minProfit) = (uint128(profit), uint128(profit));
        _liquidates(order, sale);
        assertEq(builder.balance, profit);
        assertEq(_held(weth), 0);
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_inventory_of_every_token_is_left_alone(uint8 lend, uint8 kinds, uint8 keep, uint80 inventory) public {
        (Sale memory sale, uint256 seized) = _sunk(Lend(lend % 3), DEBT / 2);
        Order memory order = _path(collateral, 3, kinds, seized);
        for (uint256 i = 0; i < 3; i++) {
            _fund(order.legs[i].tokenIn, executor, inventory);
        }
        _fund(debt, executor, inventory);
        uint256 profit = _keep(order, sale, seized, Keep(keep % 3));
        _liquidates(order, sale);
        for (uint256 i = 0; i < 3; i++) {
            address token = order.legs[i].tokenIn;
            if (token == order.token) assertEq(_held(token), inventory + profit);
            else assertEq(_held(token), inventory);
        }
        // What the last pool rounds in our favour stays.
        assertGe(_held(debt), inventory);
    }

    function _sellsWhole(Sale memory sale) private {
        uint256 seized;
        (seized, sale.repay) = _exact(sale);
        Order memory order = _path(collateral, 2, 1, seized);
        _earns(order, sale, _keep(order, sale, seized, Keep.DEBT));
    }

    function _everyMix(Lend lend) private {
        (Sale memory sale, uint256 seized) = _sunk(lend, DEBT / 2);
        for (uint256 hops = 1; hops < 4; hops++) {
            for (uint256 kinds = 0; kinds < 1 << hops; kinds++) {
                _earnsOnce(sale, seized, hops, kinds, Keep.DEBT);
                _earnsOnce(sale, seized, hops, kinds, Keep.COLLATERAL);
                if (hops > 1) _earnsOnce(sale, seized, hops, kinds, Keep.BETWEEN);
            }
        }
    }

    /// Leaves the position as it was.
    function _earnsOnce(Sale memory sale, uint256 seized, uint256 hops, uint256 kinds, Keep where) private {
        uint256 state = vm.snapshotState();
        Order memory order = _path(collateral, hops, kinds, seized);
        _earns(order, sale, _keep(order, sale, seized, where));
        sale.stop = 0;
        vm.revertToState(state);
    }
}
