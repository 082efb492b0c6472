//! How a rival hands in bundles: `eth_sendBundle`, signed as Flashbots ask for it.

use alloy_primitives::Bytes;
use alloy_primitives::U64;
use alloy_primitives::eip191_hash_message;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use serde_json::json;

use crate::edge::devnet::wallet::Wallet;

/// A builder's door, and who knocks.
pub(super) struct Door {
    pub(super) client: reqwest::Client,
    pub(super) url: String,
    pub(super) identity: Wallet,
}

impl Door {
    /// True when the builder has taken it.
    pub(super) async fn send(&self, target: u64, txs: [&Bytes; 2]) -> bool {
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
