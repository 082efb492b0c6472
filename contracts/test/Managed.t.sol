// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {Managed, ManagedWorld, Path} from "./support/Managed.sol";
import {IManager} from "./support/ManagerHand.sol";
import {Kind, Order, Payload} from "./support/Payload.sol";

/// Pools of the real manager of Uniswap V4 in every place of a path, of tokens and of ether: what is earned is what was predicted, to
/// the wei, and nothing else moves.
contract ManagedV4Test is ManagedWorld {
    function test_two_steps_of_any_family_earn_what_was_predicted() public {
        for (uint256 families = 0; families < 16; families++) {
            _everyNative(families);
        }
    }

    function test_three_steps_of_pools_earn_what_was_predicted() public {
        for (uint256 families = 0; families < 64; families++) {
            if (_calls(families, 3)) continue;
            for (uint256 natives = 0; natives < 8; natives += 7) {
                address[] memory tokens = _tokens(_token(), 3);
                tokens[(families + families / 4) % 3] = weth;
                _earns(_path(tokens, families, natives, 0));
            }
        }
    }

    function testFuzz_any_path_earns_what_was_predicted(uint8 hops, uint16 families, uint8 natives, uint8 mode, uint8 ether_, uint128 amountIn)
        public
    {
        hops = uint8(bound(hops, 2, 5));
        // The last one lends.
        if (families >> (hops - 1) * 2 & 3 == CALL) families ^= uint16(1) << (hops - 1) * 2;
        uint8[4] memory modes = [Kind.ALLOWED, Kind.ALLOWED | Kind.DIRECT, Kind.SENT, Kind.SENT | Kind.DIRECT];
        address[] memory tokens = _tokens(_token(), hops);
        tokens[ether_ % hops] = weth;
        Path memory path = _path(tokens, families, natives, modes[mode % 4]);
        // A venue that is called makes its tokens, which WETH does not let it.
        for (uint256 i = 0; i < hops; i++) {
            if (_family(path, i) == CALL && (path.order.legs[i].tokenOut == weth || path.order.legs[i].tokenIn == weth)) return;
        }
        path.order.amountIn = uint128(bound(amountIn, 1e6, 10 ether));
        _foretell(path);
        if (path.order.legs[hops - 1].out < path.order.amountIn) return;
        _earns(path);
    }

    /// Whatever an encoder chooses: paid out of what is here is always sound.
    function test_what_is_held_first_earns_the_same() public {
        for (uint256 families = 0; families < 64; families++) {
            if (_calls(families, 3)) continue;
            Path memory path = _path(_tokens(weth, 3), families, 7, 0);
            bytes memory steps;
            for (uint256 i = 0; i < 3; i++) {
                uint8 kind = _isManaged(path, i) ? (_kind(path, i) & ~Managed.NETTED) | Managed.HELD : 0;
                steps = bytes.concat(steps, _isManaged(path, i) ? _managedStep(path, i, kind) : _step(path, i));
            }
            path.order.minProfit = uint128(_profit(path.order));
            _succeeds(Payload.long(path.order, address(0), steps), 0);
            assertEq(_held(weth), INVENTORY + _profit(path.order));
            _inventoryIsWhole(path);
        }
    }

    /// Of the step before, which is V3 and pays all that it gives, and of the manager's own.
    function test_what_comes_beyond_the_plan_stays_here() public {
        for (uint256 family = 1; family < 3; family++) {
            Path memory path = _path(_tokens(weth, 3), family | 2 << 2, 0, 0);
            path.order.legs[0].out -= 1000;
            path.order.legs[1].out = uint128(hand.quote(path.terms[1], _zeroForOne(path, 1), path.order.legs[0].out));
            path.order.legs[2].out = uint128(quoter.quote(path.order.legs[2], path.order.legs[1].out));
            path.order.minProfit = uint128(_profit(path.order));
            _succeeds(_encode(path), 0);
            assertEq(_held(path.order.legs[1].tokenIn), INVENTORY + 1000);
            _inventoryIsWhole(path);
        }
    }

    function test_a_stop_between_managed_steps_keeps_what_is_above_what_goes_on() public {
        for (uint256 natives = 0; natives < 4; natives++) {
            address[] memory tokens = _tokens(_token(), 2);
            tokens[1] = weth;
            Path memory path = _path(tokens, 2 | 2 << 2, natives, 0);
            Order memory order = path.order;
            uint128 goesOn = order.legs[0].out - 0.01 ether;
            uint8 kind = (_kind(path, 1) & ~Managed.NETTED) | Managed.HELD;
            order.legs[1].out = uint128(hand.quote(path.terms[1], _zeroForOne(path, 1), goesOn));
            bytes memory steps = bytes.concat(_step(path, 0), Payload.stop(weth, goesOn), _managedStep(path, 1, kind));
            (address start, uint256 gained) = (order.token, order.legs[1].out - order.amountIn);
            (order.token, order.minProfit) = (weth, 0.01 ether);
            _succeeds(Payload.long(order, start, steps), 0);
            assertEq(_held(weth), INVENTORY + 0.01 ether);
            assertEq(_held(start), INVENTORY + gained);
            assertEq(executor.balance, INVENTORY);
            _isIdle(path);
        }
    }

    function test_a_share_of_the_profit_is_paid_out_of_a_managed_path() public {
        Path memory path = _path(_tokens(weth, 2), 2 | 2 << 2, 3, 0);
        uint256 profit = _profit(path.order);
        (path.order.flags, path.order.bid, path.order.minProfit) = (1, 9000, uint128(profit));
        _succeeds(_encode(path), 0);
        assertEq(builder.balance, profit * 9000 / 10000);
        assertEq(_held(weth), INVENTORY + profit - profit * 9000 / 10000);
        assertEq(executor.balance, INVENTORY);
    }

    function test_runs_with_the_manager_go_into_one_transaction() public {
        Path memory path = _path(_tokens(weth, 2), 2 | 2 << 2, 1, 0);
        bytes memory one = _tail(_encode(path), 4);
        Order memory plain = _cycle(weth, 2, 3);
        bytes memory two = _tail(Payload.encode(plain), 4);
        bytes memory all = bytes.concat(hex"34ba89a6", bytes2(uint16(one.length)), one, bytes2(uint16(two.length)), two);
        _succeeds(all, 0);
        assertEq(_held(weth), INVENTORY + _profit(path.order) + _profit(plain));
    }

    // ---- refusals

    function test_a_pool_that_gives_one_unit_less_is_refused() public {
        for (uint256 at = 0; at < 2; at++) {
            Path memory path = _path(_tokens(weth, 2), uint256(2) << at * 2, 0, 0);
            path.order.legs[at].out += 1;
            _refuses(_encode(path), IExecutor.GotTooLittle.selector);
            _inventoryIsWhole(path);
        }
    }

    function test_a_first_step_that_spends_another_token_than_the_start_is_refused() public {
        Path memory path = _path(_tokens(weth, 2), 2, 0, 0);
        address other = _token();
        _fund(other, executor, INVENTORY);
        // What pays is the pool of the start token; what would be spent is measured by nobody.
        path.order.token = path.order.legs[1].tokenIn;
        _refuses(_encode(path), IExecutor.BadPayload.selector);
        _inventoryIsWhole(path);
    }

    function test_kinds_that_there_are_not_are_refused() public {
        Path memory path = _path(_tokens(weth, 2), uint256(2) << 2, 0, 0);
        uint8 kind = _kind(path, 1);
        for (uint256 other = 64; other < 256; other++) {
            bool known = other & 0xe1 == 64 && other & 12 != 12;
            if (known || other > 127) continue;
            bytes memory steps = bytes.concat(_step(path, 0), _managedStep(path, 1, uint8(other)));
            _refuses(Payload.long(path.order, address(0), steps), IExecutor.BadPayload.selector);
        }
        // Its terms cut off.
        bytes memory cut = abi.encodePacked(kind, address(manager), weth, uint128(1));
        _refuses(Payload.long(path.order, address(0), cut), IExecutor.BadPayload.selector);
        _refuses(Payload.long(path.order, address(0), _tail(_managedStep(path, 1, kind), 1)), IExecutor.BadPayload.selector);
    }

    /// Said wrongly who has unlocked, or who is paid how: the manager itself refuses.
    function test_what_an_encoder_says_wrongly_of_the_manager_is_refused_by_it() public {
        Path memory path = _path(_tokens(weth, 3), 2 | 2 << 2 | 2 << 4, 0, 0);
        _mistaken(path, 2, _kind(path, 2) | Managed.INSIDE, IManager.ManagerLocked.selector);
        _mistaken(path, 1, _kind(path, 1) & ~Managed.INSIDE, IManager.AlreadyUnlocked.selector);
        _mistaken(path, 1, _kind(path, 1) & ~Managed.NETTED, IManager.CurrencyNotSettled.selector);
        path = _path(_tokens(weth, 3), 1 | 2 << 2, 0, 0);
        _mistaken(path, 1, _kind(path, 1) | Managed.NETTED, IManager.CurrencyNotSettled.selector);
    }

    function _mistaken(Path memory path, uint256 at, uint8 kind, bytes4 why) private {
        bytes memory steps = bytes.concat(_steps(path, at), _managedStep(path, at, kind));
        for (uint256 i = at + 1; i < path.order.legs.length; i++) {
            steps = bytes.concat(steps, _step(path, i));
        }
        _refuses(Payload.long(path.order, address(0), steps), why);
        _inventoryIsWhole(path);
    }

    /// Ether in front and behind.
    function _everyNative(uint256 families) private {
        if (families >> 2 & 3 == CALL) return;
        for (uint256 natives = 0; natives < 4; natives++) {
            for (uint256 at = 0; at < 2; at++) {
                address[] memory tokens = _tokens(_token(), 2);
                if (!_calls(families, 2)) tokens[at] = weth;
                _earns(_path(tokens, families, natives, Kind.ALLOWED));
            }
        }
    }

    function _calls(uint256 families, uint256 hops) private pure returns (bool any) {
        for (uint256 i = 0; i < hops; i++) {
            any = any || families >> i * 2 & 3 == CALL;
        }
    }

    function _tail(bytes memory all, uint256 from) private pure returns (bytes memory rest) {
        rest = new bytes(all.length - from);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = all[from + i];
        }
    }
}
