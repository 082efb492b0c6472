// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IPair, IPool} from "./Interfaces.sol";
import {Leg} from "./Payload.sol";

/// Says what a hop gives: by the published formula for V2, by a swap that is rolled back for V3.
contract Quoter {
    error Quote(uint256 out);

    function quote(Leg memory leg, uint256 amountIn) external returns (uint256) {
        return leg.v3 ? _v3(leg, amountIn) : _v2(leg, amountIn);
    }

    function _v2(Leg memory leg, uint256 amountIn) private view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut,) = IPair(leg.pool).getReserves();
        if (leg.tokenIn > leg.tokenOut) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 withFee = amountIn * 997;
        return withFee * reserveOut / (reserveIn * 1000 + withFee);
    }

    function _v3(Leg memory leg, uint256 amountIn) private returns (uint256) {
        bool zeroForOne = leg.tokenIn < leg.tokenOut;
        uint160 limit = zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        try IPool(leg.pool).swap(address(this), zeroForOne, int256(amountIn), limit, "") {
            revert("no callback");
        } catch (bytes memory reason) {
            require(reason.length == 36 && bytes4(reason) == Quote.selector, "no quote");
            return uint256(bytes32(_tail(reason)));
        }
    }

    fallback() external {
        (int256 delta0, int256 delta1) = abi.decode(msg.data[4:], (int256, int256));
        revert Quote(uint256(-(delta0 < 0 ? delta0 : delta1)));
    }

    function _tail(bytes memory reason) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(reason, 36))
        }
    }
}
