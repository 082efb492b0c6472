//! The builder's JSON-RPC as it stands on the wire: what is asked, and how it is answered.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::block_builder::node::Ran;
use crate::block_builder::order::Bundle;
use crate::block_builder::order::BundleId;
use crate::block_builder::order::Tx;
use crate::block_builder::order::TxError;
use crate::block_builder::order::bundle_hash;

/// Most transactions of a bundle, as at Flashbots.
pub const MOST_TXS: usize = 100;
/// Most bytes of a bundle's transactions, as at Flashbots.
pub const MOST_BYTES: usize = 300_000;

/// A call.
#[derive(Debug, Deserialize)]
pub struct Call {
    /// Given back with the answer.
    #[serde(default)]
    pub id: Value,
    /// What is asked.
    pub method: String,
    /// With what.
    #[serde(default)]
    pub params: Vec<Value>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// JSON-RPC's code.
    pub code: i64,
    /// HTTP's status.
    pub status: u16,
    /// A sentence.
    pub message: String,
}

impl Refusal {
    /// The parameters are not what is due.
    pub fn params(message: impl ToString) -> Self {
        Self { code: -32602, status: 400, message: message.to_string() }
    }

    /// Our side, or the node, failed.
    pub fn internal(message: impl ToString) -> Self {
        Self { code: -32603, status: 500, message: message.to_string() }
    }
}

impl From<TxError> for Refusal {
    fn from(error: TxError) -> Self {
        Self::params(error)
    }
}

/// `eth_sendBundle`. Keys that are not here are ignored, as builders do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendBundle {
    txs: Vec<Bytes>,
    #[serde(default)]
    block_number: Option<Value>,
    #[serde(default)]
    min_timestamp: Option<u64>,
    #[serde(default)]
    max_timestamp: Option<u64>,
    #[serde(default)]
    reverting_tx_hashes: Option<Vec<B256>>,
    #[serde(default)]
    replacement_uuid: Option<String>,
    #[serde(default)]
    uuid: Option<String>,
}

/// What an `eth_sendBundle` asks for.
#[derive(Debug)]
pub enum Asked {
    /// Hold this bundle, under this uuid.
    Hold(Bundle, Option<String>),
    /// No transactions, and a uuid: take back what is held under it.
    Cancel(String),
}

impl SendBundle {
    /// Reads the one parameter.
    pub fn parse(params: &[Value]) -> Result<Self, Refusal> {
        serde_json::from_value(only(params)?).map_err(Refusal::params)
    }

    /// Decodes the transactions. `head` is the last block: without a number, or with 0, the next one is meant.
    pub fn open(self, signer: Address, head: u64) -> Result<Asked, Refusal> {
        let uuid = self.uuid.or(self.replacement_uuid).map(|text| known_uuid(&text)).transpose()?;
        if self.txs.is_empty() {
            return uuid.map(Asked::Cancel).ok_or_else(|| Refusal::params("a bundle without transactions"));
        }
        let target = block_number(self.block_number.as_ref())?.unwrap_or(head + 1);
        let txs = decode(self.txs)?;
        let bundle = Bundle {
            id: BundleId(0),
            hash: bundle_hash(&txs),
            signer,
            target,
            txs,
            reverting: self.reverting_tx_hashes.unwrap_or_default(),
            min_timestamp: self.min_timestamp.unwrap_or(0),
            max_timestamp: self.max_timestamp.unwrap_or(0),
        };
        Ok(Asked::Hold(bundle, uuid))
    }
}

/// `eth_cancelBundle`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelBundle {
    replacement_uuid: String,
}

impl CancelBundle {
    /// The uuid to take back.
    pub fn parse(params: &[Value]) -> Result<String, Refusal> {
        let asked: Self = serde_json::from_value(only(params)?).map_err(Refusal::params)?;
        known_uuid(&asked.replacement_uuid)
    }
}

/// `eth_callBundle`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallBundle {
    txs: Vec<Bytes>,
    block_number: Value,
    #[serde(default)]
    state_block_number: Option<Value>,
    #[serde(default)]
    timestamp: Option<u64>,
}

/// An opened `eth_callBundle`.
#[derive(Debug)]
pub struct Simulation {
    /// What to run.
    pub txs: Vec<Tx>,
    /// The block it runs in.
    pub number: u64,
    /// Number or tag of the block whose state it runs on.
    pub state: Value,
    /// The block's time; `None` for one slot after the state's.
    pub timestamp: Option<u64>,
}

impl CallBundle {
    /// Reads the one parameter and decodes the transactions.
    pub fn parse(params: &[Value]) -> Result<Simulation, Refusal> {
        let asked: Self = serde_json::from_value(only(params)?).map_err(Refusal::params)?;
        let number = block_number(Some(&asked.block_number))?.ok_or_else(|| Refusal::params("no block number"))?;
        if asked.txs.is_empty() {
            return Err(Refusal::params("a bundle without transactions"));
        }
        let state = asked.state_block_number.unwrap_or_else(|| json!("latest"));
        Ok(Simulation { txs: decode(asked.txs)?, number, state, timestamp: asked.timestamp })
    }
}

/// The answer of `eth_callBundle`: amounts as decimal strings of wei, gas as numbers.
#[must_use]
pub fn simulated(txs: &[Tx], ran: &[Ran], base_fee: u64, state_block: u64) -> Value {
    let price = |paid: U256, gas: u64| paid.checked_div(U256::from(gas)).unwrap_or_default().to_string();
    let (mut paid, mut tips, mut gas) = (U256::ZERO, U256::ZERO, 0_u64);
    let mut results = Vec::new();
    for (tx, ran) in txs.iter().zip(ran) {
        let tip = U256::from(tx.tip(base_fee).unwrap_or(0)).saturating_mul(U256::from(ran.gas));
        paid += ran.paid;
        tips += tip;
        gas += ran.gas;
        let mut result = json!({
            "txHash": tx.hash, "fromAddress": tx.sender, "toAddress": tx.to(), "gasUsed": ran.gas,
            "gasPrice": price(ran.paid, ran.gas), "gasFees": tip.to_string(), "coinbaseDiff": ran.paid.to_string(),
            "ethSentToCoinbase": ran.paid.saturating_sub(tip).to_string(),
        });
        if ran.success {
            result["value"] = json!(ran.output);
        } else {
            result["error"] = json!(ran.error.as_deref().unwrap_or("execution reverted"));
            result["revert"] = json!(ran.output);
        }
        results.push(result);
    }
    json!({
        "bundleHash": bundle_hash(txs), "bundleGasPrice": price(paid, gas), "coinbaseDiff": paid.to_string(),
        "gasFees": tips.to_string(), "ethSentToCoinbase": paid.saturating_sub(tips).to_string(),
        "totalGasUsed": gas, "stateBlockNumber": state_block, "results": results,
    })
}

/// Builders take one object, no more and no less.
fn only(params: &[Value]) -> Result<Value, Refusal> {
    match params {
        [one] => Ok(one.clone()),
        other => Err(Refusal::params(format!("{} parameters, 1 due", other.len()))),
    }
}

fn known_uuid(text: &str) -> Result<String, Refusal> {
    let parsed = uuid::Uuid::try_parse(text).map_err(|error| Refusal::params(format!("replacementUuid: {error}")))?;
    Ok(parsed.hyphenated().to_string())
}

/// A hex quantity or a number. Absent, null, empty and 0 are `None`.
fn block_number(value: Option<&Value>) -> Result<Option<u64>, Refusal> {
    let wrong = || Refusal::params("blockNumber is no number");
    let number = match value {
        None | Some(Value::Null) => 0,
        Some(Value::String(text)) if text == "0x" => 0,
        Some(value) => serde_json::from_value::<U64>(value.clone()).map_err(|_| wrong())?.to(),
    };
    Ok(Some(number).filter(|number| *number != 0))
}

fn decode(raw: Vec<Bytes>) -> Result<Vec<Tx>, Refusal> {
    let bytes: usize = raw.iter().map(|tx| tx.len()).sum();
    if raw.len() > MOST_TXS || bytes > MOST_BYTES {
        let found = format!("{} transactions of {bytes} bytes", raw.len());
        return Err(Refusal::params(format!("{found}, {MOST_TXS} of {MOST_BYTES} at most")));
    }
    Ok(raw.into_iter().enumerate().map(|(index, raw)| Tx::decode(index, raw)).collect::<Result<_, _>>()?)
}

/// `peregrine_bundles`: which of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    #[serde(default)]
    bundle_hash: Option<B256>,
    #[serde(default)]
    block_number: Option<Value>,
    #[serde(skip)]
    block: Option<u64>,
}

impl Wanted {
    /// Reads the one parameter; without it everything is wanted.
    pub fn parse(params: &[Value]) -> Result<Self, Refusal> {
        if params.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted: Self = serde_json::from_value(only(params)?).map_err(Refusal::params)?;
        wanted.block = block_number(wanted.block_number.as_ref())?;
        Ok(wanted)
    }

    /// Whether an entry with this hash and target is wanted.
    #[must_use]
    pub fn takes(&self, hash: Option<B256>, target: Option<u64>) -> bool {
        (self.bundle_hash.is_none() || self.bundle_hash == hash) && (self.block.is_none() || self.block == target)
    }
}
