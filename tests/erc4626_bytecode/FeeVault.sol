// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@uniswap/v4-core/lib/openzeppelin-contracts/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@uniswap/v4-core/lib/openzeppelin-contracts/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@uniswap/v4-core/lib/openzeppelin-contracts/contracts/token/ERC20/extensions/ERC4626.sol";
import {ERC4626Fees} from "@uniswap/v4-core/lib/openzeppelin-contracts/contracts/mocks/docs/ERC4626Fees.sol";

/// OpenZeppelin's own example of fees, with some.
contract FeeVault is ERC4626Fees {
    uint256 private immutable ENTRY;
    uint256 private immutable EXIT;

    constructor(IERC20 asset_, uint256 entry, uint256 exit) ERC20("Fees", "F") ERC4626(asset_) {
        (ENTRY, EXIT) = (entry, exit);
    }

    function _entryFeeBasisPoints() internal view override returns (uint256) {
        return ENTRY;
    }

    function _exitFeeBasisPoints() internal view override returns (uint256) {
        return EXIT;
    }

    function _entryFeeRecipient() internal pure override returns (address) {
        return address(0xfee);
    }

    function _exitFeeRecipient() internal pure override returns (address) {
        return address(0xfee);
    }
}
