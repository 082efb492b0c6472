// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IToken} from "./Interfaces.sol";
import {IAave, IApprove} from "./LenderInterfaces.sol";
import {Lenders} from "./Lenders.sol";
import {Leg, Order} from "./Payload.sol";
import {Lend, Sale, SalePayload} from "./Sale.sol";

/// Where a run keeps its profit.
enum Keep {
    DEBT,
    COLLATERAL,
    BETWEEN
}

/// Positions that have sunk, and paths that turn their collateral into their debt.
abstract contract Sales is Lenders {
    address internal debt;
    address internal collateral;
    address private receipt;
    address private receiptLender;

    function setUp() public virtual override {
        super.setUp();
        debt = _token();
        collateral = _token();
    }

    /// A position that has sunk, and what repaying `repay` of it brings.
    function _sunk(Lend lend, uint256 repay) internal returns (Sale memory sale, uint256 seized) {
        sale = _position(lend, debt, collateral);
        _price(80);
        _ask(sale, repay);
        (seized, sale.repay) = _exact(sale);
    }

    /// The lender's receipt tokens come from it, all else from nowhere.
    function _fund(address token, address to, uint256 amount) internal virtual override {
        if (token != receipt) return super._fund(token, to, amount);
        _own(collateral, amount, receiptLender);
        IAave(receiptLender).deposit(collateral, amount, to, 0);
    }

    /// Asks to be paid in receipt tokens, as they are or withdrawn.
    function _inReceipts(Sale memory sale, bool withdrawn) internal returns (uint256 seized) {
        sale.kind = withdrawn ? 2 : 1;
        (receipt, receiptLender) = (sale.also, sale.lender);
        (seized, sale.repay) = _exact(sale);
    }

    /// Morpho is asked by borrow shares, all lenders get what they may take.
    function _ask(Sale memory sale, uint256 repay) internal view {
        sale.repay = uint128(repay);
        if (sale.kind == 4) sale.asked = uint128(_shares(sale) * repay / (DEBT * 2));
    }

    /// What is seized, and what it costs to the wei.
    function _exact(Sale memory sale) internal returns (uint256 seized, uint128) {
        uint256 repaid;
        (seized, repaid) = _byHand(sale);
        return (seized, uint128(repaid));
    }

    /// A path from `from` to the debt token over `hops` pools, spending `amount`. Bit i of `kinds` makes pool i V3.
    function _path(address from, uint256 hops, uint256 kinds, uint256 amount) internal returns (Order memory order) {
        Leg[] memory legs = new Leg[](hops);
        address tokenIn = from;
        for (uint256 i = 0; i < hops; i++) {
            address tokenOut = i + 1 == hops ? debt : i == 0 ? weth : _token();
            bool v3 = kinds >> i & 1 == 1;
            legs[i] = Leg(v3, _pool(v3, tokenIn, DEPTH, tokenOut, DEPTH), tokenIn, tokenOut, 0);
            tokenIn = tokenOut;
        }
        order = Order(0, uint40(block.number), debt, 0, 0, uint128(amount), legs);
        _predict(order);
    }

    /// Spends no more than the debt costs, and keeps the rest as collateral or as the token between two pools. Returns the profit.
    function _keep(Order memory order, Sale memory sale, uint256 seized, Keep where) internal returns (uint256) {
        uint256 last = order.legs.length - 1;
        if (where == Keep.DEBT) return order.legs[last].out - sale.repay;
        if (where == Keep.COLLATERAL) {
            order.token = order.legs[0].tokenIn;
            order.amountIn = uint128(_least(order, 0, sale.repay));
            return seized - order.amountIn;
        }
        (order.token, sale.stop) = (order.legs[last].tokenIn, last);
        sale.goesOn = uint128(_least(order, last, sale.repay));
        return order.legs[last - 1].out - sale.goesOn;
    }

    /// The least that leg `first` must spend for the path to end with `due`. Fills in the outputs from there on.
    function _least(Order memory order, uint256 first, uint256 due) private returns (uint256 high) {
        uint256 low;
        high = first == 0 ? order.amountIn : order.legs[first - 1].out;
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            if (_end(order, first, middle) < due) low = middle;
            else high = middle;
        }
        _end(order, first, high);
    }

    function _end(Order memory order, uint256 first, uint256 amount) private returns (uint256) {
        for (uint256 i = first; i < order.legs.length; i++) {
            amount = quoter.quote(order.legs[i], amount);
            order.legs[i].out = uint128(amount);
        }
        return amount;
    }

    function _liquidates(Order memory order, Sale memory sale) internal {
        _succeeds(SalePayload.encode(order, sale), 0);
        assertEq(IApprove(sale.debt).allowance(executor, sale.lender), 0, "allowance left");
        assertEq(vm.load(executor, 0), bytes32(uint256(1)), "a callback is due");
    }

    function _refuses(Order memory order, Sale memory sale, bytes4 why) internal {
        _refuses(SalePayload.encode(order, sale), why);
    }

    /// Reverts, and the lender, the pool or the token is the one to say why.
    function _fails(Order memory order, Sale memory sale) internal {
        (bool ok,) = _send(SalePayload.encode(order, sale), 0);
        assertFalse(ok, "should have failed");
    }

    /// min_profit is the whole prediction, and one wei more is refused.
    function _earns(Order memory order, Sale memory sale, uint256 profit) internal {
        uint256 before = _held(order.token);
        order.minProfit = uint128(profit) + 1;
        _refuses(order, sale, bytes4(keccak256("Unprofitable()")));
        order.minProfit -= 1;
        _liquidates(order, sale);
        assertEq(_held(order.token) - before, profit);
    }

    function _heldBy(address token, address who) internal view returns (uint256) {
        return IToken(token).balanceOf(who);
    }
}
