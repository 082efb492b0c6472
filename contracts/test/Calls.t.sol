// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Calls, Mix} from "./support/Calls.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {Called, Kind, Order, Payload} from "./support/Payload.sol";
import {SalePayload} from "./support/Sale.sol";
import {Venue} from "./support/Venue.sol";

/// Venues that are called and keep their word, in every place of a path and in every mode: what is earned is what was predicted, to
/// the wei, and nothing else moves.
contract CallsTest is Calls {
    function test_a_call_in_front_earns_what_was_predicted_in_every_mode() public {
        _everyMode(2, 1);
    }

    function test_calls_in_any_places_of_three_earn_what_was_predicted_in_every_mode() public {
        for (uint256 calls = 1; calls < 4; calls++) {
            _everyMode(3, calls);
        }
    }

    /// Behind V2, behind V3, before both, between both; the modes follow each other in every order.
    function test_two_calls_after_one_another_earn_what_was_predicted_in_every_pair_of_modes() public {
        for (uint256 first = 0; first < 6; first++) {
            for (uint256 second = 0; second < 6; second++) {
                Mix memory mix = Mix(6, uint256(MODES[first]) << 5 | uint256(MODES[second]) << 10);
                _earns(_path(4, (first + second) % 2 * 9, mix), mix);
            }
        }
    }

    function testFuzz_any_path_earns_what_was_predicted(uint8 hops, uint8 kinds, uint8 calls, uint64 modes, uint128 amountIn)
        public
    {
        hops = uint8(bound(hops, 2, 5));
        Mix memory mix = _any(calls & ((1 << (hops - 1)) - 1), modes);
        Order memory order = _path(hops, kinds, mix);
        order.amountIn = uint128(bound(amountIn, 1e6, 10 ether));
        _foretell(order, mix);
        if (order.legs[hops - 1].out < order.amountIn) return;
        _earns(order, mix);
    }

    /// Nothing lends: what the path begins with is held here, and is here again at the end.
    function test_a_path_that_ends_with_a_call_earns_what_was_predicted_out_of_what_is_held_in_every_mode() public {
        for (uint256 mode = 1; mode < 6; mode += 2) {
            for (uint256 hops = 2; hops < 5; hops++) {
                for (uint256 kinds = 0; kinds < 1 << (hops - 1); kinds++) {
                    Mix memory mix = _same(1 << (hops - 1), MODES[mode]);
                    Order memory order = _path(hops, kinds, mix);
                    order.legs[hops - 1].out = order.amountIn + 1 ether;
                    _earns(order, mix);
                }
            }
        }
    }

    function testFuzz_any_path_that_ends_with_a_call_earns_what_was_predicted(
        uint8 hops,
        uint8 kinds,
        uint8 calls,
        uint64 modes,
        uint128 amountIn
    ) public {
        hops = uint8(bound(hops, 2, 5));
        Mix memory mix = _any(calls & ((1 << hops) - 1) | 1 << (hops - 1), modes);
        mix.modes |= uint256(Kind.DIRECT) << (hops - 1) * 5;
        Order memory order = _path(hops, kinds, mix);
        order.amountIn = uint128(bound(amountIn, 1e6, 10 ether));
        _foretell(order, mix);
        order.legs[hops - 1].out = order.amountIn + order.amountIn / 10;
        _earns(order, mix);
    }

    /// The profit is another token than the one that the path begins with, kept between two steps of any kind.
    function testFuzz_a_stop_keeps_what_is_above_what_goes_on(uint8 kinds, uint8 calls, uint64 modes, uint8 where, uint64 kept) public {
        Mix memory mix = _any(calls & 7, modes);
        Order memory order = _path(4, kinds, mix);
        uint256 at = bound(where, 1, 3);
        bytes memory steps = _steps(order, mix, at);
        // Whatever is in front has been told whom to pay; a stop is paid here.
        if (_isCall(mix, at - 1)) {
            Called memory last = _call(order, mix, at - 1);
            last.mode &= ~Kind.DIRECT;
            last.data = bytes.concat(bytes4(last.data), _to(last.data, executor));
            steps = bytes.concat(_steps(order, mix, at - 1), Payload.called(last));
        }
        uint128 goesOn = order.legs[at - 1].out - uint128(bound(kept, 1, 0.1 ether));
        uint256 profit = order.legs[at - 1].out - goesOn;
        (address start, address token) = (order.token, order.legs[at].tokenIn);
        steps = bytes.concat(steps, Payload.stop(token, goesOn));
        // What comes behind begins with less.
        (order.legs[at - 1].out, order.token) = (goesOn, token);
        uint256 amount = goesOn;
        for (uint256 i = at; i < 4; i++) {
            if (!_isCall(mix, i)) amount = quoter.quote(order.legs[i], amount);
            order.legs[i].out = uint128(amount);
        }
        if (amount < order.amountIn) return;
        bytes memory whole = _steps(order, mix, 4);
        bytes memory front = _steps(order, mix, at);
        order.minProfit = uint128(profit);
        _succeeds(Payload.long(order, start, bytes.concat(steps, _tail(whole, front.length))), 0);
        assertEq(_held(token), INVENTORY + profit);
        assertEq(_held(start), INVENTORY + amount - order.amountIn);
        _isIdle(order);
    }

    function test_a_share_of_the_profit_is_paid_out_of_a_path_with_calls() public {
        Mix memory mix = _same(2, Kind.ALLOWED);
        Order memory order = _path(3, 0, mix);
        (order.legs[0].pool, order.legs[2].pool) =
            (_pool(false, weth, DEPTH, order.legs[1].tokenIn, DEPTH), _pool(true, order.legs[2].tokenIn, DEPTH, weth, DEPTH * 11 / 10));
        (order.legs[0].tokenIn, order.legs[2].tokenOut, order.legs[2].v3, order.token) = (weth, weth, true, weth);
        _foretell(order, mix);
        uint256 profit = _profit(order);
        (order.flags, order.bid, order.minProfit) = (1, 9000, uint128(profit));
        _succeeds(_encode(order, mix), 0);
        assertEq(builder.balance, profit * 9000 / 10000);
        assertEq(_held(weth), profit - profit * 9000 / 10000);
    }

    /// The long form of what the plain one says does the same.
    function test_swaps_alone_run_in_the_long_form_too() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            Mix memory none;
            _earns(_path(3, kinds, none), none);
        }
    }

    function test_runs_of_both_forms_go_into_one_transaction() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        Order memory plain = _cycle(order.token, 2, 3);
        _succeeds(SalePayload.two(Payload.encode(plain), _encode(order, mix)), 0);
        assertEq(_held(order.token), INVENTORY + _profit(order) + _profit(plain));
        _isIdle(order);
    }

    /// A venue that takes less than it may has no allowance afterwards, and what it left is gain of the start token.
    function test_what_a_venue_in_front_does_not_take_is_gain() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 1, mix);
        Venue(order.legs[0].pool).behave(order.amountIn - 1 ether, order.legs[0].out);
        order.minProfit = uint128(_profit(order) + 1 ether);
        _succeeds(_encode(order, mix), 0);
        _inventoryIsWhole(order);
    }

    /// As the long form says: a start token named twice is one, and its gain is the profit.
    function test_the_start_token_may_be_named_though_it_is_the_profit_token() public {
        Mix memory mix = _same(1, Kind.SENT);
        Order memory order = _path(2, 1, mix);
        order.minProfit = uint128(_profit(order)) + 1;
        bytes memory steps = _steps(order, mix, 2);
        _refuses(Payload.long(order, order.token, steps), IExecutor.Unprofitable.selector);
        order.minProfit -= 1;
        _succeeds(Payload.long(order, order.token, steps), 0);
        _inventoryIsWhole(order);
    }

    function _everyMode(uint256 hops, uint256 calls) private {
        for (uint256 mode = 0; mode < 6; mode++) {
            for (uint256 kinds = 0; kinds < 1 << hops; kinds++) {
                if (kinds & calls != 0) continue;
                Mix memory mix = _same(calls, MODES[mode]);
                _earns(_path(hops, kinds, mix), mix);
            }
        }
    }

    /// The words of a venue's call with another payee.
    function _to(bytes memory data, address to) private pure returns (bytes memory) {
        (address tokenIn, uint256 spends, address tokenOut, uint256 out,) =
            abi.decode(_tail(data, 4), (address, uint256, address, uint256, address));
        return abi.encode(tokenIn, spends, tokenOut, out, to);
    }

    function _tail(bytes memory all, uint256 from) private pure returns (bytes memory rest) {
        rest = new bytes(all.length - from);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = all[from + i];
        }
    }
}
