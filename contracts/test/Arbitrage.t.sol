// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Vm} from "forge-std/Vm.sol";
import {Order} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// Paths over the real pools: what is earned is what was predicted, to the wei, and nothing else moves.
contract ArbitrageTest is World {
    function test_every_mix_of_two_hops_earns_what_was_predicted() public {
        _everyMix(2);
    }

    function test_every_mix_of_three_hops_earns_what_was_predicted() public {
        _everyMix(3);
    }

    function test_every_mix_of_four_hops_earns_what_was_predicted() public {
        _everyMix(4);
    }

    function test_two_hops_work_in_both_directions_of_a_pool() public {
        for (uint256 kinds = 0; kinds < 4; kinds++) {
            for (uint256 above = 0; above < 2; above++) {
                address[] memory tokens = new address[](2);
                tokens[0] = _token();
                tokens[1] = _tokenBeside(tokens[0], above == 1);
                _earnsWhatWasPredicted(_cycle(tokens, kinds));
            }
        }
    }

    function test_a_path_of_eight_hops_runs() public {
        _earnsWhatWasPredicted(_cycle(_token(), 8, 0xb5));
    }

    function testFuzz_any_path_earns_what_was_predicted(uint8 hops, uint8 kinds, uint128 amountIn, bool startsWithWeth) public {
        Order memory order = _cycle(startsWithWeth ? weth : _token(), bound(hops, 2, 5), kinds);
        order.amountIn = uint128(bound(amountIn, 1e6, 20 ether));
        if (_predict(order) < 0) return;
        _earnsWhatWasPredicted(order);
    }

    function testFuzz_inventory_of_every_token_is_left_alone(uint8 hops, uint8 kinds, uint96 inventory) public {
        Order memory order = _cycle(_token(), bound(hops, 2, 4), kinds);
        for (uint256 i = 0; i < order.legs.length; i++) {
            _fund(order.legs[i].tokenIn, executor, inventory);
        }
        _run(order);
        assertEq(_held(order.token), inventory + _profit(order));
        for (uint256 i = 1; i < order.legs.length; i++) {
            assertEq(_held(order.legs[i].tokenIn), inventory);
        }
    }

    function test_n_hops_make_n_plus_one_transfers() public {
        for (uint256 kinds = 0; kinds < 8; kinds++) {
            Order memory order = _cycle(_token(), 3, kinds);
            vm.recordLogs();
            _run(order);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            uint256 transfers;
            for (uint256 i = 0; i < logs.length; i++) {
                if (logs[i].topics[0] == keccak256("Transfer(address,address,uint256)")) transfers++;
            }
            assertEq(transfers, 4);
        }
    }

    function test_the_slot_of_the_callback_due_is_one_before_and_after_a_run() public {
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
        _run(_cycle(_token(), 3, 2));
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    function _everyMix(uint256 hops) private {
        for (uint256 kinds = 0; kinds < 1 << hops; kinds++) {
            _earnsWhatWasPredicted(_cycle(weth, hops, kinds));
            _earnsWhatWasPredicted(_cycle(_token(), hops, kinds));
        }
    }

    /// min_profit is the whole prediction, and one wei more is refused.
    function _earnsWhatWasPredicted(Order memory order) private {
        uint256 before = _held(order.token);
        order.minProfit = uint128(_profit(order)) + 1;
        _refuses(order, bytes4(keccak256("Unprofitable()")));
        order.minProfit -= 1;
        _run(order);
        assertEq(_held(order.token) - before, _profit(order));
    }
}
