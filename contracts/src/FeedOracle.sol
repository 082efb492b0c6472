// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.26;

interface IFeed {
    function latestAnswer() external view returns (int256);
}

/// The price of a collateral in a loan token, out of two Chainlink feeds of equal decimals, as Morpho Blue asks for it: units of the
/// loan token for one unit of the collateral, times 1e36. For the local chain: npm has no package of Morpho's own.
contract FeedOracle {
    IFeed public immutable COLLATERAL;
    IFeed public immutable LOAN;
    /// 10 ** (36 + decimals of the loan token - decimals of the collateral).
    uint256 public immutable SCALE;

    error NoAnswer();

    constructor(IFeed collateral, IFeed loan, uint256 scale) {
        (COLLATERAL, LOAN, SCALE) = (collateral, loan, scale);
    }

    /// Rounded down. Reverts while either feed has no answer above zero.
    function price() external view returns (uint256) {
        int256 collateral = COLLATERAL.latestAnswer();
        int256 loan = LOAN.latestAnswer();
        if (collateral <= 0 || loan <= 0) revert NoAnswer();
        return SCALE * uint256(collateral) / uint256(loan);
    }
}
