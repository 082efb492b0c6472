//! Liquidations of a block, attributed: who did what to whom, what it was worth, and what the builder got. Ours are among them.
//!
//! # Limits
//! - What was seized and repaid is valued at the prices behind the block, by the market's own oracle. One that changed again
//!   within the block, behind the liquidation, is taken as it ended.
//! - Compound's are not valued: their amounts stand for themselves.
//! - What a transaction left, and paid, is told with each of its liquidations.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::edge::chain::Chain;
use crate::edge::ledger::landed::Block;
use crate::edge::ledger::landed::MinedTx;
use crate::protocols::lending::taken::Gain;
use crate::protocols::lending::taken::LenderKind;
use crate::protocols::lending::taken::Taken;

alloy::sol! {
    // Aave V3 and V2: whom a pool asks for everything else.
    function ADDRESSES_PROVIDER() external view returns (address);
    function getAddressesProvider() external view returns (address);
    function getPriceOracle() external view returns (address);
    function getAssetPrice(address asset) external view returns (uint256);
    function decimals() external view returns (uint8);
    // Morpho Blue, and its oracles.
    function idToMarketParams(bytes32 id) external view returns (address loan, address collateral, address oracle, address irm, uint256 lltv);
    function price() external view returns (uint256);
}

/// A liquidation in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Liquidation {
    /// The block.
    pub block: u64,
    /// Its hash.
    pub hash: B256,
    /// Place of the transaction in it.
    pub index: u64,
    /// The transaction.
    pub tx: B256,
    /// Who sent it.
    pub sender: Address,
    /// Whether that was us.
    pub ours: bool,
    /// Who did what to whom.
    pub taken: Taken,
    /// What the transaction left to sender, called contract and liquidators, in whole units of each token.
    pub gained: Vec<Gain>,
    /// What was seized less what was repaid, at the market's prices.
    #[serde(default)]
    pub worth: Option<Worth>,
    /// What the coinbase gained by the transaction, in wei: tip and transfers, those as far as they were traced.
    pub paid: U256,
    /// What it gave for gas, in wei.
    pub fee: U256,
}

/// A worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Worth {
    /// The token whose units it is in; `None`: the base currency of the market's oracle.
    pub token: Option<Address>,
    /// How much.
    pub units: I256,
}

/// The liquidations of a block by these markets' own word: anybody may log the like of it. `owner` is who sends ours. What the
/// node does not answer is left open.
pub async fn of(chain: &Chain, block: &Block, (owner, markets): (Address, &[Address])) -> Vec<Liquidation> {
    let mut all = Vec::new();
    let is_ours = |taken: &&Taken| markets.contains(&taken.market);
    for (index, tx) in block.txs.iter().enumerate().filter(|(_, tx)| tx.taken.iter().any(|taken| is_ours(&taken))) {
        let transferred = chain.coinbase_transfers(tx.hash, block.coinbase).await.unwrap_or_default();
        let MinedTx { hash: tx, from: sender, paid, fee, ref taken, ref gained, .. } = *tx;
        for taken in taken.iter().filter(is_ours) {
            all.push(Liquidation {
                block: block.number,
                hash: block.hash,
                index: index as u64,
                tx,
                sender,
                ours: sender == owner,
                worth: worth(chain, block.hash, taken).await,
                taken: taken.clone(),
                gained: gained.clone(),
                paid: paid.saturating_add(transferred),
                fee,
            });
        }
    }
    all
}

async fn worth(chain: &Chain, at: B256, taken: &Taken) -> Option<Worth> {
    match taken.kind {
        LenderKind::Aave => aave(chain, at, taken).await,
        LenderKind::Morpho => morpho(chain, at, taken).await,
        LenderKind::CompoundV2 | LenderKind::CompoundV3Absorb | LenderKind::CompoundV3Buy => None,
    }
}

async fn aave(chain: &Chain, at: B256, taken: &Taken) -> Option<Worth> {
    let [collateral, debt] = [taken.collateral?, taken.debt?];
    let mut provider = ask(chain, at, taken.market, &ADDRESSES_PROVIDERCall {}).await;
    if provider.is_none() {
        provider = ask(chain, at, taken.market, &getAddressesProviderCall {}).await;
    }
    let oracle = ask(chain, at, provider?, &getPriceOracleCall {}).await?;
    let value = async |asset, units: U256| {
        let (price, decimals) = (getAssetPriceCall { asset }, decimalsCall {});
        let (price, decimals) = tokio::join!(ask(chain, at, oracle, &price), ask(chain, at, asset, &decimals));
        Some(units.checked_mul(price?)? / U256::from(10).checked_pow(U256::from(decimals?))?)
    };
    let (seized, repaid) = tokio::join!(value(collateral, taken.seized), value(debt, taken.repaid));
    Some(Worth { token: None, units: less(seized?, repaid?)? })
}

async fn morpho(chain: &Chain, at: B256, taken: &Taken) -> Option<Worth> {
    let market = ask(chain, at, taken.market, &idToMarketParamsCall { id: taken.id? }).await?;
    let price = ask(chain, at, market.oracle, &priceCall {}).await?;
    // `ORACLE_PRICE_SCALE`.
    let scale = U256::from(10).pow(U256::from(36));
    let seized = taken.seized.checked_mul(price)? / scale;
    Some(Worth { token: Some(market.loan), units: less(seized, taken.repaid)? })
}

fn less(a: U256, b: U256) -> Option<I256> {
    I256::try_from(a).ok()?.checked_sub(I256::try_from(b).ok()?)
}

/// What a contract answers behind a block; `None` when it does not, or what it says is no such answer.
async fn ask<C: SolCall>(chain: &Chain, at: B256, to: Address, call: &C) -> Option<C::Return> {
    let answers = chain.views(at, &[(to, call.abi_encode().into())]).await.ok()?;
    C::abi_decode_returns(answers.first()?).ok()
}
