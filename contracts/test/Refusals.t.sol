// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor} from "./support/Interfaces.sol";
import {Leg, Order, Payload} from "./support/Payload.sol";
import {World} from "./support/World.sol";

/// Orders that must not run.
contract RefusalsTest is World {
    Order private order;

    function setUp() public override {
        super.setUp();
        _copy(_cycle(weth, 2, 2));
        _fund(weth, executor, 100 ether);
    }

    function test_a_losing_path_reverts() public {
        Order memory losing = _cycle(_token(), 2, 2);
        Leg memory first = losing.legs[0];
        // The same pools the other way round.
        losing.legs[0] = Leg(true, losing.legs[1].pool, losing.token, first.tokenOut, 0);
        losing.legs[1] = Leg(false, first.pool, first.tokenOut, losing.token, 0);
        _fund(losing.token, executor, 100 ether);
        assertLt(_predict(losing), 0);
        _refuses(losing, IExecutor.Unprofitable.selector);
    }

    function test_min_profit_is_met_exactly_or_not_at_all() public {
        order.minProfit = uint128(_profit(order)) + 1;
        _refuses(order, IExecutor.Unprofitable.selector);
        order.minProfit -= 1;
        _run(order);
    }

    function testFuzz_any_other_block_is_refused(uint40 inBlock) public {
        vm.assume(inBlock != block.number);
        order.inBlock = inBlock;
        _refuses(order, IExecutor.WrongBlock.selector);
    }

    function testFuzz_a_payload_of_another_length_is_refused(uint8 cut, bool longer) public {
        bytes memory payload = Payload.encode(order);
        if (longer) {
            cut = uint8(bound(cut, 1, 56));
            payload = bytes.concat(payload, new bytes(cut));
        } else {
            cut = uint8(bound(cut, 1, payload.length - 4));
            vm.assume(cut != 57);
            assembly ("memory-safe") {
                mstore(payload, sub(mload(payload), cut))
            }
        }
        _refuses(payload, IExecutor.BadPayload.selector);
    }

    function test_a_payload_without_hops_is_refused() public {
        delete order.legs;
        _refuses(order, IExecutor.BadPayload.selector);
        // Zero is what a hop that is not there would say that it spends.
        order.token = address(0);
        _refuses(order, IExecutor.BadPayload.selector);
    }

    function test_a_selector_alone_is_refused() public {
        _refuses(abi.encodePacked(Payload.RUN), IExecutor.BadPayload.selector);
    }

    function test_a_first_hop_that_spends_another_token_is_refused() public {
        order.token = order.legs[0].tokenOut;
        _refuses(order, IExecutor.BadPayload.selector);
    }

    function testFuzz_unknown_flags_are_refused(uint8 flags) public {
        order.flags = uint8(bound(flags, 4, 255));
        _refuses(order, IExecutor.BadPayload.selector);
    }

    function testFuzz_more_than_all_of_the_profit_in_bps_is_refused(uint128 bps) public {
        order.flags = 1;
        order.bid = uint128(bound(bps, 10001, type(uint128).max));
        _refuses(order, IExecutor.BadPayload.selector);
    }

    function test_a_share_of_a_profit_that_is_not_weth_is_refused() public {
        Order memory other = _cycle(_token(), 2, 0);
        other.flags = 1;
        other.bid = 1;
        _refuses(other, IExecutor.BadPayload.selector);
    }

    function test_a_start_token_without_code_is_refused() public {
        order.token = stranger;
        order.legs[0].tokenIn = stranger;
        _refuses(order, IExecutor.BalanceUnreadable.selector);
    }

    function test_a_last_pool_without_code_is_refused() public {
        order.legs[1].pool = stranger;
        _refuses(order, IExecutor.CallbackMissing.selector);
    }

    function test_a_first_pool_without_code_is_refused() public {
        order.legs[0].pool = stranger;
        _fails(order);
    }

    function test_a_pool_twice_in_a_path_is_refused() public {
        order.legs.push(order.legs[0]);
        order.legs.push(order.legs[1]);
        _fails(order);
    }

    function test_an_output_one_wei_too_high_reverts() public {
        for (uint256 kinds = 0; kinds < 4; kinds++) {
            Order memory greedy = _cycle(_token(), 2, kinds);
            greedy.legs[0].out += 1;
            // V3 before V2: the V3 output is not used, what counts is the output that V2 is asked for.
            greedy.legs[1].out += 1;
            _fails(greedy);
        }
    }

    function test_outputs_predicted_too_low_cost_only_the_difference() public {
        order.legs[0].out -= 1e9;
        order.legs[1].out = uint128(quoter.quote(order.legs[1], order.legs[0].out));
        uint256 before = _held(weth);
        _run(order);
        assertEq(_held(weth) - before, _profit(order));
    }

    function _copy(Order memory from) private {
        order.inBlock = from.inBlock;
        order.token = from.token;
        order.amountIn = from.amountIn;
        for (uint256 i = 0; i < from.legs.length; i++) {
            order.legs.push(from.legs[i]);
        }
    }
}
