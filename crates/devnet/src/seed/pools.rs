//! Makes the pools, through the real routers and the real position manager.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::I24;
use alloy_primitives::aliases::U24;
use peregrine_protocols::math::tick;

use crate::DevnetError;
use crate::abi;
use crate::chain::Chain;
use crate::chain::Step;
use crate::dice::Dice;
use crate::seed::Contracts;
use crate::seed::plan::Venue;
use crate::seed::tokens::Token;

pub(crate) use crate::seed::plan::PoolPlan;

/// Half the width of the position that is never taken out: a factor of 20 in price either way.
const WIDE: i32 = 30_000;

/// A pool of the devnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The contract.
    pub address: Address,
    /// Whose it is.
    pub venue: Venue,
    /// Its tokens in the contract's order, as places in the token list.
    pub tokens: [usize; 2],
    /// What it charges, in millionths.
    pub fee_pips: u32,
    /// Dollars on each side when it was made.
    pub depth_usd: u64,
}

/// A V3 position that one of the traffic's senders owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The position manager's number.
    pub id: U256,
    /// Place in the pool list.
    pub pool: usize,
    /// Place in the list of senders.
    pub sender: usize,
    /// What it held when it was made.
    pub liquidity: u128,
}

/// Distance of usable ticks, by fee.
pub(crate) const fn spacing(fee_pips: u32) -> i32 {
    match fee_pips {
        100 => 1,
        500 => 10,
        3_000 => 60,
        _ => 200,
    }
}

/// Ticks of a range of `2 * half` around `tick`, on the grid and within its ends.
pub(crate) fn range(tick: i32, half: i32, spacing: i32) -> [I24; 2] {
    let most = tick::MAX_TICK / spacing * spacing;
    let lower = ((tick - half).div_euclid(spacing) * spacing).clamp(-most, most - spacing);
    let upper = ((tick + half).div_euclid(spacing) * spacing + spacing).clamp(lower + spacing, most);
    // Ticks fit 24 bits, and these are between the ends.
    [lower, upper].map(|tick| I24::try_from(tick).unwrap_or_default())
}

/// `sqrt(amount1 / amount0) * 2^96` for what a dollar buys of each, to 64 bits of fraction.
fn sqrt_price(token0: &Token, token1: &Token) -> U256 {
    const USD: u64 = 1_000_000;
    let (amount0, amount1) = (token0.worth(USD), token1.worth(USD));
    let ratio: U256 = (amount1 << 128) / amount0.max(U256::ONE);
    ratio.root(2) << 32
}

/// Tick of the opening price.
pub(crate) fn opening_tick(token0: &Token, token1: &Token) -> i32 {
    tick::tick_at(sqrt_price(token0, token1)).unwrap_or_default()
}

/// What it takes to make the pools.
pub(crate) struct Maker<'a> {
    pub(crate) contracts: &'a Contracts,
    pub(crate) tokens: &'a [Token],
    pub(crate) senders: &'a [Address],
    pub(crate) me: Address,
}

impl Maker<'_> {
    /// Makes all of them; finds their addresses and the senders' positions on the chain.
    pub(super) async fn make(
        &self,
        chain: &mut Chain,
        plans: &[PoolPlan],
        dice: &mut Dice,
    ) -> Result<(Vec<Pool>, Vec<Position>), DevnetError> {
        let enable = abi::enableFeeAmountCall { fee: U24::from(100), spacing: I24::ONE }.abi_encode();
        let mut steps = vec![Step::call("enableFeeAmount", self.contracts.v3_factory, enable)];
        // Whose position the manager's next number is.
        let mut owners = Vec::new();
        for (place, plan) in plans.iter().enumerate() {
            self.add(&mut steps, &mut owners, place, plan, dice);
        }
        chain.run(steps).await?;
        Ok((self.find(chain, plans).await?, self.positions(chain, &owners).await?))
    }

    /// The making of one pool.
    pub(crate) fn steps(&self, plan: &PoolPlan, dice: &mut Dice) -> Vec<Step> {
        let mut steps = Vec::new();
        self.add(&mut steps, &mut Vec::new(), 0, plan, dice);
        steps
    }

    fn add(
        &self,
        steps: &mut Vec<Step>,
        owners: &mut Vec<(usize, Option<usize>)>,
        place: usize,
        plan: &PoolPlan,
        dice: &mut Dice,
    ) {
        let (a, b) = (&self.tokens[plan.tokens[0]], &self.tokens[plan.tokens[1]]);
        match plan.venue {
            Venue::UniswapV2 => steps.push(self.v2(self.contracts.v2_router, plan, a, b)),
            Venue::Sushi => steps.push(self.v2(self.contracts.sushi_router, plan, a, b)),
            Venue::UniswapV3 => self.v3(steps, owners, place, plan, dice),
        }
    }

    fn v2(&self, router: Address, plan: &PoolPlan, a: &Token, b: &Token) -> Step {
        let call = abi::addLiquidityCall {
            a: a.address,
            b: b.address,
            amountA: a.worth(plan.depth_usd),
            amountB: b.worth(plan.depth_usd),
            minA: U256::ZERO,
            minB: U256::ZERO,
            to: self.me,
            deadline: U256::MAX,
        };
        Step::call(format!("addLiquidity {} {}", a.symbol, b.symbol), router, call.abi_encode())
    }

    /// The pool, a wide position, and two to four narrow ones that senders own.
    fn v3(
        &self,
        steps: &mut Vec<Step>,
        owners: &mut Vec<(usize, Option<usize>)>,
        place: usize,
        plan: &PoolPlan,
        dice: &mut Dice,
    ) {
        let [a, b] = self.sorted(plan.tokens).map(|token| &self.tokens[token]);
        let what = format!("{} {} {}", a.symbol, b.symbol, plan.fee_pips);
        let (fee, sqrt_price) = (U24::from(plan.fee_pips), sqrt_price(a, b));
        let manager = self.contracts.position_manager;
        let create = abi::createAndInitializePoolIfNecessaryCall {
            token0: a.address,
            token1: b.address,
            fee,
            sqrtPriceX96: U160::saturating_from(sqrt_price),
        };
        steps.push(Step::call(format!("pool {what}"), manager, create.abi_encode()));
        let tick = opening_tick(a, b);
        let spacing = spacing(plan.fee_pips);
        for narrow in 0..=2 + dice.below(3) {
            let half = if narrow == 0 { WIDE } else { spacing + dice.magnitude(10, 4_000) as i32 };
            let usd = if narrow == 0 { plan.depth_usd } else { plan.depth_usd / 20 };
            let sender = (narrow > 0 && !self.senders.is_empty()).then(|| dice.index(self.senders.len()));
            let [lower, upper] = range(tick, half, spacing);
            let params = abi::MintParams {
                token0: a.address,
                token1: b.address,
                fee,
                tickLower: lower,
                tickUpper: upper,
                amount0: a.worth(usd),
                amount1: b.worth(usd),
                min0: U256::ZERO,
                min1: U256::ZERO,
                recipient: sender.map_or(self.me, |sender| self.senders[sender]),
                deadline: U256::MAX,
            };
            owners.push((place, sender));
            steps.push(Step::call(format!("mint {what}"), manager, abi::mintCall { params }.abi_encode()));
        }
    }

    fn sorted(&self, [a, b]: [usize; 2]) -> [usize; 2] {
        if self.tokens[a].address < self.tokens[b].address { [a, b] } else { [b, a] }
    }

    pub(crate) async fn find(&self, chain: &Chain, plans: &[PoolPlan]) -> Result<Vec<Pool>, DevnetError> {
        let call = |plan: &PoolPlan| {
            let [a, b] = plan.tokens.map(|token| self.tokens[token].address);
            match plan.venue {
                Venue::UniswapV2 => (self.contracts.v2_factory, abi::getPairCall { a, b }.abi_encode()),
                Venue::Sushi => (self.contracts.sushi_factory, abi::getPairCall { a, b }.abi_encode()),
                Venue::UniswapV3 => {
                    let fee = U24::from(plan.fee_pips);
                    (self.contracts.v3_factory, abi::getPoolCall { a, b, fee }.abi_encode())
                }
            }
        };
        let answers = chain.ask(&plans.iter().map(call).collect::<Vec<_>>()).await?;
        let pool = |(plan, answer): (&PoolPlan, alloy_primitives::Bytes)| {
            let address = answer.get(12..32).map(Address::from_slice).filter(|address| !address.is_zero());
            let address = address.ok_or(DevnetError::NoPool)?;
            let tokens = self.sorted(plan.tokens);
            Ok(Pool { address, venue: plan.venue, tokens, fee_pips: plan.fee_pips, depth_usd: plan.depth_usd })
        };
        plans.iter().zip(answers).map(pool).collect()
    }

    async fn positions(&self, chain: &Chain, owners: &[(usize, Option<usize>)]) -> Result<Vec<Position>, DevnetError> {
        let mut held = Vec::new();
        // The manager counts from 1.
        for (id, (pool, sender)) in (1u64..).zip(owners) {
            held.extend(sender.map(|sender| (U256::from(id), *pool, sender)));
        }
        let call = |id| (self.contracts.position_manager, abi::positionsCall { tokenId: id }.abi_encode());
        let answers = chain.ask(&held.iter().map(|(id, ..)| call(*id)).collect::<Vec<_>>()).await?;
        let position = |((id, pool, sender), answer): ((U256, usize, usize), alloy_primitives::Bytes)| {
            let state = abi::positionsCall::abi_decode_returns(&answer).map_err(|_| DevnetError::NoPool)?;
            Ok(Position { id, pool, sender, liquidity: state.liquidity })
        };
        held.into_iter().zip(answers).map(position).collect()
    }
}
