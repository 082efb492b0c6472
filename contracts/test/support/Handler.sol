// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IExecutor, IPair, IToken} from "./Interfaces.sol";
import {Leg, Order, Payload} from "./Payload.sol";
import {Quoter} from "./Quoter.sol";
import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

/// What strangers, pools and tokens do to the executor in any order, with honest runs of the owner in between. Holds tokens to
/// trade with.
contract Handler is CommonBase, StdUtils {
    address payable private immutable EXECUTOR;
    address private immutable OWNER;
    Quoter private immutable QUOTER;
    Order private order;
    bytes private lastRun;

    /// The least that the executor may hold of each token of the path, raised by every honest run.
    mapping(address => uint256) public floor;
    uint256 public runs;
    uint256 public obeyed;

    constructor(address payable executor, address owner, Quoter quoter, address token, Leg[] memory legs) {
        (EXECUTOR, OWNER, QUOTER) = (executor, owner, quoter);
        order.token = token;
        for (uint256 i = 0; i < legs.length; i++) {
            order.legs.push(legs[i]);
            floor[legs[i].tokenIn] = IToken(legs[i].tokenIn).balanceOf(executor);
        }
    }

    function ownerRuns(uint256 amountIn) external {
        Order memory honest = order;
        honest.inBlock = uint40(block.number);
        honest.amountIn = uint128(bound(amountIn, 1e6, 10 ether));
        uint256 amount = honest.amountIn;
        for (uint256 i = 0; i < honest.legs.length; i++) {
            amount = QUOTER.quote(honest.legs[i], amount);
            honest.legs[i].out = order.legs[i].out = uint128(amount);
        }
        order.amountIn = honest.amountIn;
        lastRun = Payload.encode(honest);
        vm.prank(OWNER);
        (bool ok,) = EXECUTOR.call(lastRun);
        if (!ok) return;
        runs++;
        floor[honest.token] += amount - honest.amountIn;
    }

    function strangerCalls(uint256 who, bytes4 selector, bytes calldata data) external {
        _call(who, bytes.concat(selector, data));
    }

    function strangerCallsBack(uint256 who, bytes4 selector, uint256 hops, uint256 a, uint256 b, bool v3, uint128 amount) external {
        Order memory forged = order;
        if (amount % 2 == 0) forged.amountIn = amount;
        bytes memory echo = Payload.echo(forged, bound(hops, 0, 3));
        if (v3) _call(who, abi.encodeWithSelector(selector, a, b, echo));
        else _call(who, abi.encodeWithSelector(selector, EXECUTOR, a, b, echo));
    }

    function strangerRepeatsTheLastRun(uint256 who) external {
        _call(who, lastRun);
    }

    function strangerSweeps(uint256 who, uint256 which, address to, uint256 amount) external {
        _call(who, abi.encodeCall(IExecutor.sweep, (_token(which), to, amount)));
    }

    function strangerSpendsAllowance(uint256 which, uint256 amount) external {
        bytes memory spend =
            abi.encodeWithSignature("transferFrom(address,address,uint256)", EXECUTOR, address(0xbad), bound(amount, 1, 10 ether));
        vm.prank(address(0xbad));
        (bool ok,) = order.legs[which % 3].tokenIn.call(spend);
        if (ok) obeyed++;
    }

    function strangerFlashesAPairAtTheExecutor(uint256 which, uint256 amount, uint256 hops) external {
        Leg memory leg = order.legs[which % 2 == 0 ? 0 : 2];
        bytes memory echo = Payload.echo(order, bound(hops, 0, 3));
        amount = bound(amount, 1, 10 ether);
        (uint256 out0, uint256 out1) = which % 3 == 0 ? (amount, uint256(0)) : (uint256(0), amount);
        vm.prank(address(0xbad));
        (bool ok,) = leg.pool.call(abi.encodeCall(IPair.swap, (out0, out1, EXECUTOR, echo)));
        if (ok) obeyed++;
    }

    function strangerSendsEther(uint96 amount) external {
        vm.deal(address(0xbad), amount);
        vm.prank(address(0xbad));
        (bool ok,) = EXECUTOR.call{value: amount}("");
        if (ok) obeyed++;
    }

    /// Moves prices, so that honest runs sometimes win and sometimes lose.
    function someoneTrades(uint256 which, uint256 amount) external {
        Leg memory leg = order.legs[which % 2 == 0 ? 0 : 2];
        (leg.tokenIn, leg.tokenOut) = which % 4 < 2 ? (leg.tokenIn, leg.tokenOut) : (leg.tokenOut, leg.tokenIn);
        amount = bound(amount, 1e6, 50 ether);
        uint256 out = QUOTER.quote(leg, amount);
        IToken(leg.tokenIn).transfer(leg.pool, amount);
        (uint256 out0, uint256 out1) = leg.tokenIn < leg.tokenOut ? (uint256(0), out) : (out, uint256(0));
        IPair(leg.pool).swap(out0, out1, address(this), "");
    }

    function _call(uint256 who, bytes memory data) private {
        address[6] memory callers =
            [address(0xbad), order.legs[0].pool, order.legs[1].pool, order.legs[2].pool, order.token, order.legs[1].tokenIn];
        vm.prank(callers[who % 6]);
        // Capped, for a length that is nonsense burns all it gets.
        (bool ok,) = EXECUTOR.call{gas: 2_000_000}(data);
        // WETH may send ETH with empty calldata: not an order, and nothing moves.
        if (ok && data.length > 0) obeyed++;
    }

    function _token(uint256 which) private view returns (address) {
        return which % 4 == 3 ? address(0) : order.legs[which % 4].tokenIn;
    }
}
