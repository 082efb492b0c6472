// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IPair, IPool, IToken} from "./Interfaces.sol";
import {Leg} from "./Payload.sol";

/// The floor that an executor is measured against: the pools' own swaps, one after the other in one transaction. V2 inputs are in
/// the pair already; a V3 pool is paid by a callback that does nothing but transfer. Must hold the inputs of V3 hops.
contract BareSwaps {
    /// Gas of the calls to `swap` alone, cold slots and all.
    function run(Leg[] calldata legs, uint256 amount) external returns (uint256 used) {
        for (uint256 i = 0; i < legs.length; i++) {
            used += legs[i].v3 ? _v3(legs[i], amount) : _v2(legs[i]);
            amount = legs[i].out;
        }
    }

    function _v2(Leg calldata leg) private returns (uint256 used) {
        bool zeroForOne = leg.tokenIn < leg.tokenOut;
        (uint256 out0, uint256 out1) = zeroForOne ? (uint256(0), uint256(leg.out)) : (uint256(leg.out), 0);
        used = gasleft();
        IPair(leg.pool).swap(out0, out1, address(this), "");
        used -= gasleft();
    }

    function _v3(Leg calldata leg, uint256 amount) private returns (uint256 used) {
        bool zeroForOne = leg.tokenIn < leg.tokenOut;
        uint160 limit = zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        bytes memory data = abi.encode(leg.tokenIn);
        used = gasleft();
        IPool(leg.pool).swap(address(this), zeroForOne, int256(amount), limit, data);
        used -= gasleft();
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        IToken(abi.decode(data, (address))).transfer(msg.sender, uint256(delta0 > 0 ? delta0 : delta1));
    }
}
