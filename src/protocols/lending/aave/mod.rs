//! What liquidating is alike in, in Aave V2 and V3: the call, and what must hold of its two sides.

pub mod balances;
pub mod position;
pub mod reserve;
pub mod reserves;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::protocols::lending::About;
use crate::protocols::lending::Call;
use crate::protocols::lending::Health;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Question;
use crate::protocols::lending::Refusal;
use crate::protocols::lending::Size;
use crate::protocols::lending::aave::position::Position;
use crate::protocols::lending::aave::reserve::Config;
use crate::protocols::lending::aave::reserves::Reserves;
use crate::protocols::lending::choice::WHOLE;
use crate::protocols::lending::slots;

alloy::sol! {
    function getAssetPrice(address asset) external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function liquidationCall(address collateralAsset, address debtAsset, address user, uint256 debtToCover, bool receiveAToken) external;
}

/// Prices of feeds, which are what the oracle calls assets, and what each receipt token holds of its asset.
pub fn questions(reserves: &Reserves, feeds: &[Address]) -> Vec<Question> {
    let price = |asset: &Address| Question {
        about: About::Price(*asset),
        to: reserves.oracle(),
        data: getAssetPriceCall { asset: *asset }.abi_encode().into(),
    };
    let cash = |(_, asset): (usize, Address)| {
        let account = reserves.receipt(asset)?;
        Some(Question { about: About::Cash(asset), to: asset, data: balanceOfCall { account }.abi_encode().into() })
    };
    feeds.iter().map(price).chain(reserves.listed().filter_map(cash)).collect()
}

/// The calldata.
///
/// # Errors
/// It asks for anything but a repayment.
pub fn encode(call: &Call) -> Result<Vec<u8>, Refusal> {
    let Size::Repay(debt) = call.size else { return Err(Refusal::Unsupported) };
    let call = liquidationCallCall {
        collateralAsset: call.collateral,
        debtAsset: call.debt,
        user: call.account,
        debtToCover: debt,
        receiveAToken: call.receipt,
    };
    Ok(call.abi_encode())
}

/// The size that takes `part` millionths of what the rules let be repaid; without a bound for the whole.
///
/// # Errors
/// Nothing can be repaid.
pub fn size(market: &impl Lending, call: &Call, part: u32, at: u64) -> Result<Size, Refusal> {
    if part >= WHOLE {
        return Ok(Size::Repay(U256::MAX));
    }
    // A receipt needs no cash: what the rules allow does not hang on what can be paid out.
    let most = market.quote(&Call { size: Size::Repay(U256::MAX), receipt: true, ..*call }, at)?.repaid;
    Ok(Size::Repay(slots::part(most, part)))
}

/// Whose position, and the reserves of debt and collateral.
#[derive(Debug)]
pub struct Sides<'a> {
    /// The account's.
    pub position: &'a Position,
    /// Of debt and collateral.
    pub ids: [usize; 2],
    /// Of debt and collateral.
    pub configs: [Config; 2],
}

impl<'a> Sides<'a> {
    /// Those that a call names.
    ///
    /// # Errors
    /// One is not known, or not active.
    pub fn of(reserves: &'a Reserves, call: &Call) -> Result<Self, Refusal> {
        let position = reserves.position(call.account)?;
        let [debt, collateral] = [call.debt, call.collateral].map(|asset| reserves.id(asset).ok_or(Refusal::Stranger));
        let ids = [debt?, collateral?];
        let configs = [reserves.reserve(ids[0])?.config()?, reserves.reserve(ids[1])?.config()?];
        if configs.iter().any(|config| !config.active()) {
            return Err(Refusal::Inactive);
        }
        Ok(Self { position, ids, configs })
    }

    /// Whether the position can be liquidated so.
    ///
    /// # Errors
    /// It is healthy, or has no such side.
    pub fn check(&self, health: &Health) -> Result<(), Refusal> {
        let [debt, collateral] = self.ids;
        if !health.sinks() {
            return Err(Refusal::Healthy);
        }
        if self.configs[1].threshold().is_zero() || !self.position.secures(collateral) {
            return Err(Refusal::NotCollateral);
        }
        if !self.position.borrows(debt) {
            return Err(Refusal::NotBorrowed);
        }
        Ok(())
    }
}
