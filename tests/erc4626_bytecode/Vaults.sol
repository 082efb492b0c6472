// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts-v5/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts-v5/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts-v5/token/ERC20/extensions/ERC4626.sol";

// Vaults on OpenZeppelin's code, each with one thing of its own. Compiled by contracts/script/lenders.mjs.

/// Shares of more decimals than the asset.
contract OffsetVault is ERC4626 {
    uint8 private immutable OFFSET;

    constructor(IERC20 asset_, uint8 offset) ERC20("Offset", "O") ERC4626(asset_) {
        OFFSET = offset;
    }

    function _decimalsOffset() internal view override returns (uint8) {
        return OFFSET;
    }
}

/// Takes so much at once, or up to so much in all, and can be paused.
contract LimitedVault is OffsetVault {
    uint256 public each = type(uint256).max;
    uint256 public cap = type(uint256).max;
    uint256 public share = type(uint256).max;
    bool public paused;
    /// Deposits ever made: bookkeeping.
    uint256 public count;

    constructor(IERC20 asset_) OffsetVault(asset_, 0) {}

    function limit(uint256 each_, uint256 cap_, uint256 share_) external {
        (each, cap, share) = (each_, cap_, share_);
    }

    function pause(bool to) external {
        paused = to;
    }

    function maxDeposit(address) public view override returns (uint256) {
        if (cap == type(uint256).max) return each;
        uint256 held = totalAssets();
        return held < cap ? cap - held : 0;
    }

    function maxRedeem(address owner) public view override returns (uint256) {
        uint256 held = balanceOf(owner);
        return held < share ? held : share;
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        require(!paused, "paused");
        ++count;
        super._deposit(caller, receiver, assets, shares);
    }
}

/// Keeps books of what it has: a gift is nobody's.
contract ManagedVault is OffsetVault {
    uint256 public managed;

    constructor(IERC20 asset_) OffsetVault(asset_, 3) {}

    function totalAssets() public view override returns (uint256) {
        return managed;
    }

    function earn(uint256 assets) external {
        managed += assets;
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        managed += assets;
        super._deposit(caller, receiver, assets, shares);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        managed -= assets;
        super._withdraw(caller, receiver, owner, assets, shares);
    }
}

/// What it has earns so much a second, from the last time that somebody looked after it.
contract StreamingVault is OffsetVault {
    uint256 public since = block.timestamp;
    uint256 public perSecond;

    constructor(IERC20 asset_) OffsetVault(asset_, 0) {}

    function stream(uint256 perSecond_) external {
        (since, perSecond) = (block.timestamp, perSecond_);
    }

    function totalAssets() public view override returns (uint256) {
        return super.totalAssets() * (1e18 + perSecond * (block.timestamp - since)) / 1e18;
    }
}

/// Says that what is asked for is claimed later (ERC-7540).
contract AsynchronousVault is OffsetVault {
    bytes4 private immutable KIND;

    constructor(IERC20 asset_, bytes4 kind) OffsetVault(asset_, 0) {
        KIND = kind;
    }

    function supportsInterface(bytes4 id) external view returns (bool) {
        return id == KIND;
    }

    function previewRedeem(uint256 shares) public view override returns (uint256) {
        require(KIND != 0, "later");
        return super.previewRedeem(shares);
    }
}

/// Pays less than it previews by a part of it.
contract StingyVault is OffsetVault {
    constructor(IERC20 asset_) OffsetVault(asset_, 0) {}

    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256) {
        return super.redeem(shares - shares / 100, receiver, owner);
    }
}

/// Has a rate of its own: a twentieth more for whoever goes in.
contract OddVault is OffsetVault {
    constructor(IERC20 asset_) OffsetVault(asset_, 0) {}

    function previewDeposit(uint256 assets) public view override returns (uint256) {
        return super.previewDeposit(assets) * 21 / 20;
    }

    function convertToShares(uint256 assets) public view override returns (uint256) {
        return super.convertToShares(assets) * 21 / 20;
    }
}

/// Says what any honest vault says, and does what its mode is.
contract HostileVault is OffsetVault {
    uint256 private constant NOTHING = 11;
    uint256 private constant MORE = 12;
    uint256 private constant REENTERS = 13;
    uint256 private constant LESS = 14;
    uint256 private constant STEALS = 15;

    uint256 public mode;
    bytes public again;

    constructor(IERC20 asset_) OffsetVault(asset_, 0) {}

    function turn(uint256 mode_, bytes calldata again_) external {
        (mode, again) = (mode_, again_);
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        IERC20 held = IERC20(asset());
        if (mode == NOTHING) {
            held.transferFrom(caller, address(this), assets);
            return;
        }
        if (mode == MORE) held.transferFrom(caller, address(this), assets + 1);
        if (mode == REENTERS) _reenter(caller);
        super._deposit(caller, receiver, assets, mode == LESS ? shares - 1 : shares);
        // What is left of an allowance is taken, where there is any.
        if (mode == STEALS) held.transferFrom(caller, address(this), 1);
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        if (mode == REENTERS) _reenter(caller);
        if (mode == NOTHING) return _burn(owner, shares);
        if (mode == MORE || mode == STEALS) _burn(owner, 1);
        super._withdraw(caller, receiver, owner, mode == LESS ? assets - 1 : assets, shares);
    }

    /// Whatever comes of it.
    function _reenter(address caller) private {
        (bool heard,) = caller.call(again);
        heard;
    }
}
