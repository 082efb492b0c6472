//! Liquidity in and out of V3 pools, through the position manager.

use alloy::sol_types::SolCall;
use alloy_primitives::U256;
use alloy_primitives::aliases::U24;

use crate::abi;
use crate::dice::Dice;
use crate::seed::Position;
use crate::seed::pools;
use crate::traffic::intent::Intent;
use crate::traffic::intent::Market;
use crate::traffic::intent::NEVER;
use crate::traffic::intent::Purpose;

const GAS_MINT: u64 = 900_000;
const GAS_BURN: u64 = 500_000;

impl Market {
    /// A position to take liquidity from; how much is there only the chain knows.
    pub(super) fn position(&self, dice: &mut Dice) -> Option<Position> {
        dice.pick(&self.positions).copied()
    }

    /// A new position around the opening price.
    pub(super) fn mint(&self, sender: usize, dice: &mut Dice) -> Option<Intent> {
        let order = self.draw(dice, true)?;
        let [token0, token1] = order.pool.tokens.map(|token| self.tokens.get(token).copied());
        let (token0, token1) = (token0?, token1?);
        let spacing = pools::spacing(order.pool.fee_pips);
        let middle = pools::opening_tick(&token0, &token1) + dice.below(1_000) as i32 - 500;
        let [lower, upper] = pools::range(middle, spacing + dice.magnitude(20, 5_000) as i32, spacing);
        let params = abi::MintParams {
            token0: token0.address,
            token1: token1.address,
            fee: U24::from(order.pool.fee_pips),
            tickLower: lower,
            tickUpper: upper,
            amount0: token0.worth(order.usd),
            amount1: token1.worth(order.usd),
            min0: U256::ZERO,
            min1: U256::ZERO,
            recipient: self.senders[sender],
            deadline: NEVER,
        };
        Some(self.manage(Purpose::Mint, sender, abi::mintCall { params }.abi_encode(), GAS_MINT))
    }

    /// More into a position that is there.
    pub(super) fn increase(&self, dice: &mut Dice) -> Option<Intent> {
        let position = self.position(dice)?;
        let pool = self.pools.get(position.pool)?;
        let usd = dice.magnitude(1_000, pool.depth_usd / 20);
        let [token0, token1] = pool.tokens.map(|token| self.tokens.get(token));
        let params = abi::IncreaseParams {
            tokenId: position.id,
            amount0: token0?.worth(usd),
            amount1: token1?.worth(usd),
            min0: U256::ZERO,
            min1: U256::ZERO,
            deadline: NEVER,
        };
        let data = abi::increaseLiquidityCall { params }.abi_encode();
        Some(self.manage(Purpose::Mint, position.sender, data, GAS_MINT))
    }

    /// A part of what a position holds, up to 45 in 100: two pending ones can both succeed.
    pub(super) fn burn(&self, position: &Position, held: u128, dice: &mut Dice) -> Intent {
        let liquidity = held / 100 * u128::from(5 + dice.below(40));
        let params = abi::DecreaseParams {
            tokenId: position.id,
            liquidity,
            min0: U256::ZERO,
            min1: U256::ZERO,
            deadline: NEVER,
        };
        let data = abi::decreaseLiquidityCall { params }.abi_encode();
        self.manage(Purpose::Burn, position.sender, data, GAS_BURN)
    }

    /// What has been taken out, and the fees, to the owner.
    pub(super) fn collect(&self, position: &Position) -> Intent {
        let recipient = self.senders[position.sender];
        let params = abi::CollectParams { tokenId: position.id, recipient, max0: u128::MAX, max1: u128::MAX };
        self.manage(Purpose::Burn, position.sender, abi::collectCall { params }.abi_encode(), GAS_BURN)
    }

    fn manage(&self, kind: Purpose, sender: usize, data: Vec<u8>, gas: u64) -> Intent {
        Intent { kind, sender, to: self.contracts.position_manager, value: U256::ZERO, data: data.into(), gas }
    }
}
