// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

import {Cycle} from "./Cycle.sol";

/// Liquidates a position with no capital of its own: a pool lends the debt token, the lender sells the collateral, the pools
/// of the path turn it back into the debt token; keeps the rest, pays the builder. Several positions one after another, if asked.
///
/// # Calldata of `run()`: 4 selector bytes 0xc0406226, then packed big-endian fields
///
///      4  u8    flags       bit 0: `bid` is 0 = wei, 1 = basis points of this run's profit (token WETH only)
///      5  u40   block       the only block this may run in
///     10  u160  token       profit token: the debt token, the collateral, or any token of the path
///     30  u128  min_profit  least gain in `token`, measured before the builder is paid
///     46  u128  bid         wei, or basis points <= 10000
///     62  the liquidation, 185 bytes:
///         +0  u8    kind        0 Aave (V2, V3 and forks), paid in the collateral
///                               1 Aave, paid in its receipt token, which is what pool 0 buys
///                               2 Aave, paid in its receipt token, of which amount_out is withdrawn to pool 0
///                               3 Morpho Blue, `asked` is collateral to seize
///                               4 Morpho Blue, `asked` is borrow shares to repay
///         +1  u160  lender      Aave's pool, or Morpho
///        +21  u160  borrower
///        +41  u160  debt token
///        +61  u160  collateral  as the lender names it, not the receipt token
///        +81  u160  also        kinds 1 and 2: the receipt token. Morpho: the market's oracle. Kind 0: not read
///       +101  u160  irm         Morpho: the market's. Aave: not read, here and in the next two
///       +121  u128  lltv
///       +137  u128  asked
///       +153  u128  repay       the most that the lender may take; what Aave is asked to take
///       +169  u128  amount_out  what pool 0 spends, and this liquidation must bring at least
///    247  hops, 57 bytes each, at least one, from the collateral (kind 1: the receipt token) to the debt token:
///         +0  u8    kind        bit 0: 1 = V3 family; bit 1: zeroForOne. 4 alone: a stop here, no pool
///         +1  u160  pool        a stop: not read
///        +21  u160  -           not read, zeros are cheapest
///        +41  u128  amount_out  V2: exact output. V3: what the next hop will spend, and must get at least. A stop: what goes on
///
/// # Calldata of `runAll()`: 4 selector bytes 0x34ba89a6, then for each run, at least one
///
///     +0  u16  size     of the payload
///     +2       payload  the calldata of `run()` without its selector
///
/// The runs go one after another, each as if it were sent alone: its block, its min_profit and its bid are its own. All succeed,
/// or all is undone and the reason is that of the run that failed.
///
/// # Order of execution: last hop first, the liquidation innermost
/// The last pool pays the debt token to this contract before it has been paid, and calls back. Its input is delivered by the
/// hop before it, and so on, as in Executor.sol. Where the executor pays pool 0, this contract liquidates: it allows the lender
/// `repay` of the debt token that has arrived, calls it, and sends amount_out of what it got to pool 0.
///
/// # Where the profit stays
/// At `token`: what the last pool pays above `repay` if that is the debt token, what is seized above amount_out if that is the
/// collateral. A token between two pools is kept at a stop: the hop before it pays this contract, which sends amount_out on to
/// the next pool. So [liquidate USDC -> WBTC][WBTC -> WETH][stop][WETH -> USDC] earns WETH. A cycle that ends with the
/// liquidation (WETH -> USDC, liquidate USDC -> WETH) is the same one begun there: [liquidate USDC -> WETH][WETH -> USDC].
///
/// # Invariants, besides those of Cycle.sol
/// - Three tokens can move out, each at most once: the debt token by allowance, up to `repay`; what was seized, up to
///   amount_out; `token`, at a stop. Each must come back or have come: the debt token's balance has not
///   fallen at the end, the liquidation itself brought amount_out, `token` has grown by min_profit >= 0. Else all reverts.
/// - The lender's allowance is zero after the call, whatever it took. Nobody else is ever given one.
/// - While the lender runs no callback is due, so none is obeyed.
/// - A run among several can do what it can do alone: it is this code called by itself in the owner's name, and only `run()` of it,
///   begun when the run before has ended with no callback due. What one has earned the next one may not lose.
/// - msg.value is read nowhere: each bid in wei is paid out of the ETH that is still here, so none is counted twice.
///
/// # Limits
/// - One liquidation a run: several are several runs, and each knows the pools only as those before it leave them. Collateral and debt of the same token are refused by what the liquidation must bring.
/// - Kinds 1 and 2 take the payload's word for which receipt token is the collateral's; a wrong one brings nothing, and reverts.
/// - Bound to a block, not to its time: interest until then is the lender's. Shares of a borrow cost more by it than `repay` at
///   the time expected, if a slot was missed; leave room, what is not taken is gain.
/// - As in Executor.sol: a pool once a path, the last one lends, no fee on transfer, a V3 output above amount_out is a gift to the
///   next pool unless that is a stop. One stop a path is enough. What is seized or lent beyond need stays here, for `sweep`.
contract Liquidator is Cycle {
    error SeizedTooLittle();
    error DebtTokenSpent();

    uint256 private constant BASE = 10;
    uint256 private constant LIQUIDATION = 62;
    uint256 private constant SIZE = 185;
    uint256 private constant AAVE_RECEIPT = 1;
    uint256 private constant AAVE_WITHDRAWN = 2;
    uint256 private constant MORPHO_COLLATERAL = 3;
    uint256 private constant MORPHO_SHARES = 4;
    uint256 private constant STOP = 4;

    constructor(address owner, address weth) Cycle(owner, weth) {}

    /// Runs every payload, or none.
    function runAll() external payable {
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

    /// From the profit token on: a stop reads it.
    function _base() internal pure override returns (uint256) {
        return BASE;
    }

    function _first(uint256 base) internal pure override returns (uint256) {
        unchecked {
            return base + (LIQUIDATION - BASE) + SIZE;
        }
    }

    function _checkPath(address) internal pure override {
        if (_kind(LIQUIDATION) > MORPHO_SHARES) revert BadPayload();
    }

    /// The gain is the shared one; the debt token has a guard of its own if it is not what is gained.
    function _cycle(address token) internal override returns (uint256 gain) {
        address debt = _address(LIQUIDATION + 41);
        if (debt == token) return super._cycle(token);
        uint256 held = _balance(debt);
        gain = super._cycle(token);
        if (_balance(debt) < held) revert DebtTokenSpent();
    }

    /// As in Executor.sol, but for stops: what comes before one is paid to this contract.
    function _deliver(uint256 base, uint256 hop) internal override {
        unchecked {
            uint256 first = hop;
            while (first != _first(base) && !_isV3(first - HOP)) first -= HOP;
            if (first == _first(base)) _payPool0(first, _amountIn(first));
            else _swapV3(base, first - HOP, _recipient(first));
            for (; first != hop; first += HOP) {
                uint256 next = first + HOP;
                // Always the profit token, the one whose gain is measured: a payload cannot name another to be sent.
                if (_isStop(first)) _transfer(_address(base), _pool(next), _amountIn(next));
                else _swapV2(first, _recipient(next), 0);
            }
        }
    }

    function _isStop(uint256 hop) private pure returns (bool) {
        return _kind(hop) == STOP;
    }

    function _recipient(uint256 hop) private view returns (address) {
        return _isStop(hop) ? address(this) : _pool(hop);
    }

    /// The end of the nesting: nothing is in flight from here on. The debt token has arrived; it is turned into what pool 0 gets.
    function _payPool0(uint256 hop, uint256 amount) internal override {
        _due = IDLE;
        uint256 at;
        unchecked {
            at = hop - SIZE;
        }
        uint256 kind = _kind(at);
        address seized = _address(kind == AAVE_RECEIPT || kind == AAVE_WITHDRAWN ? at + 81 : at + 61);
        uint256 held = _balance(seized);
        _liquidate(at, kind);
        uint256 holds = _balance(seized);
        if (holds < held || holds - held < amount) revert SeizedTooLittle();
        if (kind == AAVE_WITHDRAWN) _withdraw(at, amount, _pool(hop));
        else _transfer(seized, _pool(hop), amount);
    }

    /// Calls the lender, which may take `repay` of the debt token and not more, now and not later.
    function _liquidate(uint256 at, uint256 kind) private {
        address lender = _address(at + 1);
        address debt = _address(at + 41);
        uint256 repay = _word(at + 153) >> 128;
        _approve(debt, lender, repay);
        bytes memory call = kind < MORPHO_COLLATERAL
            ? abi.encodeWithSelector(
                0x00a718a9, // liquidationCall(address,address,address,uint256,bool)
                _address(at + 61),
                debt,
                _address(at + 21),
                repay,
                kind != 0
            )
            : _morphoCall(at, kind, debt);
        _call(lender, call);
        if (_allowance(debt, lender) != 0) _approve(debt, lender, 0);
    }

    function _morphoCall(uint256 at, uint256 kind, address debt) private pure returns (bytes memory) {
        uint256 asked = _word(at + 137) >> 128;
        (uint256 collateral, uint256 shares) = kind == MORPHO_SHARES ? (uint256(0), asked) : (asked, uint256(0));
        return abi.encodeWithSelector(
            0xd8eabcb8, // liquidate((address,address,address,address,uint256),address,uint256,uint256,bytes)
            debt,
            _address(at + 61),
            _address(at + 81),
            _address(at + 101),
            _word(at + 121) >> 128,
            _address(at + 21),
            collateral,
            shares,
            uint256(9 * 32),
            uint256(0)
        );
    }

    /// Turns the receipt token into the collateral, which the lender sends to pool 0 itself.
    function _withdraw(uint256 at, uint256 amount, address to) private {
        _call(_address(at + 1), abi.encodeWithSelector(0x69328dec, _address(at + 61), amount, to)); // withdraw(address,uint256,address)
    }

    /// Says what the lender says. What it should have done is checked by balances.
    function _call(address lender, bytes memory data) private {
        assembly ("memory-safe") {
            if iszero(call(gas(), lender, 0, add(data, 0x20), mload(data), 0, 0)) {
                let m := mload(0x40)
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Takes true or nothing for success, as `_transfer` does.
    function _approve(address token, address spender, uint256 amount) private {
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x095ea7b3)) // approve(address,uint256)
            mstore(add(m, 0x04), spender)
            mstore(add(m, 0x24), amount)
            ok := call(gas(), token, 0, m, 0x44, 0x00, 0x20)
            let said := or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0x00), 1)))
            ok := and(ok, said)
        }
        if (!ok) revert TransferFailed();
    }

    function _allowance(address token, address spender) private view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0xdd62ed3e)) // allowance(address,address)
            mstore(add(m, 0x04), address())
            mstore(add(m, 0x24), spender)
            ok := staticcall(gas(), token, m, 0x44, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 31)) // an address without code returns nothing
            amount := mload(0x00)
        }
        if (!ok) revert BalanceUnreadable();
    }
}
