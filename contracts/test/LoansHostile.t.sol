// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Calls, Mix} from "./support/Calls.sol";
import {HostileLoan} from "./support/HostileLoan.sol";
import {IExecutor} from "./support/Interfaces.sol";
import {IApprove} from "./support/LenderInterfaces.sol";
import {Called, Kind, Order, Payload} from "./support/Payload.sol";

/// Lenders that lie, beside inventory of every token, what the path begins with among them; and payloads that misuse a loan.
contract LoansHostileTest is Calls {
    HostileLoan private shark;

    function test_a_lender_that_keeps_its_word_is_sent_or_takes_what_it_is_due() public {
        for (uint256 taken = 0; taken < 2; taken++) {
            for (uint256 hashed = 0; hashed < 2; hashed++) {
                Mix memory mix;
                Order memory order = _scene(mix);
                uint8 mode = uint8(Kind.LOAN | taken * Kind.TAKEN | hashed * Kind.HASHED);
                shark.behave(order.amountIn, taken * (order.amountIn + 1), 1, 0);
                // One more than it is due: what it is allowed is its due.
                _succeeds(_lent(order, mix, mode), 0);
                assertEq(_held(order.token), INVENTORY + _profit(order) + (taken == 1 ? order.amountIn : 0));
                shark.behave(order.amountIn, taken * order.amountIn, 1, 0);
                _inventoryIsWhole(order);
                bytes32 hash = keccak256("ERC3156FlashBorrower.onFlashLoan");
                assertEq(shark.said(), hashed == 1 ? hash : bytes32(uint256(1)));
                assertEq(IApprove(order.token).allowance(executor, address(shark)), 0);
            }
        }
    }

    function test_a_lender_that_does_not_call_back_is_refused() public {
        Mix memory mix;
        Order memory order = _scene(mix);
        shark.behave(order.amountIn * 2, 0, 0, 0);
        _refuses(_lent(order, mix, Kind.LOAN), IExecutor.CallbackMissing.selector);
        _inventoryIsWhole(order);
    }

    function test_a_lender_that_calls_back_twice_is_obeyed_once() public {
        Mix memory mix;
        Order memory order = _scene(mix);
        shark.behave(order.amountIn, 0, 3, 0);
        _succeeds(_lent(order, mix, Kind.LOAN), 0);
        assertEq(shark.refused(), 2);
        assertEq(_held(order.token), INVENTORY + _profit(order));
    }

    /// The path would be gone out of what is held, and the lender be paid for nothing.
    function test_a_lender_that_pays_too_little_is_refused() public {
        for (uint256 taken = 0; taken < 2; taken++) {
            Mix memory mix;
            Order memory order = _scene(mix);
            uint256 profit = _profit(order);
            order.minProfit = uint128(profit);
            shark.behave(order.amountIn - 1, taken * order.amountIn, 1, 0);
            _refuses(_lent(order, mix, uint8(Kind.LOAN | taken * Kind.TAKEN)), IExecutor.Unprofitable.selector);
            order.minProfit = 0;
            shark.behave(order.amountIn - profit - 1, taken * order.amountIn, 1, 0);
            _refuses(_lent(order, mix, uint8(Kind.LOAN | taken * Kind.TAKEN)), IExecutor.Unprofitable.selector);
            _inventoryIsWhole(order);
        }
    }

    function testFuzz_an_echo_that_is_torn_is_refused(uint16 torn) public {
        Mix memory mix;
        Order memory order = _scene(mix);
        shark.behave(order.amountIn * 2, 0, 1, bound(torn, 1, 300));
        _refuses(_lent(order, mix, Kind.LOAN), IExecutor.CallbackMissing.selector);
        assertEq(shark.refused(), 0, "all of it was undone");
        _inventoryIsWhole(order);
    }

    /// Whoever is on the way has the words that the lender is due, and is not heard.
    function test_a_venue_that_says_what_the_lender_should_is_not_obeyed() public {
        Mix memory mix = _same(2, Kind.ALLOWED);
        Order memory order = _scene(mix);
        HostileLoan other = new HostileLoan();
        bytes memory steps = bytes.concat(_steps(order, mix, 2), Payload.called(_loan(order, Kind.LOAN)));
        bytes memory echo = Payload.longEcho(order, address(0), steps);
        bytes memory padded = bytes.concat(echo, new bytes((32 - echo.length % 32) % 32), abi.encode(echo.length));
        bytes memory forged = bytes.concat(bytes4(0x12345678), padded);
        // In the lender's mouth it is what is due, and taken once; the rest of the run has nothing left to hear it.
        other.attempt(executor, forged);
        shark.attempt(address(other), abi.encodePacked(bytes4(0), abi.encode(order.token, 0)));
        shark.behave(order.amountIn, 0, 1, 0);
        _succeeds(_lent(order, mix, Kind.LOAN), 0);
        assertGt(other.tried(), 0);
        assertEq(other.obeyed(), 0);
        _inventoryIsWhole(order);
        vm.prank(address(shark));
        (bool ok,) = executor.call(forged);
        assertFalse(ok, "idle, nobody is heard");
    }

    function testFuzz_hostile_lenders_never_cost_inventory(
        uint8 kinds,
        uint8 calls,
        uint64 modes,
        uint96 pays,
        uint96 takes,
        uint8 callbacks,
        uint8 mode
    ) public {
        Mix memory mix = _any(calls & 7, modes);
        mix.modes |= uint256(Kind.DIRECT) << 10;
        executor = payable(_executor());
        Order memory order = _path(3, kinds, mix);
        shark = new HostileLoan();
        _fund(order.token, address(shark), 200 ether);
        shark.behave(bound(pays, 0, 110 ether), bound(takes, 0, 110 ether), callbacks % 3, 0);
        bytes memory payload = _lent(order, mix, uint8(Kind.LOAN | (mode & (Kind.TAKEN | Kind.HASHED))));
        shark.attempt(executor, payload);
        shark.attempt(executor, abi.encodeCall(IExecutor.sweep, (order.token, address(shark), 1)));
        shark.attempt(order.token, abi.encodeWithSignature("transferFrom(address,address,uint256)", executor, shark, 1));
        _send(payload, 0);
        _inventoryIsWhole(order);
    }

    // ---- payloads

    function testFuzz_a_loan_stands_at_the_end_and_in_no_other_kind(uint8 kind) public {
        Mix memory mix;
        Order memory order = _scene(mix);
        bytes memory payload = _lent(order, mix, Kind.LOAN);
        vm.assume(!Kind.isLoan(kind) && !(Kind.isCall(kind) && kind & Kind.DIRECT != 0));
        // Other than a call's a record here has no data before it, so nothing behind it is read as one.
        payload[payload.length - 57] = bytes1(kind);
        _isRefused(payload, order);
    }

    function test_a_loan_in_front_or_in_the_middle_is_refused() public {
        for (uint256 place = 0; place < 2; place++) {
            Mix memory mix;
            Order memory order = _scene(mix);
            bytes memory loan = Payload.called(_loan(order, Kind.LOAN));
            bytes memory first = place == 0 ? loan : bytes.concat(Payload.hop(order.legs[0]), loan);
            bytes memory rest = bytes.concat(place == 0 ? Payload.hop(order.legs[0]) : bytes(""), Payload.hop(order.legs[1]));
            _isRefused(Payload.long(order, address(0), bytes.concat(first, rest)), order);
            _isRefused(Payload.long(order, address(0), bytes.concat(first, rest, loan)), order);
        }
    }

    /// A loan and nothing else: the lender would be paid twice.
    function test_a_loan_of_no_path_costs_nothing() public {
        Mix memory mix;
        Order memory order = _scene(mix);
        shark.behave(order.amountIn, 0, 1, 0);
        (bool ok,) = _send(Payload.long(order, address(0), Payload.called(_loan(order, Kind.LOAN))), 0);
        assertFalse(ok);
        _inventoryIsWhole(order);
    }

    function test_a_loan_that_says_a_tokens_own_words_is_refused() public {
        Mix memory mix;
        Order memory order = _scene(mix);
        Called memory loan = _loan(order, Kind.LOAN);
        loan.data = abi.encodeWithSignature("transfer(address,uint256)", stranger, 1);
        loan.target = order.token;
        _isRefused(Payload.long(order, address(0), bytes.concat(_steps(order, mix, 2), Payload.called(loan))), order);
    }

    function testFuzz_a_stranger_cannot_have_a_loan_run(address caller) public {
        vm.assume(caller != owner);
        Mix memory mix;
        bytes memory payload = _lent(_scene(mix), mix, Kind.LOAN);
        vm.prank(caller);
        (bool ok, bytes memory reason) = executor.call(payload);
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotOwner.selector);
    }

    // ---- the scene

    function _scene(Mix memory mix) private returns (Order memory order) {
        order = _path(2, 0, mix);
        if (_isCall(mix, 1)) {
            mix.modes |= uint256(Kind.DIRECT) << 5;
            order.legs[1].out = order.amountIn + 1 ether;
        }
        shark = new HostileLoan();
        _fund(order.token, address(shark), 200 ether);
    }

    function _loan(Order memory order, uint8 mode) private view returns (Called memory) {
        return Called(mode, address(shark), order.token, order.amountIn, bytes.concat(bytes4(0xabcdef01), abi.encode(order.token)));
    }

    function _lent(Order memory order, Mix memory mix, uint8 mode) private view returns (bytes memory) {
        bytes memory steps = _steps(order, mix, order.legs.length);
        return Payload.long(order, address(0), bytes.concat(steps, Payload.called(_loan(order, mode))));
    }

    function _isRefused(bytes memory payload, Order memory order) private {
        _refuses(payload, IExecutor.BadPayload.selector);
        _inventoryIsWhole(order);
    }
}
