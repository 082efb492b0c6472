// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Mix} from "./support/Calls.sol";
import {From, Loans} from "./support/Loans.sol";
import {Kind, Order, Payload} from "./support/Payload.sol";
import {Venue} from "./support/Venue.sol";

/// What it costs to have a path begun, by who begins it: the same pair and the same call, out of what is held, or lent. Written to
/// snapshots/gas.json beside the others, under the conditions of Gas.t.sol; of the start token the executor holds a wei, or what the
/// path spends.
contract LoansGasTest is Loans {
    function test_gas_of_a_path_by_who_begins_it() public {
        Mix memory mix = _same(2, Kind.ALLOWED | Kind.DIRECT);
        string[5] memory names = ["balancer_v2", "morpho", "aave_v3", "uniswap_v3", "erc3156"];
        for (uint256 from = 0; from < 5; from++) {
            (Order memory order, Loan memory loan) = _lentPath(From(from), 2, 0, mix);
            vm.warp(block.timestamp + 12);
            _fund(order.token, executor, 1);
            bytes memory payload = _encodeLent(order, mix, _loan(loan, order.token, order.amountIn));
            _snapshot(string.concat("v2 call, lent by ", names[from]), payload, 0);
        }
        (Order memory own,) = _lentPath(From.BALANCER_V2, 2, 0, mix);
        vm.warp(block.timestamp + 12);
        _fund(own.token, executor, own.amountIn);
        _snapshot("v2 call, of our own", _encode(own, mix), 0);
    }

    function _venue() internal override returns (address) {
        return address(new Venue());
    }
}
