//! What is called and heard of `Morpho.sol`.

alloy::sol! {
    struct MarketParams {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    struct Totals {
        uint128 totalSupplyAssets;
        uint128 totalSupplyShares;
        uint128 totalBorrowAssets;
        uint128 totalBorrowShares;
        uint128 lastUpdate;
        uint128 fee;
    }

    function flashLoan(address token, uint256 assets, bytes data) external;
    function price() external view returns (uint256);
    function borrowRateView(MarketParams marketParams, Totals market) external view returns (uint256);
    function idToMarketParams(bytes32 id) external view returns (MarketParams);
    function position(bytes32 id, address user) external view returns (uint256, uint128, uint128);
    function market(bytes32 id) external view returns (Totals);
    event CreateMarket(bytes32 indexed id, MarketParams marketParams);
    event Borrow(bytes32 indexed id, address caller, address indexed onBehalf, address indexed receiver, uint256 assets, uint256 shares);
    function liquidate(MarketParams marketParams, address borrower, uint256 seizedAssets, uint256 repaidShares, bytes data) external returns (uint256, uint256);
}
