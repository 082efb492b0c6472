// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {MissingReturnToken} from "solmate/test/utils/weird-tokens/MissingReturnToken.sol";
import {HostileLender} from "./support/HostileLender.sol";
import {Attacker, HostilePool} from "./support/HostilePool.sol";
import {IExecutor, IToken} from "./support/Interfaces.sol";
import {IApprove} from "./support/LenderInterfaces.sol";
import {Leg, Order} from "./support/Payload.sol";
import {Lend, Sale, SalePayload} from "./support/Sale.sol";
import {Keep, Sales} from "./support/Sales.sol";
import {FalseToken, FeeToken, HookToken} from "./support/Tokens.sol";

/// Lenders, pools and tokens that do what they like, next to inventory of every token.
contract LiquidationHostileTest is Sales {
    uint256 private constant INVENTORY = 100 ether;
    uint256 private constant SEIZED = 40 ether;
    uint256 private constant REPAY = 30 ether;

    function test_a_hostile_lender_that_keeps_its_word_is_paid_and_obeyed_in_nothing() public {
        for (uint8 kind = 0; kind < 5; kind++) {
            if (kind == 2) continue;
            (Order memory order, Sale memory sale, HostileLender lender) = _scene(kind, 5);
            _attemptForgeries(order, sale, lender);
            lender.behave(REPAY, SEIZED);
            _liquidates(order, sale);
            assertGt(lender.tried(), 0);
            assertEq(lender.obeyed(), 0);
            assertFalse(lender.pull(debt, executor, 1));
            _inventoryIsWhole(order);
        }
    }

    function test_a_lender_that_takes_and_gives_too_little_is_refused() public {
        (Order memory order, Sale memory sale, HostileLender lender) = _scene(0, 2);
        lender.behave(REPAY, SEIZED - 1);
        _refuses(order, sale, bytes4(keccak256("GotTooLittle()")));
        lender.behave(REPAY, 0);
        _refuses(order, sale, bytes4(keccak256("GotTooLittle()")));
    }

    /// What it leaves of its allowance is taken back; what it does not take is gain.
    function test_a_lender_that_takes_less_keeps_no_allowance() public {
        (Order memory order, Sale memory sale, HostileLender lender) = _scene(3, 2);
        lender.behave(REPAY - 1 ether, SEIZED);
        uint256 before = _held(debt);
        _liquidates(order, sale);
        assertEq(_held(debt) - before, order.legs[2].out - REPAY + 1 ether);
        assertFalse(lender.pull(debt, executor, 1));
    }

    function test_a_lender_gets_no_unit_above_what_it_may_take() public {
        (Order memory order, Sale memory sale, HostileLender lender) = _scene(4, 2);
        lender.behave(REPAY + 1, SEIZED);
        _liquidates(order, sale);
        assertEq(_heldBy(debt, address(lender)), 0);
        _inventoryIsWhole(order);
    }

    function test_a_withdrawal_that_pays_nobody_is_refused() public {
        (Order memory order, Sale memory sale, HostileLender lender) = _scene(2, 2);
        lender.behave(REPAY, SEIZED);
        _fails(order, sale);
    }

    function testFuzz_hostile_lenders_and_pools_never_cost_inventory(
        uint8 kind,
        uint8 kinds,
        uint8 hostile,
        uint8 keep,
        uint64 callbacks,
        uint96 take,
        uint96 give
    ) public {
        (Order memory order, Sale memory sale, HostileLender lender) = _scene(uint8(bound(kind, 0, 4)), kinds);
        lender.behave(bound(take, 0, REPAY * 2), bound(give, 0, SEIZED * 2));
        _attemptForgeries(order, sale, lender);
        if (keep % 3 == 1) order.token = collateral;
        if (keep % 3 == 2) (order.token, sale.stop, sale.goesOn) = (order.legs[2].tokenIn, 2, order.legs[1].out);
        for (uint256 i = 0; i < 3; i++) {
            if (hostile >> i & 1 == 0) continue;
            HostilePool pool = new HostilePool(order.legs[i].tokenOut, order.legs[i].out);
            _fund(order.legs[i].tokenOut, address(pool), order.legs[i].out);
            order.legs[i].pool = address(pool);
            pool.behave((callbacks >> i * 2) % 4, 0);
            _attemptForgeries(order, sale, pool);
        }
        _send(SalePayload.encode(order, sale), 0);
        _inventoryIsWhole(order);
        assertEq(IApprove(debt).allowance(executor, address(lender)), 0);
        assertEq(vm.load(executor, 0), bytes32(uint256(1)));
    }

    /// Nothing is due between transactions, whoever asks and however well the echo is made.
    function testFuzz_no_callback_is_obeyed_when_nothing_is_in_flight(bool v3, uint8 count, uint8 who) public {
        (Order memory order, Sale memory sale,) = _scene(0, 5);
        bytes memory echo = SalePayload.echo(order, sale, bound(count, 0, 3));
        vm.prank(who % 4 == 3 ? stranger : order.legs[who % 4].pool);
        (bool ok, bytes memory reason) = executor.call(
            v3
                ? abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo)
                : abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo)
        );
        assertFalse(ok);
        assertEq(bytes4(reason), IExecutor.NotDue.selector);
    }

    function test_a_collateral_that_calls_back_in_its_transfers_is_obeyed_in_nothing() public {
        HookToken hook = new HookToken();
        collateral = address(hook);
        (Sale memory sale, uint256 seized) = _sunk(Lend.MORPHO, DEBT / 2);
        Order memory order = _path(collateral, 3, 5, seized);
        _attemptForgeries(order, sale, hook);
        _earns(order, sale, _keep(order, sale, seized, Keep.DEBT));
        assertGt(hook.tried(), 0);
        assertEq(hook.obeyed(), 0);
    }

    function test_tokens_without_return_value_work_as_debt_and_as_collateral() public {
        for (uint256 i = 0; i < 2; i++) {
            usdt = address(new MissingReturnToken());
            (debt, collateral) = i == 0 ? (usdt, _token()) : (_token(), usdt);
            for (uint256 lend = 1; lend < 3; lend++) {
                (Sale memory sale, uint256 seized) = _sunk(Lend(lend), DEBT / 2);
                // Twice what it costs is allowed, so that an allowance is left to be taken back.
                uint128 repaid = sale.repay;
                Order memory order = _path(collateral, 1, 1, seized);
                if (lend == 2) sale.repay *= 2;
                _earns(order, sale, order.legs[0].out - repaid);
            }
        }
    }

    function test_a_debt_that_cannot_be_approved_is_refused() public {
        FalseToken token = new FalseToken();
        debt = address(token);
        (Sale memory sale, uint256 seized) = _sunk(Lend.MORPHO, DEBT / 2);
        Order memory order = _path(collateral, 1, 0, seized);
        token.silence(executor);
        _refuses(order, sale, IExecutor.TransferFailed.selector);
    }

    function test_a_fee_on_transfer_makes_the_run_revert() public {
        for (uint256 i = 0; i < 2; i++) {
            FeeToken fee = new FeeToken();
            (debt, collateral) = i == 0 ? (address(fee), _token()) : (_token(), address(fee));
            (Sale memory sale, uint256 seized) = _sunk(Lend.MORPHO, DEBT / 2);
            Order memory order = _path(collateral, 1, 0, seized);
            _fund(debt, executor, INVENTORY);
            _fund(collateral, executor, INVENTORY);
            order.minProfit = order.legs[0].out - sale.repay;
            fee.charge();
            _fails(order, sale);
        }
    }

    // ---- the scene

    address private usdt;

    function _fund(address token, address to, uint256 amount) internal override {
        if (token != usdt) return super._fund(token, to, amount);
        (bool ok,) = usdt.call(abi.encodeCall(IToken.transfer, (to, amount)));
        require(ok);
    }

    /// Three honest pools, a lender that is not, and inventory of all four tokens.
    function _scene(uint8 kind, uint256 kinds) private returns (Order memory order, Sale memory sale, HostileLender lender) {
        executor = payable(_executor());
        lender = new HostileLender(debt, collateral);
        _fund(collateral, address(lender), SEIZED * 100);
        (sale.kind, sale.lender, sale.borrower, sale.repay, sale.asked) = (kind, address(lender), borrower, uint128(REPAY), 1);
        (sale.debt, sale.collateral, sale.also) = (debt, collateral, collateral);
        order = _path(collateral, 3, kinds, SEIZED);
        for (uint256 i = 0; i < 3; i++) {
            _fund(order.legs[i].tokenIn, executor, INVENTORY);
        }
        _fund(debt, executor, INVENTORY);
    }

    function _inventoryIsWhole(Order memory order) private view {
        assertGe(_held(debt), INVENTORY);
        for (uint256 i = 0; i < 3; i++) {
            assertGe(_held(order.legs[i].tokenIn), INVENTORY);
        }
    }

    /// Callbacks for any hop, with the amounts and parties altered or not; then the owner's entry points.
    function _attemptForgeries(Order memory order, Sale memory sale, Attacker who) private {
        _attemptEchoes(order, sale, who);
        (address lender, uint128 repay) = (sale.lender, sale.repay);
        (sale.lender, sale.repay) = (address(who), type(uint128).max);
        _attemptEchoes(order, sale, who);
        (sale.lender, sale.repay) = (lender, repay);
        bytes memory payload = SalePayload.encode(order, sale);
        who.attempt(executor, payload);
        who.attempt(executor, SalePayload.two(payload, payload));
        who.attempt(executor, abi.encodeCall(IExecutor.sweep, (order.token, address(who), 1)));
        who.attempt(executor, "");
        who.attempt(executor, hex"fa461e33");
        who.attempt(debt, abi.encodeWithSignature("transferFrom(address,address,uint256)", executor, who, REPAY * 2));
    }

    function _attemptEchoes(Order memory order, Sale memory sale, Attacker who) private {
        for (uint256 count = 0; count <= 3; count++) {
            bytes memory echo = SalePayload.echo(order, sale, count);
            who.attempt(executor, abi.encodeWithSelector(0x10d1e85c, executor, uint256(1), uint256(0), echo));
            who.attempt(executor, abi.encodeWithSelector(0xfa461e33, int256(1), int256(1), echo));
        }
    }
}
