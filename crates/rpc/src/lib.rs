//! JSON-RPC over HTTP: one warm connection pool, single calls and batches. Every crate that needs a node's or a builder's answer
//! and may wait for it comes here.
//!
//! # Invariants
//! - A node's error, a reply that is no JSON-RPC, and a broken connection are told apart.
//! - No secret goes into an error: URLs are shown without user, password, path and query.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nothing came back: no connection, a time-out, a connection that broke.
    #[error("{host}: {method}: {cause}")]
    Transport {
        /// Where to.
        host: String,
        /// What was asked.
        method: String,
        /// What happened.
        cause: String,
    },
    /// The other side said no.
    #[error("{host}: {method}: error {code}: {message}")]
    Refused {
        /// Where to.
        host: String,
        /// What was asked.
        method: String,
        /// JSON-RPC's code.
        code: i64,
        /// Its words.
        message: String,
    },
    /// What came back is not the answer due.
    #[error("{host}: {method}: unexpected answer: {cause}")]
    Shape {
        /// Where to.
        host: String,
        /// What was asked.
        method: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Rpc {
    client: reqwest::Client,
    url: String,
    host: String,
    requests: Arc<AtomicU64>,
}

/// A batch refused as a whole is answered by one object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Replies {
    Each(Vec<RpcReply>),
    One(RpcReply),
}

#[derive(Deserialize)]
struct RpcReply {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

/// The process's one TLS provider. Idempotent.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if another one is installed already, and then that one serves.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Rpc {
    /// An endpoint; nothing is dialled yet. `None` when the URL is not one.
    #[must_use]
    pub fn new(url: &str, timeout: Duration) -> Option<Self> {
        install_tls();
        let parsed = reqwest::Url::parse(url).ok()?;
        let host = format!("{}:{}", parsed.host_str()?, parsed.port_or_known_default()?);
        let client = reqwest::Client::builder().timeout(timeout).tcp_nodelay(true).build().ok()?;
        Some(Self { client, url: url.to_owned(), host, requests: Arc::default() })
    }

    /// Where it leads, without anything secret.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Requests sent so far, a batch counting one, those of all clones together.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// One call.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply: RpcReply = self.post(method, &body).await?;
        self.open(method, reply)
    }

    /// Many calls of one method in one request; answers in the order of `params`.
    pub async fn batch<T: DeserializeOwned>(&self, method: &str, params: &[Value]) -> Result<Vec<T>, RpcError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let call = |(id, params)| serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let body: Value = params.iter().enumerate().map(call).collect();
        let mut replies = match self.post(method, &body).await? {
            Replies::Each(replies) => replies,
            Replies::One(reply) => vec![self.refused(method, reply)?],
        };
        if replies.len() != params.len() {
            return Err(self.shape(method, format!("{} answers, {} due", replies.len(), params.len())));
        }
        // A server may answer a batch in any order.
        replies.sort_by_key(|reply| reply.id.as_u64());
        replies.into_iter().map(|reply| self.open(method, reply)).collect()
    }

    async fn post<T: DeserializeOwned>(&self, method: &str, body: &Value) -> Result<T, RpcError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let transport = |error: reqwest::Error| RpcError::Transport {
            host: self.host.clone(),
            method: method.to_owned(),
            cause: error.without_url().to_string(),
        };
        let reply = self.client.post(&self.url).json(body).send().await.map_err(transport)?;
        let bytes = reply.bytes().await.map_err(transport)?;
        serde_json::from_slice(&bytes).map_err(|error| self.shape(method, error.to_string()))
    }

    fn open<T: DeserializeOwned>(&self, method: &str, reply: RpcReply) -> Result<T, RpcError> {
        let reply = self.refused(method, reply)?;
        serde_json::from_value(reply.result).map_err(|error| self.shape(method, error.to_string()))
    }

    fn refused(&self, method: &str, reply: RpcReply) -> Result<RpcReply, RpcError> {
        match reply.error {
            Some(Refusal { code, message }) => {
                Err(RpcError::Refused { host: self.host.clone(), method: method.to_owned(), code, message })
            }
            None => Ok(reply),
        }
    }

    fn shape(&self, method: &str, cause: String) -> RpcError {
        RpcError::Shape { host: self.host.clone(), method: method.to_owned(), cause }
    }
}
