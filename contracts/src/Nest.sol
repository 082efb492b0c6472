// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Manager} from "./Manager.sol";

/// How a path is gone: the last step first, each bringing the next its input, and what is measured of it. Executor.sol says what the
/// steps are; that they are that, `_checkSteps` has made sure of before anything here is called.
abstract contract Nest is Manager {
    error CallbackMissing();
    error Unprofitable();
    error TokenSpent();

    /// Where the bytes begin in the calldata of `run` that pools echo: at amount_in, or at the profit token, which a stop reads.
    uint256 internal constant BASE = 62;
    uint256 internal constant BASE_LONG = 10;

    /// The gain is the shared one; a start token that is not what is gained has a guard of its own.
    function _longCycle(address token) internal returns (uint256 gain) {
        address start = _start(BASE_LONG);
        if (start == token) return _cycle(token, BASE_LONG, LONG);
        uint256 held = _balance(start);
        gain = _cycle(token, BASE_LONG, LONG);
        if (_balance(start) < held) revert TokenSpent();
    }

    /// All steps, last one first. Returns what this contract has gained of `token`; reverts if it has lost any.
    function _cycle(address token, uint256 base, uint256 form) internal returns (uint256) {
        unchecked {
            uint256 held = _balance(token);
            uint256 last = msg.data.length - STEP;
            if (_isV3(last)) _swapV3(base, last, address(this), form);
            else if (form == 0 || _kind(last) & (MANAGED | CALL) == 0) _swapV2(last, address(this), base, form);
            else if (_kind(last) & CALL == 0) _managed(base, last, address(this));
            else if (_kind(last) & MANAGED != 0) _onLoan(base, last);
            else _bring(base, msg.data.length, msg.data.length); // a call: nothing lends, and nothing comes behind it
            if (_due != IDLE) revert CallbackMissing();
            uint256 holds = _balance(token);
            if (holds < held) revert Unprofitable();
            return holds - held;
        }
    }

    /// A loan: the path is gone in the lender's callback. What it was allowed and has not taken is not left.
    function _onLoan(uint256 base, uint256 step) private {
        _borrow(base, step);
        if (_kind(step) & TAKEN == 0) return;
        (address start, address lender) = (_start(base), _pool(step));
        if (_allowance(start, lender) != 0) _approve(start, lender, 0);
    }

    /// The lender has paid: all steps before the loan, front to back, and what it is due.
    function _onLent(uint256 base, uint256 step) internal {
        unchecked {
            _bring(base, step - SIZE - _size(step), step);
            // A pool that has not called back yet could do so while the lender takes what it is due.
            if (_due != IDLE) revert CallbackMissing();
            address start = _start(base);
            if (_kind(step) & TAKEN != 0) _approve(start, _pool(step), _amountOut(step));
            else _transfer(start, _pool(step), _amountOut(step));
        }
    }

    /// Brings the pool of `step` its input, by all steps before it: swaps, of 57 bytes each.
    function _bringPlain(uint256 base, uint256 step) internal {
        unchecked {
            uint256 first = step;
            while (first != base + AMOUNT && !_isV3(first - STEP)) first -= STEP;
            if (first == base + AMOUNT) _payFirst(_tokenIn(first), first, _amountBefore(first));
            else _swapV3(base, first - STEP, _pool(first), 0);
            for (; first != step; first += STEP) _swapV2(first, _pool(first + STEP), 0, 0);
        }
    }

    /// The end of the nesting: nothing is in flight from here on.
    function _payFirst(address token, uint256 step, uint256 amount) internal {
        _due = IDLE;
        _transfer(token, _pool(step), amount);
    }

    /// As `_bringPlain`, whatever steps there are: what `next` spends goes to where it wants it. `end` is where the step before it
    /// ends.
    function _bring(uint256 base, uint256 end, uint256 next) internal {
        unchecked {
            if (end == base + LONG_HEAD) return _payFirst(_start(base), next, _amountBefore(end));
            uint256 step = end - STEP;
            uint256 kind = _kind(step);
            if (kind & CALL != 0) return _call(base, step, next, kind);
            if (kind & KIND_V3 != 0) return _swapV3(base, step, _recipient(next), LONG);
            if (kind & MANAGED != 0) return _managed(base, step, _isNetted(next) ? address(0) : _recipient(next));
            _bring(base, step, step);
            if (kind == STOP) _passOn(base, step, next);
            else _swapV2(step, _recipient(next), 0, 0);
        }
    }

    /// A stop: what is above its amount_out stays. Always the profit token, the one whose gain is measured: a payload cannot name
    /// another to be sent.
    function _passOn(uint256 base, uint256 step, uint256 next) private {
        if (_kind(next) & HELD == 0) _transfer(_address(base), _pool(next), _amountOut(step));
    }

    function _recipient(uint256 next) private view returns (address) {
        return _kind(next) & HELD != 0 ? address(this) : _pool(next);
    }

    function _isNetted(uint256 next) private pure returns (bool) {
        return _kind(next) & (CALL | MANAGED | NETTED) == MANAGED | NETTED;
    }

    /// A swap in a manager that is unlocked already, or is to be.
    function _managed(uint256 base, uint256 step, address to) private {
        if (_kind(step) & INSIDE == 0) _unlock(base, step, to);
        else _inManager(base, step, to);
    }

    /// Swaps, has what that gives paid out, then brings what it costs: the manager asks for nothing before it locks. Nobody `to`: it
    /// stays in the manager's books for the next step, but for what is above amount_out.
    function _inManager(uint256 base, uint256 step, address to) internal {
        unchecked {
            address manager = _pool(step);
            uint256 spends = _amountBefore(step - TERMS);
            _due = _onlyEtherOf(manager);
            (uint256 owed, uint256 got) = _swapManaged(step, spends);
            if (to == address(0)) {
                (to, got) = (address(this), got - _amountOut(step));
            }
            if (got != 0) _take(manager, _currencyOut(step), to, got);
            _bringManager(base, step, spends, owed);
        }
    }

    /// Brings the manager what it is owed: out of what is here, by the step before itself, or out of its own books. What has come beyond
    /// that is taken back.
    function _bringManager(uint256 base, uint256 step, uint256 spends, uint256 owed) private {
        unchecked {
            address manager = _pool(step);
            address currency = _currencyIn(step);
            uint256 at = step - TERMS;
            uint256 kind = _kind(step);
            if (at == base + LONG_HEAD) {
                // Measured at the end is the start token, and no other.
                if (_token(currency) != _start(base)) revert BadPayload();
                _due = IDLE;
                return _pay(manager, currency, owed);
            }
            if (kind & HELD != 0) return _bringHeld(base, step, currency, owed);
            if (kind & NETTED != 0) {
                _bring(base, at, step);
            } else {
                _sync(manager, currency);
                _bring(base, at, step);
                spends = _settle(manager, 0);
            }
            if (spends > owed) _take(manager, currency, address(this), spends - owed);
        }
    }

    /// What the manager is owed comes here first. It must have come by the steps before, as with a call.
    function _bringHeld(uint256 base, uint256 step, address currency, uint256 owed) private {
        unchecked {
            address token = _token(currency);
            uint256 held = _balance(token);
            _bring(base, step - TERMS, step);
            if (_due != IDLE) revert CallbackMissing();
            _pay(_pool(step), currency, owed);
            if (_balance(token) < held) revert TokenSpent();
        }
    }

    /// Brings a call its input, makes it, and sends on what it gave. What it spends of ours in the middle of a path must have come
    /// by the steps before it; what the first step spends is measured at the end.
    function _call(uint256 base, uint256 step, uint256 next, uint256 kind) private {
        unchecked {
            uint256 at = step - SIZE - _size(step);
            if (at == base + LONG_HEAD) {
                address start = _start(base);
                if (kind & HELD == 0) _payFirst(start, step, _amountBefore(at));
                else _due = IDLE; // what came in last is spent from here
                return _callAndSend(start, at, step, next, kind);
            }
            address token = _tokenIn(step);
            uint256 held = kind & HELD == 0 ? 0 : _balance(token);
            _bring(base, at, step);
            // A pool that has not called back yet could do so in the middle of the call.
            if (_due != IDLE) revert CallbackMissing();
            _callAndSend(token, at, step, next, kind);
            if (kind & HELD != 0 && _balance(token) < held) revert TokenSpent();
        }
    }

    function _callAndSend(address token, uint256 at, uint256 step, uint256 next, uint256 kind) private {
        if (kind & (DIRECT | ETHER_OUT) != 0) {
            if (kind & ETHER_OUT != 0) return _callForEther(token, at, step, next, kind);
            return _callAllowed(token, at, step, kind);
        }
        unchecked {
            address got = _tokenIn(next);
            uint256 due = _amountOut(step);
            uint256 held = _balance(got);
            _callAllowed(token, at, step, kind);
            uint256 holds = _balance(got);
            if (holds < held || holds - held < due) revert GotTooLittle();
            if (_kind(next) & HELD == 0) _transfer(got, _pool(next), due);
        }
    }

    /// What comes is ether, from the target and from nobody else. It is wrapped, and stays where the next step wants it here.
    function _callForEther(address token, uint256 at, uint256 step, uint256 next, uint256 kind) private {
        unchecked {
            uint256 due = _amountOut(step);
            uint256 held = address(this).balance;
            _due = _onlyEtherOf(_pool(step));
            _callAllowed(token, at, step, kind);
            _due = IDLE;
            uint256 holds = address(this).balance;
            if (holds < held || holds - held < due) revert GotTooLittle();
            address weth = _weth();
            _wrap(weth, holds - held);
            if (kind & DIRECT == 0 && _kind(next) & HELD == 0) _transfer(weth, _pool(next), due);
        }
    }

    function _callAllowed(address token, uint256 at, uint256 step, uint256 kind) private {
        address target = _pool(step);
        if (kind & ALLOWED != ALLOWED) {
            uint256 value;
            if (kind & ETHER_IN != 0) {
                // What leaves as ether is measured as this token.
                if (token != _weth()) revert BadPayload();
                value = _amountBefore(at);
                _unwrap(token, value);
            }
            return _callTarget(target, at, step, value);
        }
        _approve(token, target, _amountBefore(at));
        _callTarget(target, at, step, 0);
        if (_allowance(token, target) != 0) _approve(token, target, 0);
    }
}
