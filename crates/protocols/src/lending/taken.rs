//! Liquidations in a transaction's logs, whoever did them: who, of whom, what was repaid and what seized, and what the
//! transaction left to whoever sent it.
//!
//! # Invariants
//! - Amounts are the log's. What a log does not name (Morpho's and Compound's tokens) is named by the transfers beside it, or
//!   not at all.
//!
//! # Limits
//! - Anyone may log anything: who says it is [`Taken::market`], and whether that is a market is for the reader to know.
//! - Compound's logs are read by its published interface; no contract of its stands in the tests.

use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

alloy::sol! {
    event Transfer(address indexed from, address indexed to, uint256 amount);
    // Wrapped ether, which says of no transfer when it is made and unmade.
    event Deposit(address indexed to, uint256 amount);
    event Withdrawal(address indexed from, uint256 amount);
    // Aave V2 and V3 alike.
    event LiquidationCall(address indexed collateralAsset, address indexed debtAsset, address indexed user, uint256 debtToCover, uint256 liquidatedCollateralAmount, address liquidator, bool receiveAToken);
    // Morpho Blue.
    event Liquidate(bytes32 indexed id, address indexed caller, address indexed borrower, uint256 repaidAssets, uint256 repaidShares, uint256 seizedAssets, uint256 badDebtAssets, uint256 badDebtShares);
    // Compound V2 and its forks.
    event LiquidateBorrow(address liquidator, address borrower, uint256 repayAmount, address cTokenCollateral, uint256 seizeTokens);
    // Compound V3: the protocol takes a position, and sells what secured it to whoever wants it.
    event AbsorbDebt(address indexed absorber, address indexed borrower, uint256 basePaidOut, uint256 usdValue);
    event BuyCollateral(address indexed buyer, address indexed asset, uint256 baseAmount, uint256 collateralAmount);
}

/// Which protocol's log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LenderKind {
    /// Aave V2 or V3.
    Aave,
    /// Morpho Blue.
    Morpho,
    /// Compound V2 or a fork.
    CompoundV2,
    /// Compound V3 takes a position: nothing is seized for the one who asked for it.
    CompoundV3Absorb,
    /// Compound V3 sells collateral: nobody's in particular.
    CompoundV3Buy,
}

/// One liquidation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Taken {
    /// Whose log.
    pub kind: LenderKind,
    /// Who logged it.
    pub market: Address,
    /// Which of Morpho's markets.
    #[serde(default)]
    pub id: Option<B256>,
    /// Who called, or for whom it was done.
    pub liquidator: Address,
    /// Whose position.
    pub borrower: Option<Address>,
    /// What was repaid in.
    pub debt: Option<Address>,
    /// What was seized.
    pub collateral: Option<Address>,
    /// Units of the debt that were repaid.
    pub repaid: U256,
    /// Units of the collateral that were seized.
    pub seized: U256,
}

/// Somebody's position in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Position {
    /// The contract that is called to liquidate, and logs it.
    pub market: Address,
    /// Which of its markets, where it holds many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<B256>,
    /// Whose.
    pub account: Address,
}

/// Tokens that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub token: Address,
    /// From whom.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// How many units.
    pub amount: U256,
}

/// What of a token an account, or several, have more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Gain {
    /// Which.
    pub token: Address,
    /// How many units; below zero: fewer.
    pub units: I256,
}

/// A log has a liquidation's signature and another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log of a liquidation with {topics} topics and {bytes} bytes of data is not the shape its signature promises")]
pub struct Damaged {
    /// Topics found.
    pub topics: usize,
    /// Bytes of data found.
    pub bytes: usize,
}

/// Decodes an event to its last bit: no topic and no byte more or less than is due for so many indexed fields and so many words.
fn event<E: SolEvent>(topics: &[B256], data: &[u8], (indexed, words): (usize, usize)) -> Result<E, Damaged> {
    let fits = topics.len() == indexed + 1 && data.len() == 32 * words;
    let read = if fits { E::decode_raw_log_validate(topics, data).ok() } else { None };
    read.ok_or(Damaged { topics: topics.len(), bytes: data.len() })
}

impl Taken {
    /// What a log of the contract `at` says; `None`: no liquidation.
    ///
    /// # Errors
    /// It has the signature of one, and is none.
    pub fn read(at: Address, topics: &[B256], data: &[u8]) -> Result<Option<Self>, Damaged> {
        let Some(signature) = topics.first() else { return Ok(None) };
        let taken = match *signature {
            LiquidationCall::SIGNATURE_HASH => aave(at, &event(topics, data, (3, 4))?),
            Liquidate::SIGNATURE_HASH => morpho(at, &event(topics, data, (3, 5))?),
            LiquidateBorrow::SIGNATURE_HASH => compound_v2(at, &event(topics, data, (0, 5))?),
            AbsorbDebt::SIGNATURE_HASH => absorb(at, &event(topics, data, (2, 2))?),
            BuyCollateral::SIGNATURE_HASH => buy(at, &event(topics, data, (2, 2))?),
            _ => return Ok(None),
        };
        Ok(Some(taken))
    }

    /// Names the tokens that the log does not: those of which just so much went to the market from the liquidator, and from
    /// the market to anybody.
    pub fn name(&mut self, moved: &[Moved]) {
        let find = |fits: &dyn Fn(&&Moved) -> bool| moved.iter().find(fits).map(|moved| moved.token);
        let (market, liquidator, repaid, seized) = (self.market, self.liquidator, self.repaid, self.seized);
        if self.debt.is_none() && !repaid.is_zero() {
            self.debt = find(&|m| (m.from, m.to, m.amount) == (liquidator, market, repaid));
        }
        if self.collateral.is_none() && !seized.is_zero() {
            self.collateral = find(&|m| (m.from, m.amount) == (market, seized) && m.to != market);
        }
    }

    /// Whether it is of this position.
    #[must_use]
    pub fn is_of(&self, position: &Position) -> bool {
        let same = position.id.is_none() || self.id == position.id;
        same && self.market == position.market && self.borrower == Some(position.account)
    }
}

fn aave(market: Address, log: &LiquidationCall) -> Taken {
    Taken {
        kind: LenderKind::Aave,
        market,
        id: None,
        liquidator: log.liquidator,
        borrower: Some(log.user),
        debt: Some(log.debtAsset),
        collateral: Some(log.collateralAsset),
        repaid: log.debtToCover,
        seized: log.liquidatedCollateralAmount,
    }
}

fn morpho(market: Address, log: &Liquidate) -> Taken {
    Taken {
        kind: LenderKind::Morpho,
        market,
        id: Some(log.id),
        liquidator: log.caller,
        borrower: Some(log.borrower),
        debt: None,
        collateral: None,
        repaid: log.repaidAssets,
        seized: log.seizedAssets,
    }
}

fn compound_v2(market: Address, log: &LiquidateBorrow) -> Taken {
    Taken {
        kind: LenderKind::CompoundV2,
        market,
        id: None,
        liquidator: log.liquidator,
        borrower: Some(log.borrower),
        debt: None,
        collateral: Some(log.cTokenCollateral),
        repaid: log.repayAmount,
        seized: log.seizeTokens,
    }
}

fn absorb(market: Address, log: &AbsorbDebt) -> Taken {
    Taken {
        kind: LenderKind::CompoundV3Absorb,
        market,
        id: None,
        liquidator: log.absorber,
        borrower: Some(log.borrower),
        debt: None,
        collateral: None,
        repaid: log.basePaidOut,
        seized: U256::ZERO,
    }
}

fn buy(market: Address, log: &BuyCollateral) -> Taken {
    Taken {
        kind: LenderKind::CompoundV3Buy,
        market,
        id: None,
        liquidator: log.buyer,
        borrower: None,
        debt: None,
        collateral: Some(log.asset),
        repaid: log.baseAmount,
        seized: log.collateralAmount,
    }
}

impl Moved {
    /// What a log of the token `at` says; `None`: no transfer, or of a token that says it otherwise.
    #[must_use]
    pub fn read(at: Address, topics: &[B256], data: &[u8]) -> Option<Self> {
        let transfer: Transfer = event(topics, data, (2, 1)).ok()?;
        Some(Self { token: at, from: transfer.from, to: transfer.to, amount: transfer.amount })
    }

    /// What a log of the token `at` says of units made for somebody, or unmade: as a transfer from or to nobody.
    #[must_use]
    pub fn wrapped(at: Address, topics: &[B256], data: &[u8]) -> Option<Self> {
        let nobody = Address::ZERO;
        if let Ok(Deposit { to, amount }) = event(topics, data, (1, 1)) {
            return Some(Self { token: at, from: nobody, to, amount });
        }
        let Withdrawal { from, amount } = event(topics, data, (1, 1)).ok()?;
        Some(Self { token: at, from, to: nobody, amount })
    }
}

/// What these accounts have more of together, by token, in the order in which they first moved; what came and went is not
/// in it. An amount that no balance can have counts as the largest.
#[must_use]
pub fn gains(moved: &[Moved], accounts: &[Address]) -> Vec<Gain> {
    let mut gains: Vec<Gain> = Vec::new();
    for Moved { token, from, to, amount } in moved {
        let amount = I256::try_from(*amount).unwrap_or(I256::MAX);
        let change = match (accounts.contains(from), accounts.contains(to)) {
            (false, true) => amount,
            (true, false) => -amount,
            _ => continue,
        };
        match gains.iter_mut().find(|gain| gain.token == *token) {
            Some(gain) => gain.units = gain.units.saturating_add(change),
            None => gains.push(Gain { token: *token, units: change }),
        }
    }
    gains.retain(|gain| !gain.units.is_zero());
    gains
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: [Address; 6] = [
        Address::repeat_byte(1),
        Address::repeat_byte(2),
        Address::repeat_byte(3),
        Address::repeat_byte(4),
        Address::repeat_byte(5),
        Address::repeat_byte(6),
    ];

    fn read(event: &impl SolEvent) -> Taken {
        let log = event.encode_log_data();
        Taken::read(AT[0], log.topics(), &log.data).expect("reads").expect("a liquidation")
    }

    #[test]
    fn signatures_are_those_of_the_published_interfaces() {
        let topics = [
            LiquidationCall::SIGNATURE_HASH,
            LiquidateBorrow::SIGNATURE_HASH,
            AbsorbDebt::SIGNATURE_HASH,
            BuyCollateral::SIGNATURE_HASH,
        ];
        let due = [
            "LiquidationCall(address,address,address,uint256,uint256,address,bool)",
            "LiquidateBorrow(address,address,uint256,address,uint256)",
            "AbsorbDebt(address,address,uint256,uint256)",
            "BuyCollateral(address,address,uint256,uint256)",
        ];
        assert_eq!(topics, due.map(alloy_primitives::keccak256));
    }

    #[test]
    fn what_compound_logs_is_read_and_its_debt_named_by_the_transfer() {
        let [market, liquidator, borrower, collateral, token, other] = AT;
        let [repaid, seized] = [70_u64, 9].map(U256::from);
        let mut taken = read(&LiquidateBorrow {
            liquidator,
            borrower,
            repayAmount: repaid,
            cTokenCollateral: collateral,
            seizeTokens: seized,
        });
        assert_eq!((taken.kind, taken.borrower, taken.debt), (LenderKind::CompoundV2, Some(borrower), None));
        let moved = |token, from, to, amount: u64| Moved { token, from, to, amount: U256::from(amount) };
        let all = [moved(other, liquidator, market, 71), moved(token, liquidator, market, 70)];
        taken.name(&all);
        assert_eq!((taken.debt, taken.collateral), (Some(token), Some(collateral)));
        assert!(taken.is_of(&Position { market, id: None, account: borrower }));
        assert!(!taken.is_of(&Position { market, id: Some(B256::ZERO), account: borrower }));
        assert!(!taken.is_of(&Position { market: other, id: None, account: borrower }));

        let absorbed =
            read(&AbsorbDebt { absorber: liquidator, borrower, basePaidOut: U256::from(5), usdValue: U256::from(6) });
        assert_eq!((absorbed.repaid, absorbed.seized), (U256::from(5), U256::ZERO));
        let sale = BuyCollateral { buyer: liquidator, asset: collateral, baseAmount: repaid, collateralAmount: seized };
        let bought = read(&sale);
        assert_eq!((bought.borrower, bought.repaid, bought.seized), (None, repaid, seized));
    }

    #[test]
    fn a_damaged_log_is_refused_and_any_other_is_none() {
        let [market, liquidator, borrower, asset, ..] = AT;
        let log = LiquidationCall {
            collateralAsset: asset,
            debtAsset: market,
            user: borrower,
            debtToCover: U256::from(1),
            liquidatedCollateralAmount: U256::from(2),
            liquidator,
            receiveAToken: false,
        };
        let log = log.encode_log_data();
        let (topics, data) = (log.topics(), &log.data);
        for length in (0..data.len()).chain([data.len() + 1, data.len() + 32]) {
            let mut cut = data.to_vec();
            cut.resize(length, 0);
            assert_eq!(Taken::read(market, topics, &cut), Err(Damaged { topics: 4, bytes: length }));
        }
        for count in 1..topics.len() {
            assert!(Taken::read(market, &topics[..count], data).is_err());
        }
        assert!(Taken::read(market, &[topics, &[B256::ZERO]].concat(), data).is_err());
        let mut wild = data.to_vec();
        wild[127] = 2;
        assert!(Taken::read(market, topics, &wild).is_err(), "neither true nor false");
        assert_eq!(Taken::read(market, &[], data), Ok(None));
        assert_eq!(Taken::read(market, &[B256::repeat_byte(9)], data), Ok(None));
        assert_eq!(Moved::read(market, topics, data), None);
    }

    #[test]
    fn what_comes_and_goes_is_no_gain() {
        let [mine, also, other, token, gone, _] = AT;
        let moved = |token, from, to, amount: u64| Moved { token, from, to, amount: U256::from(amount) };
        let all = [
            moved(token, other, mine, 10),
            moved(gone, other, also, 4),
            moved(token, mine, also, 10),
            moved(token, also, other, 3),
            moved(gone, mine, other, 4),
            moved(gone, other, other, 4),
        ];
        assert_eq!(gains(&all, &[mine, also]), [Gain { token, units: I256::unchecked_from(7) }]);
        assert_eq!(gains(&all, &[other]), [Gain { token, units: I256::unchecked_from(-7) }]);
    }

    #[test]
    fn ether_that_is_wrapped_and_unwrapped_comes_and_goes() {
        let [mine, other, weth, ..] = AT;
        let read = |log: &dyn Fn() -> alloy_primitives::LogData| {
            let log = log();
            Moved::wrapped(weth, log.topics(), &log.data)
        };
        let amount = U256::from(9);
        let wrapped = read(&|| Deposit { to: mine, amount: U256::from(12) }.encode_log_data()).expect("made");
        let unwrapped = read(&|| Withdrawal { from: mine, amount }.encode_log_data()).expect("unmade");
        assert_eq!(gains(&[wrapped, unwrapped], &[mine]), [Gain { token: weth, units: I256::unchecked_from(3) }]);
        assert_eq!(read(&|| Transfer { from: mine, to: other, amount }.encode_log_data()), None);
    }
}
