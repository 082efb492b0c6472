//! Events of the manager: what each one does to a pool.
//!
//! # Invariants
//! - A log is applied whole or not at all: everything it says is checked before the first change.
//! - What was unknown stays unknown; a log adds to a tick's liquidity only where that is known.
//! - A swap of a pool with a fixed fee says the fee that is known, or the log contradicts it. That of a dynamic pool may have been
//!   set without a log, so what a swap says of it is not held against what is known; the first slot is.

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::math::concentrated::words::Words;
use crate::uniswap_v4::Pool;
use crate::uniswap_v4::fees::Fees;
use crate::uniswap_v4::key;
use alloy::sol_types::SolEvent;
use alloy_primitives::B256;
use alloy_primitives::U256;

/// What the manager says (`IPoolManager.sol`, `IProtocolFees.sol`).
pub(super) mod manager {
    alloy::sol! {
        event Initialize(bytes32 indexed id, address indexed currency0, address indexed currency1, uint24 fee,
            int24 tickSpacing, address hooks, uint160 sqrtPriceX96, int24 tick);
        event ModifyLiquidity(bytes32 indexed id, address indexed sender, int24 tickLower, int24 tickUpper,
            int256 liquidityDelta, bytes32 salt);
        event Swap(bytes32 indexed id, address indexed sender, int128 amount0, int128 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint24 fee);
        event Donate(bytes32 indexed id, address indexed sender, uint256 amount0, uint256 amount1);
        event ProtocolFeeUpdated(bytes32 indexed id, uint24 protocolFee);
    }
}

impl Pool {
    pub(super) fn log(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let [signature, id, ..] = topics else { return Ok(Applied::Irrelevant) };
        if *id != self.fixed.id {
            return Ok(Applied::Irrelevant);
        }
        match *signature {
            manager::Swap::SIGNATURE_HASH => self.on_swap(&Words::checked(topics, data, (3, 6))?),
            manager::ModifyLiquidity::SIGNATURE_HASH => self.on_liquidity(&Words::checked(topics, data, (3, 4))?),
            manager::ProtocolFeeUpdated::SIGNATURE_HASH => self.on_protocol_fee(&Words::checked(topics, data, (2, 1))?),
            manager::Initialize::SIGNATURE_HASH => self.on_initialize(topics, data),
            // A donation goes to the providers' account: no price, tick or liquidity moves.
            manager::Donate::SIGNATURE_HASH => Words::checked(topics, data, (3, 2)).map(|_| Applied::Irrelevant),
            _ => Ok(Applied::Irrelevant),
        }
    }

    fn on_swap(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (price, liquidity, tick) = (log.price(2)?, log.uint128(3)?, log.tick(4)?);
        let [zero, one] = [log.int128(0)?, log.int128(1)?];
        let down = match zero.signum() - one.signum() {
            // What goes in is negative. A swap over no liquidity moves nothing, and still has a direction.
            0 => price < self.state.at.sqrt_price,
            sign => sign < 0,
        };
        if !self.fixed.terms.is_dynamic() && log.word(5) != U256::from(self.state.fees.of_swap(down)) {
            return Err(ApplyError::Contradiction);
        }
        self.set_price(price, tick, liquidity);
        Ok(Applied::Changed)
    }

    fn on_initialize(&mut self, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let begun = key::initialized(topics, data).filter(|begun| begun.key == self.fixed.terms);
        let begun = begun.ok_or(ApplyError::Contradiction)?;
        self.set_price(begun.sqrt_price_x96, begun.tick, 0);
        self.state.fees = Fees { lp: self.fixed.terms.first_fee(), protocol: 0 };
        Ok(Applied::Changed)
    }

    fn on_protocol_fee(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let protocol = u32::try_from(log.word(0)).map_err(|_| ApplyError::Contradiction)?;
        let fees = Fees { protocol, ..self.state.fees };
        if !fees.are_sane() {
            return Err(ApplyError::Contradiction);
        }
        let changed = self.state.fees != fees;
        self.state.fees = fees;
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    /// The manager's `modifyLiquidity`, as far as quotes go.
    fn on_liquidity(&mut self, log: &Words<'_>) -> Result<Applied, ApplyError> {
        let (lower, upper, delta) = (log.tick(0)?, log.tick(1)?, log.int128(2)?);
        let (home, index) = (self.fixed.home, &mut self.index);
        self.state.at.reposition((lower, upper), delta, self.assume_empty, |tick| index.add_tick(home, tick))
    }
}
