//! Liquidations that are made together, or not at all: how they are run, and what is said of them.

use std::borrow::Cow;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::U256;

use crate::hot::opportunity;
use crate::hot::opportunity::Gain;
use crate::hot::opportunity::Opportunity;
use crate::hot::opportunity::Plan;
use crate::hot::state::pools::Pools;
use crate::hot::strategy::liquidations::PROFILE;
use crate::hot::strategy::liquidations::choice::Leg;
use crate::protocols::AnyPool;
use crate::protocols::executor::EncodeError;
use crate::protocols::executor::several;
use crate::protocols::lending::taken::Position;
use crate::types::amount::Wei;
use crate::types::decision::Hop;
use crate::types::id::TokenId;

/// Gas for the transaction: several positions of half a million each fit, below Osaka's cap of 2^24.
const GAS: u64 = 16_000_000;

/// Liquidations that are made together, or not at all. Their profit is held in one token.
#[derive(Clone, Debug)]
pub struct Liquidation {
    legs: Vec<Leg>,
    gains: Vec<u128>,
}

impl Liquidation {
    /// One alone.
    #[must_use]
    pub fn of(leg: Leg) -> Self {
        Self { gains: vec![leg.gross()], legs: vec![leg] }
    }

    /// With one more behind it, found in the state that these leave. `None`: its profit is held in another token.
    #[must_use]
    pub fn and(&self, leg: Leg) -> Option<Self> {
        let alike = self.token() == leg.token();
        let gains = self.gains.iter().copied().chain([leg.gross()]).collect();
        alike.then(|| Self { legs: self.legs.iter().cloned().chain([leg]).collect(), gains })
    }

    /// In order.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// The token that the profit is held in.
    #[must_use]
    pub fn token(&self) -> TokenId {
        self.legs[0].token()
    }

    /// What is left of it, before gas and bid, in its units.
    #[must_use]
    pub fn gross(&self) -> u128 {
        self.gains.iter().copied().fold(0, u128::saturating_add)
    }

    /// The same in ether.
    #[must_use]
    pub fn value(&self) -> Wei {
        Wei(self.legs.iter().map(|leg| leg.value().0).fold(U256::ZERO, U256::saturating_add))
    }

    /// As later stages read it. `behind`: found behind a pending transaction.
    #[must_use]
    pub fn opportunity(self: &Arc<Self>, behind: bool) -> Opportunity {
        let gain = Gain { token: self.token(), gross: self.gross(), value: Some(self.value()) };
        Opportunity::of_plan(&PROFILE, behind, gain, Arc::<Self>::clone(self))
    }
}

impl Plan for Liquidation {
    fn gas(&self) -> u64 {
        GAS
    }

    fn gains(&self) -> &[u128] {
        &self.gains
    }

    /// Each leg bears its part of the bid: it can be paid out of its own profit alone.
    fn calldata(&self, pools: &Pools<AnyPool>, own: Address, block: u64, bid: Wei) -> Result<Bytes, EncodeError> {
        let parts = several::split(bid.0, &self.gains);
        let payloads = self.legs.iter().zip(parts).map(|(leg, part)| leg.payload(pools, own, block, Wei(part)));
        several::encode_all(&payloads.collect::<Result<Vec<_>, _>>()?)
    }

    /// What is repaid and seized, then the pools it is sold through; of each in turn.
    fn hops(&self, pools: &Pools<AnyPool>) -> Vec<Hop> {
        self.legs.iter().flat_map(|leg| leg_hops(pools, leg)).collect()
    }

    fn positions(&self) -> Vec<Position> {
        let position = |leg: &Leg| Position { market: leg.market(), id: leg.id(), account: leg.account() };
        self.legs.iter().map(position).collect()
    }
}

fn leg_hops(pools: &Pools<AnyPool>, leg: &Leg) -> Vec<Hop> {
    let ((debt, repaid), (seized, units)) = (leg.repaid(), leg.seized());
    let market = Hop {
        pool: leg.market().into(),
        protocol: Cow::Borrowed(leg.protocol()),
        token_in: debt,
        token_out: pools.token(seized),
        amount_in: U256::from(repaid),
        amount_out: U256::from(units),
    };
    std::iter::once(market).chain(leg.hops().map(|(edge, pair)| opportunity::hop(pools, edge, pair))).collect()
}
