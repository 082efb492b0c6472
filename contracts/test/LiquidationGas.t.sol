// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Vm} from "forge-std/Vm.sol";
import {BareSwaps} from "./support/BareSwaps.sol";
import {Leg, Order} from "./support/Payload.sol";
import {Plan, Plans} from "./support/Plans.sol";
import {Lend, Sale, SalePayload} from "./support/Sale.sol";
import {Keep} from "./support/Sales.sol";

/// What a liquidation costs above the lender's own. Written to snapshots/gas.json beside those of cycles, under the conditions of
/// Gas.t.sol; the executor holds 1 wei of the token it keeps. `swaps` is the lender's call alone, by somebody with capital and
/// an allowance, and the pools' own swaps.
contract LiquidationGasTest is Plans {
    BareSwaps private bare;

    function setUp() public override {
        super.setUp();
        bare = new BareSwaps();
    }

    function test_gas_of_liquidations_over_one_pool() public {
        _measure("aave_v2, v2", Lend.AAVE_V2, 1, 0, Keep.DEBT);
        _measure("aave_v3, v2", Lend.AAVE_V3, 1, 0, Keep.DEBT);
        _measure("aave_v3, v3", Lend.AAVE_V3, 1, 1, Keep.DEBT);
        _measure("morpho, v2", Lend.MORPHO, 1, 0, Keep.DEBT);
        _measure("morpho, v3", Lend.MORPHO, 1, 1, Keep.DEBT);
    }

    function test_gas_of_liquidations_over_two_pools_that_keep_weth_between_them() public {
        _measure("aave_v3, v3 v3", Lend.AAVE_V3, 2, 3, Keep.BETWEEN);
        _measure("morpho, v3 v2", Lend.MORPHO, 2, 1, Keep.BETWEEN);
    }

    function test_gas_of_two_liquidations_in_one_transaction() public {
        _measureBoth("aave_v2, v3, twice", Lend.AAVE_V2);
        _measureBoth("aave_v3, v3, twice", Lend.AAVE_V3);
        _measureBoth("morpho, v3, twice", Lend.MORPHO);
    }

    function _measureBoth(string memory name, Lend lend) private {
        (Plan memory first, Plan memory second) = _two(lend, Keep.DEBT, 1);
        vm.warp(block.timestamp + 12);
        if (lend == Lend.MORPHO) (first.sale.repay, second.sale.repay) = (first.sale.repay + 1e15, second.sale.repay + 1e15);
        _fund(debt, executor, 1);
        _snapshot(name, _both(first, second), 0);
    }

    function _measure(string memory name, Lend lend, uint256 hops, uint256 kinds, Keep keep) private {
        (Sale memory sale, uint256 seized) = _sunk(lend, DEBT / 2);
        Order memory order = _path(collateral, hops, kinds, seized);
        vm.warp(block.timestamp + 12);
        // What accrues until then is the lender's to take: a share of a borrow costs more.
        if (lend == Lend.MORPHO) sale.repay += 1e15;
        (seized, sale.repay) = _exact(sale);
        _keep(order, sale, seized, keep);
        _fund(order.token, executor, 1);
        _floor(name, order, sale);
        _snapshot(name, SalePayload.encode(order, sale), 0);
    }

    function _floor(string memory name, Order memory order, Sale memory sale) private {
        uint256 state = vm.snapshotState();
        uint256 swaps = _pools(order, sale) + _lender(sale);
        vm.revertToState(state);
        vm.snapshotValue("gas", string.concat(name, ": swaps"), swaps);
    }

    function _lender(Sale memory sale) private returns (uint256) {
        address hand = _capital(sale);
        _fund(sale.collateral, hand, 1);
        bytes memory call = _sellByHand(sale, hand);
        Vm.Gas memory gas = vm.lastCallGas();
        return gas.gasTotalUsed + uint256(uint64(gas.gasRefunded)) - _intrinsic(call);
    }

    function _pools(Order memory order, Sale memory sale) private returns (uint256 used) {
        uint256 amount = order.amountIn;
        for (uint256 i = 0; i < order.legs.length; i++) {
            if (sale.stop != 0 && sale.stop == i) amount = sale.goesOn;
            Leg memory leg = order.legs[i];
            _fund(leg.tokenIn, leg.v3 ? address(bare) : leg.pool, amount);
            _fund(leg.tokenOut, address(bare), 1);
            amount = leg.out;
        }
        uint128 out = order.legs[0].out;
        if (sale.stop == 1) order.legs[0].out = sale.goesOn;
        used = bare.run(order.legs, order.amountIn);
        order.legs[0].out = out;
    }
}
