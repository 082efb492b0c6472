//! What people on the devnet do next. No I/O: a deal is a transaction without nonce, fees and signature.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::U24;

use crate::Devnet;
use crate::abi;
use crate::dice::Dice;
use crate::seed::Contracts;
use crate::seed::Pool;
use crate::seed::Position;
use crate::seed::Token;
use crate::seed::Venue;
use crate::wallet::Wallet;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A swap through Uniswap V2's or Sushi's router.
    SwapV2,
    /// A swap through Uniswap V3's router.
    SwapV3,
    /// Liquidity into a V3 pool.
    Mint,
    /// Liquidity out of a V3 pool.
    Burn,
    /// Ether or a token to somebody else, or ether wrapped.
    Transfer,
    /// Made to fail.
    Failing,
}

impl Purpose {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 6] = [Self::SwapV2, Self::SwapV3, Self::Mint, Self::Burn, Self::Transfer, Self::Failing];
}

/// A transaction to be signed by a sender.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) kind: Purpose,
    /// Place in the list of senders.
    pub(super) sender: usize,
    pub(super) to: Address,
    pub(super) value: U256,
    pub(super) data: Bytes,
    pub(super) gas: u64,
}

/// What there is to deal in.
pub(super) struct Market {
    pub(super) contracts: Contracts,
    pub(super) tokens: Vec<Token>,
    pub(super) pools: Vec<Pool>,
    pub(super) positions: Vec<Position>,
    pub(super) senders: Vec<Address>,
    /// How far each pool's price has strayed: the logarithm of what it is over what it was at the opening.
    pub(super) strayed: Vec<f64>,
}

/// Two tokens of a pool, one way round, and dollars.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) pool: Pool,
    token_in: Token,
    token_out: Token,
    pub(super) usd: u64,
}

/// A price that has strayed by this and the pool's fee may be traded back; as a logarithm, about 0.05 %.
const STRAYED: f64 = 0.000_5;
/// How many of a hundred swaps do so, where there is such a price.
const BACK_PERCENT: u64 = 40;
/// Nobody swaps for more at once.
const MOST_USD: u64 = 200_000;
/// How many of a hundred of the others are large.
const LARGE_PERCENT: u64 = 16;
pub(super) const NEVER: U256 = U256::MAX;
/// Price limit "none" of V3's router.
const NO_LIMIT: U160 = U160::ZERO;
const GAS_V2: u64 = 350_000;
const GAS_V3: u64 = 700_000;
const GAS_TRANSFER: u64 = 90_000;
/// Runs out in the middle of any swap.
const GAS_TOO_LITTLE: u64 = 70_000;

impl Market {
    pub(super) fn new(devnet: &Devnet) -> Self {
        Self {
            contracts: devnet.contracts,
            tokens: devnet.tokens.clone(),
            pools: devnet.pools.clone(),
            positions: devnet.positions.clone(),
            senders: devnet.senders.iter().map(Wallet::address).collect(),
            strayed: vec![0.0; devnet.pools.len()],
        }
    }

    /// The next deal. `None` when there is nobody, or nothing, to deal.
    pub(super) fn intent(&mut self, dice: &mut Dice) -> Option<Intent> {
        let sender = (!self.senders.is_empty()).then(|| dice.index(self.senders.len()))?;
        match dice.below(100) {
            0..40 => self.swap_v2(sender, dice),
            40..75 => self.swap_v3(sender, dice),
            75..80 => self.mint(sender, dice),
            80..83 => self.increase(dice),
            83..94 => self.transfer(sender, dice),
            _ => self.failing(sender, dice),
        }
    }

    /// Any pool, any way round, any size.
    pub(super) fn draw(&self, dice: &mut Dice, v3: bool) -> Option<Order> {
        let pool = **dice.pick(&self.house(v3).map(|(_, pool)| pool).collect::<Vec<_>>())?;
        // A price goes twice as far as the reserve that is paid into: a large one moves it by 1 to 8 %.
        let large = dice.chance(LARGE_PERCENT);
        let [low, high] = if large { [pool.depth_usd / 150, pool.depth_usd / 25] } else { [20, pool.depth_usd / 150] };
        let high = high.min(MOST_USD);
        let zero_for_one = dice.chance(50);
        self.order(&pool, zero_for_one, dice.magnitude(low, high))
    }

    /// The pool at which most is to be earned is traded back, as if the world outside went on trading at the
    /// opening's: what there is to earn is what a few trades have just opened, and not what a thousand left behind.
    fn correction(&mut self, dice: &mut Dice, v3: bool) -> Option<Order> {
        if !dice.chance(BACK_PERCENT) {
            return None;
        }
        let strayed = |place: usize| self.strayed.get(place).copied().unwrap_or_default();
        // Where no price has strayed by more than its pool's fee, no cycle earns.
        let beyond = |place: usize, pool: &Pool| strayed(place).abs() - f64::from(pool.fee_pips) / 1e6 - STRAYED;
        let all = self.house(v3).map(|(place, pool)| (beyond(place, pool), place, pool));
        // What there is to earn grows with the depth and the square of the distance.
        let earns = |(beyond, _, pool): &(f64, usize, &Pool)| beyond.max(0.0).powi(2) * pool.depth_usd as f64;
        let worst = all.max_by(|left, right| earns(left).total_cmp(&earns(right)));
        let (_, place, pool) = worst.filter(|(beyond, ..)| *beyond > 0.0)?;
        // A price goes twice as far as the reserve that is paid into, for small steps; the rest is left to the next one.
        let usd = pool.depth_usd as f64 * strayed(place).abs().min(0.5) / 2.0;
        // Selling the first token lowers its price.
        let order = self.order(pool, strayed(place) > 0.0, usd as u64);
        // Once is enough until prices are read again.
        self.strayed[place] = 0.0;
        order
    }

    fn house(&self, v3: bool) -> impl Iterator<Item = (usize, &Pool)> {
        self.pools.iter().enumerate().filter(move |(_, pool)| (pool.venue == Venue::UniswapV3) == v3)
    }

    fn order(&self, pool: &Pool, zero_for_one: bool, usd: u64) -> Option<Order> {
        let [a, b] = if zero_for_one { [0, 1] } else { [1, 0] };
        let token = |side: usize| self.tokens.get(pool.tokens[side]).copied();
        Some(Order { pool: *pool, token_in: token(a)?, token_out: token(b)?, usd })
    }

    /// Another pool of the same house that takes what this one gives, and is deep enough for it.
    fn onward(&self, order: &Order, dice: &mut Dice) -> Option<(Pool, Token)> {
        let token = |pool: &Pool, side: usize| self.tokens.get(pool.tokens[side]).copied();
        let mut ways = Vec::new();
        let fits = |pool: &&Pool| pool.venue == order.pool.venue && pool.depth_usd / 8 >= order.usd;
        for pool in self.pools.iter().filter(fits) {
            let (Some(a), Some(b)) = (token(pool, 0), token(pool, 1)) else { continue };
            let ends = [a.address, b.address];
            if ends.contains(&order.token_out.address) && !ends.contains(&order.token_in.address) {
                ways.push((*pool, if a == order.token_out { b } else { a }));
            }
        }
        dice.pick(&ways).copied()
    }

    fn swap_v2(&mut self, sender: usize, dice: &mut Dice) -> Option<Intent> {
        let back = self.correction(dice, false);
        let order = back.or_else(|| self.draw(dice, false))?;
        let router = match order.pool.venue {
            Venue::Sushi => self.contracts.sushi_router,
            Venue::UniswapV2 | Venue::UniswapV3 => self.contracts.v2_router,
        };
        let mut path = vec![order.token_in.address, order.token_out.address];
        let mut token_out = order.token_out;
        let further = back.is_none() && dice.chance(25);
        if let Some((_, last)) = further.then(|| self.onward(&order, dice)).flatten() {
            path.push(last.address);
            token_out = last;
        }
        let (to, deadline, amount) = (self.senders[sender], NEVER, order.token_in.worth(order.usd));
        let [from_weth, to_weth] = [order.token_in, token_out].map(|token| token.address == self.contracts.weth);
        let native = dice.chance(50);
        let exact_out = dice.chance(15);
        let (value, data) = if native && from_weth {
            (amount, abi::swapExactETHForTokensCall { minOut: U256::ZERO, path, to, deadline }.abi_encode())
        } else if native && to_weth {
            let call = abi::swapExactTokensForETHCall { amountIn: amount, minOut: U256::ZERO, path, to, deadline };
            (U256::ZERO, call.abi_encode())
        } else if exact_out {
            let amount_out = token_out.worth(order.usd);
            (
                U256::ZERO,
                abi::swapTokensForExactTokensCall { amountOut: amount_out, maxIn: NEVER, path, to, deadline }
                    .abi_encode(),
            )
        } else {
            let call = abi::swapExactTokensForTokensCall { amountIn: amount, minOut: U256::ZERO, path, to, deadline };
            (U256::ZERO, call.abi_encode())
        };
        Some(Intent { kind: Purpose::SwapV2, sender, to: router, value, data: data.into(), gas: GAS_V2 })
    }

    fn swap_v3(&mut self, sender: usize, dice: &mut Dice) -> Option<Intent> {
        let back = self.correction(dice, true);
        let order = back.or_else(|| self.draw(dice, true))?;
        let (recipient, deadline) = (self.senders[sender], NEVER);
        let (amount, fee) = (order.token_in.worth(order.usd), U24::from(order.pool.fee_pips));
        let (token_in, token_out) = (order.token_in.address, order.token_out.address);
        let further = back.is_none() && dice.chance(25);
        let onward = further.then(|| self.onward(&order, dice)).flatten();
        let data = if let Some((pool, last)) = onward {
            let fees = [order.pool.fee_pips, pool.fee_pips].map(|fee| fee.to_be_bytes());
            let tokens = [token_in, token_out, last.address];
            let path = [&tokens[0][..], &fees[0][1..], &tokens[1][..], &fees[1][1..], &tokens[2][..]].concat();
            let params =
                abi::ExactInput { path: path.into(), recipient, deadline, amountIn: amount, minOut: U256::ZERO };
            abi::exactInputCall { params }.abi_encode()
        } else if dice.chance(15) {
            let params = abi::ExactOutputSingle {
                tokenIn: token_in,
                tokenOut: token_out,
                fee,
                recipient,
                deadline,
                amountOut: order.token_out.worth(order.usd),
                maxIn: NEVER,
                limit: NO_LIMIT,
            };
            abi::exactOutputSingleCall { params }.abi_encode()
        } else {
            exact_input(&order, recipient, deadline)
        };
        let to = self.contracts.v3_router;
        Some(Intent { kind: Purpose::SwapV3, sender, to, value: U256::ZERO, data: data.into(), gas: GAS_V3 })
    }

    fn transfer(&self, sender: usize, dice: &mut Dice) -> Option<Intent> {
        let other = *dice.pick(&self.senders)?;
        let token = *dice.pick(&self.tokens)?;
        let usd = dice.magnitude(1, 20_000);
        let wei = self.tokens.first()?.worth(usd);
        let (to, value, data) = match dice.below(3) {
            0 => (other, wei, Vec::new()),
            1 => (self.contracts.weth, wei, abi::depositCall {}.abi_encode()),
            _ => (token.address, U256::ZERO, abi::transferCall { to: other, amount: token.worth(usd) }.abi_encode()),
        };
        Some(Intent { kind: Purpose::Transfer, sender, to, value, data: data.into(), gas: GAS_TRANSFER })
    }

    /// Asks too much, comes too late, spends what is not there, or runs out of gas.
    fn failing(&self, sender: usize, dice: &mut Dice) -> Option<Intent> {
        let to = self.senders[sender];
        let v3 = dice.chance(50);
        let order = self.draw(dice, v3)?;
        let (v2, v3) = (self.contracts.v2_router, self.contracts.v3_router);
        let path = vec![order.token_in.address, order.token_out.address];
        let amount = order.token_in.worth(order.usd);
        let swap = |min_out, deadline| {
            abi::swapExactTokensForTokensCall { amountIn: amount, minOut: min_out, path, to, deadline }.abi_encode()
        };
        let (to, data, gas) = match dice.below(4) {
            0 => (v2, swap(NEVER >> 1, NEVER), GAS_V2),
            1 => (v3, exact_input(&order, to, U256::ONE), GAS_V3),
            2 => (order.token_in.address, abi::transferCall { to, amount: NEVER >> 1 }.abi_encode(), GAS_TRANSFER),
            _ => (v2, swap(U256::ZERO, NEVER), GAS_TOO_LITTLE),
        };
        Some(Intent { kind: Purpose::Failing, sender, to, value: U256::ZERO, data: data.into(), gas })
    }
}

fn exact_input(order: &Order, recipient: Address, deadline: U256) -> Vec<u8> {
    let params = abi::ExactInputSingle {
        tokenIn: order.token_in.address,
        tokenOut: order.token_out.address,
        fee: U24::from(order.pool.fee_pips),
        recipient,
        deadline,
        amountIn: order.token_in.worth(order.usd),
        minOut: U256::ZERO,
        limit: NO_LIMIT,
    };
    abi::exactInputSingleCall { params }.abi_encode()
}
