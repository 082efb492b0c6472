//! What is said to the vault and to a pool, and what they say.

alloy::sol! {
    /// Given in: the pool says what comes out. Given out: what goes in.
    enum SwapKind { GIVEN_IN, GIVEN_OUT }

    /// One swap of a batch. Tokens are named by their place in a list.
    struct BatchSwapStep {
        bytes32 poolId;
        uint256 assetInIndex;
        uint256 assetOutIndex;
        uint256 amount;
        bytes userData;
    }

    /// One swap alone.
    struct SingleSwap {
        bytes32 poolId;
        SwapKind kind;
        address assetIn;
        address assetOut;
        uint256 amount;
        bytes userData;
    }

    /// Who pays, who is paid, and whether from what the vault keeps for them.
    struct FundManagement {
        address sender;
        bool fromInternalBalance;
        address recipient;
        bool toInternalBalance;
    }

    /// Of the vault: who swaps for a pool, and how its balances are kept.
    function getPool(bytes32 poolId) external view returns (address pool, uint8 specialization);
    /// Of the vault: what a pool has.
    function getPoolTokens(bytes32 poolId) external view
        returns (address[] tokens, uint256[] balances, uint256 lastChangeBlock);
    /// Of the vault: what of it lies in the vault, and what somebody manages.
    function getPoolTokenInfo(bytes32 poolId, address token) external view
        returns (uint256 cash, uint256 managed, uint256 lastChangeBlock, address assetManager);
    /// Of the vault: what swaps would move.
    function queryBatchSwap(SwapKind kind, BatchSwapStep[] swaps, address[] assets, FundManagement funds) external
        returns (int256[] deltas);
    /// Of the vault.
    function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) external payable
        returns (uint256 amountCalculated);
    /// Of the vault: it lends what it has.
    function flashLoan(address recipient, address[] tokens, uint256[] amounts, bytes userData) external;
    /// Of the vault, and of a pool.
    function getPausedState() external view returns (bool paused, uint256 pauseWindowEndTime, uint256 bufferPeriodEndTime);

    /// Of a pool: which vault holds it.
    function getVault() external view returns (address);
    /// Of a pool: by which id.
    function getPoolId() external view returns (bytes32);
    /// Of a weighted pool, in eighteen decimals.
    function getNormalizedWeights() external view returns (uint256[] weights);
    /// Of a pool, in eighteen decimals.
    function getSwapFeePercentage() external view returns (uint256);

    /// The vault has a new pool.
    event PoolRegistered(bytes32 indexed poolId, address indexed poolAddress, uint8 specialization);
    /// The vault holds a pool's tokens no longer.
    event TokensDeregistered(bytes32 indexed poolId, address[] tokens);
    /// A swap.
    event Swap(bytes32 indexed poolId, address indexed tokenIn, address indexed tokenOut, uint256 amountIn, uint256 amountOut);
    /// Liquidity came or went, and the protocol took its share.
    event PoolBalanceChanged(bytes32 indexed poolId, address indexed liquidityProvider, address[] tokens, int256[] deltas,
        uint256[] protocolFeeAmounts);
    /// Somebody who manages a token took it out of the vault, brought it back, or said what has become of it.
    event PoolBalanceManaged(bytes32 indexed poolId, address indexed assetManager, address indexed token, int256 cashDelta,
        int256 managedDelta);
    /// Of a pool.
    event SwapFeePercentageChanged(uint256 swapFeePercentage);
    /// Of the vault, and of a pool.
    event PausedStateChanged(bool paused);
}
