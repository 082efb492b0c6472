//! The parts of the real contracts' interfaces that the chain is set up and used through.

alloy::sol! {
    // Tokens.
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function deposit() external payable;

    // Uniswap V2 and Sushi: factory and router.
    function getPair(address a, address b) external view returns (address pair);
    function addLiquidity(address a, address b, uint256 amountA, uint256 amountB, uint256 minA, uint256 minB, address to,
        uint256 deadline) external;
    function swapExactTokensForTokens(uint256 amountIn, uint256 minOut, address[] path, address to, uint256 deadline)
        external;
    function swapTokensForExactTokens(uint256 amountOut, uint256 maxIn, address[] path, address to, uint256 deadline)
        external;
    function swapExactETHForTokens(uint256 minOut, address[] path, address to, uint256 deadline) external payable;
    function swapExactTokensForETH(uint256 amountIn, uint256 minOut, address[] path, address to, uint256 deadline)
        external;

    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 at);

    event Sync(uint112 reserve0, uint112 reserve1);

    // Uniswap V3: pool and factory.
    event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96,
        uint128 liquidity, int24 tick);
    function liquidity() external view returns (uint128);
    function slot0() external view returns (uint160 sqrtPriceX96, int24 tick);
    function getPool(address a, address b, uint24 fee) external view returns (address pool);
    function enableFeeAmount(uint24 fee, int24 spacing) external;

    // Uniswap V3: position manager.
    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96)
        external payable returns (address pool);
    struct MintParams {
        address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper; uint256 amount0; uint256 amount1;
        uint256 min0; uint256 min1; address recipient; uint256 deadline;
    }
    function mint(MintParams params) external payable;
    struct IncreaseParams {
        uint256 tokenId; uint256 amount0; uint256 amount1; uint256 min0; uint256 min1; uint256 deadline;
    }
    function increaseLiquidity(IncreaseParams params) external payable;
    struct DecreaseParams { uint256 tokenId; uint128 liquidity; uint256 min0; uint256 min1; uint256 deadline; }
    function decreaseLiquidity(DecreaseParams params) external payable;
    struct CollectParams { uint256 tokenId; address recipient; uint128 max0; uint128 max1; }
    function collect(CollectParams params) external payable;
    function positions(uint256 tokenId) external view returns (uint96 nonce, address operator, address token0,
        address token1, uint24 fee, int24 tickLower, int24 tickUpper, uint128 liquidity, uint256 growth0,
        uint256 growth1, uint128 owed0, uint128 owed1);

    // Uniswap V3: QuoterV2.
    struct Quote { address tokenIn; address tokenOut; uint256 amountIn; uint24 fee; uint160 limit; }
    function quoteExactInputSingle(Quote params) external returns (uint256 amountOut, uint160 price, uint32 crossed,
        uint256 gas);

    // Uniswap V3: router.
    struct ExactInputSingle {
        address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountIn;
        uint256 minOut; uint160 limit;
    }
    function exactInputSingle(ExactInputSingle params) external payable;
    struct ExactOutputSingle {
        address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountOut;
        uint256 maxIn; uint160 limit;
    }
    function exactOutputSingle(ExactOutputSingle params) external payable;
    struct ExactInput { bytes path; address recipient; uint256 deadline; uint256 amountIn; uint256 minOut; }
    function exactInput(ExactInput params) external payable;
}
