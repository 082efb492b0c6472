//! What liquidating is alike in, in Aave V2 and V3: the call, and what must hold of its two sides.

pub mod balances;
pub mod position;
pub mod reserve;
pub mod reserves;

use alloy::sol_types::SolCall;
use alloy_primitives::B256;
use alloy_primitives::{Address, U256};

use crate::discover::Probe;
use crate::discover::View;
use crate::execution::Steps;
use crate::lending::About;
use crate::lending::Call;
use crate::lending::Health;
use crate::lending::PlannedSale;
use crate::lending::Question;
use crate::lending::Refusal;
use crate::lending::Size;
use crate::lending::aave::position::Position;
use crate::lending::aave::reserve::Config;
use crate::lending::aave::reserves::Reserves;
use crate::lending::discover;
use crate::lending::discover::Heard;
use crate::lending::discover::Place;
use crate::lending::market_spec::MarketSpec;

alloy::sol! {
    function getAssetPrice(address asset) external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function getPriceOracle() external view returns (address);
    function getUserAccountData(address user) external view returns (uint256, uint256, uint256, uint256, uint256, uint256);
    function liquidationCall(address collateralAsset, address debtAsset, address user, uint256 debtToCover, bool receiveAToken) external;
}

/// What a `Borrow` of V2 and V3 says, which name the account alike.
#[must_use]
pub fn heard(topics: &[B256], _data: &[u8]) -> Option<Heard> {
    let [_, _, account, ..] = topics else { return None };
    Some(Heard::Borrower { market: B256::ZERO, account: Address::from_word(*account) })
}

/// A row of the pool at a place, whose oracle the addresses provider names; `provider` is how the pool is asked for that.
///
/// # Errors
/// There is no such pool.
pub fn open(probe: &mut dyn Probe, place: &Place, protocol: &str, provider: &[u8]) -> Result<MarketSpec, String> {
    let oracle = match place.oracle {
        Some(oracle) => oracle,
        None => {
            let provider = discover::ask_address(probe, place.address, provider)?;
            discover::ask_address(probe, provider, &getPriceOracleCall {}.abi_encode())?
        }
    };
    Ok(MarketSpec { protocol: protocol.to_owned(), address: place.address, oracle, ..MarketSpec::default() })
}

/// What the pool must answer of an account that stands so.
#[must_use]
pub fn view(account: Address, health: &Health) -> View {
    let due = vec![(0, health.collateral), (1, health.debt), (5, health.factor)];
    View { data: getUserAccountDataCall { user: account }.abi_encode(), due }
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

/// The step of a path that asks the pool at `pool`, for as much as is to be repaid; `receipt`: the collateral's receipt token.
///
/// # Errors
/// It asks for anything but a repayment, or for a receipt token that is not known.
pub fn write_step(
    pool: Address,
    sale: &PlannedSale,
    receipt: Option<Address>,
    steps: &mut Steps,
) -> Result<(), Refusal> {
    let Size::Repay(_) = sale.call.size else { return Err(Refusal::Unsupported) };
    if sale.call.receipt && receipt.is_none() {
        return Err(Refusal::Stranger);
    }
    sale.write(pool, &encode(&Call { size: Size::Repay(U256::from(sale.repay)), ..sale.call })?, steps);
    Ok(())
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
        if !health.is_liquidatable() {
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
