// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {Order} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// What the builder gets, and out of which purse.
contract BidsTest is World {
    uint256 private constant INVENTORY = 100 ether;
    uint256 private profit;

    function test_a_bid_in_wei_comes_from_the_value_sent() public {
        Order memory order = _order(_token());
        order.bid = 1 ether;
        _run(order, 1 ether);
        _ended(order, profit, 1 ether, 0);
    }

    function test_value_beyond_the_bid_stays_for_sweep() public {
        Order memory order = _order(_token());
        order.bid = 1 ether;
        _run(order, 3 ether);
        _ended(order, profit, 1 ether, 2 ether);
    }

    function test_a_bid_in_wei_comes_from_the_ether_held() public {
        Order memory order = _order(weth);
        vm.deal(executor, 3 ether);
        order.bid = 1 ether;
        _run(order);
        _ended(order, profit, 1 ether, 2 ether);
    }

    function test_what_ether_does_not_cover_comes_from_the_profit_in_weth() public {
        Order memory order = _order(weth);
        vm.deal(executor, 100);
        order.bid = uint128(profit) + 100;
        _run(order);
        _ended(order, 0, profit + 100, 0);
    }

    function test_a_bid_one_wei_above_ether_and_profit_is_refused() public {
        Order memory order = _order(weth);
        vm.deal(executor, 100);
        order.bid = uint128(profit) + 101;
        _refuses(order, IExecutor.BidTooHigh.selector);
    }

    function test_a_bid_above_the_ether_held_is_refused_if_the_profit_is_not_weth() public {
        Order memory order = _order(_token());
        _fund(weth, executor, INVENTORY);
        vm.deal(executor, 100);
        order.bid = 101;
        _refuses(order, IExecutor.BidTooHigh.selector);
    }

    function testFuzz_a_bid_in_wei_never_eats_inventory(uint128 bid, uint64 held, uint64 sent) public {
        Order memory order = _order(weth);
        vm.deal(executor, held);
        uint256 ether_ = uint256(held) + sent;
        order.bid = uint128(bound(bid, 0, ether_ + profit));
        _run(order, sent);
        uint256 unwrapped = order.bid > ether_ ? order.bid - ether_ : 0;
        _ended(order, profit - unwrapped, order.bid, ether_ + unwrapped - order.bid);
    }

    function testFuzz_a_bid_in_bps_is_that_share_of_the_profit_rounded_down(uint128 bps, uint64 held) public {
        Order memory order = _order(weth);
        vm.deal(executor, held);
        order.flags = 1;
        order.bid = uint128(bound(bps, 0, 10000));
        uint256 share = profit * order.bid / 10000;
        _run(order);
        _ended(order, profit - share, share, held);
    }

    function test_min_profit_is_measured_before_the_builder_is_paid() public {
        Order memory order = _order(weth);
        order.flags = 1;
        order.bid = 10000;
        order.minProfit = uint128(profit);
        _run(order);
        _ended(order, 0, profit, 0);
    }

    function test_a_builder_that_refuses_ether_makes_the_run_revert() public {
        vm.coinbase(address(quoter));
        Order memory order = _order(weth);
        vm.deal(executor, 1 ether);
        order.bid = 1 ether;
        _refuses(order, IExecutor.PaymentFailed.selector);
        order.flags = 1;
        order.bid = 5000;
        _refuses(order, IExecutor.PaymentFailed.selector);
    }

    function test_a_builder_that_is_bid_nothing_is_not_called() public {
        vm.coinbase(address(quoter));
        _run(_order(weth));
    }

    function _order(address token) private returns (Order memory order) {
        order = _cycle(token, 2, 2);
        _fund(token, executor, INVENTORY);
        profit = _profit(order);
        order.minProfit = uint128(profit);
    }

    function _ended(Order memory order, uint256 kept, uint256 paid, uint256 etherLeft) private view {
        assertEq(_held(order.token), INVENTORY + kept, "token kept");
        assertEq(builder.balance, paid, "builder paid");
        assertEq(executor.balance, etherLeft, "ether left");
    }
}
