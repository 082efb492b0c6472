// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts-v5/token/ERC20/ERC20.sol";
import {ERC20FlashMint} from "@openzeppelin/contracts-v5/token/ERC20/extensions/ERC20FlashMint.sol";

/// A token that lends itself by minting, as OpenZeppelin has it (ERC-3156).
contract MintedToken is ERC20FlashMint {
    constructor(address holder, uint256 supply) ERC20("Minted", "MINT") {
        _mint(holder, supply);
    }
}
