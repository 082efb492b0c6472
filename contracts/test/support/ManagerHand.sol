// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.26;

import {IToken} from "./Interfaces.sol";

/// The terms of a pool, as the manager reads them.
struct Terms {
    address currency0;
    address currency1;
    uint24 fee;
    int24 tickSpacing;
    address hooks;
}

struct SwapParams {
    bool zeroForOne;
    int256 amountSpecified;
    uint160 sqrtPriceLimitX96;
}

struct LiquidityParams {
    int24 tickLower;
    int24 tickUpper;
    int256 liquidityDelta;
    bytes32 salt;
}

interface IManager {
    error ManagerLocked();
    error AlreadyUnlocked();
    error CurrencyNotSettled();

    function unlock(bytes calldata) external returns (bytes memory);
    function initialize(Terms memory, uint160) external returns (int24);
    function modifyLiquidity(Terms memory, LiquidityParams memory, bytes calldata) external returns (int256, int256);
    function swap(Terms memory, SwapParams memory, bytes calldata) external returns (int256);
    function take(address, address, uint256) external;
    function sync(address) external;
    function settle() external payable returns (uint256);
}

/// Fills pools of a manager, and says what their swaps give, by a swap that is rolled back. Must hold the tokens and the ether.
contract ManagerHand {
    error Quote(int256 delta);

    IManager private immutable MANAGER;

    constructor(IManager manager) {
        MANAGER = manager;
    }

    receive() external payable {}

    /// Sets the price to amount1 / amount0 and adds both amounts over the whole range of ticks.
    function fill(Terms memory terms, uint256 amount0, uint256 amount1) external {
        MANAGER.initialize(terms, uint160(_sqrt((amount1 << 128) / amount0) << 32));
        MANAGER.unlock(abi.encode(true, terms, int256(_sqrt(amount0 * amount1))));
    }

    function quote(Terms memory terms, bool zeroForOne, uint256 amountIn) external returns (uint256) {
        int256 signed = zeroForOne ? int256(amountIn) : -int256(amountIn);
        try MANAGER.unlock(abi.encode(false, terms, signed)) {
            revert("no callback");
        } catch (bytes memory reason) {
            require(reason.length == 36 && bytes4(reason) == Quote.selector, "no quote");
            int256 delta;
            assembly ("memory-safe") {
                delta := mload(add(reason, 36))
            }
            return uint256(uint128(zeroForOne ? int128(delta) : int128(delta >> 128)));
        }
    }

    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        (bool fills, Terms memory terms, int256 amount) = abi.decode(data, (bool, Terms, int256));
        if (!fills) {
            uint160 limit = amount > 0 ? 4295128740 : 1461446703485210103287273052203988822378723970341;
            revert Quote(MANAGER.swap(terms, SwapParams(amount > 0, amount > 0 ? -amount : amount, limit), ""));
        }
        int24 most = 887272 / terms.tickSpacing * terms.tickSpacing;
        (int256 delta,) = MANAGER.modifyLiquidity(terms, LiquidityParams(-most, most, amount, 0), "");
        _pay(terms.currency0, uint128(-int128(delta >> 128)));
        _pay(terms.currency1, uint128(-int128(delta)));
        return "";
    }

    function _pay(address currency, uint256 amount) private {
        MANAGER.sync(currency);
        if (currency != address(0)) IToken(currency).transfer(address(MANAGER), amount);
        MANAGER.settle{value: currency == address(0) ? amount : 0}();
    }

    function _sqrt(uint256 n) private pure returns (uint256 root) {
        root = n;
        for (uint256 next = n / 2 + 1; next < root; next = (root + n / root) / 2) {
            root = next;
        }
    }
}
