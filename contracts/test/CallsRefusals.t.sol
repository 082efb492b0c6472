// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MockERC20} from "solmate/test/utils/mocks/MockERC20.sol";
import {Calls, Mix} from "./support/Calls.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {Called, Kind, Order, Payload} from "./support/Payload.sol";
import {Venue} from "./support/Venue.sol";

/// Long payloads that must not run: refused before anything is called, wherever what is wrong with them stands.
contract CallsRefusalsTest is Calls {
    function test_a_path_that_ends_with_a_call_or_a_stop_is_refused() public {
        for (uint256 mode = 0; mode < 6; mode++) {
            Mix memory mix = _same(2, MODES[mode] & ~Kind.DIRECT);
            _refused(_path(2, 0, mix), mix);
        }
        Mix memory none;
        Order memory order = _path(2, 0, none);
        bytes memory steps = bytes.concat(_steps(order, none, 2), Payload.stop(order.token, 1));
        _refuses(Payload.long(order, address(0), steps), IExecutor.BadPayload.selector);
    }

    /// A path that ends with a call spends what is held and no more, and keeps nothing moved where less comes back.
    function test_what_is_not_held_is_not_spent_and_what_is_spent_comes_back() public {
        for (uint256 mode = 1; mode < 6; mode += 2) {
            Mix memory mix = _same(2, MODES[mode]);
            Order memory order = _path(2, 0, mix);
            order.amountIn = uint128(INVENTORY) + 1;
            _foretell(order, mix);
            _refuses(_encode(order, mix), IExecutor.TransferFailed.selector);
            order.amountIn = 1 ether;
            _foretell(order, mix);
            uint128 spends = order.legs[0].out;
            Venue(order.legs[1].pool).behave(spends, order.amountIn - 1);
            _refuses(_encode(order, mix), IExecutor.Unprofitable.selector);
            Venue(order.legs[1].pool).behave(spends, order.amountIn);
            _succeeds(_encode(order, mix), 0);
            _inventoryIsWhole(order);
        }
    }

    function test_a_path_that_begins_with_a_stop_is_refused() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        bytes memory steps = bytes.concat(Payload.stop(order.token, order.amountIn), _steps(order, mix, 2));
        _refuses(Payload.long(order, address(0), steps), IExecutor.BadPayload.selector);
    }

    /// An encoder's mistake moves nothing by a token's own words, whatever it measures.
    function test_a_call_that_says_a_tokens_own_words_is_refused_in_every_place_and_mode() public {
        bytes[3] memory words = [
            abi.encodeWithSignature("transfer(address,uint256)", stranger, 1),
            abi.encodeWithSignature("approve(address,uint256)", stranger, 1),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", address(0), stranger, 1)
        ];
        for (uint256 place = 0; place < 2; place++) {
            for (uint256 mode = 0; mode < 6; mode++) {
                for (uint256 word = 0; word < 3; word++) {
                    Mix memory mix = _same(1 << place, MODES[mode]);
                    Order memory order = _path(3, 4, mix);
                    Called memory step = _call(order, mix, place);
                    step.data = words[word];
                    step.target = order.legs[place].tokenIn;
                    _refuses(_with(order, mix, place, step), IExecutor.BadPayload.selector);
                }
            }
        }
    }

    function testFuzz_kinds_that_there_are_not_are_refused_in_every_place(uint8 kind, uint8 place) public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(3, 0, mix);
        bytes memory payload = _encode(order, mix);
        place = uint8(bound(place, 0, 2));
        uint256 at = payload.length - 57 * (3 - place);
        vm.assume(!Kind.isCall(kind) && (place != 2 || !Kind.isLoan(kind)));
        if (place == 2) kind = uint8(bound(kind, 4, 255));
        else vm.assume(kind > 4);
        payload[at] = bytes1(kind);
        _refuses(payload, IExecutor.BadPayload.selector);
    }

    /// Whatever the size says, the walk ends where the steps begin, or the payload is refused.
    function testFuzz_a_size_that_is_not_the_datas_is_refused(uint16 size, uint8 place) public {
        Mix memory mix = _same(3, Kind.HELD);
        Order memory order = _path(3, 0, mix);
        bytes memory payload = _encode(order, mix);
        place = uint8(bound(place, 0, 1));
        uint256 whole = 4 + 5 * 32;
        // Of the call in this place: the record behind it is a call's too, or the pool's.
        uint256 at = payload.length - 57 - 57 - 2 - (1 - place) * (whole + 2 + 57);
        // A size that swallows the first call to its very beginning makes one call of two: whole, and another payload.
        vm.assume(size != whole && (place == 0 || size != whole * 2 + 2 + 57));
        (payload[at], payload[at + 1]) = (bytes1(uint8(size >> 8)), bytes1(uint8(size)));
        (bool ok, bytes memory reason) = _send(payload, 0);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.BadPayload.selector);
        _inventoryIsWhole(order);
    }

    function testFuzz_a_torn_payload_is_refused(uint16 cut, bool longer) public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 1, mix);
        bytes memory payload = _encode(order, mix);
        if (longer) {
            payload = bytes.concat(payload, new bytes(bound(cut, 1, 200)));
        } else {
            uint256 left = bound(cut, 4, payload.length - 1);
            assembly ("memory-safe") {
                mstore(payload, left)
            }
        }
        (bool ok,) = _send(payload, 0);
        assertFalse(ok);
        _inventoryIsWhole(order);
    }

    function testFuzz_data_too_short_for_a_selector_are_refused(uint8 size) public {
        Mix memory mix = _same(1, Kind.HELD);
        Order memory order = _path(2, 0, mix);
        Called memory step = _call(order, mix, 0);
        step.data = new bytes(bound(size, 0, 3));
        _refuses(_with(order, mix, 0, step), IExecutor.BadPayload.selector);
    }

    /// Bytes at random behind a good head: nothing moves, whatever they mean.
    function testFuzz_any_bytes_for_steps_cost_no_inventory(bytes calldata junk, uint8 kind, bool good) public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        bytes memory steps = bytes.concat(junk, abi.encodePacked(kind & 3, order.legs[1].pool, order.legs[1].tokenIn, order.legs[1].out));
        if (good) steps = bytes.concat(_steps(order, mix, 1), steps);
        _send(Payload.long(order, address(0), steps), 0);
        _inventoryIsWhole(order);
    }

    function test_the_long_form_is_not_read_out_of_a_plain_payload_nor_the_plain_one_out_of_a_long() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        bytes memory payload = _encode(order, mix);
        payload[4] = 0;
        (bool ok,) = _send(payload, 0);
        assertFalse(ok);
        payload = Payload.encode(_cycle(order.token, 2, 0));
        payload[4] = bytes1(uint8(2));
        (ok,) = _send(payload, 0);
        assertFalse(ok);
        _inventoryIsWhole(order);
    }

    function testFuzz_any_other_block_is_refused(uint40 inBlock) public {
        vm.assume(inBlock != block.number);
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        order.inBlock = inBlock;
        _refuses(_encode(order, mix), IExecutor.WrongBlock.selector);
    }

    function testFuzz_a_stranger_cannot_run(address caller) public {
        vm.assume(caller != owner);
        Mix memory mix = _same(1, Kind.ALLOWED);
        bytes memory payload = _encode(_path(2, 0, mix), mix);
        vm.prank(caller);
        (bool ok, bytes memory reason) = executor.call(payload);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotOwner.selector);
    }

    // ---- what the payload says of a good venue

    function test_the_executor_is_no_venue_of_its_own() public {
        for (uint256 mode = 0; mode < 6; mode++) {
            Mix memory mix = _same(1, MODES[mode]);
            Order memory order = _path(2, 0, mix);
            Called memory step = _call(order, mix, 0);
            step.target = executor;
            bytes[3] memory words =
                [Payload.encode(_cycle(order.token, 2, 0)), abi.encodeCall(IExecutor.sweep, (order.token, stranger, 1)), step.data];
            for (uint256 i = 0; i < 3; i++) {
                step.data = words[i];
                (bool ok,) = _send(_with(order, mix, 0, step), 0);
                assertFalse(ok);
                _inventoryIsWhole(order);
            }
        }
    }

    function test_a_venue_without_code_is_refused() public {
        for (uint256 mode = 0; mode < 6; mode++) {
            Mix memory mix = _same(1, MODES[mode]);
            Order memory order = _path(2, 0, mix);
            order.legs[0].pool = stranger;
            (bool ok, bytes memory reason) = _send(_encode(order, mix), 0);
            assertFalse(ok);
            if (mode % 2 == 0) assertEq(bytes4(reason), IExecutor.GotTooLittle.selector);
            _inventoryIsWhole(order);
        }
    }

    /// Inventory of the token that is named grows by nothing, whatever the venue gives.
    function test_a_token_that_the_venue_does_not_give_is_refused() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(3, 0, mix);
        bytes memory steps = _steps(order, mix, 1);
        order.legs[1].tokenIn = order.legs[2].tokenIn;
        bytes memory rest = bytes.concat(Payload.hop(order.legs[1]), Payload.hop(order.legs[2]));
        _refuses(Payload.long(order, address(0), bytes.concat(steps, rest)), IExecutor.GotTooLittle.selector);
    }

    function test_a_start_token_that_the_last_pool_does_not_lend_is_not_spent() public {
        Mix memory mix = _same(1, Kind.ALLOWED);
        Order memory order = _path(2, 0, mix);
        address start = order.legs[1].tokenIn;
        Called memory step = _call(order, mix, 0);
        step.data = abi.encodeCall(
            Venue.pull, (MockERC20(start), order.amountIn, MockERC20(order.legs[1].tokenIn), 0, address(executor))
        );
        step.out = 0;
        order.legs[1].out = 0;
        bytes memory steps = bytes.concat(Payload.called(step), Payload.hop(order.legs[1]));
        (bool ok,) = _send(Payload.long(order, start, steps), 0);
        assertFalse(ok);
        _inventoryIsWhole(order);
    }

    /// A target's own words come through.
    function test_what_a_venue_says_is_said() public {
        Mix memory mix = _same(1, Kind.SENT);
        Order memory order = _path(2, 0, mix);
        Called memory step = _call(order, mix, 0);
        step.data = abi.encodeWithSignature("noSuchFunction()");
        (bool ok, bytes memory reason) = _send(_with(order, mix, 0, step), 0);
        assertFalse(ok);
        assertEq(reason.length, 0);
        step.data = _call(order, mix, 0).data;
        step.mode = Kind.HELD;
        (ok, reason) = _send(_with(order, mix, 0, step), 0);
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSignature("Error(string)", "not paid"));
    }

    function _refused(Order memory order, Mix memory mix) private {
        bytes memory steps = bytes.concat(_steps(order, mix, 1), Payload.called(_call(order, mix, 1)));
        _refuses(Payload.long(order, address(0), steps), IExecutor.BadPayload.selector);
        _inventoryIsWhole(order);
    }

    /// The path with another step in one place.
    function _with(Order memory order, Mix memory mix, uint256 place, Called memory step) private view returns (bytes memory) {
        bytes memory steps;
        for (uint256 i = 0; i < order.legs.length; i++) {
            bytes memory own = _isCall(mix, i) ? Payload.called(i == place ? step : _call(order, mix, i)) : Payload.hop(order.legs[i]);
            steps = bytes.concat(steps, own);
        }
        return Payload.long(order, address(0), steps);
    }
}
