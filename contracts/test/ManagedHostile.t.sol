// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {HostileHooks, HostileManager, Lies, Sender} from "./support/HostileManager.sol";
import {Attacker} from "./support/HostilePool.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {ManagedWorld, Path} from "./support/Managed.sol";
import {IManager} from "./support/ManagerHand.sol";
import {Order, Payload} from "./support/Payload.sol";
import {HookToken} from "./support/Tokens.sol";

/// Managers that lie, and hooks, tokens and strangers in the real one, beside inventory of every token and of ether.
contract ManagedV4HostileTest is ManagedWorld {
    bytes4 private constant CALLBACK = 0x91dd7346;

    // ---- strangers

    function test_no_unlocking_is_obeyed_when_idle() public {
        Path memory path = _path(_tokens(weth, 2), 2 | 2 << 2, 3, 0);
        for (uint256 count = 1; count < 3; count++) {
            for (uint256 to = 0; to < 2; to++) {
                bytes memory data = _echo(path, count, to == 0 ? executor : stranger);
                address[3] memory callers = [stranger, address(manager), owner];
                for (uint256 i = 0; i < 3; i++) {
                    vm.prank(callers[i]);
                    (bool ok, bytes memory reason) = executor.call(abi.encodeWithSelector(CALLBACK, data));
                    assertFalse(ok);
                    assertEq(bytes4(reason), IExecutor.NotDue.selector);
                }
            }
        }
        _inventoryIsWhole(path);
    }

    function test_ether_of_a_manager_that_is_not_in_flight_is_refused() public {
        vm.deal(address(manager), 1 ether);
        vm.deal(stranger, 1 ether);
        address[2] memory senders = [address(manager), stranger];
        for (uint256 i = 0; i < 2; i++) {
            vm.prank(senders[i]);
            (bool ok, bytes memory reason) = executor.call{value: 1}("");
            assertFalse(ok);
            assertEq(bytes4(reason), IExecutor.NotOwner.selector);
        }
    }

    // ---- the real manager

    /// Hooks that a swap calls are quoted nowhere, but were they in a path they could do nothing here.
    function test_hooks_are_obeyed_in_nothing() public {
        hooks = address(uint160(0xc0));
        vm.etch(hooks, type(HostileHooks).runtimeCode);
        for (uint256 families = 2; families < 16; families++) {
            if (families & 3 == 3 || families >> 2 == 3 || (families & 3 != 2 && families >> 2 != 2)) continue;
            Path memory path = _path(_tokens(weth, 2), families, 3, 0);
            _attemptForgeries(path, Attacker(hooks));
            (bool ok,) = _send(_encode(path), 0);
            assertTrue(ok);
            assertEq(Attacker(hooks).obeyed(), 0);
            assertGt(Attacker(hooks).tried(), 0);
            _inventoryIsWhole(path);
        }
    }

    /// In every transfer, while the manager is unlocked: what the token syncs, settles or takes for itself undoes all at most.
    function test_a_token_between_managed_steps_is_obeyed_in_nothing() public {
        for (uint256 families = 0; families < 64; families++) {
            if (families & 3 == 3 || families >> 2 & 3 == 3 || families >> 4 == 3) continue;
            HookToken token = new HookToken();
            address[] memory tokens = _tokens(weth, 3);
            tokens[1 + families % 2] = address(token);
            Path memory path = _path(tokens, families, 0, 0);
            _attemptForgeries(path, token);
            (bool ok,) = _send(_encode(path), 0);
            assertTrue(ok);
            assertEq(token.obeyed(), 0);
            _inventoryIsWhole(path);
            token.attempt(address(manager), abi.encodeCall(IManager.sync, (weth)));
            token.attempt(address(manager), abi.encodeCall(IManager.settle, ()));
            token.attempt(address(manager), abi.encodeCall(IManager.take, (tokens[2], address(token), 1)));
            _send(_encode(path), 0);
            _inventoryIsWhole(path);
        }
    }

    // ---- a manager that lies

    function test_a_manager_that_asks_for_more_than_was_planned_is_refused() public {
        for (uint256 at = 0; at < 3; at++) {
            (Path memory path, HostileManager liar) = _scene(at, 0);
            Lies memory lies = _truth(path, at);
            lies.owed += 1;
            liar.behave(lies);
            _refuses(_encode(path), IExecutor.AskedTooMuch.selector);
            lies.owed = -1;
            liar.behave(lies);
            _refuses(_encode(path), IExecutor.AskedTooMuch.selector);
            _inventoryIsWhole(path);
        }
    }

    function test_a_manager_that_gives_less_than_was_planned_is_refused() public {
        for (uint256 at = 0; at < 3; at++) {
            (Path memory path, HostileManager liar) = _scene(at, 0);
            Lies memory lies = _truth(path, at);
            lies.got -= 1;
            liar.behave(lies);
            _refuses(_encode(path), IExecutor.GotTooLittle.selector);
            lies.got = -1;
            liar.behave(lies);
            _refuses(_encode(path), IExecutor.GotTooLittle.selector);
        }
    }

    /// What is wrapped is what has come: never the ether that was here.
    function test_a_manager_that_pays_no_ether_is_refused() public {
        for (uint256 at = 1; at < 3; at += 1) {
            (Path memory path, HostileManager liar) = _scene(at, 7);
            if (_currencyOut(path, at) != address(0)) continue;
            Lies memory lies = _truth(path, at);
            lies.pays = 99;
            liar.behave(lies);
            _refuses(_encode(path), IExecutor.GotTooLittle.selector);
            _inventoryIsWhole(path);
        }
    }

    function test_a_manager_that_does_not_call_back_is_refused() public {
        for (uint256 at = 0; at < 3; at++) {
            (Path memory path, HostileManager liar) = _scene(at, 0);
            Lies memory lies = _truth(path, at);
            lies.callbacks = 0;
            liar.behave(lies);
            (bool ok,) = _send(_encode(path), 0);
            assertFalse(ok);
            _inventoryIsWhole(path);
        }
    }

    function test_a_second_callback_is_refused() public {
        for (uint256 at = 0; at < 3; at++) {
            (Path memory path, HostileManager liar) = _scene(at, 0);
            Lies memory lies = _truth(path, at);
            lies.callbacks = 3;
            liar.behave(lies);
            _attemptForgeries(path, liar);
            _succeeds(_encode(path), 0);
            assertEq(liar.refusedCallbacks(), 2);
            assertEq(liar.obeyed(), 0);
            _inventoryIsWhole(path);
        }
    }

    /// While one manager pays, no other may.
    function test_ether_of_somebody_else_is_refused_while_a_manager_is_in_flight() public {
        (Path memory path, HostileManager liar) = _scene(2, 7);
        Sender other = new Sender{value: 1 ether}();
        liar.attempt(address(other), abi.encodeCall(Sender.send, (executor)));
        liar.behave(_truth(path, 2));
        _succeeds(_encode(path), 0);
        assertGt(liar.tried(), 0);
        assertEq(liar.obeyed(), 0);
        _inventoryIsWhole(path);
    }

    /// In any place, whatever it says, pays and tries; late callbacks included.
    function testFuzz_whatever_a_manager_does_inventory_is_whole(
        uint8 at,
        uint16 families,
        uint8 natives,
        uint8 what,
        uint128 owed,
        uint128 got,
        uint128 settled
    ) public {
        at = at % 3;
        for (uint256 i = 0; i < 3; i++) {
            if (families >> i * 2 & 3 == 3) families ^= uint16(1 << i * 2);
        }
        (Path memory path, HostileManager liar) = _sceneOf(at, families, natives);
        Lies memory truth = _truth(path, at);
        Lies memory lies = Lies(what & 3, what & 4 == 0 ? truth.owed : int256(int128(owed)), truth.got, 100, settled);
        if (what & 8 != 0) lies.got = int256(int128(got));
        if (what & 16 != 0) lies.pays = got % 101;
        if (what & 32 != 0) lies.settled = uint256(truth.owed);
        liar.behave(lies);
        _attemptForgeries(path, liar);
        liar.attempt(address(liar), abi.encodeCall(HostileManager.late, ()));
        _send(_encode(path), 0);
        _inventoryIsWhole(path);
    }

    // ---- the scene

    function _scene(uint256 at, uint256 natives) private returns (Path memory, HostileManager) {
        return _sceneOf(at, 2 << at * 2, natives);
    }

    /// The step at `at` is the liar's, what is before and behind it as `families` say. WETH lies behind it or in front.
    function _sceneOf(uint256 at, uint256 families, uint256 natives) private returns (Path memory path, HostileManager liar) {
        families = (families & ~(uint256(3) << at * 2)) | 2 << at * 2;
        path = _path(_tokens(weth, 3), families, natives, 0);
        liar = new HostileManager();
        vm.deal(address(liar), DEPTH);
        for (uint256 i = 0; i < 3; i++) {
            _fund(path.order.legs[i].tokenIn, address(liar), DEPTH);
        }
        path.order.legs[at].pool = address(liar);
    }

    function _truth(Path memory path, uint256 at) private pure returns (Lies memory) {
        uint128 spends = at == 0 ? path.order.amountIn : path.order.legs[at - 1].out;
        return Lies(1, int256(uint256(spends)), int256(uint256(path.order.legs[at].out)), 100, spends);
    }

    function _echo(Path memory path, uint256 count, address to) private view returns (bytes memory) {
        return bytes.concat(Payload.longEcho(path.order, address(0), _steps(path, count)), abi.encode(to));
    }

    /// Callbacks of every kind and for any step, as they are and turned against us; the owner's entrances.
    function _attemptForgeries(Path memory path, Attacker who) private {
        Order memory order = path.order;
        for (uint256 count = 1; count <= order.legs.length; count++) {
            bytes memory pool = Payload.longEcho(order, address(0), _steps(path, count));
            who.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), pool));
            who.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), pool));
            who.attempt(executor, abi.encodeWithSelector(CALLBACK, _echo(path, count, address(who))));
            (address seen, uint128 amount) = (order.legs[count - 1].pool, order.amountIn);
            (order.legs[count - 1].pool, order.amountIn) = (address(who), amount * 2);
            who.attempt(executor, abi.encodeWithSelector(CALLBACK, _echo(path, count, address(who))));
            (order.legs[count - 1].pool, order.amountIn) = (seen, amount);
        }
        who.attempt(executor, _encode(path));
        who.attempt(executor, abi.encodeCall(IExecutor.sweep, (order.token, address(who), 1)));
        who.attempt(executor, hex"91dd7346");
        who.attempt(address(manager), abi.encodeCall(IManager.unlock, (_echo(path, 1, address(who)))));
    }
}
