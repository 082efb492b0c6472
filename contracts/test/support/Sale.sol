// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Leg, Order, Payload} from "./Payload.sol";

/// The lenders that the liquidator knows.
enum Lend {
    AAVE_V2,
    AAVE_V3,
    MORPHO
}

/// The liquidation that a path begins with. `stop` is the leg before which the profit token is kept, 0 for none; `goesOn` is
/// what that leg spends.
struct Sale {
    uint8 kind;
    address lender;
    address borrower;
    address debt;
    address collateral;
    address also;
    address irm;
    uint128 lltv;
    uint128 asked;
    uint128 repay;
    uint256 stop;
    uint128 goesOn;
}

/// Encodes as the header of Liquidator.sol says, written from that text and not from the contract's code. The order's amountIn is
/// what its first leg spends.
library SalePayload {
    bytes4 internal constant RUN_ALL = 0x34ba89a6;

    function encode(Order memory order, Sale memory sale) internal pure returns (bytes memory) {
        return abi.encodePacked(Payload.RUN, order.flags, order.inBlock, echo(order, sale, order.legs.length));
    }

    /// `runAll()` of several payloads of `run()`, each without its selector and behind its size.
    function several(bytes[] memory payloads) internal pure returns (bytes memory data) {
        data = abi.encodePacked(RUN_ALL);
        for (uint256 i = 0; i < payloads.length; i++) {
            data = bytes.concat(data, bytes2(uint16(payloads[i].length - 4)), tail(payloads[i]));
        }
    }

    function two(bytes memory first, bytes memory second) internal pure returns (bytes memory) {
        bytes[] memory payloads = new bytes[](2);
        (payloads[0], payloads[1]) = (first, second);
        return several(payloads);
    }

    function tail(bytes memory payload) private pure returns (bytes memory rest) {
        rest = new bytes(payload.length - 4);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = payload[i + 4];
        }
    }

    /// The bytes that a pool is given to echo: all from the profit token on, to the end of leg `count`.
    function echo(Order memory order, Sale memory sale, uint256 count) internal pure returns (bytes memory data) {
        data = abi.encodePacked(order.token, order.minProfit, order.bid, liquidation(sale), order.amountIn);
        for (uint256 i = 0; i < count; i++) {
            bool stops = sale.stop != 0 && sale.stop == i;
            if (stops) data = bytes.concat(data, abi.encodePacked(uint8(4), uint160(0), uint160(0), sale.goesOn));
            data = bytes.concat(data, hop(order.legs[i]));
        }
    }

    function liquidation(Sale memory sale) internal pure returns (bytes memory) {
        bytes memory parties = abi.encodePacked(sale.kind, sale.lender, sale.borrower, sale.debt, sale.collateral);
        return bytes.concat(parties, abi.encodePacked(sale.also, sale.irm, sale.lltv, sale.asked, sale.repay));
    }

    function hop(Leg memory leg) internal pure returns (bytes memory) {
        uint8 kind = (leg.v3 ? 1 : 0) | (leg.tokenIn < leg.tokenOut ? 2 : 0);
        return abi.encodePacked(kind, leg.pool, uint160(0), leg.out);
    }
}
