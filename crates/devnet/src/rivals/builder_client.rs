//! How a rival hands in bundles: `eth_sendBundle`, signed as Flashbots ask for it.

use std::time::Duration;

use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::eip191_hash_message;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use serde_json::json;

use crate::DevnetError;
use crate::wallet::Wallet;

/// A builder's door, and who knocks.
pub(super) struct BuilderClient {
    client: reqwest::Client,
    url: String,
    identity: Wallet,
}

impl BuilderClient {
    pub(super) fn new(url: &str, identity: Wallet) -> Result<Self, DevnetError> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).tcp_nodelay(true).build();
        let client = client.map_err(|_| DevnetError::Url(url.to_owned()))?;
        Ok(Self { client, url: url.to_owned(), identity })
    }

    /// True when the builder has taken it.
    pub(super) async fn send(&self, target: u64, txs: &[&Bytes]) -> bool {
        let bundle = json!([{"txs": txs, "blockNumber": U64::from(target), "revertingTxHashes": []}]);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": bundle}).to_string();
        // The text of the hash is signed, not its bytes.
        let digest = eip191_hash_message(hex::encode_prefixed(keccak256(&body)).as_bytes());
        let signature = hex::encode_prefixed(self.identity.sign_digest(&digest).as_bytes());
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let request = request.header("x-flashbots-signature", format!("{}:{signature}", self.identity.address()));
        request.body(body).send().await.is_ok_and(|reply| reply.status().is_success())
    }
}
