// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Nest} from "./Nest.sol";

/// Runs one path of swaps and other calls, keeps the profit, pays the builder: a cycle of Uniswap V2 and V3 family swaps, of these, pools
/// of Uniswap V4 and venues that pull or are prepaid, or one that begins with a liquidation. What the path begins with is lent by its
/// last pool, or by a lender behind it; where that is a call, which lends nothing, it is what this contract holds, and has again at the
/// end. Knows no venue's or lender's words but `swap` and those of V4's manager: what else is said, whoever it is said to has written
/// into the payload.
///
/// # Calldata of `run()`: 4 selector bytes 0xc0406226, then packed big-endian fields
///
///      4  u8    flags       bit 0: `bid` is 0 = wei, 1 = basis points of this run's profit (token WETH only); bit 1: long form
///      5  u40   block       the only block this may run in
///     10  u160  token       profit token, and the start token unless the long form names another
///     30  u128  min_profit  least gain in `token`, measured before the builder is paid
///     46  u128  bid         wei, or basis points <= 10000
///    plain form, swaps only:
///     62  u128  amount_in   what step 0 spends
///     78  steps, at least one
///    long form, steps of every kind:
///     62  u160  start       what step 0 spends; 0: `token`
///     82  u128  amount_in
///     98  steps, at least one
///
/// # A step: 57 bytes, a call's data and their size before them, or the terms of a manager's pool
///
///         data, u16 size    a call's alone: what the target is called with, a selector at least
///         terms, 66 bytes   a managed swap's alone: u160 currency0 (0: ether), u160 currency1, u24 fee, i24 tickSpacing, u160 hooks
///         +0  u8    kind
///         +1  u160  target      the pool, its manager, or who is called; a stop: not read
///        +21  u160  token_in    plain form, step 0: == token. Long form: of a call that is not step 0 and is paid here (WETH where it
///                               is called with ether), and of what comes behind a call that is measured (its token), but for
///                               ether. Else not read; zeros are cheapest
///        +41  u128  amount_out  V2: exact output. V3: what the next step will spend, and must get at least. Managed: the same, and
///                               less is refused. A call that is measured: what it must give and what goes on. A stop: what goes on
///
/// | kind | |
/// |---|---|
/// | 0 to 3 | a swap. bit 0: V3 family, else V2; bit 1: zeroForOne, token_in is the pool's token0 |
/// | 4 | a stop: what comes is kept here but for amount_out. The profit token only |
/// | 64 | a managed swap, in a pool of Uniswap V4, plus what follows. Ether is WETH to all other steps |
/// | + 2 | zeroForOne: currency0 goes in |
/// | + 4 | HELD: what it spends comes here, and is paid by us. Without, and in no first step: SENT, the step before pays the manager |
/// | + 8 | NETTED, not with HELD: the step before is of the same manager and gives the same currency, which stays in its books |
/// | + 16 | INSIDE: a later step of the same manager has unlocked it. Without: it is unlocked here |
/// | 128 | a call, plus what follows |
/// | + 4 | HELD: what it spends is here when it is called. Without: SENT, the step before pays the target |
/// | + 8 | with HELD, ALLOWED: the target may take what it spends, and not more, now and not later |
/// | + 16 | DIRECT: the target pays the next step itself, by its data. Without: it pays here, is measured, and amount_out is sent on |
/// | + 2 | ETHER OUT: what it gives is ether, which is measured and wrapped. DIRECT then: all of it stays here |
/// | + 32 | ETHER IN, with HELD and not ALLOWED: what it spends is WETH, unwrapped, and the target is called with the ether |
/// | 196 | a loan, the last step: the target lends what the path begins with, plus what follows. amount_out: what it is due |
/// | + 8 | TAKEN: it is allowed to take what it is due, and not more, now and not later. Without: it is sent that |
/// | + 16 | HASHED: its callback is answered as ERC-3156 has it. Without: by 1 |
///
/// A loan's data are the lender's call up to where the bytes that it echoes begin, their length not included: those must be the call's
/// last, and the last of what it calls back with. They are appended here.
///
/// What a step spends is the 16 bytes before it, its data or terms included: amount_in, or the amount_out of the step before.
/// In the plain form bits of kind beyond the first two are not read. The last step is a swap, or in the long form a loan or a call that
/// is DIRECT and pays here; the first is no stop.
///
/// # Calldata of `runAll()`: 4 selector bytes 0x34ba89a6, then for each run, at least one
///
///     +0  u16  size     of the payload
///     +2       payload  the calldata of `run()` without its selector
///
/// The runs go one after another, each as if it were sent alone: its block, its min_profit and its bid are its own. All succeed,
/// or all is undone and the reason is that of the run that failed.
///
/// # Order of execution: last step first
/// The last pool pays its output (the start token) to this contract before it has been paid, and calls back. In the callback its
/// input is delivered by the step before it, whose recipient is the last pool itself. A V3 pool is again called before its input
/// is there, and delivered to in its own callback. V2 pools and calls are called front to back, each paying the next. Step 0 is
/// paid out of the start token that came in first. n swaps make n + 1 transfers, the fewest there can be, and this contract holds
/// an intermediate token only where a call or a stop asks for it.
///
/// A path that ends with a call is gone front to back, but for V3 pools and managers on it, which bring their input as ever: step 0 is
/// paid out of what this contract holds. One that ends with a loan likewise, out of what the lender has paid here before it called back.
///
/// A manager is unlocked, and calls back with who is to be paid behind the bytes that it echoes. In its callback the swap is made, what
/// it gives is taken and paid on, and what it costs is brought and settled. Steps before it are made inside: one manager, one
/// unlocking. What is synced is settled before anything else is: so SENT is for the first managed step of a path alone, which an encoder
/// sees to, and the manager refuses what is left open.
///
/// A liquidation is a call in front: it is allowed the debt token that the last pool lent, and what it gives is what step 1 spends.
/// So [liquidate USDC -> WBTC][WBTC -> WETH][stop][WETH -> USDC] earns WETH; without the stop, USDC; and what is seized above
/// amount_out is earned in WBTC.
///
/// # Invariants
/// - What moves out of here moves inside a window that is measured: the balance at its end is not below the one at its beginning, or
///   all reverts. Windows nest, so together they hold as each does. The start and the profit token: the run. What a call in the
///   middle spends, or a managed swap that is HELD: from before the steps that bring it until after it. What a call gives and is
///   sent on: the call. A managed swap in front spends the start token or is refused.
/// - A callback is obeyed only if it comes from the pool in flight and echoes the bytes that this contract sent to it, the pool's own
///   address among them: `_due` holds their hash. Obeying uses the hash up, so there is no second time. Idle, nothing hashes to `_due`.
/// - While a callback is due nothing but it is heard; while a call runs none is due. Then the owner alone would be obeyed. While a
///   manager swaps and pays out, or a call gives ether, nobody is: `_due` holds who that is, whose ether alone is then taken.
/// - An allowance is given to a call's target alone, for what it spends, and is zero after the call, whatever it took. To a lender, for
///   what it is due of what the path begins with, likewise.
/// - No call says transfer, approve or transferFrom: an encoder's mistake moves nothing by a token's own entrances.
/// - ETH leaves to `block.coinbase` (at most the bid), by `sweep`, and to a manager or a call's target, for whom as much WETH is
///   unwrapped, inside that token's window. What they pay is measured, and wrapped: ETH that was here is not spent by a path. Else WETH
///   is unwrapped out of this run's profit only. msg.value is read nowhere: each bid in wei is paid out of the ETH that is still
///   here, so none is counted twice.
/// - A run among several can do what it can do alone: it is this code called by itself in the owner's name, and only `run()` of it,
///   begun when the run before has ended with no callback due. What one has earned the next one may not lose.
/// - No delegatecall but that, no creation, no selfdestruct, no upgrade.
///
/// # Limits
/// - A pool can be in a path once. The last one lends, as every Uniswap V2 pair, V3 pool and V4 manager does, or a lender behind it, or
///   what this contract holds of the start token is all that the first can be paid.
/// - A V3 or managed swap that gives more than its amount_out leaves the surplus to the next step, a gift unless that is a stop, HELD
///   or managed. Predict exactly. The last step's amount_out is not read if it is V3: min_profit is what protects it.
/// - Tokens that take a fee on transfer make the next pool revert.
/// - A call in the middle cannot be paid here in the start token, nor can a managed swap: that leaves inside its window.
/// - Hooks get no data, and only forks that keep V4's words are managed.
/// - Tokens whose balances round (receipt tokens) may lose a unit in a window: hand on a unit or two less than came.
/// - What a call does beyond paying and being paid is its data's: who writes them answers for it, as for approvals it gives elsewhere.
/// - ETH that is here (msg.value too) pays bids in wei. What a bid does not use stays for `sweep`, as does what is seized or lent
///   beyond need.
/// - Bound to a block, not to its time: interest until then is the lender's.
/// - An owner with code that is called in its own run can run and sweep while no callback is due: do not let tokens call you.
/// - Builds for istanbul and later: no basefee, no transient storage.
contract Executor is Nest {
    error NotOwner();
    error WrongBlock();
    error NotDue();
    error BidTooHigh();

    uint256 private constant RUN = 0xc0406226;
    uint256 private constant RUN_ALL = 0x34ba89a6;
    uint256 private constant SWEEP = 0x62c06767;

    /// What ERC-3156 wants to hear: keccak256("ERC3156FlashBorrower.onFlashLoan").
    uint256 private constant LENT_HASH = uint256(keccak256("ERC3156FlashBorrower.onFlashLoan"));

    uint256 private constant FLAG_BPS = 1;
    uint256 private constant FLAG_LONG = 2;

    address private immutable OWNER;
    address private immutable WETH;

    constructor(address owner, address weth) {
        if (owner == address(0) || weth == address(0)) revert BadPayload();
        OWNER = owner;
        WETH = weth;
    }

    /// WETH pays here when it is unwrapped, with 2300 gas; a manager or who is called for ether, while in flight; the owner, for bids.
    receive() external payable {
        if (msg.sender != WETH && msg.sender != OWNER && _due != _onlyEtherOf(msg.sender)) revert NotOwner();
    }

    /// While a callback is due nothing else is heard. Every fork names its callback differently, hence no selector.
    fallback() external payable {
        uint256 due = _due;
        if (due != IDLE) return _calledBack(due);
        uint256 selector = _word(0) >> 224;
        if (selector == RUN) return _run();
        if (selector == RUN_ALL) return _runAll();
        if (selector == SWEEP) return _sweep();
        revert NotDue();
    }

    /// The step in flight tells how to read the arguments.
    function _calledBack(uint256 due) private {
        if (due & UNLOCKED != 0) return _unlocked(due);
        unchecked {
            // V2: (sender, amount0, amount1, data). V3: (delta0, delta1, data). Encoders put `data` right after the head;
            // a caller who does otherwise fails the hash.
            uint256 base = due & KIND_V3 == 0 ? 4 + 5 * 32 : 4 + 4 * 32;
            uint256 size = _word(base - 32);
            if (_echoHash(base, size, due & (KIND_V3 | LONG)) != due) revert NotDue();
            uint256 step = base + size - STEP;
            if (msg.sender != _pool(step)) revert NotDue();

            uint256 owed = _amountBefore(step);
            if (due & KIND_V3 != 0) owed = _asked(step, owed);
            if (due & LONG == 0) {
                if (step == base + AMOUNT) _payFirst(_tokenIn(step), step, owed);
                else _bringPlain(base, step);
            } else {
                if (step == base + LONG_HEAD) _payFirst(_start(base), step, owed);
                else _bring(base, step, step);
            }
        }
    }

    /// A lender has lent. Whatever it calls this by, the bytes that it was given come last; the last word of them says how many are
    /// the echo.
    function _lent(uint256 due) private {
        uint256 said = 1; // as Aave has it, and who looks at nothing
        unchecked {
            uint256 end = msg.data.length - 32;
            uint256 size = _word(end);
            uint256 base = end - ((size + 31) & ~uint256(31));
            if (_echoHash(base, size, LENT) != due) revert NotDue();
            uint256 step = base + size - STEP;
            if (msg.sender != _pool(step)) revert NotDue();
            _onLent(base, step);
            if (_kind(step) & HASHED != 0) said = LENT_HASH;
        }
        assembly ("memory-safe") {
            mstore(0x00, said)
            return(0x00, 0x20)
        }
    }

    /// A manager is unlocked: unlockCallback(bytes), and whoever is to be paid lies behind the step. It wants bytes in return.
    function _unlocked(uint256 due) private {
        if (due & KIND_V3 != 0) return _lent(due);
        unchecked {
            uint256 base = 4 + 2 * 32;
            uint256 size = _word(base - 32);
            if (_echoHash(base, size, LONG | UNLOCKED) != due) revert NotDue();
            uint256 end = base + size - 32;
            uint256 step = end - STEP;
            if (msg.sender != _pool(step)) revert NotDue();
            _inManager(base, step, address(uint160(_word(end))));
        }
        assembly ("memory-safe") {
            mstore(0x00, 0x20)
            mstore(0x20, 0)
            return(0x00, 0x40)
        }
    }

    function _weth() internal view override returns (address) {
        return WETH;
    }

    function _run() private {
        unchecked {
            if (msg.sender != OWNER) revert NotOwner();
            uint256 head = _word(4);
            uint256 flags = head >> 248;
            address token = _address(10);
            uint256 profitAndBid = _word(30);
            uint256 bid = uint128(profitAndBid);
            if (flags != 0) _checkFlags(flags, token, bid);
            uint256 profit;
            if (flags & FLAG_LONG == 0) {
                if (msg.data.length < BASE + AMOUNT + STEP) revert BadPayload();
                if ((msg.data.length - BASE - AMOUNT) % STEP != 0) revert BadPayload();
                if (token != _tokenIn(BASE + AMOUNT)) revert BadPayload();
                if (uint40(head >> 208) != block.number) revert WrongBlock();
                profit = _cycle(token, BASE, 0);
            } else {
                _checkSteps(BASE_LONG + LONG_HEAD);
                if (uint40(head >> 208) != block.number) revert WrongBlock();
                profit = _longCycle(token);
            }
            if (profit < profitAndBid >> 128) revert Unprofitable();
            _payBuilder(flags, token, bid, profit);
        }
    }

    function _checkFlags(uint256 flags, address token, uint256 bid) private view {
        if (flags > FLAG_BPS | FLAG_LONG) revert BadPayload();
        if (flags & FLAG_BPS != 0 && (token != WETH || bid > 10000)) revert BadPayload();
    }

    /// Runs every payload, or none.
    function _runAll() private {
        unchecked {
            if (msg.sender != OWNER) revert NotOwner();
            uint256 at = 4;
            do {
                uint256 payload = at + 2;
                at = payload + (_word(at) >> 240);
                if (at > msg.data.length) revert BadPayload();
                _runOne(payload, at - payload);
            } while (at != msg.data.length);
        }
    }

    /// By delegatecall, so that the payload is all the calldata that `run` sees, and its caller still the owner. The selector is
    /// written here, so nothing but `run` can be meant.
    function _runOne(uint256 payload, uint256 size) private {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0xc0406226)) // run()
            calldatacopy(add(m, 4), payload, size)
            if iszero(delegatecall(gas(), address(), m, add(size, 4), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Sends tokens, or ETH for token 0, anywhere.
    function _sweep() private {
        if (msg.sender != OWNER) revert NotOwner();
        (address token, address to, uint256 amount) = abi.decode(msg.data[4:], (address, address, uint256));
        if (to == address(0)) revert BadPayload();
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert PaymentFailed();
        } else {
            if (token.code.length == 0) revert TransferFailed();
            _transfer(token, to, amount);
        }
    }

    /// Pays `block.coinbase`. A bid in wei comes from the ETH that is here, and from this run's profit for the rest; a share is
    /// unwrapped from this run's profit, rounded down.
    function _payBuilder(uint256 flags, address token, uint256 bid, uint256 profit) private {
        unchecked {
            uint256 unwrap;
            if (flags & FLAG_BPS != 0) {
                bid = profit * bid / 10000; // no overflow: profit is in WETH, of which there are fewer than 2^90
                unwrap = bid;
            } else if (bid > address(this).balance) {
                unwrap = bid - address(this).balance;
                if (token != WETH || unwrap > profit) revert BidTooHigh();
            }
            if (bid == 0) return;
            if (unwrap != 0) _unwrap(WETH, unwrap);
            bool ok;
            // Assembly: a builder's return value is not worth copying.
            assembly ("memory-safe") {
                ok := call(gas(), coinbase(), bid, 0, 0, 0, 0)
            }
            if (!ok) revert PaymentFailed();
        }
    }
}
