//! Who owes, how much, and on what: many, of all sizes and healths.

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::ether;
use crate::dice::Dice;
use crate::lending::made_up;
use crate::lending::market::Market;
use crate::seed::Token;

/// How many a market has, besides one who is too large for the pools: of Aave, and of each of Morpho's.
const COUNT: usize = 40;
const COUNT_OF_PAIR: usize = 36;
/// Dollars of collateral, at the least and at the most.
const SIZE_USD: [u64; 2] = [2_000, 400_000];
/// Least distance of the healths from where no more could be borrowed, and the most, in thousandths: most are near.
const SLACK: [u64; 2] = [2, 1_500];
/// The same of the one who is too large: as much as all the pools of LINK hold, or nearly. It is always near.
const LARGE_USD: u64 = 10_000_000;
const LARGE_SLACK: [u64; 2] = [2, 30];
/// Place of what is pledged by it.
const LARGE_PLEDGES: usize = 5;
/// Pledged, and owed: places in the list of reserves. What is pledged moves against what is owed.
const COLLATERAL: [usize; 3] = [0, 4, 5];
const DEBT: [usize; 3] = [1, 2, 3];
/// Of a borrow: 300,000, and room.
const GAS: &str = "0xf4240";
/// Far above the base fee of a chain that has just begun: 100 gwei.
const MAX_FEE: &str = "0x174876e800";

/// One who owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borrower {
    /// The account. Nobody has its key.
    pub account: Address,
    /// Place of the market where it owes, in the list of them.
    pub market: usize,
    /// The contract of that market.
    pub pool: Address,
    /// What is pledged.
    pub collateral: Address,
    /// What is owed.
    pub debt: Address,
    /// Dollars of it, when it was pledged.
    pub collateral_usd: u64,
    /// Dollars of it, when it was borrowed.
    pub debt_usd: u64,
}

/// The borrowers of the market at a place in the list of markets.
pub(super) fn of(dice: &mut Dice, tokens: &[Token], (place, market): (usize, &Market)) -> Vec<Borrower> {
    let by_address = |address| tokens.iter().find(|token| token.address == address);
    let count = if market.pair.is_some() { COUNT_OF_PAIR } else { COUNT };
    let borrower = |number: usize| {
        let large = number == count;
        let (collateral, debt) = (*dice.pick(&COLLATERAL)?, *dice.pick(&DEBT)?);
        let collateral = if large { LARGE_PLEDGES } else { collateral };
        let (collateral, debt) = match market.pair {
            Some(pair) => (by_address(pair.collateral)?, by_address(pair.loan)?),
            None => (tokens.get(collateral)?, tokens.get(debt)?),
        };
        let collateral_usd = if large { LARGE_USD } else { dice.magnitude(SIZE_USD[0], SIZE_USD[1]) };
        let [least, most] = if large { LARGE_SLACK } else { SLACK };
        let debt_usd =
            collateral_usd * market.most(collateral) / 10_000 * 1_000 / (1_000 + dice.magnitude(least, most));
        let account = made_up(&format!("{} borrower {place} {number}", market.name));
        let (collateral, debt) = (collateral.address, debt.address);
        Some(Borrower { account, market: place, pool: market.pool, collateral, debt, collateral_usd, debt_usd })
    };
    (0..=count).filter_map(borrower).collect()
}

#[derive(Deserialize)]
struct Receipt {
    status: U64,
}

/// The chain's account pledges for all of them, and each borrows for itself.
pub(super) async fn borrow(
    chain: &mut Chain,
    tokens: &[Token],
    market: &Market,
    all: &[Borrower],
) -> Result<(), DevnetError> {
    let token = |address| tokens.iter().find(|token| token.address == address);
    let supply_collateral =
        |b: &Borrower| Some(market.supply_collateral(token(b.collateral)?, b.account, b.collateral_usd));
    chain.run(all.iter().filter_map(supply_collateral).flatten().collect()).await?;

    chain.endow(&all.iter().map(|b| (b.account, ether(1))).collect::<Vec<_>>()).await?;
    let accounts: Vec<Value> = all.iter().map(|b| json!([b.account])).collect();
    chain.rpc.batch::<Value>("anvil_impersonateAccount", &accounts).await?;
    let borrow = |b: &Borrower| {
        let data = Bytes::from(market.borrow(token(b.debt)?, b.account, b.debt_usd));
        Some(json!([{
            "from": b.account, "to": market.pool, "data": data, "gas": GAS, "maxFeePerGas": MAX_FEE,
            "maxPriorityFeePerGas": "0x0",
        }]))
    };
    let borrows: Vec<Value> = all.iter().filter_map(borrow).collect();
    let hashes: Vec<B256> = chain.rpc.batch("eth_sendTransaction", &borrows).await?;
    chain.mine().await?;
    chain.rpc.batch::<Value>("anvil_stopImpersonatingAccount", &accounts).await?;
    let hashes: Vec<Value> = hashes.iter().map(|hash| json!([hash])).collect();
    let receipts: Vec<Option<Receipt>> = chain.rpc.batch("eth_getTransactionReceipt", &hashes).await?;
    let what = || "a borrow".to_owned();
    for receipt in receipts {
        if receipt.ok_or_else(|| DevnetError::Unmined(what()))?.status.is_zero() {
            return Err(DevnetError::Reverted(what()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowers_follow_from_the_seed_and_owe_less_than_they_may() {
        let token = |(place, symbol): (usize, &'static str)| Token {
            symbol,
            address: Address::with_last_byte(u8::try_from(place).unwrap_or_default()),
            decimals: 18,
            micro_usd: 1_000_000,
        };
        let symbols = ["WETH", "USDC", "USDT", "DAI", "WBTC", "LINK"];
        let tokens: Vec<Token> = symbols.into_iter().enumerate().map(token).collect();
        let market = Market { name: "market", pool: Address::ZERO, oracle: Address::ZERO, pair: None };
        let of = |seed| of(&mut Dice::new(seed, 3), &tokens, (0, &market));
        let all = of(3);
        assert_eq!(all, of(3));
        assert_ne!(all, of(4));
        assert_eq!(all.len(), COUNT + 1);
        for b in &all {
            let collateral = tokens.iter().find(|token| token.address == b.collateral).expect("listed");
            assert!(b.debt_usd > 0 && b.debt_usd * 10_000 < b.collateral_usd * market.most(collateral), "{b:?}");
        }
    }
}
