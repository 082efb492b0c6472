//! Pools and markets that are made while the chain runs: what the account that made the others has to call for it.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::U24;

use crate::Devnet;
use crate::DevnetError;
use crate::abi;
use crate::chain::Chain;
use crate::chain::Step;
use crate::dice::Dice;
use crate::seed::Pool;
use crate::seed::Venue;
use crate::seed::pools::Maker;
use crate::seed::pools::PoolPlan;
use crate::wallet::Wallet;

/// A transaction that somebody is to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whom it calls.
    pub to: Address,
    /// With what.
    pub data: Bytes,
}

impl Call {
    fn of(step: Step) -> Option<Self> {
        let TxKind::Call(to) = step.to else { return None };
        Some(Self { to, data: step.data })
    }
}

impl Devnet {
    /// Who made the pools, and has the tokens for more.
    ///
    /// # Errors
    /// Chance: see [`DevnetError::Key`].
    pub fn maker(&self) -> Result<Wallet, DevnetError> {
        Ok(Wallet::derived("maker", self.options.seed, 0)?.on(self.options.chain_id))
    }

    /// What [`Self::maker`] calls to make a pool of these tokens (places in the token list), with so many dollars on each side.
    ///
    /// # Errors
    /// Chance: see [`DevnetError::Key`].
    pub fn opening(
        &self,
        (venue, fee_pips): (Venue, u32),
        tokens: [usize; 2],
        usd: u64,
    ) -> Result<Vec<Call>, DevnetError> {
        let plan = PoolPlan { venue, tokens, fee_pips, depth_usd: usd };
        let steps = self.as_maker(self.maker()?.address()).steps(&plan, &mut Dice::new(self.options.seed, 4));
        Ok(steps.into_iter().filter_map(Call::of).collect())
    }

    /// That pool, once it is made.
    ///
    /// # Errors
    /// There is none, or the node did not answer.
    pub async fn opened(
        &self,
        (venue, fee_pips): (Venue, u32),
        tokens: [usize; 2],
        usd: u64,
    ) -> Result<Pool, DevnetError> {
        let (plan, maker) = (PoolPlan { venue, tokens, fee_pips, depth_usd: usd }, self.maker()?);
        let found = self.as_maker(maker.address()).find(&Chain::new(self.rpc.clone(), maker.clone()), &[plan]).await?;
        found.into_iter().next().ok_or(DevnetError::NoPool)
    }

    /// What [`Self::maker`] calls to sell so many dollars of a token (a place in the list) to a pool.
    ///
    /// # Errors
    /// Chance: see [`DevnetError::Key`].
    pub fn sale(&self, pool: &Pool, sold: usize, usd: u64) -> Result<Call, DevnetError> {
        let bought = if pool.tokens[0] == sold { pool.tokens[1] } else { pool.tokens[0] };
        let ([from, to], me) = ([sold, bought].map(|token| self.tokens[token]), self.maker()?.address());
        let swap = |router: Address| {
            let (amount, path) = (from.worth(usd), vec![from.address, to.address]);
            let call = abi::swapExactTokensForTokensCall {
                amountIn: amount,
                minOut: U256::ZERO,
                path,
                to: me,
                deadline: U256::MAX,
            };
            Call { to: router, data: call.abi_encode().into() }
        };
        Ok(match pool.venue {
            Venue::UniswapV2 => swap(self.contracts.v2_router),
            Venue::Sushi => swap(self.contracts.sushi_router),
            Venue::UniswapV3 => {
                let params = abi::ExactInputSingle {
                    tokenIn: from.address,
                    tokenOut: to.address,
                    fee: U24::from(pool.fee_pips),
                    recipient: me,
                    deadline: U256::MAX,
                    amountIn: from.worth(usd),
                    minOut: U256::ZERO,
                    limit: U160::ZERO,
                };
                let data = abi::exactInputSingleCall { params }.abi_encode().into();
                Call { to: self.contracts.v3_router, data }
            }
        })
    }

    /// What [`Self::maker`] calls to open [`Lending::another`](crate::lending::Lending::another), and to owe there so
    /// many thousandths of what may be owed on so many dollars.
    ///
    /// # Errors
    /// Chance: see [`DevnetError::Key`].
    pub fn opening_market(&self, usd: u64, per_mille: u64) -> Result<Vec<Call>, DevnetError> {
        let owner = self.maker()?.address();
        let steps = self.lending.as_ref().and_then(|lending| lending.opening(&self.tokens, owner, (usd, per_mille)));
        Ok(steps.into_iter().flatten().filter_map(Call::of).collect())
    }

    fn as_maker(&self, me: Address) -> Maker<'_> {
        Maker { contracts: &self.contracts, tokens: &self.tokens, senders: &[], me }
    }
}
