// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IAave, IMorpho} from "./LenderInterfaces.sol";
import {Called, Kind, Leg, Order, Payload} from "./Payload.sol";

/// Lenders of two protocols, and of two versions of one.
enum Lend {
    AAVE_V2,
    AAVE_V3,
    MORPHO
}

/// The liquidation that a path begins with. `kind`: 0 Aave, paid in the collateral; 1 Aave, paid in receipt tokens that the first
/// pool buys; 2 Aave, paid in receipt tokens, withdrawn to that pool; 3 Morpho by collateral; 4 Morpho by borrow shares. `stop` is the leg before which the profit token is kept, 0 for none; `goesOn` is
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

/// Encodes as the header of Executor.sol says, written from that text and not from the contract's code: a path that begins with what
/// the lender is told. The order's amountIn is what its first leg spends.
library SalePayload {
    bytes4 internal constant RUN_ALL = 0x34ba89a6;
    uint8 private constant WITHDRAWN = 2;

    function encode(Order memory order, Sale memory sale) internal pure returns (bytes memory) {
        return abi.encodePacked(Payload.RUN, order.flags | 2, order.inBlock, echo(order, sale, order.legs.length));
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
        address start = sale.debt == order.token ? address(0) : sale.debt;
        data = abi.encodePacked(order.token, order.minProfit, order.bid, start, sale.repay, liquidation(order, sale));
        for (uint256 i = 0; i < count; i++) {
            if (sale.stop != 0 && sale.stop == i) data = bytes.concat(data, Payload.stop(address(0), sale.goesOn));
            data = bytes.concat(data, hop(order.legs[i], i == 0 && sale.kind != WITHDRAWN));
        }
    }

    /// What the lender is told, and that it may take the debt token. What it gives is what the first leg spends.
    function liquidation(Order memory order, Sale memory sale) internal pure returns (bytes memory) {
        if (sale.kind != WITHDRAWN) return _step(Kind.ALLOWED | Kind.HERE, order, sale, address(0), _said(sale));
        bytes memory withdraws =
            abi.encodeWithSignature("withdraw(address,uint256,address)", sale.collateral, order.amountIn, order.legs[0].pool);
        return bytes.concat(
            _step(Kind.ALLOWED | Kind.HERE, order, sale, address(0), _said(sale)),
            _step(Kind.HELD | Kind.DIRECT, order, sale, sale.also, withdraws)
        );
    }

    function _step(uint8 mode, Order memory order, Sale memory sale, address tokenIn, bytes memory data)
        private
        pure
        returns (bytes memory)
    {
        return Payload.called(Called(mode, sale.lender, tokenIn, order.amountIn, data));
    }

    function _said(Sale memory sale) private pure returns (bytes memory) {
        if (sale.kind <= WITHDRAWN) {
            return abi.encodeCall(
                IAave.liquidationCall, (sale.collateral, sale.debt, sale.borrower, sale.repay, sale.kind != 0)
            );
        }
        IMorpho.Market memory market = IMorpho.Market(sale.debt, sale.collateral, sale.also, sale.irm, sale.lltv);
        (uint256 seized, uint256 shares) = sale.kind == 3 ? (uint256(sale.asked), uint256(0)) : (0, sale.asked);
        return abi.encodeCall(IMorpho.liquidate, (market, sale.borrower, seized, shares, ""));
    }

    /// The token is read of a step that a call pays.
    function hop(Leg memory leg, bool named) internal pure returns (bytes memory) {
        uint8 kind = (leg.v3 ? 1 : 0) | (leg.tokenIn < leg.tokenOut ? 2 : 0);
        return abi.encodePacked(kind, leg.pool, named ? leg.tokenIn : address(0), leg.out);
    }
}
