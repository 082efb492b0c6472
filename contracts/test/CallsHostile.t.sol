// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Calls, Mix} from "./support/Calls.sol";
import {Attacker, HostilePool} from "./support/HostilePool.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {IApprove} from "./support/LenderInterfaces.sol";
import {Called, Kind, Leg, Order, Payload} from "./support/Payload.sol";
import {HookToken} from "./support/Tokens.sol";
import {Venue} from "./support/Venue.sol";

/// Venues that lie, and pools that lie to those who are called behind them, beside inventory of every token.
contract CallsHostileTest is Calls {
    // ---- what a venue may do

    function test_a_venue_that_gives_one_unit_less_is_refused_where_it_is_measured() public {
        for (uint256 calls = 1; calls < 4; calls++) {
            for (uint256 mode = 0; mode < 6; mode += 2) {
                (Order memory order, Mix memory mix, Venue venue) = _scene(calls, MODES[mode]);
                uint256 at = calls == 2 ? 1 : 0;
                venue.behave(_spends(order, at), order.legs[at].out - 1);
                _refuses(_encode(order, mix), IExecutor.GotTooLittle.selector);
                venue.behave(_spends(order, at), 0);
                _refuses(_encode(order, mix), IExecutor.GotTooLittle.selector);
                _inventoryIsWhole(order);
            }
        }
    }

    /// It gets nothing above its allowance; whoever needs none is measured.
    function test_a_venue_gets_no_unit_above_what_the_step_spends() public {
        for (uint256 calls = 1; calls < 3; calls++) {
            for (uint256 mode = 0; mode < 4; mode++) {
                (Order memory order, Mix memory mix, Venue venue) = _scene(calls, MODES[mode]);
                venue.behave(_spends(order, calls - 1) + 1, order.legs[calls - 1].out);
                if (mode < 2) {
                    _succeeds(_encode(order, mix), 0);
                    assertFalse(venue.pulled());
                } else if (calls == 1) {
                    // The start token's guard is the profit's own: what is taken beyond is missing from it.
                    order.minProfit = uint128(_profit(order));
                    _refuses(_encode(order, mix), IExecutor.Unprofitable.selector);
                } else {
                    _refuses(_encode(order, mix), IExecutor.TokenSpent.selector);
                }
                _inventoryIsWhole(order);
            }
        }
    }

    function test_what_a_venue_leaves_of_its_allowance_is_taken_back() public {
        for (uint256 calls = 1; calls < 3; calls++) {
            (Order memory order, Mix memory mix, Venue venue) = _scene(calls, Kind.ALLOWED);
            venue.behave(1, order.legs[calls - 1].out);
            _succeeds(_encode(order, mix), 0);
            assertEq(IApprove(order.legs[calls - 1].tokenIn).allowance(executor, address(venue)), 0);
            _inventoryIsWhole(order);
        }
    }

    /// Directly paid nobody: the next pool is not paid, or the next call spends what has not come.
    function test_a_venue_that_should_pay_the_next_step_and_does_not_is_refused() public {
        for (uint256 mode = 1; mode < 6; mode += 2) {
            for (uint256 next = 0; next < 3; next++) {
                Mix memory mix = next == 2 ? Mix(3, uint256(MODES[mode]) | uint256(Kind.ALLOWED) << 5) : _same(1, MODES[mode]);
                Order memory order = _path(3, next == 1 ? 2 : 0, mix);
                Venue(order.legs[0].pool).behave(order.amountIn, 0);
                (bool ok, bytes memory reason) = _send(_encode(order, mix), 0);
                assertFalse(ok);
                if (next == 2) assertEq(bytes4(reason), IExecutor.TokenSpent.selector);
                _inventoryIsWhole(order);
            }
        }
    }

    function test_a_venue_is_obeyed_in_nothing_wherever_it_is_called() public {
        for (uint256 calls = 1; calls < 4; calls++) {
            for (uint256 kinds = 0; kinds < 8; kinds++) {
                for (uint256 mode = 0; mode < 6; mode++) {
                    if (kinds & calls != 0) continue;
                    Mix memory mix = _same(calls, MODES[mode]);
                    Order memory order = _path(3, kinds, mix);
                    Venue venue = Venue(order.legs[calls == 2 ? 1 : 0].pool);
                    _attemptForgeries(order, mix, venue);
                    _earns(order, mix);
                    assertGt(venue.tried(), 0);
                    assertEq(venue.obeyed(), 0);
                }
            }
        }
    }

    function test_a_token_that_calls_back_is_obeyed_in_nothing_beside_a_call() public {
        for (uint256 calls = 1; calls < 3; calls++) {
            HookToken hook = new HookToken();
            Mix memory mix = _same(calls, Kind.ALLOWED);
            Order memory order = _path(3, 4 & ~calls, mix);
            address[] memory tokens = new address[](3);
            (tokens[0], tokens[1], tokens[2]) = (order.token, address(hook), order.legs[2].tokenIn);
            Order memory hooked = _cycle(tokens, 4 & ~calls);
            for (uint256 i = 0; i < 3; i++) {
                if (_isCall(mix, i)) hooked.legs[i].pool = order.legs[i].pool;
            }
            _fund(address(hook), executor, INVENTORY);
            _foretell(hooked, mix);
            _attemptForgeries(hooked, mix, hook);
            _earns(hooked, mix);
            assertGt(hook.tried(), 0);
            assertEq(hook.obeyed(), 0);
        }
    }

    // ---- what pools may do to a call

    /// The pool before a call pays nothing: what is called would be paid out of inventory.
    function test_a_call_is_not_paid_from_inventory_when_the_pool_before_it_pays_nothing() public {
        for (uint256 mode = 0; mode < 4; mode++) {
            for (uint256 v3 = 0; v3 < 2; v3++) {
                (Order memory order, Mix memory mix,) = _scene(2, MODES[mode]);
                (order.legs[0].pool, order.legs[0].v3) = (address(new HostilePool(order.legs[0].tokenOut, 0)), v3 == 1);
                _refuses(_encode(order, mix), IExecutor.TokenSpent.selector);
                _inventoryIsWhole(order);
            }
        }
    }

    /// It has paid and not called back: what is due to it must not be asked for while somebody else runs.
    function test_a_call_is_not_made_while_the_pool_before_it_may_still_call_back() public {
        for (uint256 mode = 0; mode < 6; mode++) {
            (Order memory order, Mix memory mix, Venue venue) = _scene(2, MODES[mode]);
            HostilePool first = _replace(order, 0);
            order.legs[0].v3 = true;
            first.behave(0, 0);
            venue.attempt(address(first), abi.encodeCall(HostilePool.late, ()));
            _refuses(_encode(order, mix), IExecutor.CallbackMissing.selector);
            _inventoryIsWhole(order);
        }
    }

    function testFuzz_hostile_venues_and_pools_never_cost_inventory(
        uint8 kinds,
        uint8 calls,
        uint64 modes,
        uint8 hostile,
        uint64 callbacks,
        uint96[3] memory take,
        uint96[3] memory give
    ) public {
        Mix memory mix = _any(calls & 7, modes);
        Order memory order = _path(4, kinds, mix);
        for (uint256 i = 0; i < 4; i++) {
            if (hostile >> i & 1 == 0) continue;
            if (_isCall(mix, i)) {
                uint256 due = order.legs[i].out;
                Venue(order.legs[i].pool).behave(bound(take[i], 0, 120 ether), bound(give[i], give[i] % 2 == 0 ? due : 0, due * 2));
                _attemptForgeries(order, mix, Venue(order.legs[i].pool));
            } else {
                HostilePool pool = _replace(order, i);
                pool.behave((callbacks >> i * 2) % 4, 0);
                _attemptForgeries(order, mix, pool);
            }
        }
        _send(_encode(order, mix), 0);
        _inventoryIsWhole(order);
    }

    // ---- the scene

    /// Three steps, the last a pair.
    function _scene(uint256 calls, uint8 mode) private returns (Order memory order, Mix memory mix, Venue venue) {
        mix = _same(calls, mode);
        order = _path(3, 0, mix);
        venue = Venue(order.legs[calls == 2 ? 1 : 0].pool);
    }

    function _spends(Order memory order, uint256 i) private pure returns (uint256) {
        return i == 0 ? order.amountIn : order.legs[i - 1].out;
    }

    function _replace(Order memory order, uint256 at) private returns (HostilePool pool) {
        Leg memory leg = order.legs[at];
        pool = new HostilePool(leg.tokenOut, leg.out);
        _fund(leg.tokenOut, address(pool), leg.out);
        leg.pool = address(pool);
    }

    /// Callbacks for any step, as they are and with the call turned against us; the owner's entrances; the pool's and the token's.
    function _attemptForgeries(Order memory order, Mix memory mix, Attacker who) private {
        _attemptEchoes(order, mix, who);
        (uint128 amountIn, address token) = (order.amountIn, order.token);
        (order.amountIn, order.token) = (amountIn * 2, order.legs[1].tokenIn);
        _attemptEchoes(order, mix, who);
        (order.amountIn, order.token) = (amountIn, token);
        bytes memory taken = abi.encodeWithSignature("transfer(address,uint256)", who, INVENTORY);
        bytes memory steps = Payload.called(Called(Kind.HELD | Kind.DIRECT, token, token, 1, taken));
        Leg memory leg = order.legs[0];
        leg = Leg(leg.v3, address(who), leg.tokenIn, leg.tokenOut, leg.out);
        _attemptEcho(who, Payload.longEcho(order, address(0), bytes.concat(steps, Payload.hop(leg))));
        bytes memory payload = _encode(order, mix);
        who.attempt(executor, payload);
        who.attempt(executor, bytes.concat(bytes4(0x34ba89a6), bytes2(uint16(payload.length)), payload));
        who.attempt(executor, abi.encodeCall(IExecutor.sweep, (order.token, address(who), 1)));
        who.attempt(executor, "");
        who.attempt(executor, hex"fa461e33");
        who.attempt(order.token, abi.encodeWithSignature("transferFrom(address,address,uint256)", executor, who, INVENTORY));
    }

    function _attemptEchoes(Order memory order, Mix memory mix, Attacker who) private {
        for (uint256 count = 1; count <= order.legs.length; count++) {
            _attemptEcho(who, _echo(order, mix, count));
        }
    }

    function _attemptEcho(Attacker who, bytes memory echo) private {
        who.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo));
        who.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
    }
}
