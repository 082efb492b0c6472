//! Events: what each one does to a pool.
//!
//! # Invariants
//! - A log is applied whole or not at all: everything it says is checked before the first change.
//! - What was unknown stays unknown; a log adds to a tick's liquidity only where that is known.

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::math::concentrated::words::Words;
use crate::uniswap_v3::Flavour;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::storage;
use alloy::sol_types::SolEvent;
use alloy_primitives::B256;
use alloy_primitives::U256;

mod uniswap {
    alloy::sol! {
        event Initialize(uint160 sqrtPriceX96, int24 tick);
        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
        event SetFeeProtocol(uint8 feeProtocol0Old, uint8 feeProtocol1Old, uint8 feeProtocol0New, uint8 feeProtocol1New);
    }
}

mod pancake {
    alloy::sol! {
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint128 protocolFeesToken0, uint128 protocolFeesToken1);
        event SetFeeProtocol(uint32 feeProtocol0Old, uint32 feeProtocol1Old, uint32 feeProtocol0New, uint32 feeProtocol1New);
    }
}

impl Pool {
    pub(super) fn log(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let Some(signature) = topics.first() else {
            return Ok(Applied::Irrelevant);
        };
        match *signature {
            uniswap::Swap::SIGNATURE_HASH => self.on_swap(&Words::checked(topics, data, (3, 5))?),
            pancake::Swap::SIGNATURE_HASH => self.on_swap(&Words::checked(topics, data, (3, 7))?),
            uniswap::Mint::SIGNATURE_HASH => self.on_mint(&Words::checked(topics, data, (4, 4))?),
            uniswap::Burn::SIGNATURE_HASH => self.on_burn(&Words::checked(topics, data, (4, 3))?),
            uniswap::Initialize::SIGNATURE_HASH => self.on_initialize(&Words::checked(topics, data, (1, 2))?),
            // Two shares packed: 4 bits each at Uniswap, 16 at PancakeSwap.
            uniswap::SetFeeProtocol::SIGNATURE_HASH => self.on_fee(&Words::checked(topics, data, (1, 4))?, 4),
            pancake::SetFeeProtocol::SIGNATURE_HASH => self.on_fee(&Words::checked(topics, data, (1, 4))?, 16),
            _ => Ok(Applied::Irrelevant),
        }
    }

    fn on_swap(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (price, liquidity, tick) = (log.price(2)?, log.uint128(3)?, log.tick(4)?);
        self.set_price(price, tick, liquidity);
        Ok(Applied::Changed)
    }

    fn on_initialize(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (price, tick) = (log.price(0)?, log.tick(1)?);
        self.set_price(price, tick, 0);
        if self.flavour == Flavour::Pancake {
            self.state.fee_protocol = initial_fee_protocol(self.fee_pips);
        }
        Ok(Applied::Changed)
    }

    fn on_fee(&mut self, log: &Words<'_>, shift: u32) -> Result<Applied, ApplyError> {
        let limit = U256::ONE << shift;
        let (zero, one) = (log.word(2), log.word(3));
        if zero >= limit || one >= limit {
            return Err(ApplyError::Contradiction);
        }
        self.state.fee_protocol = (zero + (one << shift as usize)).to::<u32>();
        Ok(Applied::Changed)
    }

    fn on_mint(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (lower, upper, amount) = (log.topic_tick(2)?, log.topic_tick(3)?, log.uint128(1)?);
        self.position(lower, upper, i128::try_from(amount).map_err(|_| ApplyError::Contradiction)?)
    }

    fn on_burn(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (lower, upper, amount) = (log.topic_tick(2)?, log.topic_tick(3)?, log.uint128(0)?);
        self.position(lower, upper, -i128::try_from(amount).map_err(|_| ApplyError::Contradiction)?)
    }

    /// The contract's `_modifyPosition`, as far as quotes go.
    fn position(&mut self, lower: i32, upper: i32, delta: i128) -> Result<Applied, ApplyError> {
        let (slots, index) = (self.slots.as_deref(), &mut self.tick_slots);
        let listed = |tick| storage::index_tick(slots, index, tick);
        self.state.at.reposition((lower, upper), delta, self.assume_empty, listed)
    }
}

/// What PancakeV3Pool's `initialize` stores without an event: the same share for both tokens, in ten-thousandths of the
/// fee, packed 16 bits apart. Found by running the published bytecode.
const fn initial_fee_protocol(fee_pips: u32) -> u32 {
    let share = match fee_pips {
        100 => 3_300,
        500 => 3_400,
        _ => 3_200,
    };
    share | share << 16
}
