// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Mix} from "./support/Calls.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {IApprove} from "./support/LenderInterfaces.sol";
import {From, Loans} from "./support/Loans.sol";
import {Called, Kind, Order, Payload} from "./support/Payload.sol";
import {Venue} from "./support/Venue.sol";

/// What a path begins with is lent by whoever lends it: Balancer's vault, Morpho, Aave, a pool's own flash, a token that mints itself.
contract LoansTest is Loans {
    From[5] private FROM = [From.BALANCER_V2, From.MORPHO, From.AAVE_V3, From.UNISWAP_V3, From.ERC3156];

    /// Nothing is held of what it begins with; a call at the end, or a pool, which need not lend.
    function test_a_path_of_any_steps_is_begun_by_every_lender() public {
        for (uint256 from = 0; from < 5; from++) {
            for (uint256 kinds = 0; kinds < 4; kinds++) {
                for (uint256 calls = 0; calls < 4; calls++) {
                    _earnsLent(FROM[from], 2, kinds, _directAtEnd(_same(calls, Kind.ALLOWED), 2));
                }
            }
        }
    }

    function testFuzz_any_path_is_begun_by_any_lender(uint8 from, uint8 hops, uint8 kinds, uint8 calls, uint64 modes) public {
        hops = uint8(bound(hops, 2, 4));
        _earnsLent(FROM[from % 5], hops, kinds, _directAtEnd(_any(calls & ((1 << hops) - 1), modes), hops));
    }

    /// The last call may be measured as well: it pays here, and behind it nothing is sent.
    function test_a_call_before_a_loan_may_be_measured() public {
        Mix memory mix = _same(2, Kind.ALLOWED);
        (Order memory order, Loan memory loan) = _lentPath(From.MORPHO, 2, 0, mix);
        Called memory step = _loan(loan, order.token, order.amountIn);
        Venue(order.legs[1].pool).behave(order.legs[0].out, order.legs[1].out - 1);
        _refuses(_encodeLent(order, mix, step), IExecutor.GotTooLittle.selector);
        Venue(order.legs[1].pool).behave(order.legs[0].out, order.legs[1].out);
        _succeeds(_encodeLent(order, mix, step), 0);
        assertEq(_held(order.token), _profit(order));
    }

    /// The lender asks for more than the step says is its due.
    function test_a_lender_that_is_due_more_than_the_step_says_reverts() public {
        for (uint256 from = 0; from < 5; from++) {
            Mix memory none;
            (Order memory order, Loan memory loan) = _lentPath(FROM[from], 2, 0, none);
            Called memory step = _loan(loan, order.token, order.amountIn);
            step.out -= 1;
            (bool ok,) = _send(_encodeLent(order, none, step), 0);
            assertFalse(ok);
            // Nor is it given more than its due by mistake: what it is allowed and does not take is taken back.
            step.out += 2;
            _succeeds(_encodeLent(order, none, step), 0);
            assertEq(IApprove(order.token).allowance(executor, loan.lender), 0);
        }
    }

    /// All that it has, and not a unit more.
    function test_a_lender_lends_what_it_has_and_no_more() public {
        From[3] memory holders = [From.BALANCER_V2, From.MORPHO, From.UNISWAP_V3];
        for (uint256 from = 0; from < 3; from++) {
            Mix memory mix = _directAtEnd(_same(2, Kind.ALLOWED), 2);
            (Order memory order, Loan memory loan) = _lentPath(holders[from], 2, 0, mix);
            for (uint256 more = 2; more > 0; more--) {
                order.amountIn = uint128(_heldOf(order.token, loan.lender) + more - 1);
                _foretell(order, mix);
                order.legs[1].out = order.amountIn * 11 / 10;
                (bool ok,) = _send(_encodeLent(order, mix, _loan(loan, order.token, order.amountIn)), 0);
                assertEq(ok, more == 1);
            }
        }
    }

    /// What it begins with is named, and what is earned another token, kept on the way.
    function test_a_stop_keeps_the_profit_of_a_path_that_is_lent() public {
        for (uint256 from = 0; from < 5; from++) {
            Mix memory mix = _directAtEnd(_same(2, Kind.ALLOWED), 2);
            (Order memory order, Loan memory loan) = _lentPath(FROM[from], 2, 0, mix);
            Called memory loaned = _loan(loan, order.token, order.amountIn);
            (address start, address token) = (order.token, order.legs[1].tokenIn);
            bytes memory first = Payload.hop(order.legs[0]);
            uint128 kept = order.legs[0].out / 10;
            // What comes behind begins with less, and pays what the lender is due.
            (order.legs[0].out, order.legs[1].out) = (order.legs[0].out - kept, loaned.out);
            bytes memory last = Payload.called(_call(order, mix, 1));
            bytes memory steps = bytes.concat(first, Payload.stop(token, order.legs[0].out), last, Payload.called(loaned));
            (order.token, order.minProfit) = (token, kept);
            _succeeds(Payload.long(order, start, steps), 0);
            assertEq(_held(token), INVENTORY + kept);
            assertEq(_held(start), 0);
        }
    }

    function _earnsLent(From from, uint256 hops, uint256 kinds, Mix memory mix) private {
        (Order memory order, Loan memory loan) = _lentPath(from, hops, kinds, mix);
        Called memory step = _loan(loan, order.token, order.amountIn);
        uint256 profit = _profit(order) - (step.out - order.amountIn);
        order.minProfit = uint128(profit) + 1;
        _refuses(_encodeLent(order, mix, step), IExecutor.Unprofitable.selector);
        order.minProfit -= 1;
        _succeeds(_encodeLent(order, mix, step), 0);
        assertEq(_held(order.token), profit);
        for (uint256 i = 1; i < hops; i++) {
            assertEq(_held(order.legs[i].tokenIn), INVENTORY);
        }
        _isIdle(order);
        assertEq(IApprove(order.token).allowance(executor, loan.lender), 0, "allowance left");
    }

    function _directAtEnd(Mix memory mix, uint256 hops) private pure returns (Mix memory) {
        mix.modes |= uint256(Kind.DIRECT) << (hops - 1) * 5;
        return mix;
    }

    function _venue() internal override returns (address) {
        return address(new Venue());
    }
}
