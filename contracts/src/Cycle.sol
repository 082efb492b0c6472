// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

/// What every cycle of flash swaps is made of: the swaps, the one callback that is due, the builder's pay, the owner's rights.
/// Executor.sol and Liquidator.sol add what a path begins with; their headers say how a run goes.
///
/// # Invariants
/// - The hops are the last part of the payload. A pool echoes the bytes from `_base` to the end of its own hop, so a callback's
///   data ends with the hop in flight and has all that runs before it. Whatever decides a callback lies in those bytes.
/// - What is shared costs nothing: the executor's code is the one it had when all this stood in its own file.
abstract contract Cycle {
    error NotOwner();
    error BadPayload();
    error WrongBlock();
    error NotDue();
    error CallbackMissing();
    error AskedTooMuch();
    error BalanceUnreadable();
    error TransferFailed();
    error Unprofitable();
    error BidTooHigh();
    error PaymentFailed();

    uint256 internal constant IDLE = 1;
    uint256 internal constant HOP = 57;
    uint256 internal constant AMOUNT = 16;
    uint256 internal constant FLAG_BPS = 1;
    uint256 internal constant KIND_V3 = 1;
    /// TickMath.MIN_SQRT_RATIO + 1 and MAX_SQRT_RATIO - 1: no price limit, the amounts are the limit.
    uint256 internal constant MIN_LIMIT = 4295128740;
    uint256 internal constant MAX_LIMIT = 1461446703485210103287273052203988822378723970341;

    address internal immutable OWNER;
    address internal immutable WETH;

    /// The one callback that is due: hash of the data it must echo, the lowest bit 1 if the pool is of the V3 family.
    /// Never zero, so that a run pays for a change of a slot and not for its creation.
    uint256 internal _due = IDLE;

    constructor(address owner, address weth) {
        if (owner == address(0) || weth == address(0)) revert BadPayload();
        OWNER = owner;
        WETH = weth;
    }

    /// WETH pays here when it is unwrapped, with 2300 gas; the owner may add ETH for bids.
    receive() external payable {
        if (msg.sender != WETH && msg.sender != OWNER) revert NotOwner();
    }

    /// Every fork names its callback differently, hence no selector: the hop in flight tells how to read the arguments.
    fallback() external {
        unchecked {
            uint256 due = _due;
            // V2: (sender, amount0, amount1, data). V3: (delta0, delta1, data). Encoders put `data` right after the head;
            // a caller who does otherwise fails the hash.
            uint256 base = due & KIND_V3 == 0 ? 4 + 5 * 32 : 4 + 4 * 32;
            uint256 size = _word(base - 32);
            if (_echoHash(base, size, due & KIND_V3) != due) revert NotDue();
            uint256 hop = base + size - HOP;
            if (msg.sender != _pool(hop)) revert NotDue();

            uint256 owed = _amountIn(hop);
            if (due & KIND_V3 != 0) owed = _asked(hop, owed);
            if (hop == _first(base)) _payPool0(hop, owed);
            else _deliver(base, hop);
        }
    }

    /// Runs the payload that the header of the contract describes.
    function run() external payable {
        unchecked {
            if (msg.sender != OWNER) revert NotOwner();
            uint256 first = _first(_base());
            if (msg.data.length < first + HOP) revert BadPayload();
            if ((msg.data.length - first) % HOP != 0) revert BadPayload();
            uint256 head = _word(4);
            if (uint40(head >> 208) != block.number) revert WrongBlock();
            address token = _address(10);
            _checkPath(token);
            uint256 profitAndBid = _word(30);
            uint256 bid = uint128(profitAndBid);
            _checkFlags(head >> 248, token, bid);

            uint256 profit = _cycle(token);
            if (profit < profitAndBid >> 128) revert Unprofitable();
            _payBuilder(head >> 248, token, bid, profit);
        }
    }

    /// Sends tokens, or ETH for token 0, anywhere.
    function sweep(address token, address to, uint256 amount) external {
        if (msg.sender != OWNER) revert NotOwner();
        if (to == address(0)) revert BadPayload();
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert PaymentFailed();
        } else {
            if (token.code.length == 0) revert TransferFailed();
            _transfer(token, to, amount);
        }
    }

    function _checkFlags(uint256 flags, address token, uint256 bid) internal view {
        if (flags > FLAG_BPS) revert BadPayload();
        if (flags == FLAG_BPS && (token != WETH || bid > 10000)) revert BadPayload();
    }

    /// All hops, last one first. Returns what this contract has gained of `token`; reverts if it has lost any.
    function _cycle(address token) internal virtual returns (uint256) {
        unchecked {
            uint256 held = _balance(token);
            uint256 last = msg.data.length - HOP;
            if (_isV3(last)) _swapV3(_base(), last, address(this));
            else _swapV2(last, address(this), _base());
            if (_due != IDLE) revert CallbackMissing();
            uint256 holds = _balance(token);
            if (holds < held) revert Unprofitable();
            return holds - held;
        }
    }

    /// Where hop 0 lies, if what pools echo begins at `base`.
    function _first(uint256 base) internal pure virtual returns (uint256);

    /// Where in the calldata of `run` the bytes begin that pools echo.
    function _base() internal pure virtual returns (uint256);

    /// Refuses what the payload may not say about its own path.
    function _checkPath(address token) internal view virtual;

    /// Brings the pool of `hop` its input, by running all hops before it. Called from that pool's callback.
    function _deliver(uint256 base, uint256 hop) internal virtual;

    /// The end of the nesting: nothing is in flight from here on, and pool 0 gets `amount` of what hop 0 spends.
    function _payPool0(uint256 hop, uint256 amount) internal virtual;

    /// What the V3 pool in flight asks for: delta0 or delta1. More than its input is refused; a negative delta is a huge number.
    function _asked(uint256 hop, uint256 most) internal pure returns (uint256 asked) {
        asked = _word(_zeroForOne(hop) == 1 ? 4 : 36);
        if (asked > most) revert AskedTooMuch();
    }

    /// Takes the output of a V2 hop to `to`. With `base` it is a flash swap: the pair calls back with the bytes from `base` to
    /// the end of the hop. With base 0 the input is already in the pair.
    function _swapV2(uint256 hop, address to, uint256 base) internal {
        address pool = _pool(hop);
        uint256 zeroForOne = _zeroForOne(hop);
        uint256 out = _amountIn(hop + HOP);
        uint256 size = base == 0 ? 0 : hop + HOP - base;
        if (size != 0) _due = _echoHash(base, size, 0);
        // Assembly: abi.encodeCall would copy the echo twice, and demand code and a return value of the pool.
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x022c0d9f)) // swap(uint256,uint256,address,bytes)
            mstore(add(m, 0x04), mul(out, iszero(zeroForOne)))
            mstore(add(m, 0x24), mul(out, zeroForOne))
            mstore(add(m, 0x44), to)
            mstore(add(m, 0x64), 0x80)
            mstore(add(m, 0x84), size)
            calldatacopy(add(m, 0xa4), base, size)
            if iszero(call(gas(), pool, 0, m, add(0xa4, and(add(size, 31), not(31))), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Takes the output of a V3 hop to `to`. The pool calls back for its input with the bytes from `base` to the end of the hop.
    function _swapV3(uint256 base, uint256 hop, address to) internal {
        address pool = _pool(hop);
        uint256 zeroForOne = _zeroForOne(hop);
        uint256 limit = zeroForOne == 1 ? MIN_LIMIT : MAX_LIMIT;
        uint256 amount = _amountIn(hop);
        uint256 size = hop + HOP - base;
        _due = _echoHash(base, size, KIND_V3);
        // Assembly: as in _swapV2.
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x128acb08)) // swap(address,bool,int256,uint160,bytes)
            mstore(add(m, 0x04), to)
            mstore(add(m, 0x24), zeroForOne)
            mstore(add(m, 0x44), amount)
            mstore(add(m, 0x64), limit)
            mstore(add(m, 0x84), 0xa0)
            mstore(add(m, 0xa4), size)
            calldatacopy(add(m, 0xc4), base, size)
            if iszero(call(gas(), pool, 0, m, add(0xc4, and(add(size, 31), not(31))), 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// Pays `block.coinbase`. A bid in wei comes from the ETH that is here, and from this run's profit for the rest; a share is
    /// unwrapped from this run's profit, rounded down.
    function _payBuilder(uint256 flags, address token, uint256 bid, uint256 profit) internal {
        unchecked {
            uint256 unwrap;
            if (flags == FLAG_BPS) {
                bid = profit * bid / 10000; // no overflow: profit is in WETH, of which there are fewer than 2^90
                unwrap = bid;
            } else if (bid > address(this).balance) {
                unwrap = bid - address(this).balance;
                if (token != WETH || unwrap > profit) revert BidTooHigh();
            }
            if (bid == 0) return;
            if (unwrap != 0) _unwrap(unwrap);
            bool ok;
            // Assembly: a builder's return value is not worth copying.
            assembly ("memory-safe") {
                ok := call(gas(), coinbase(), bid, 0, 0, 0, 0)
            }
            if (!ok) revert PaymentFailed();
        }
    }

    function _unwrap(uint256 amount) internal {
        address weth = WETH;
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0x2e1a7d4d)) // withdraw(uint256)
            mstore(0x04, amount)
            ok := call(gas(), weth, 0, 0x00, 0x24, 0, 0)
        }
        if (!ok) revert PaymentFailed();
    }

    /// Takes true or nothing for success, as USDT returns nothing. Callers know that `token` has code.
    function _transfer(address token, address to, uint256 amount) internal {
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0xa9059cbb)) // transfer(address,uint256)
            mstore(add(m, 0x04), to)
            mstore(add(m, 0x24), amount)
            ok := call(gas(), token, 0, m, 0x44, 0x00, 0x20)
            let said := or(iszero(returndatasize()), and(gt(returndatasize(), 31), eq(mload(0x00), 1)))
            ok := and(ok, said)
        }
        if (!ok) revert TransferFailed();
    }

    function _balance(address token) internal view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, shl(224, 0x70a08231)) // balanceOf(address)
            mstore(0x04, address())
            ok := staticcall(gas(), token, 0x00, 0x24, 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 31)) // an address without code returns nothing
            amount := mload(0x00)
        }
        if (!ok) revert BalanceUnreadable();
    }

    /// What `_due` holds while a pool has these bytes of calldata to echo. IDLE would take a hash of 0 or 1.
    function _echoHash(uint256 base, uint256 size, uint256 kind) internal pure returns (uint256 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, base, size)
            hash := or(shl(1, shr(1, keccak256(m, size))), kind)
        }
    }

    function _word(uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }

    /// Shifted, so that the upper bits are zero: assembly stores it as it is.
    function _address(uint256 at) internal pure returns (address found) {
        assembly ("memory-safe") {
            found := shr(96, calldataload(at))
        }
    }

    function _kind(uint256 hop) internal pure returns (uint256) {
        return _word(hop) >> 248;
    }

    function _isV3(uint256 hop) internal pure returns (bool) {
        return _kind(hop) & KIND_V3 != 0;
    }

    function _zeroForOne(uint256 hop) internal pure returns (uint256) {
        return _kind(hop) >> 1 & 1;
    }

    function _pool(uint256 hop) internal pure returns (address) {
        return _address(hop + 1);
    }

    function _tokenIn(uint256 hop) internal pure returns (address) {
        return _address(hop + 21);
    }

    /// What `hop` spends: the 16 bytes before it. One hop further on: what `hop` gives.
    function _amountIn(uint256 hop) internal pure returns (uint256) {
        return _word(hop - AMOUNT) >> 128;
    }
}
