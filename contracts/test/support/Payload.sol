// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

/// One swap of a path. `out` is what the payload calls amount_out.
struct Leg {
    bool v3;
    address pool;
    address tokenIn;
    address tokenOut;
    uint128 out;
}

/// What `run()` is asked to do, before it is packed.
struct Order {
    uint8 flags;
    uint40 inBlock;
    address token;
    uint128 minProfit;
    uint128 bid;
    uint128 amountIn;
    Leg[] legs;
}

/// A call of a path. `mode`: the bits of its kind beside CALL.
struct Called {
    uint8 mode;
    address target;
    address tokenIn;
    uint128 out;
    bytes data;
}

/// The bits of a call's kind, and a stop's.
library Kind {
    uint8 internal constant STOP = 4;
    uint8 internal constant SENT = 0;
    uint8 internal constant HELD = 4;
    uint8 internal constant ALLOWED = 12;
    uint8 internal constant HERE = 0;
    uint8 internal constant DIRECT = 16;
    uint8 internal constant ETHER_OUT = 2;
    uint8 internal constant ETHER_IN = 32;
    uint8 internal constant CALL = 128;
    // A loan's, and what else of it.
    uint8 internal constant LOAN = 68;
    uint8 internal constant TAKEN = 8;
    uint8 internal constant HASHED = 16;

    /// A call that there is, as the header's table has it.
    function isCall(uint8 kind) internal pure returns (bool) {
        bool ether_ = kind & ETHER_IN == 0 || kind & ALLOWED == HELD;
        return kind & 0xc1 == CALL && kind & ALLOWED != 8 && ether_;
    }

    function isLoan(uint8 kind) internal pure returns (bool) {
        return kind & ~(TAKEN | HASHED) == CALL | LOAN;
    }
}

/// Encodes as the header of Executor.sol says, written from that text and not from the contract's code.
library Payload {
    bytes4 internal constant RUN = 0xc0406226;

    function encode(Order memory order) internal pure returns (bytes memory) {
        return abi.encodePacked(
            RUN,
            abi.encodePacked(order.flags, order.inBlock, order.token, order.minProfit, order.bid),
            echo(order, order.legs.length)
        );
    }

    /// The bytes that a pool is given to echo: amount_in and the first `count` hops.
    function echo(Order memory order, uint256 count) internal pure returns (bytes memory data) {
        data = abi.encodePacked(order.amountIn);
        for (uint256 i = 0; i < count; i++) {
            data = bytes.concat(data, hop(order.legs[i]));
        }
    }

    function hop(Leg memory leg) internal pure returns (bytes memory) {
        uint8 kind = (leg.v3 ? 1 : 0) | (leg.tokenIn < leg.tokenOut ? 2 : 0);
        return abi.encodePacked(kind, leg.pool, leg.tokenIn, leg.out);
    }

    // ---- the long form

    /// A run of `steps`, written by the functions below. The order's legs are not read; `start` 0 is its token.
    function long(Order memory order, address start, bytes memory steps) internal pure returns (bytes memory) {
        return abi.encodePacked(RUN, order.flags | 2, order.inBlock, longEcho(order, start, steps));
    }

    /// The bytes that a pool is given to echo: all from the profit token on, to the end of its step.
    function longEcho(Order memory order, address start, bytes memory steps) internal pure returns (bytes memory) {
        return abi.encodePacked(order.token, order.minProfit, order.bid, start, order.amountIn, steps);
    }

    function stop(address token, uint128 out) internal pure returns (bytes memory) {
        return abi.encodePacked(Kind.STOP, uint160(0), token, out);
    }

    function called(Called memory step) internal pure returns (bytes memory) {
        bytes memory before = abi.encodePacked(step.data, uint16(step.data.length));
        return bytes.concat(before, abi.encodePacked(Kind.CALL | step.mode, step.target, step.tokenIn, step.out));
    }
}
