// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {Order} from "./Payload.sol";
import {Lend, Sale, SalePayload} from "./Sale.sol";
import {Keep, Sales} from "./Sales.sol";

/// A position, its path, and what that earns once the runs before it are done.
struct Plan {
    Order order;
    Sale sale;
    uint256 profit;
}

/// Two positions that are sold one after the other, each with what it earns then.
abstract contract Plans is Sales {
    /// Two positions of one market that one price has sunk.
    function _two(Lend lend, Keep where, uint256 hops) internal returns (Plan memory first, Plan memory second) {
        executor = payable(_executor());
        first.sale = _position(lend, debt, collateral);
        second.sale = _another(first.sale);
        _plan(first, second, where, hops);
    }

    /// The second goes the first one's way once more, through pools as the first leaves them.
    function _plan(Plan memory first, Plan memory second, Keep where, uint256 hops) internal {
        _price(80);
        _ask(first.sale, DEBT / 2);
        _ask(second.sale, DEBT / 3);
        uint256 seized;
        (seized, first.sale.repay) = _exact(first.sale);
        first.order = _path(collateral, hops, 1, seized);
        second.order = abi.decode(abi.encode(first.order), (Order));
        first.profit = _keep(first.order, first.sale, seized, where);
        uint256 state = vm.snapshotState();
        _succeeds(SalePayload.encode(first.order, first.sale), 0);
        (seized, second.sale.repay) = _exact(second.sale);
        second.order.amountIn = uint128(seized);
        _predict(second.order);
        second.profit = _keep(second.order, second.sale, seized, where);
        vm.revertToState(state);
    }

    function _demandAll(Plan memory first, Plan memory second) internal pure {
        first.order.minProfit = uint128(first.profit);
        second.order.minProfit = uint128(second.profit);
    }

    function _both(Plan memory first, Plan memory second) internal pure returns (bytes memory) {
        bytes memory last = SalePayload.encode(second.order, second.sale);
        return SalePayload.two(SalePayload.encode(first.order, first.sale), last);
    }
}
