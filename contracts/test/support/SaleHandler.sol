// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor, IPair} from "./Interfaces.sol";
import {Feed} from "./Lenders.sol";
import {Order} from "./Payload.sol";
import {Quoter} from "./Quoter.sol";
import {Sale, SalePayload} from "./Sale.sol";
import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

/// What strangers, the lender, pools and tokens do to the executor in any order, with the owner's honest runs in between, while
/// the price of the collateral moves.
contract SaleHandler is CommonBase, StdUtils {
    address payable private immutable EXECUTOR;
    address private immutable OWNER;
    Quoter private immutable QUOTER;
    Feed private immutable FEED;
    Order private order;
    Sale private sale;
    bytes private lastRun;

    uint256 public runs;
    uint256 public obeyed;

    constructor(address payable executor, address owner, Quoter quoter, Feed feed, Order memory path, Sale memory position) {
        (EXECUTOR, OWNER, QUOTER, FEED, sale) = (executor, owner, quoter, feed, position);
        order.token = path.token;
        for (uint256 i = 0; i < path.legs.length; i++) {
            order.legs.push(path.legs[i]);
        }
    }

    /// Sells a part of the position, if it is below 1 and the pools pay for it.
    function ownerRuns(uint256 repay, uint256 seized) external {
        Order memory honest = order;
        honest.inBlock = uint40(block.number);
        sale.repay = uint128(bound(repay, 1e6, 2 ether));
        honest.amountIn = uint128(bound(seized, sale.repay, sale.repay * 4 / 3));
        uint256 amount = honest.amountIn;
        for (uint256 i = 0; i < honest.legs.length; i++) {
            amount = QUOTER.quote(honest.legs[i], amount);
            honest.legs[i].out = uint128(amount);
        }
        lastRun = SalePayload.encode(honest, sale);
        vm.prank(OWNER);
        (bool ok,) = EXECUTOR.call(lastRun);
        if (ok) runs++;
    }

    function priceMoves(uint256 percent) external {
        FEED.answer(int256(bound(percent, 76, 90) * 1e6));
    }

    function strangerCalls(uint256 who, bytes4 selector, bytes calldata data) external {
        _call(who, bytes.concat(selector, data));
    }

    function strangerCallsBack(uint256 who, bytes4 selector, uint256 hops, uint256 a, uint256 b, bool v3, uint128 repay) external {
        Sale memory forged = sale;
        if (repay % 2 == 0) forged.repay = repay;
        if (repay % 3 == 0) forged.lender = address(0xbad);
        bytes memory echo = SalePayload.echo(order, forged, bound(hops, 0, 2));
        if (v3) _call(who, abi.encodeWithSelector(selector, a, b, echo));
        else _call(who, abi.encodeWithSelector(selector, EXECUTOR, a, b, echo));
    }

    function strangerRepeatsTheLastRun(uint256 who) external {
        _call(who, lastRun);
        if (lastRun.length != 0) _call(who, SalePayload.two(lastRun, lastRun));
    }

    function strangerSweeps(uint256 who, uint256 which, address to, uint256 amount) external {
        _call(who, abi.encodeCall(IExecutor.sweep, (_token(which), to, amount)));
    }

    function strangerSpendsAllowance(uint256 who, uint256 which, uint256 amount) external {
        address spender = _caller(who);
        vm.prank(spender);
        (bool ok,) = _token(which).call(
            abi.encodeWithSignature("transferFrom(address,address,uint256)", EXECUTOR, spender, bound(amount, 1, 10 ether))
        );
        if (ok) obeyed++;
    }

    function strangerFlashesAPairAtTheExecutor(uint256 amount, uint256 hops) external {
        bytes memory echo = SalePayload.echo(order, sale, bound(hops, 0, 2));
        amount = bound(amount, 1, 10 ether);
        vm.prank(address(0xbad));
        (bool ok,) = order.legs[0].pool.call(abi.encodeCall(IPair.swap, (amount, 0, EXECUTOR, echo)));
        if (ok) obeyed++;
    }

    function _call(uint256 who, bytes memory data) private {
        vm.prank(_caller(who));
        // Capped, for a length that is nonsense burns all it gets.
        (bool ok,) = EXECUTOR.call{gas: 2_000_000}(data);
        // WETH may send ETH with empty calldata: not an order, and nothing moves.
        if (ok && data.length > 0) obeyed++;
    }

    function _caller(uint256 who) private view returns (address) {
        address[6] memory callers =
            [address(0xbad), order.legs[0].pool, order.legs[1].pool, sale.lender, sale.debt, order.legs[1].tokenIn];
        return callers[who % 6];
    }

    function _token(uint256 which) private view returns (address) {
        return which % 3 == 0 ? sale.debt : order.legs[which % 3 - 1].tokenIn;
    }
}
