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
}
