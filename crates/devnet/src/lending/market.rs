//! What the markets have in common.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use peregrine_protocols::lending::market_spec::Pair;

use crate::DevnetError;
use crate::chain::Chain;
use crate::chain::Step;
use crate::lending::abi;
use crate::lending::morpho_blue;
use crate::seed::Token;

/// Dollars of each reserve that the lender brings.
const LENT_USD: u64 = 50_000_000;
/// Aave's variable rate.
const VARIABLE: u64 = 2;

/// A market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// `aave_v2`, `aave_v3` or `morpho_blue`.
    pub name: &'static str,
    /// Whom one lends to and borrows from. Morpho's markets share one.
    pub pool: Address,
    /// What that asks for prices.
    pub oracle: Address,
    /// Morpho's, of two tokens: which.
    pub pair: Option<Pair>,
}

impl Market {
    /// The chain's account lends of every token that can be owed.
    pub(super) async fn fund(&self, chain: &mut Chain, tokens: &[Token]) -> Result<(), DevnetError> {
        let me = chain.me();
        let supply = |token: &Token| match self.pair {
            None => Some(self.supply_collateral(token, me, LENT_USD)),
            Some(pair) if pair.loan == token.address => Some(morpho_blue::supply(self, &pair, token, me, LENT_USD)),
            Some(_) => None,
        };
        chain.run(tokens.iter().filter_map(supply).flatten().collect()).await?;
        Ok(())
    }

    /// Supplies so many dollars of a token for somebody to borrow on.
    pub(super) fn supply_collateral(&self, token: &Token, owner: Address, usd: u64) -> [Step; 2] {
        let (asset, amount) = (token.address, token.worth(usd));
        let supply = match self.pair {
            Some(pair) => morpho_blue::supply_collateral(self, &pair, amount, owner),
            // Both versions of Aave know it by this name.
            None => abi::depositCall { asset, amount, owner, referral: 0 }.abi_encode(),
        };
        self.pay(token, amount, supply)
    }

    /// What an account is to call to borrow so many dollars of a token for itself.
    pub(super) fn borrow(&self, token: &Token, owner: Address, usd: u64) -> Vec<u8> {
        let (asset, amount) = (token.address, token.worth(usd));
        match self.pair {
            Some(pair) => morpho_blue::borrow(self, &pair, amount, owner),
            None => {
                let mode = U256::from(VARIABLE);
                abi::borrowCall { asset, amount, mode, referral: 0, owner }.abi_encode()
            }
        }
    }

    /// A call that takes so much of a token from the chain's account.
    pub(super) fn pay(&self, token: &Token, amount: U256, call: Vec<u8>) -> [Step; 2] {
        let approve = abi::approveCall { spender: self.pool, amount };
        [
            Step::call(format!("an allowance of {}", token.symbol), token.address, approve.abi_encode()),
            Step::call(format!("a supply of {}", token.symbol), self.pool, call),
        ]
    }

    /// Which of Morpho's it is.
    #[must_use]
    pub fn id(&self) -> Option<B256> {
        self.pair.map(|pair| morpho_blue::id(self, &pair))
    }

    /// How much may be borrowed on a token here, in hundredths of a percent of its worth.
    pub(super) fn most(&self, collateral: &Token) -> u64 {
        match self.pair {
            Some(pair) => (pair.lltv / U256::from(100_000_000_000_000u64)).saturating_to(),
            None => terms(collateral)[0],
        }
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
