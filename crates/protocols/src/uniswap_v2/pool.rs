//! A pair's state, and what the engine asks of it.
//!
//! # Invariants
//! - Reserves are at most `uint112`.
//! - A refused log or slot change leaves the state as it was.
//! - The same transaction applied by logs and by storage leaves the same [`Pool::state`]. Timestamps and cumulative
//!   prices are not kept: no quote depends on them.
//!
//! # Cost
//! A quote is one division; nothing allocates or hashes.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{Execution, Hop, PlannedSwap, Steps};
use crate::site::StateSite;
use crate::uniswap_v2::abi;
use crate::uniswap_v2::curve;
use crate::uniswap_v2::curve::Fee;
use crate::uniswap_v2::curve::MAX_RESERVE;
use crate::uniswap_v2::layout::Layout;
use crate::uniswap_v2::layout::narrow;
use crate::uniswap_v2::snapshot::PoolSnapshot;

/// A constant-product pair.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "PoolSnapshot", into = "PoolSnapshot")]
pub struct Pool {
    reserves: [u128; 2],
    /// By the token that goes in. Equal in every fork met so far, but found separately.
    fees: [Fee; 2],
    tokens: [Address; 2],
    layout: Layout,
    address: Address,
}

impl Pool {
    /// `None` when a reserve is past `uint112` or the tokens are the same.
    #[must_use]
    pub fn new(
        address: Address,
        tokens: [Address; 2],
        fees: [Fee; 2],
        layout: Layout,
        reserves: [u128; 2],
    ) -> Option<Self> {
        let sound = tokens[0] != tokens[1] && reserves.iter().all(|r| *r <= MAX_RESERVE);
        sound.then_some(Self { reserves, fees, tokens, layout, address })
    }

    /// All that a quote depends on and that changes: compares two ways of learning the same state.
    #[must_use]
    pub const fn state(&self) -> [u128; 2] {
        self.reserves
    }

    /// Fee by the token that goes in.
    #[must_use]
    pub const fn fees(&self) -> [Fee; 2] {
        self.fees
    }

    /// Where the reserves are kept.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Reserves and fee the way `leg` sees them: in, out, fee.
    fn side(&self, leg: Leg) -> (u128, u128, Fee) {
        let [r0, r1] = self.reserves;
        if leg.zero_for_one() { (r0, r1, self.fees[0]) } else { (r1, r0, self.fees[1]) }
    }

    /// Takes new reserves and says whether they differ.
    fn set(&mut self, reserves: [u128; 2]) -> Applied {
        if self.reserves == reserves {
            return Applied::Irrelevant;
        }
        self.reserves = reserves;
        Applied::Changed
    }
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Callback
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.exact_out(hop, swap.leg.zero_for_one());
    }

    /// It is told what comes out, and takes whatever has come.
    fn logged(&self, _leg: Leg, [_, out]: [u128; 2], came: u128) -> Result<[U256; 2], QuoteError> {
        Ok([came, out].map(U256::from))
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sites(&self) -> Vec<StateSite> {
        vec![StateSite::whole(self.address, self.log_fed())]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        let (r_in, r_out, fee) = self.side(leg);
        let x = u128::try_from(amount_in).map_err(|_| QuoteError::TooLarge)?;
        curve::largest_out(x, r_in, r_out, fee).map(U256::from)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        let (r_in, r_out, fee) = self.side(leg);
        let y = u128::try_from(amount_out).map_err(|_| QuoteError::TooLarge)?;
        curve::smallest_in(y, r_in, r_out, fee).map(U256::from)
    }

    /// What `getAmountIn` asks.
    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        let (r_in, r_out, fee) = self.side(leg);
        let y = u128::try_from(amount_out).map_err(|_| QuoteError::TooLarge)?;
        curve::periphery_in(y, r_in, r_out, fee).map(U256::from)
    }

    /// Exactly `amount` in for the largest output, or exactly that out for what `getAmountIn` asks, which is one unit more than the
    /// pair does where the division is exact.
    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // A pair knows no price limit.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let (r_in, r_out, fee) = self.side(leg);
        let narrow = |amount| u128::try_from(amount).map_err(|_| QuoteError::TooLarge);
        let (x, y) = match exact {
            Exact::In(amount) => {
                let x = narrow(amount)?;
                (x, curve::largest_out(x, r_in, r_out, fee)?)
            }
            Exact::Out(amount) => (narrow(self.asks(leg, amount)?)?, narrow(amount)?),
        };
        let [paid, left] = [r_in + x, r_out - y];
        self.reserves = if leg.zero_for_one() { [paid, left] } else { [left, paid] };
        Ok(Traded { amount_in: U256::from(x), amount_out: U256::from(y) })
    }

    fn views(&self) -> Vec<View> {
        let [r0, r1] = self.reserves.map(U256::from);
        vec![View { data: abi::getReservesCall {}.abi_encode(), due: vec![(0, r0), (1, r1)] }]
    }

    // Nought with the fee that the routers forecast with, else nothing.
    fn factory_fee(&self) -> Option<u32> {
        self.fees.iter().all(|fee| (fee.num(), fee.den()) == (3, 1_000)).then_some(0)
    }

    // Billionths of the input that reach the curve.
    fn keeps(&self, leg: Leg) -> Option<u32> {
        const WHOLE: u64 = 1_000_000_000;
        let fee = self.fees[leg.token_in()];
        let (rest, whole) = (u64::from(fee.den() - fee.num()) * WHOLE, u64::from(fee.den()));
        // One that is no whole number of billionths is nobody's word: zero keeps nothing, and agrees with none.
        u32::try_from(if rest.is_multiple_of(whole) { rest / whole } else { 0 }).ok()
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        let (r_in, r_out, fee) = self.side(leg);
        if r_in == 0 || r_out == 0 { 0.0 } else { r_out as f64 / r_in as f64 * fee.gamma() }
    }

    fn depth(&self, leg: Leg) -> f64 {
        let mut depth = 0.0;
        self.segments(leg, |segment| {
            depth = segment.reserve_in / segment.gamma;
            false
        });
        depth
    }

    fn segments(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        let (r_in, r_out, fee) = self.side(leg);
        let room = MAX_RESERVE - r_in;
        if r_in == 0 || r_out == 0 || room == 0 {
            return;
        }
        visit(Segment {
            in_max: U256::from(room),
            reserve_in: r_in as f64,
            reserve_out: r_out as f64,
            gamma: fee.gamma(),
        });
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let is_sync = |topic: &B256| [abi::Sync::SIGNATURE_HASH, abi::wide::Sync::SIGNATURE_HASH].contains(topic);
        if at != self.address || !topics.first().is_some_and(is_sync) {
            // Swap, Mint, Burn: each comes with a Sync that says the outcome.
            return Ok(Applied::Irrelevant);
        }
        if topics.len() != 1 {
            return Err(ApplyError::Topics { have: topics.len(), due: 1 });
        }
        let Ok(words) = <&[u8; 64]>::try_from(data) else {
            return Err(ApplyError::Data { have: data.len(), due: 64 });
        };
        let word = |bytes| narrow(U256::from_be_slice(bytes)).ok_or(ApplyError::Contradiction);
        let reserves = [word(&words[..32])?, word(&words[32..])?];
        Ok(self.set(reserves))
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        if at != self.address {
            return Ok(Applied::Irrelevant);
        }
        let reserves = self.layout.fold(self.reserves, changes)?;
        Ok(self.set(reserves))
    }

    fn agrees(&self, other: &Self) -> bool {
        self.state() == other.state()
    }

    fn log_fed(&self) -> bool {
        self.layout == Layout::Opaque
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Measured on the real pair between plain tokens: 39.5k, less the transaction's own 21k. The block's first swap
        // adds about 10k for the cumulative prices.
        50_000
    }
}
