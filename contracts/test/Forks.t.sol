// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Leg, Order} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// Forks that give the callback a name of their own.
contract ForksTest is World {
    // What PancakeV3Pool's constructor asks its deployer for. The package has no deployer, so this test is it.
    address private token0;
    address private token1;

    function parameters() external view returns (address, address, address, uint24, int24) {
        return (address(this), token0, token1, 2500, 60);
    }

    function test_pancake_v3_runs_in_every_place_of_a_path() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            for (uint256 at = 0; at < 3; at++) {
                if (kinds >> at & 1 == 0) continue;
                Order memory order = _cycle(weth, 3, kinds);
                order.legs[at].pool = _pancakeV3(order.legs[at], at == 2);
                _predict(order);
                _earns(order);
            }
        }
    }

    function test_pairs_with_renamed_callbacks_run() public {
        bytes4[3] memory names = [
            bytes4(keccak256("pancakeCall(address,uint256,uint256,bytes)")),
            bytes4(keccak256("BiswapCall(address,uint256,uint256,bytes)")),
            bytes4(keccak256("hook(address,uint256,uint256,bytes)"))
        ];
        for (uint256 i = 0; i < names.length; i++) {
            Order memory order = _cycle(weth, 2, i & 1);
            _rename(order.legs[1].pool, 0x10d1e85c, names[i]);
            _earns(order);
        }
    }

    function test_pools_with_renamed_callbacks_run() public {
        Order memory order = _cycle(weth, 2, 3);
        for (uint256 i = 0; i < 2; i++) {
            _rename(order.legs[i].pool, 0xfa461e33, bytes4(keccak256("algebraSwapCallback(int256,int256,bytes)")));
        }
        _earns(order);
    }

    function _earns(Order memory order) private {
        uint256 before = _held(weth);
        _run(order);
        assertEq(_held(weth) - before, _profit(order));
    }

    function _pancakeV3(Leg memory leg, bool last) private returns (address pool) {
        (token0, token1) = leg.tokenIn < leg.tokenOut ? (leg.tokenIn, leg.tokenOut) : (leg.tokenOut, leg.tokenIn);
        pool = _create(_bytecode("@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json"));
        uint256 depthOut = last ? DEPTH * 11 / 10 : DEPTH;
        _fund(leg.tokenIn, address(liquidity), DEPTH * 2);
        _fund(leg.tokenOut, address(liquidity), DEPTH * 2);
        liquidity.fillV3(pool, leg.tokenIn, DEPTH, leg.tokenOut, depthOut);
    }

    /// Real pool code in which the callback has another selector.
    function _rename(address pool, bytes4 from, bytes4 to) private {
        bytes memory code = pool.code;
        uint256 found;
        for (uint256 i = 0; i + 4 <= code.length; i++) {
            if (code[i] != from[0] || code[i + 1] != from[1] || code[i + 2] != from[2] || code[i + 3] != from[3]) continue;
            for (uint256 j = 0; j < 4; j++) {
                code[i + j] = to[j];
            }
            found++;
        }
        assertGt(found, 0);
        vm.etch(pool, code);
    }
}
