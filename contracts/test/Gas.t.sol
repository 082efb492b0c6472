// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {BareSwaps} from "./support/BareSwaps.sol";
import {Order, Payload} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// What a run costs above the pools' own swaps. Written to snapshots/gas.json, and compared with it in CI.
///
/// Conditions: each run is a transaction of its own, 12 s after the pools' last use, all slots and accounts cold. The start token is
/// WETH9, the others are plain ERC-20s. The executor holds 1 wei of the start token and none of the others. No bid, unless named.
///
/// Per path, in gas:
/// - `swaps`: the pools' `swap` calls alone, in one transaction, V2 inputs in place, a V3 pool paid by a bare transfer;
/// - `run`: the executor's transaction without intrinsic gas, before refunds; comparable with `swaps`;
/// - `paid`: what the transaction is billed, 21000 and calldata included, refunds deducted.
contract GasTest is World {
    BareSwaps private bare;

    function setUp() public override {
        super.setUp();
        bare = new BareSwaps();
        _fund(weth, executor, 1);
    }

    function test_gas_of_v2_paths() public {
        _measure("v2 v2", 2, 0);
        _measure("v2 v2 v2", 3, 0);
        _measure("v2 v2 v2 v2", 4, 0);
    }

    function test_gas_of_v3_paths() public {
        _measure("v3 v3", 2, 3);
        _measure("v3 v3 v3", 3, 7);
        _measure("v3 v3 v3 v3", 4, 15);
    }

    function test_gas_of_mixed_paths() public {
        _measure("v2 v3", 2, 2);
        _measure("v3 v2", 2, 1);
        _measure("v2 v3 v2", 3, 2);
        _measure("v3 v2 v3", 3, 5);
        _measure("v2 v3 v2 v3", 4, 10);
    }

    function test_gas_of_bids() public {
        vm.deal(builder, 1);
        Order memory order = _path(2, 0);
        order.bid = 5000;
        order.flags = 1;
        _record("v2 v2, bid in bps", order, 0);

        order = _path(2, 0);
        order.bid = 1 gwei;
        _record("v2 v2, bid in wei from msg.value", order, 1 gwei);
    }

    function _measure(string memory name, uint256 hops, uint256 kinds) private {
        Order memory order = _path(hops, kinds);
        uint256 state = vm.snapshotState();
        uint256 amount = order.amountIn;
        for (uint256 i = 0; i < hops; i++) {
            _fund(order.legs[i].tokenIn, order.legs[i].v3 ? address(bare) : order.legs[i].pool, amount);
            _fund(order.legs[i].tokenOut, address(bare), 1);
            amount = order.legs[i].out;
        }
        uint256 swaps = bare.run(order.legs, order.amountIn);
        vm.revertToState(state);
        vm.snapshotValue("gas", string.concat(name, ": swaps"), swaps);
        _record(name, order, 0);
    }

    function _record(string memory name, Order memory order, uint256 value) private {
        _snapshot(name, Payload.encode(order), value);
    }

    /// The pools were made in the block before: the first swap of a block also writes their oracles.
    function _path(uint256 hops, uint256 kinds) private returns (Order memory order) {
        order = _cycle(weth, hops, kinds);
        vm.warp(block.timestamp + 12);
    }
}
