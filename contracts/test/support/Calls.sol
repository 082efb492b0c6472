// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IApprove} from "./LenderInterfaces.sol";
import {IExecutor} from "./Interfaces.sol";
import {Called, Kind, Leg, Order, Payload} from "./Payload.sol";
import {Venue} from "./Venue.sol";
import {World} from "./World.sol";

/// Which steps of a path are calls, and how each is paid and pays: 5 bits a step, those of the kind without CALL.
struct Mix {
    uint256 calls;
    uint256 modes;
}

/// Paths of pools and venues that are called, in any mix, beside inventory of every token.
abstract contract Calls is World {
    uint256 internal constant INVENTORY = 100 ether;

    uint8[6] internal MODES = [
        Kind.ALLOWED | Kind.HERE,
        Kind.ALLOWED | Kind.DIRECT,
        Kind.HELD | Kind.HERE,
        Kind.HELD | Kind.DIRECT,
        Kind.SENT | Kind.HERE,
        Kind.SENT | Kind.DIRECT
    ];

    /// All calls of a path in one mode.
    function _same(uint256 calls, uint8 mode) internal pure returns (Mix memory mix) {
        mix.calls = calls;
        for (uint256 i = 0; i < 8; i++) {
            mix.modes |= uint256(mode) << i * 5;
        }
    }

    /// A mode for each step out of any number.
    function _any(uint256 calls, uint256 seed) internal view returns (Mix memory mix) {
        mix.calls = calls;
        for (uint256 i = 0; i < 8; i++) {
            mix.modes |= uint256(MODES[(seed >> i * 8) % 6]) << i * 5;
        }
    }

    function _isCall(Mix memory mix, uint256 i) internal pure returns (bool) {
        return mix.calls >> i & 1 == 1;
    }

    function _mode(Mix memory mix, uint256 i) internal pure returns (uint8) {
        return uint8(mix.modes >> i * 5 & 31);
    }

    /// A cycle of `hops` steps. Where there is a call, the pool of the leg is its venue, which pays one for one.
    function _path(uint256 hops, uint256 kinds, Mix memory mix) internal returns (Order memory order) {
        executor = payable(_executor());
        order = _cycle(_token(), hops, kinds & ~mix.calls);
        for (uint256 i = 0; i < hops; i++) {
            if (_isCall(mix, i)) order.legs[i].pool = address(new Venue());
            _fund(order.legs[i].tokenIn, executor, INVENTORY);
        }
        _foretell(order, mix);
    }

    function _foretell(Order memory order, Mix memory mix) internal {
        uint256 amount = order.amountIn;
        for (uint256 i = 0; i < order.legs.length; i++) {
            if (!_isCall(mix, i)) amount = quoter.quote(order.legs[i], amount);
            order.legs[i].out = uint128(amount);
        }
    }

    // ---- as bytes

    function _encode(Order memory order, Mix memory mix) internal view returns (bytes memory) {
        return Payload.long(order, address(0), _steps(order, mix, order.legs.length));
    }

    /// The bytes that the pool of leg `count - 1` is given to echo.
    function _echo(Order memory order, Mix memory mix, uint256 count) internal view returns (bytes memory) {
        return Payload.longEcho(order, address(0), _steps(order, mix, count));
    }

    function _steps(Order memory order, Mix memory mix, uint256 count) internal view returns (bytes memory steps) {
        for (uint256 i = 0; i < count; i++) {
            bytes memory step = _isCall(mix, i) ? Payload.called(_call(order, mix, i)) : Payload.hop(order.legs[i]);
            steps = bytes.concat(steps, step);
        }
    }

    function _call(Order memory order, Mix memory mix, uint256 i) internal view returns (Called memory) {
        Leg memory leg = order.legs[i];
        uint8 mode = _mode(mix, i);
        uint128 spends = i == 0 ? order.amountIn : order.legs[i - 1].out;
        address to = mode & Kind.DIRECT == 0 ? executor : _payee(order, mix, i + 1);
        bytes memory data = abi.encodeWithSelector(_selector(mode), leg.tokenIn, spends, leg.tokenOut, leg.out, to);
        return Called(mode, leg.pool, leg.tokenIn, leg.out, data);
    }

    /// Behind the last step it is us.
    function _payee(Order memory order, Mix memory mix, uint256 i) private view returns (address) {
        if (i == order.legs.length) return executor;
        return _isCall(mix, i) && _mode(mix, i) & Kind.HELD != 0 ? executor : order.legs[i].pool;
    }

    function _selector(uint8 mode) private pure returns (bytes4) {
        if (mode & Kind.ALLOWED == Kind.ALLOWED) return Venue.pull.selector;
        return mode & Kind.HELD != 0 ? Venue.redeem.selector : Venue.prepaid.selector;
    }

    // ---- outcomes

    /// min_profit is the whole prediction, and one wei more is refused. Nothing else has moved.
    function _earns(Order memory order, Mix memory mix) internal {
        order.minProfit = uint128(_profit(order)) + 1;
        _refuses(_encode(order, mix), IExecutor.Unprofitable.selector);
        order.minProfit -= 1;
        _succeeds(_encode(order, mix), 0);
        assertEq(_held(order.token), INVENTORY + _profit(order));
        for (uint256 i = 1; i < order.legs.length; i++) {
            assertEq(_held(order.legs[i].tokenIn), INVENTORY);
        }
        _isIdle(order);
    }

    function _isIdle(Order memory order) internal view {
        assertEq(vm.load(executor, 0), bytes32(uint256(1)), "a callback is due");
        for (uint256 i = 0; i < order.legs.length; i++) {
            for (uint256 j = 0; j < order.legs.length; j++) {
                uint256 left = IApprove(order.legs[i].tokenIn).allowance(executor, order.legs[j].pool);
                assertEq(left, 0, "allowance left");
            }
        }
    }

    function _inventoryIsWhole(Order memory order) internal view {
        for (uint256 i = 0; i < order.legs.length; i++) {
            assertGe(_held(order.legs[i].tokenIn), INVENTORY);
        }
        _isIdle(order);
    }
}
