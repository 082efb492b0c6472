// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {Calls} from "./support/Calls.sol";
import {EtherVenue, Payer} from "./support/EtherVenue.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {Called, Kind, Leg, Order, Payload} from "./support/Payload.sol";

/// Calls that are paid in ether or pay it: to every other step it is WETH, and ether that was here before is not touched.
contract EtherCallsTest is Calls {
    uint256 private constant BESIDE = 3 ether;
    EtherVenue private venue;

    /// The next step finds WETH here, whether what came is measured for it or stays.
    function test_ether_goes_from_a_call_to_a_call_as_weth() public {
        for (uint8 direct = 0; direct < 2; direct++) {
            Order memory order = _thrice();
            bytes memory rest = bytes.concat(_buy(order, 1), Payload.hop(order.legs[2]));
            _earnsBeside(order, bytes.concat(_sell(order, 0, direct * Kind.DIRECT), rest));
        }
    }

    function test_a_pool_behind_is_sent_weth() public {
        for (uint256 v3 = 0; v3 < 2; v3++) {
            Order memory order = _twice();
            _through(order, 1, v3 == 1);
            _earnsBeside(order, bytes.concat(_sell(order, 0, Kind.HERE), Payload.hop(order.legs[1])));
        }
    }

    /// WETH in front, that a pool lends; and ether at the end, out of what is held.
    function test_ether_goes_in_first_and_comes_out_last() public {
        Order memory order = _fromWeth();
        _earnsBeside(order, bytes.concat(_buy(order, 0), _sell(order, 1, Kind.DIRECT)));
        order = _fromWeth();
        _through(order, 1, false);
        _earnsBeside(order, bytes.concat(_buy(order, 0), Payload.hop(order.legs[1])));
    }

    function test_ether_goes_into_and_out_of_one_call() public {
        Order memory order = _fromWeth();
        uint128 out = order.legs[1].out;
        bytes memory data = abi.encodeCall(EtherVenue.turn, (order.amountIn, out));
        uint8 mode = Kind.HELD | Kind.ETHER_IN | Kind.ETHER_OUT | Kind.DIRECT;
        _earnsBeside(order, Payload.called(Called(mode, address(venue), weth, out, data)));
    }

    /// What was here pays first, then the profit.
    function test_ether_that_was_here_pays_the_bid_and_the_profit_the_rest() public {
        Order memory order = _fromWeth();
        order.bid = uint128(BESIDE + 0.4 ether);
        _succeeds(Payload.long(order, address(0), bytes.concat(_buy(order, 0), _sell(order, 1, Kind.DIRECT))), 0);
        assertEq(builder.balance, order.bid);
        assertEq(_held(weth), INVENTORY + _profit(order) - 0.4 ether);
    }

    // ---- those that lie

    function test_ether_that_does_not_come_is_refused() public {
        Order memory order = _thrice();
        bytes memory steps = _round(order);
        venue.behave(1, 0);
        _refuses(Payload.long(order, address(0), steps), IExecutor.GotTooLittle.selector);
        _isWhole(order);
    }

    /// Ether of anybody else is none of its own, and no ether is taken of it where none is due.
    function test_nobodys_ether_is_taken_but_the_targets() public {
        Order memory order = _thrice();
        Payer payer = new Payer{value: 10 ether}();
        venue.attempt(address(payer), abi.encodeCall(Payer.pay, (executor, 1 ether)));
        _earnsBeside(order, _round(order));
        assertGt(venue.tried(), 0);
        assertEq(venue.obeyed(), 0);
    }

    function test_a_call_that_gives_ether_back_is_refused_where_it_owes_none() public {
        Order memory order = _thrice();
        venue.behave(0, 1);
        (bool ok,) = _send(Payload.long(order, address(0), _round(order)), 0);
        assertFalse(ok);
        _isWhole(order);
    }

    function test_a_venue_is_obeyed_in_nothing_while_its_ether_is_due() public {
        Order memory order = _thrice();
        bytes memory steps = _round(order);
        bytes memory payload = Payload.long(order, address(0), steps);
        venue.attempt(executor, payload);
        venue.attempt(executor, abi.encodeCall(IExecutor.sweep, (weth, address(venue), 1)));
        bytes memory echo = Payload.longEcho(order, address(0), steps);
        venue.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo));
        venue.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
        venue.attempt(executor, abi.encodeWithSignature("unlockCallback(bytes)", bytes.concat(echo, abi.encode(venue))));
        venue.attempt(executor, bytes.concat(bytes4(0), echo, new bytes((32 - echo.length % 32) % 32), abi.encode(echo.length)));
        _earnsBeside(order, steps);
        assertEq(venue.obeyed(), 0);
    }

    // ---- payloads

    /// Ether goes out of WETH alone, and what starts otherwise is not WETH.
    function test_ether_in_front_of_a_path_of_another_token_is_refused() public {
        Order memory order = _thrice();
        (order.legs[0], order.legs[1]) = (order.legs[1], order.legs[0]);
        order.legs[0].tokenIn = weth;
        bytes memory steps = bytes.concat(_buy(order, 0), Payload.hop(order.legs[2]));
        _refuses(Payload.long(order, address(0), steps), IExecutor.BadPayload.selector);
    }

    /// Before it comes another token: what is unwrapped would be of what is held.
    function test_ether_in_the_middle_is_spent_only_if_it_has_come() public {
        Order memory order = _thrice();
        order.legs[0].tokenOut = _token();
        _through(order, 0, false);
        bytes memory steps = bytes.concat(Payload.hop(order.legs[0]), _buy(order, 1), Payload.hop(order.legs[2]));
        _refuses(Payload.long(order, address(0), steps), IExecutor.TokenSpent.selector);
        _isWhole(order);
    }

    function test_ether_for_a_call_that_is_paid_otherwise_is_refused() public {
        uint8[2] memory modes = [Kind.SENT, Kind.ALLOWED];
        for (uint256 i = 0; i < 2; i++) {
            Order memory order = _thrice();
            bytes memory steps = bytes.concat(_sell(order, 0, Kind.HERE), _buyAs(order, 1, modes[i]), Payload.hop(order.legs[2]));
            _refuses(Payload.long(order, address(0), steps), IExecutor.BadPayload.selector);
        }
    }

    function testFuzz_hostile_ether_never_costs_inventory(uint96 less, uint96 back, uint96 out, uint8 mode) public {
        Order memory order = _thrice();
        order.legs[0].out = uint128(bound(out, 0, 40 ether));
        venue.behave(bound(less, 0, order.legs[0].out), bound(back, 0, 5 ether));
        bytes memory steps = bytes.concat(_sell(order, 0, mode & Kind.DIRECT), _buy(order, 1), Payload.hop(order.legs[2]));
        _send(Payload.long(order, address(0), steps), 0);
        _isWhole(order);
    }

    // ---- the scene. Calls pay one for one; a path ends in what pays a tenth on top.

    /// A token, ether, and back.
    function _twice() private returns (Order memory) {
        return _order(_token(), weth, address(0));
    }

    /// WETH, a token, and back.
    function _fromWeth() private returns (Order memory) {
        return _order(weth, _token(), address(0));
    }

    /// A token, ether, another token, and back through a pair.
    function _thrice() private returns (Order memory) {
        return _order(_token(), weth, _token());
    }

    function _order(address a, address b, address c) private returns (Order memory order) {
        executor = payable(_executor());
        venue = new EtherVenue{value: 50 ether}();
        Leg[] memory legs = new Leg[](c == address(0) ? 2 : 3);
        address[3] memory tokens = [a, b, c];
        for (uint256 i = 0; i < legs.length; i++) {
            legs[i] = Leg(false, address(venue), tokens[i], tokens[(i + 1) % legs.length], uint128(AMOUNT_IN));
        }
        order = Order(0, uint40(block.number), a, 0, 0, uint128(AMOUNT_IN), legs);
        Leg memory last = legs[legs.length - 1];
        if (legs.length == 3) _through(order, 2, false);
        else last.out += uint128(AMOUNT_IN) / 10;
        _stock(order);
    }

    /// A leg through a pool.
    function _through(Order memory order, uint256 i, bool v3) private {
        Leg memory leg = order.legs[i];
        (leg.v3, leg.pool) = (v3, _pool(v3, leg.tokenIn, DEPTH, leg.tokenOut, DEPTH * 11 / 10));
        leg.out = uint128(quoter.quote(leg, _spends(order, i)));
    }

    /// Ether here is BESIDE, and of each token there is an inventory.
    function _stock(Order memory order) private {
        vm.deal(executor, BESIDE);
        for (uint256 i = 0; i < order.legs.length; i++) {
            _fund(order.legs[i].tokenIn, executor, INVENTORY);
        }
    }

    function _round(Order memory order) private view returns (bytes memory) {
        return bytes.concat(_sell(order, 0, Kind.HERE), _buy(order, 1), Payload.hop(order.legs[2]));
    }

    function _spends(Order memory order, uint256 i) private pure returns (uint128) {
        return i == 0 ? order.amountIn : order.legs[i - 1].out;
    }

    function _sell(Order memory order, uint256 i, uint8 direct) private view returns (bytes memory) {
        Leg memory leg = order.legs[i];
        bytes memory data = abi.encodeCall(EtherVenue.sell, (MockERC20(leg.tokenIn), _spends(order, i), leg.out));
        return Payload.called(Called(Kind.ALLOWED | Kind.ETHER_OUT | direct, address(venue), leg.tokenIn, leg.out, data));
    }

    function _buy(Order memory order, uint256 i) private view returns (bytes memory) {
        return _buyAs(order, i, Kind.HELD);
    }

    /// It pays the pool behind it, or us.
    function _buyAs(Order memory order, uint256 i, uint8 mode) private view returns (bytes memory) {
        Leg memory leg = order.legs[i];
        address next = i + 1 < order.legs.length ? order.legs[i + 1].pool : executor;
        address to = next == address(venue) ? executor : next;
        bytes memory data = abi.encodeCall(EtherVenue.buy, (_spends(order, i), MockERC20(leg.tokenOut), leg.out, to));
        return Payload.called(Called(mode | Kind.ETHER_IN | Kind.DIRECT, address(venue), weth, leg.out, data));
    }

    function _earnsBeside(Order memory order, bytes memory steps) private {
        uint256 before = _held(order.token);
        uint256 profit = _profit(order);
        order.minProfit = uint128(profit);
        _succeeds(Payload.long(order, address(0), steps), 0);
        assertEq(_held(order.token), before + profit);
        assertEq(executor.balance, BESIDE, "ether that was here");
        _isWhole(order);
    }

    function _isWhole(Order memory order) private view {
        assertEq(executor.balance, BESIDE);
        _inventoryIsWhole(order);
    }
}
