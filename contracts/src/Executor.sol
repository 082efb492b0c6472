// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Cycle} from "./Cycle.sol";

/// Runs one cycle of Uniswap V2 and V3 family swaps with no capital of its own, keeps the profit, pays the builder.
///
/// # Calldata of `run()`: 4 selector bytes 0xc0406226, then packed big-endian fields
///
///      4  u8    flags       bit 0: `bid` is 0 = wei, 1 = basis points of this run's profit (start token WETH only)
///      5  u40   block       the only block this may run in
///     10  u160  token       start token == profit token
///     30  u128  min_profit  least gain in `token`, measured before the builder is paid
///     46  u128  bid         wei, or basis points <= 10000
///     62  u128  amount_in   what hop 0 spends
///     78  hops, 57 bytes each, at least one:
///         +0  u8    kind        bit 0: 1 = V3 family; bit 1: zeroForOne, token_in is the pool's token0
///         +1  u160  pool
///        +21  u160  token_in    hop 0: == token. Later hops: not read here, the pools know their tokens
///        +41  u128  amount_out  V2: exact output. V3: what the next hop will spend, and must get at least
///
/// A hop's input amount is therefore always the 16 bytes before it: hop 0 has amount_in there, the others their
/// predecessor's amount_out.
///
/// # Order of execution: last hop first
/// The last pool pays its output (the start token) to this contract before it has been paid, and calls back. In the
/// callback its input is delivered by the hop before it, whose recipient is the last pool itself. A V3 hop is again called
/// before its input is there, and delivered to in its own callback. A run of V2 hops is called front to back, each paying
/// the next. Hop 0 is paid out of the start token that came in first. n hops make n + 1 transfers, the fewest there can
/// be, and this contract never holds an intermediate token.
///
/// # Invariants
/// - A run moves one ERC-20 out of this contract, the start token; once, to pool 0, at most amount_in. It then holds at
///   least min_profit >= 0 more of it than before, or everything reverts. No other token is ever called to move.
/// - A callback is obeyed only if it comes from the pool in flight and echoes the bytes that this contract sent to it, the
///   pool's own address among them: `_due` holds their hash. Obeying uses the hash up, so there is no second time. Idle,
///   nothing hashes to `_due`.
/// - ETH leaves to `block.coinbase` (at most the bid) and by `sweep`. WETH is unwrapped out of this run's profit only.
/// - No approvals, no delegatecall, no creation, no selfdestruct, no upgrade.
///
/// # Limits
/// - A pool can be in a path once; the last pool must allow flash swaps, as every Uniswap V2 pair does.
/// - A V3 hop that gives more than its amount_out leaves the surplus to the next pool. Predict exactly. The last hop's
///   amount_out is not read if it is V3: min_profit is what protects it.
/// - Tokens that take a fee on transfer make the next pool revert.
/// - ETH that is here (msg.value too) pays bids in wei. What a bid does not use stays for `sweep`.
/// - An owner with code that is called in its own run can run and sweep then: do not let tokens call you.
/// - Builds for istanbul and later: no basefee, no transient storage.
contract Executor is Cycle {
    /// Where amount_in lies in the calldata of `run`. From here on, a callback's data has the same layout.
    uint256 private constant BASE = 62;

    constructor(address owner, address weth) Cycle(owner, weth) {}

    function _base() internal pure override returns (uint256) {
        return BASE;
    }

    function _checkPath(address token) internal pure override {
        if (token != _tokenIn(BASE + AMOUNT)) revert BadPayload();
    }

    function _first(uint256 base) internal pure override returns (uint256) {
        unchecked {
            return base + AMOUNT;
        }
    }

    /// Brings the pool of `hop` its input, by running all hops before it. Called from that pool's callback.
    function _deliver(uint256 base, uint256 hop) internal override {
        unchecked {
            uint256 first = hop;
            while (first != _first(base) && !_isV3(first - HOP)) first -= HOP;
            if (first == _first(base)) _payPool0(first, _amountIn(first));
            else _swapV3(base, first - HOP, _pool(first));
            for (; first != hop; first += HOP) _swapV2(first, _pool(first + HOP), 0);
        }
    }

    /// The end of the nesting: nothing is in flight from here on, and the only transfer of the run is made.
    function _payPool0(uint256 hop, uint256 amount) internal override {
        _due = IDLE;
        _transfer(_tokenIn(hop), _pool(hop), amount);
    }
}
