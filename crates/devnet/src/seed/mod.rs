//! What stands on the devnet before anybody trades: protocols, tokens, pools, our executor, and money.
//!
//! - `place`: real contracts at mainnet's addresses.
//! - `tokens`: the tokens and their holders.
//! - `plan`, `pools`: which pools, and their making.
//!
//! # Invariants
//! Everything but the executor's owner and the clock follows from the seed.
//!
//! # Limits
//! - Sushi is Uniswap's published bytecode at Sushi's addresses: it behaves the same and charges the same, but its pairs
//!   are not at mainnet's addresses (the init code hash is Uniswap's). The package with Sushi's own is 39 MB unpacked.
//! - No Multicall3: no installed package has its bytecode.

pub(super) mod place;
mod plan;
pub(super) mod pools;
mod tokens;

use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use alloy_primitives::address;
use peregrine_protocols::executor;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::chain::ether;
use crate::dice::Dice;
use crate::seed::place::Placement;
use crate::seed::tokens::Funding;

pub use place::creation_code;
pub use plan::Venue;
pub use pools::Pool;
pub use pools::Position;
pub use tokens::Token;
pub use tokens::WETH;

const V2: &str = "@uniswap/v2-core/build/UniswapV2Factory.json";
const V2_ROUTER: &str = "@uniswap/v2-periphery/build/UniswapV2Router02.json";
const WETH9: &str = "@uniswap/v2-periphery/build/WETH9.json";
const V3: &str = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
const V3_ROUTER: &str = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
const MANAGER: &str =
    "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
const QUOTER: &str = "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json";

/// Dollars' worth of every token that each sender gets. No random walk of a demo's length empties it.
const SENDER_USD: u64 = 50_000_000;
/// The same for the account that makes the pools.
const MAKER_USD: u64 = 10_000_000_000;
/// Ether for the gas of the set-up.
const MAKER_ETHER: u64 = 1_000_000;
/// Ether that each sender, and the owner, gets.
const SENDER_ETHER: u64 = 20_000;
const OWNER_ETHER: u64 = 1_000;
/// Ether in each contract of ours, for bids that are not a share of a profit in WETH.
const EXECUTOR_ETHER: u64 = 10;

/// The protocols' contracts, all at mainnet's addresses; wrapped ether where the chain has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// Wrapped ether.
    pub weth: Address,
    /// Uniswap V2's factory.
    pub v2_factory: Address,
    /// Uniswap V2's `Router02`.
    pub v2_router: Address,
    /// Sushi's factory.
    pub sushi_factory: Address,
    /// Sushi's router.
    pub sushi_router: Address,
    /// Uniswap V3's factory.
    pub v3_factory: Address,
    /// Uniswap V3's `SwapRouter`.
    pub v3_router: Address,
    /// Uniswap V3's `NonfungiblePositionManager`.
    pub position_manager: Address,
    /// Uniswap V3's `QuoterV2`.
    pub quoter: Address,
}

impl Contracts {
    /// Mainnet's.
    pub const MAINNET: Self = Self {
        weth: WETH,
        v2_factory: address!("0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"),
        v2_router: address!("0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"),
        sushi_factory: address!("0xC0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac"),
        sushi_router: address!("0xd9e1cE17f2641f24aE83637ab66a2cca9C378B9F"),
        v3_factory: address!("0x1F98431c8aD98523631AE4a59f267346ea31F984"),
        v3_router: address!("0xE592427A0AEce92De3Edee1F18E0157C05861564"),
        position_manager: address!("0xC36442b4a4522E871399CD717aBDD847Ab11FE88"),
        quoter: address!("0x61fFE014bA17989E743c5F6cB21bF9697530B21e"),
    };

    fn placements(&self) -> Result<Vec<Placement>, DevnetError> {
        let (weth, v3) = (self.weth, self.v3_factory);
        // Nobody may change what the factories charge: the fee setter, and the token descriptor, are no one.
        let nobody = Address::ZERO.abi_encode();
        Ok(vec![
            Placement::new(weth, WETH9, &[])?,
            Placement::new(self.v2_factory, V2, &nobody)?,
            Placement::new(self.v2_router, V2_ROUTER, &(self.v2_factory, weth).abi_encode())?,
            Placement::new(self.sushi_factory, V2, &nobody)?,
            Placement::new(self.sushi_router, V2_ROUTER, &(self.sushi_factory, weth).abi_encode())?,
            Placement::new(v3, V3, &[])?,
            Placement::new(self.v3_router, V3_ROUTER, &(v3, weth).abi_encode())?,
            Placement::new(self.position_manager, MANAGER, &(v3, weth, Address::ZERO).abi_encode())?,
            Placement::new(self.quoter, QUOTER, &(v3, weth).abi_encode())?,
        ])
    }
}

/// What the chain was given.
pub(super) struct Seeded {
    pub(super) contracts: Contracts,
    pub(super) tokens: Vec<Token>,
    pub(super) pools: Vec<Pool>,
    pub(super) positions: Vec<Position>,
}

/// Builds the world of a seed.
pub(super) async fn seed(
    chain: &mut Chain,
    (seed, weth): (u64, Address),
    senders: &[Address],
) -> Result<Seeded, DevnetError> {
    chain.endow(&[(chain.me(), ether(MAKER_ETHER))]).await?;
    let contracts = Contracts { weth, ..Contracts::MAINNET };
    let mut dice = Dice::new(seed, 1);
    let tokens = tokens::of(&mut dice, weth);
    let mut placements = contracts.placements()?;
    placements.extend(tokens::placements(&tokens)?);
    place::place(chain, &placements).await?;

    let routers = vec![contracts.v2_router, contracts.sushi_router, contracts.v3_router, contracts.position_manager];
    let funding = |holder, usd| Funding { holder, usd, spenders: routers.clone() };
    let mut funds = vec![funding(chain.me(), MAKER_USD)];
    funds.extend(senders.iter().map(|sender| funding(*sender, SENDER_USD)));
    tokens::fill(chain, &tokens, &funds).await?;
    chain.endow(&senders.iter().map(|sender| (*sender, ether(SENDER_ETHER))).collect::<Vec<_>>()).await?;

    let plans = plan::of(&mut dice);
    let maker = pools::Maker { contracts: &contracts, tokens: &tokens, senders, me: chain.me() };
    let (pools, positions) = maker.make(chain, &plans, &mut dice).await?;
    Ok(Seeded { contracts, tokens, pools, positions })
}

/// The tokens of a seed, before anything stands.
#[cfg(test)]
pub(super) fn tokens_of(seed: u64) -> Vec<Token> {
    tokens::of(&mut Dice::new(seed, 1), WETH)
}

/// Gives the chain's account ether and so many dollars of each of these tokens, which must be no ether, to be spent by these.
pub(super) async fn enrich(
    chain: &mut Chain,
    tokens: &[Token],
    usd: u64,
    spenders: Vec<Address>,
) -> Result<(), DevnetError> {
    let holder = chain.me();
    // What it tips must be there for the whole of a gas limit.
    chain.endow(&[(holder, ether(SENDER_ETHER))]).await?;
    tokens::add(chain, tokens, &Funding { holder, usd, spenders }).await
}

/// Deploys the executor in the name of its owner, who must be the chain's account, and gives it ether.
pub(super) async fn deploy_executor(chain: &mut Chain, weth: Address) -> Result<Address, DevnetError> {
    let owner = chain.me();
    chain.endow(&[(owner, ether(OWNER_ETHER))]).await?;
    let creation = executor::creation(true, owner, weth).map_err(|error| DevnetError::Ours(error.to_string()))?;
    let create = Step { what: "the executor".into(), to: TxKind::Create, value: U256::ZERO, data: creation };
    let created = chain.run(vec![create]).await?;
    let contract = created.first().copied().ok_or_else(|| DevnetError::Unmined("the executor".into()))?;
    let fund = Step::call("ether for the executor".to_owned(), contract, Vec::new());
    chain.run(vec![Step { value: ether(EXECUTOR_ETHER), ..fund }]).await?;
    Ok(contract)
}
