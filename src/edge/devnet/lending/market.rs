//! What the markets have in common.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;

use crate::edge::devnet::DevnetError;
use crate::edge::devnet::chain::Chain;
use crate::edge::devnet::chain::Step;
use crate::edge::devnet::lending::abi;
use crate::edge::devnet::seed::Token;

/// Dollars of each reserve that the lender brings.
const LENT_USD: u64 = 50_000_000;

/// A market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// `aave_v2` or `aave_v3`.
    pub name: &'static str,
    /// Its pool.
    pub pool: Address,
    /// What that asks for prices.
    pub oracle: Address,
}

impl Market {
    /// The chain's account lends of every token.
    pub(super) async fn fund(&self, chain: &mut Chain, tokens: &[Token]) -> Result<(), DevnetError> {
        let me = chain.me();
        chain.run(tokens.iter().flat_map(|token| self.lend(token, me, LENT_USD)).collect()).await?;
        Ok(())
    }

    /// Supplies so many dollars of a token for somebody.
    pub(super) fn lend(&self, token: &Token, owner: Address, usd: u64) -> [Step; 2] {
        let (asset, amount) = (token.address, token.worth(usd));
        let approve = abi::approveCall { spender: self.pool, amount };
        // Both versions know it by this name.
        let supply = abi::depositCall { asset, amount, owner, referral: 0 };
        [
            Step::call(format!("an allowance of {}", token.symbol), asset, approve.abi_encode()),
            Step::call(format!("a supply of {}", token.symbol), self.pool, supply.abi_encode()),
        ]
    }
}

/// What a token is good for, in hundredths of a percent: how much may be borrowed on it, from where on it is sold, and for how
/// much more than is repaid. Near those of mainnet.
pub(super) fn terms(token: &Token) -> [u64; 3] {
    match token.symbol {
        "WETH" => [8_050, 8_300, 10_500],
        "WBTC" => [7_300, 7_800, 10_500],
        "LINK" => [6_600, 7_100, 10_700],
        _ => [7_500, 7_800, 10_450],
    }
}
