// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./Interfaces.sol";
import {IApprove} from "./LenderInterfaces.sol";
import {IManager, ManagerHand, Terms} from "./ManagerHand.sol";
import {Called, Kind, Leg, Order, Payload} from "./Payload.sol";
import {Venue} from "./Venue.sol";
import {World} from "./World.sol";

/// A path whose steps are of any family. `families`: two bits a step, 0 and 1 pools of V2 and V3, 2 a pool of the manager, 3 a call.
struct Path {
    Order order;
    uint256 families;
    Terms[] terms;
    /// The mode of every call.
    uint8 mode;
}

/// The bits of a managed step's kind.
library Managed {
    uint8 internal constant HELD = 4;
    uint8 internal constant NETTED = 8;
    uint8 internal constant INSIDE = 16;
    uint8 internal constant MANAGED = 64;
}

/// Pools of the real manager, from the package's published bytecode, beside all others, and inventory of every token and of ether.
abstract contract ManagedWorld is World {
    uint256 internal constant INVENTORY = 100 ether;
    uint256 internal constant CALL = 3;
    IManager internal manager;
    ManagerHand internal hand;
    address internal hooks;

    function setUp() public virtual override {
        super.setUp();
        string memory file = vm.readFile("node_modules/@uniswap/v4-core/out/PoolManager.sol/PoolManager.json");
        bytes memory code = vm.parseJsonBytes(file, ".bytecode.object");
        manager = IManager(_create(bytes.concat(code, abi.encode(owner))));
        hand = new ManagerHand(manager);
        vm.deal(address(hand), 1e9 ether);
    }

    /// A cycle through these tokens and back. Bit i of `natives`: where step i is the manager's, ether stands for WETH.
    function _path(address[] memory tokens, uint256 families, uint256 natives, uint8 mode) internal returns (Path memory path) {
        uint256 hops = tokens.length;
        executor = payable(_executor());
        vm.deal(executor, INVENTORY);
        path.families = families;
        path.mode = mode;
        path.terms = new Terms[](hops);
        Leg[] memory legs = new Leg[](hops);
        for (uint256 i = 0; i < hops; i++) {
            legs[i] = Leg(_family(path, i) == 1, address(0), tokens[i], tokens[(i + 1) % hops], 0);
            _fill(path, legs[i], i, natives >> i & 1 == 1);
            _fund(tokens[i], executor, INVENTORY);
        }
        path.order = Order(0, uint40(block.number), tokens[0], 0, 0, uint128(AMOUNT_IN), legs);
        _foretell(path);
    }

    function _tokens(address start, uint256 hops) internal returns (address[] memory tokens) {
        tokens = new address[](hops);
        tokens[0] = start;
        for (uint256 i = 1; i < hops; i++) {
            tokens[i] = _token();
        }
    }

    function _family(Path memory path, uint256 i) internal pure returns (uint256) {
        return path.families >> i * 2 & 3;
    }

    function _isManaged(Path memory path, uint256 i) internal pure returns (bool) {
        return _family(path, i) == 2;
    }

    /// Each pool pays 3 % too much.
    function _fill(Path memory path, Leg memory leg, uint256 i, bool native) private {
        uint256 family = _family(path, i);
        uint256 depthOut = DEPTH * 103 / 100;
        if (family == CALL) leg.pool = address(new Venue());
        else if (family < 2) leg.pool = _pool(leg.v3, leg.tokenIn, DEPTH, leg.tokenOut, depthOut);
        if (family != 2) return;
        leg.pool = address(manager);
        address into = native && leg.tokenIn == weth ? address(0) : leg.tokenIn;
        address out = native && leg.tokenOut == weth ? address(0) : leg.tokenOut;
        Terms memory terms = into < out ? Terms(into, out, 0, 60, hooks) : Terms(out, into, 0, 60, hooks);
        terms.fee = 3000 + uint24(i);
        if (into != address(0)) _fund(into, address(hand), DEPTH * 2);
        if (out != address(0)) _fund(out, address(hand), DEPTH * 2);
        hand.fill(terms, into < out ? DEPTH : depthOut, into < out ? depthOut : DEPTH);
        path.terms[i] = terms;
    }

    function _foretell(Path memory path) internal {
        uint256 amount = path.order.amountIn;
        for (uint256 i = 0; i < path.order.legs.length; i++) {
            Leg memory leg = path.order.legs[i];
            uint256 family = _family(path, i);
            if (family < 2) amount = quoter.quote(leg, amount);
            if (family == 2) amount = hand.quote(path.terms[i], _zeroForOne(path, i), amount);
            leg.out = uint128(amount);
        }
    }

    function _currencyIn(Path memory path, uint256 i) internal view returns (address) {
        Terms memory terms = path.terms[i];
        address tokenIn = path.order.legs[i].tokenIn;
        return terms.currency0 == tokenIn || (tokenIn == weth && terms.currency0 == address(0)) ? terms.currency0 : terms.currency1;
    }

    function _zeroForOne(Path memory path, uint256 i) internal view returns (bool) {
        return _currencyIn(path, i) == path.terms[i].currency0;
    }

    // ---- as bytes

    function _encode(Path memory path) internal view returns (bytes memory) {
        return Payload.long(path.order, address(0), _steps(path, path.order.legs.length));
    }

    function _steps(Path memory path, uint256 count) internal view returns (bytes memory steps) {
        for (uint256 i = 0; i < count; i++) {
            steps = bytes.concat(steps, _step(path, i));
        }
    }

    function _step(Path memory path, uint256 i) internal view returns (bytes memory) {
        Leg memory leg = path.order.legs[i];
        uint256 family = _family(path, i);
        if (family == CALL) return Payload.called(_call(path, i));
        return family == 2 ? _managedStep(path, i, _kind(path, i)) : Payload.hop(leg);
    }

    function _managedStep(Path memory path, uint256 i, uint8 kind) internal pure returns (bytes memory) {
        Leg memory leg = path.order.legs[i];
        Terms memory terms = path.terms[i];
        bytes memory key = abi.encodePacked(terms.currency0, terms.currency1, terms.fee, terms.tickSpacing, terms.hooks);
        return bytes.concat(key, abi.encodePacked(kind, leg.pool, leg.tokenIn, leg.out));
    }

    /// As an encoder should choose: the fewest transfers that are sound.
    function _kind(Path memory path, uint256 i) internal view returns (uint8 kind) {
        kind = Managed.MANAGED | (_zeroForOne(path, i) ? 2 : 0);
        for (uint256 j = i + 1; j < path.order.legs.length; j++) {
            if (_isManaged(path, j)) kind |= Managed.INSIDE;
        }
        if (i == 0) return kind;
        bool behind;
        for (uint256 j = 0; j < i; j++) {
            behind = behind || _isManaged(path, j);
        }
        if (_isManaged(path, i - 1) && _currencyOut(path, i - 1) == _currencyIn(path, i)) return kind | Managed.NETTED;
        bool direct = _family(path, i - 1) == CALL && path.mode & Kind.DIRECT != 0;
        return behind || direct || _currencyIn(path, i) == address(0) ? kind | Managed.HELD : kind;
    }

    function _currencyOut(Path memory path, uint256 i) internal view returns (address) {
        return _zeroForOne(path, i) ? path.terms[i].currency1 : path.terms[i].currency0;
    }

    function _call(Path memory path, uint256 i) private view returns (Called memory) {
        Leg memory leg = path.order.legs[i];
        uint128 spends = i == 0 ? path.order.amountIn : path.order.legs[i - 1].out;
        address to = path.mode & Kind.DIRECT == 0 ? executor : _payee(path, i + 1);
        bytes4 selector = path.mode & Kind.ALLOWED == Kind.ALLOWED ? Venue.pull.selector : Venue.prepaid.selector;
        return Called(path.mode, leg.pool, leg.tokenIn, leg.out, abi.encodeWithSelector(selector, leg.tokenIn, spends, leg.tokenOut, leg.out, to));
    }

    function _payee(Path memory path, uint256 i) private view returns (address) {
        bool held = _isManaged(path, i) || (_family(path, i) == CALL && path.mode & Kind.HELD != 0);
        return held ? executor : path.order.legs[i].pool;
    }

    // ---- outcomes

    /// min_profit is the whole prediction, and one wei more is refused. Nothing else has moved.
    function _earns(Path memory path) internal {
        path.order.minProfit = uint128(_profit(path.order)) + 1;
        _refuses(_encode(path), IExecutor.Unprofitable.selector);
        path.order.minProfit -= 1;
        _succeeds(_encode(path), 0);
        assertEq(_held(path.order.token), INVENTORY + _profit(path.order), "the profit");
        for (uint256 i = 1; i < path.order.legs.length; i++) {
            assertEq(_held(path.order.legs[i].tokenIn), INVENTORY, "a token in between");
        }
        assertEq(executor.balance, INVENTORY, "ether");
        _isIdle(path);
    }

    function _isIdle(Path memory path) internal view {
        assertEq(vm.load(executor, 0), bytes32(uint256(1)), "a callback is due");
        for (uint256 i = 0; i < path.order.legs.length; i++) {
            for (uint256 j = 0; j < path.order.legs.length; j++) {
                uint256 left = IApprove(path.order.legs[i].tokenIn).allowance(executor, path.order.legs[j].pool);
                assertEq(left, 0, "allowance left");
            }
        }
    }

    function _inventoryIsWhole(Path memory path) internal view {
        for (uint256 i = 0; i < path.order.legs.length; i++) {
            assertGe(_held(path.order.legs[i].tokenIn), INVENTORY);
        }
        assertGe(executor.balance, INVENTORY);
        _isIdle(path);
    }
}
