// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {HostilePool} from "./support/HostilePool.sol";
import {Leg, Order, Payload} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// Pools that lie, in a path next to honest ones, while the executor holds 100 of every token.
contract PoolsTest is World {
    uint256 private constant INVENTORY = 100 ether;

    function test_a_pool_that_swallows_the_call_makes_the_run_revert() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            for (uint256 at = 0; at < 3; at++) {
                // A V2 pool that is not the last has no callback to make.
                if (at < 2 && kinds >> at & 1 == 0) continue;
                (Order memory order, HostilePool pool) = _hostile(kinds, at);
                pool.behave(0, 0);
                _refuses(order, IExecutor.CallbackMissing.selector);
                _inventoryIsWhole(order, 0);
            }
        }
    }

    function test_a_second_callback_is_refused() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            for (uint256 at = 0; at < 3; at++) {
                (Order memory order, HostilePool pool) = _hostile(kinds, at);
                pool.behave(2, 0);
                _run(order);
                bool callsBack = at == 2 || kinds >> at & 1 == 1;
                assertEq(pool.refusedCallbacks(), callsBack ? 1 : 0);
                _inventoryIsWhole(order, _profit(order));
            }
        }
    }

    function test_data_that_was_not_sent_to_the_pool_is_refused() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            for (uint256 at = 0; at < 3; at++) {
                (Order memory order, HostilePool pool) = _hostile(kinds, at);
                _attemptForgeries(order, pool);
                _run(order);
                assertGt(pool.tried(), 0);
                assertEq(pool.obeyed(), 0);
                _inventoryIsWhole(order, _profit(order));
            }
        }
    }

    function test_a_v3_pool_that_asks_for_more_than_its_input_is_refused() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            for (uint256 at = 0; at < 3; at++) {
                if (kinds >> at & 1 == 0) continue;
                (Order memory order, HostilePool pool) = _hostile(kinds, at);
                pool.behave(1, 1);
                _refuses(order, IExecutor.AskedTooMuch.selector);
                // A negative delta is no request either.
                pool.behave(1, -int256(1000 ether));
                _refuses(order, IExecutor.AskedTooMuch.selector);
                _inventoryIsWhole(order, 0);
            }
        }
    }

    function test_a_v3_pool_that_asks_for_less_gets_less() public {
        (Order memory order, HostilePool pool) = _hostile(7, 0);
        pool.behave(1, -1 ether);
        _run(order);
        _inventoryIsWhole(order, _profit(order) + 1 ether);
    }

    /// The callback of a pool whose swap is over is still the one that is due: it does what was promised, once.
    function test_a_late_callback_moves_what_was_promised_and_no_more() public {
        (Order memory order, HostilePool first) = _hostile(1, 0);
        first.behave(0, 0);
        HostilePool second = _replace(order, 1);
        for (uint256 i = 0; i < 2; i++) {
            second.attempt(address(first), abi.encodeCall(HostilePool.late, ()));
        }
        _run(order);
        assertEq(second.obeyed(), 1);
        _inventoryIsWhole(order, _profit(order));
    }

    function test_a_last_pool_that_pays_nothing_back_makes_the_run_revert() public {
        (Order memory order,) = _hostile(5, 2);
        order.legs[2].pool = address(new HostilePool(order.token, 0));
        _refuses(order, IExecutor.Unprofitable.selector);
        _inventoryIsWhole(order, 0);
    }

    function testFuzz_hostile_pools_never_cost_inventory(uint8 kinds, uint8 hostile, uint64 callbacks, int128[3] memory surcharges)
        public
    {
        Order memory order = _stocked(kinds);
        for (uint256 i = 0; i < 3; i++) {
            if (hostile >> i & 1 == 0) continue;
            HostilePool pool = _replace(order, i);
            pool.behave((callbacks >> i * 2) % 4, surcharges[i]);
            _attemptForgeries(order, pool);
        }
        uint256 before = _held(order.token);
        _send(Payload.encode(order), 0);
        assertGe(_held(order.token), before);
        assertGe(_held(order.legs[1].tokenIn), INVENTORY);
        assertGe(_held(order.legs[2].tokenIn), INVENTORY);
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    // ---- the scene

    function _stocked(uint256 kinds) private returns (Order memory order) {
        executor = payable(_executor());
        order = _cycle(_token(), 3, kinds);
        for (uint256 i = 0; i < 3; i++) {
            _fund(order.legs[i].tokenIn, executor, INVENTORY);
        }
    }

    function _hostile(uint256 kinds, uint256 at) private returns (Order memory order, HostilePool pool) {
        order = _stocked(kinds);
        pool = _replace(order, at);
    }

    /// Puts a hostile pool in the place of the honest one; it pays the same.
    function _replace(Order memory order, uint256 at) private returns (HostilePool pool) {
        Leg memory leg = order.legs[at];
        pool = new HostilePool(leg.tokenOut, leg.out);
        _fund(leg.tokenOut, address(pool), leg.out);
        leg.pool = address(pool);
    }

    /// As the pool: callbacks for other hops, altered amounts, another token to pay with; then the owner's entry points.
    function _attemptForgeries(Order memory order, HostilePool pool) private {
        uint128 amountIn = order.amountIn;
        address paid = order.legs[0].tokenIn;
        order.amountIn = amountIn * 2;
        _attemptEchoes(order, pool);
        order.amountIn = amountIn;
        order.legs[0].tokenIn = order.legs[1].tokenIn;
        _attemptEchoes(order, pool);
        order.legs[0].tokenIn = paid;
        (address a, address b) = (order.legs[0].pool, order.legs[2].pool);
        (order.legs[0].pool, order.legs[2].pool) = (address(pool), address(pool));
        order.legs[0].tokenIn = order.legs[2].tokenIn;
        _attemptEchoes(order, pool);
        (order.legs[0].pool, order.legs[2].pool) = (a, b);
        order.legs[0].tokenIn = paid;
        pool.attempt(executor, Payload.encode(order));
        pool.attempt(executor, abi.encodeCall(IExecutor.sweep, (order.token, address(pool), 1)));
        pool.attempt(executor, "");
        pool.attempt(executor, hex"fa461e33");
    }

    function _attemptEchoes(Order memory order, HostilePool pool) private {
        for (uint256 count = 0; count <= 3; count++) {
            bytes memory echo = Payload.echo(order, count);
            pool.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo));
            pool.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
        }
    }

    function _inventoryIsWhole(Order memory order, uint256 gain) private view {
        assertEq(_held(order.token), INVENTORY + gain);
        assertEq(_held(order.legs[1].tokenIn), INVENTORY);
        assertEq(_held(order.legs[2].tokenIn), INVENTORY);
    }
}
