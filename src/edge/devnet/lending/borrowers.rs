//! Who owes, how much, and on what: many, of all sizes and healths.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::U256;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::edge::devnet::DevnetError;
use crate::edge::devnet::chain::Chain;
use crate::edge::devnet::chain::ether;
use crate::edge::devnet::dice::Dice;
use crate::edge::devnet::lending::abi;
use crate::edge::devnet::lending::made_up;
use crate::edge::devnet::lending::market;
use crate::edge::devnet::lending::market::Market;
use crate::edge::devnet::seed::Token;

/// How many a market has.
const COUNT: usize = 40;
/// Dollars of collateral, at the least and at the most.
const SIZE_USD: [u64; 2] = [2_000, 400_000];
/// Least distance of the healths from where no more could be borrowed, and the most, in thousandths: most are near.
const SLACK: [u64; 2] = [2, 1_500];
/// Pledged, and owed: places in the list of reserves. What is pledged moves against what is owed.
const PLEDGED: [usize; 3] = [0, 4, 5];
const OWED: [usize; 3] = [1, 2, 3];
/// Variable rate.
const VARIABLE: u64 = 2;
/// Of a borrow: 300,000, and room.
const GAS: &str = "0xf4240";
/// Far above the base fee of a chain that has just begun: 100 gwei.
const MAX_FEE: &str = "0x174876e800";

/// One who owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Borrower {
    /// The account. Nobody has its key.
    pub account: Address,
    /// The pool of the market where it owes.
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

/// The borrowers of a market.
pub(super) fn of(dice: &mut Dice, tokens: &[Token], market: &Market) -> Vec<Borrower> {
    let borrower = |place: usize| {
        let (pledged, owed) = (*dice.pick(&PLEDGED)?, *dice.pick(&OWED)?);
        let (collateral, debt) = (tokens.get(pledged)?, tokens.get(owed)?);
        let collateral_usd = dice.magnitude(SIZE_USD[0], SIZE_USD[1]);
        let [most, ..] = market::terms(collateral);
        let debt_usd = collateral_usd * most / 10_000 * 1_000 / (1_000 + dice.magnitude(SLACK[0], SLACK[1]));
        let account = made_up(&format!("{} borrower {place}", market.name));
        let (collateral, debt) = (collateral.address, debt.address);
        Some(Borrower { account, pool: market.pool, collateral, debt, collateral_usd, debt_usd })
    };
    (0..COUNT).filter_map(borrower).collect()
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
    let pledge = |b: &Borrower| Some(market.lend(token(b.collateral)?, b.account, b.collateral_usd));
    chain.run(all.iter().filter_map(pledge).flatten().collect()).await?;

    chain.endow(&all.iter().map(|b| (b.account, ether(1))).collect::<Vec<_>>()).await?;
    let accounts: Vec<Value> = all.iter().map(|b| json!([b.account])).collect();
    chain.rpc.batch::<Value>("anvil_impersonateAccount", &accounts).await?;
    let borrow = |b: &Borrower| {
        let amount = token(b.debt)?.worth(b.debt_usd);
        let (asset, mode, owner) = (b.debt, U256::from(VARIABLE), b.account);
        let call = abi::borrowCall { asset, amount, mode, referral: 0, owner };
        let data = Bytes::from(call.abi_encode());
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
        let market = Market { name: "market", pool: Address::ZERO, oracle: Address::ZERO };
        let of = |seed| of(&mut Dice::new(seed, 3), &tokens, &market);
        let all = of(3);
        assert_eq!(all, of(3));
        assert_ne!(all, of(4));
        assert_eq!(all.len(), COUNT);
        for b in &all {
            let collateral = tokens.iter().find(|token| token.address == b.collateral).expect("listed");
            assert!(b.debt_usd > 0 && b.debt_usd * 10_000 < b.collateral_usd * market::terms(collateral)[0], "{b:?}");
        }
    }
}
