//! JSON-RPC over HTTP: one warm connection pool, single calls and batches. Every crate that needs a node's or a builder's answer
//! and may wait for it comes here.
//!
//! # Invariants
//! - A node's error, a reply that is no JSON-RPC, and a broken connection are told apart.
//! - An answer to something that was not asked is none: of a batch each answer goes to the call whose id it has.
//! - No secret goes into an error: URLs are shown without user, password, path and query.
//! - An answer is read no further than [`MOST_BYTES`], as it is unpacked: one that does not end costs no more memory than that.
//! - So many requests to an endpoint are under way at once and no more ([`MOST_IN_FLIGHT`]), and with them its connections: one that
//!   hangs, or comes back, costs no more descriptors than that. The others wait for their turn, within the time of their own.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod body;
pub mod limit;
mod reply;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use crate::limit::Busy;
pub use crate::limit::{is_of_rate, is_of_size};
pub use crate::reply::Answered;
pub use crate::reply::Refusal;
pub use crate::reply::Reply;

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
        /// The time for it ran out: the other side may be there, and slow. Less at once is worth a try.
        late: bool,
    },
    /// The other side said no.
    #[error("{host}: {method}: error {code}: {message}")]
    Refused {
        /// Where to.
        host: String,
        /// What was asked.
        method: String,
        /// JSON-RPC's code; [`UNSAID`] where none was said.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The other side says that it is asked too fast, or too much today.
    #[error("{host}: {method}: asked too fast: {message}")]
    Busy {
        /// Where to.
        host: String,
        /// What was asked.
        method: String,
        /// So long it wants to be left alone, where it says that.
        after: Option<Duration>,
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

/// Bytes shown of an answer that is none.
const BEGINNING: usize = 120;

/// The code of a refusal that has none: it may mean any of them.
pub const UNSAID: i64 = 0;

/// What a gateway answers for a server that took too long (RFC 9110, 15.5.9 and 15.6.5; Cloudflare's own).
const LATE: [u16; 3] = [408, 504, 524];

/// JSON-RPC's code of a method that there is not.
const NO_METHOD: i64 = -32601;

impl RpcError {
    /// The time for it ran out.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Transport { late: true, .. })
    }

    /// The other side has no such method.
    #[must_use]
    pub fn is_no_such_method(&self) -> bool {
        match self {
            Self::Refused { code: NO_METHOD, .. } => true,
            Self::Refused { message, .. } => {
                let message = message.to_lowercase();
                let none = [
                    "not found",
                    "not supported",
                    "not available",
                    "not enabled",
                    "not allowed",
                    "not whitelisted",
                    "not implemented",
                    "disabled",
                    "does not exist",
                    "unknown",
                    "unsupported",
                ];
                message.contains("method") && none.iter().any(|none| message.contains(none))
            }
            Self::Transport { .. } | Self::Busy { .. } | Self::Shape { .. } => false,
        }
    }
}

/// Requests to one endpoint under way at once, those of all clones together: each is a connection of its own over HTTP/1.
pub const MOST_IN_FLIGHT: usize = 64;

/// The longest answer that is read: several times what a batch of a thousand of the largest codes is, or a trace of a full block.
pub const MOST_BYTES: usize = 256 << 20;

/// One endpoint.
#[derive(Clone, Debug)]
pub struct Rpc {
    client: reqwest::Client,
    timeout: Duration,
    turns: Arc<Semaphore>,
    url: String,
    host: String,
    requests: Arc<AtomicU64>,
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
        let client = reqwest::Client::builder().timeout(timeout).tcp_nodelay(true);
        let client = client.pool_max_idle_per_host(MOST_IN_FLIGHT).build().ok()?;
        let turns = Arc::new(Semaphore::new(MOST_IN_FLIGHT));
        Some(Self { client, timeout, turns, url: url.to_owned(), host, requests: Arc::default() })
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

    /// One call. What is shown of `params` is their JSON, as of a [`Value`].
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: impl Display) -> Result<T, RpcError> {
        let (status, bytes) = self.send(method, body::of_call(method, params)).await?;
        let mut replies = self.replies(method, self.read(method, status, &bytes)?)?;
        // What comes back on the request's own connection is its answer, whether it names it or not.
        replies.retain(|reply| matches!(reply.to, Answered::Request(1) | Answered::Unsaid));
        let reply = replies.pop().ok_or_else(|| self.shape(method, "no answer to what was asked".to_owned()))?;
        self.open(method, reply)
    }

    /// Many calls of one method in one request; answers in the order of `params`, of which what is shown is their JSON.
    pub async fn batch<T: DeserializeOwned>(&self, method: &str, params: &[impl Display]) -> Result<Vec<T>, RpcError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let (status, bytes) = self.send(method, body::of_batch(method, params)).await?;
        // Nearly all of a start's time would go into trees of values otherwise.
        if let Some(answers) = body::plain(&bytes, params.len()) {
            return Ok(answers);
        }
        let mut answers: Vec<Option<Reply>> = params.iter().map(|_| None).collect();
        for reply in self.replies(method, self.read(method, status, &bytes)?)? {
            // A server may answer a batch in any order, and what was not asked is no answer.
            let id = match reply.to {
                Answered::Request(id) => usize::try_from(id).unwrap_or(usize::MAX),
                Answered::Unsaid if params.len() == 1 => 0,
                Answered::Unsaid | Answered::Nobody => continue,
            };
            if let Some(place) = answers.get_mut(id) {
                place.get_or_insert(reply);
            }
        }
        let due = answers.len();
        let come = answers.iter().flatten().count();
        if come < due {
            return Err(self.shape(method, format!("{come} answers, {due} due")));
        }
        answers.into_iter().flatten().map(|reply| self.open(method, reply)).collect()
    }

    /// What of a body is an answer. A no to the whole of a request is one object; one that does not say to which of its calls it is
    /// may be to any of them.
    fn replies(&self, method: &str, body: Value) -> Result<Vec<Reply>, RpcError> {
        let (items, whole) = match body {
            Value::Array(items) => (items, false),
            one => (vec![one], true),
        };
        let replies: Vec<Reply> = items.into_iter().filter_map(Reply::read).collect();
        let is_all = |reply: &&Reply| whole || reply.to == Answered::Unsaid;
        match replies.iter().filter(is_all).find_map(|reply| reply.said.as_ref().err()) {
            Some(refusal) => Err(self.no(method, refusal.clone())),
            None => Ok(replies),
        }
    }

    /// Sends a body, and what comes back: its status and its bytes.
    async fn send(&self, method: &str, body: String) -> Result<(StatusCode, Vec<u8>), RpcError> {
        // Never closed: what is not had in time is not had.
        let Ok(Ok(_turn)) = tokio::time::timeout(self.timeout, self.turns.acquire()).await else {
            let cause = format!("no turn within {:?}: {MOST_IN_FLIGHT} requests are under way", self.timeout);
            return Err(self.broken(method, cause, false));
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        let transport = |error: reqwest::Error| {
            let late = error.is_timeout();
            let cause =
                if late { format!("no answer within {:?}", self.timeout) } else { error.without_url().to_string() };
            self.broken(method, cause, late)
        };
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
        let mut reply = request.send().await.map_err(transport)?;
        let (status, busy) = (reply.status(), limit::of_headers(reply.status(), reply.headers()));
        let mut bytes = Vec::new();
        while let Some(part) = reply.chunk().await.map_err(transport)? {
            if bytes.len() + part.len() > MOST_BYTES {
                // Fewer calls at once may have shorter answers: the words say that it is of the size.
                let message = format!("response too large: more than {} MiB", MOST_BYTES >> 20);
                return Err(self.no(method, Refusal { code: None, message }));
            }
            bytes.extend_from_slice(&part);
        }
        match busy {
            Some(Busy { after }) => Err(self.busy(method, after, format!("{status}: {}", beginning(&bytes)))),
            None => Ok((status, bytes)),
        }
    }

    /// The JSON that a body is.
    fn read(&self, method: &str, status: StatusCode, bytes: &[u8]) -> Result<Value, RpcError> {
        match serde_json::from_slice(bytes) {
            // Whatever the status is, it is an answer.
            Ok(answer) => Ok(answer),
            // A gateway's page: the node itself is not there. Of one that finds the request too long the caller makes a shorter one.
            Err(_) if !status.is_success() && status != StatusCode::PAYLOAD_TOO_LARGE => {
                let late = LATE.contains(&status.as_u16());
                Err(self.broken(method, format!("{status}: {}", beginning(bytes)), late))
            }
            Err(error) => Err(self.shape(method, format!("{error}: {}", beginning(bytes)))),
        }
    }

    fn open<T: DeserializeOwned>(&self, method: &str, reply: Reply) -> Result<T, RpcError> {
        let result = reply.said.map_err(|refusal| self.no(method, refusal))?;
        serde_json::from_value(result).map_err(|error| self.shape(method, error.to_string()))
    }

    fn no(&self, method: &str, Refusal { code, message }: Refusal) -> RpcError {
        let code = code.unwrap_or(UNSAID);
        if limit::is_of_rate(code, &message) {
            return self.busy(method, None, message);
        }
        RpcError::Refused { host: self.host.clone(), method: method.to_owned(), code, message }
    }

    fn broken(&self, method: &str, cause: String, late: bool) -> RpcError {
        RpcError::Transport { host: self.host.clone(), method: method.to_owned(), cause, late }
    }

    fn busy(&self, method: &str, after: Option<Duration>, message: String) -> RpcError {
        RpcError::Busy { host: self.host.clone(), method: method.to_owned(), after, message }
    }

    fn shape(&self, method: &str, cause: String) -> RpcError {
        let cause = reply::clean(&cause);
        RpcError::Shape { host: self.host.clone(), method: method.to_owned(), cause }
    }
}

/// How a body begins, for people.
fn beginning(bytes: &[u8]) -> String {
    reply::clean(&String::from_utf8_lossy(bytes.get(..BEGINNING).unwrap_or(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{NO_METHOD, RpcError};

    #[test]
    fn a_method_that_there_is_not_is_told_from_what_passes() {
        let refused = |code, message: &str| RpcError::Refused {
            host: String::new(),
            method: String::new(),
            code,
            message: message.to_owned(),
        };
        for (code, message) in [
            (NO_METHOD, ""),
            (-32604, "Method not enabled"),
            (-32000, "rpc method is not whitelisted"),
            (-32000, "the method debug_traceCall does not exist/is not available"),
        ] {
            assert!(refused(code, message).is_no_such_method(), "{code} {message}");
        }
        for (code, message) in [
            (-32000, "rpc error: code = Unknown desc = unavailable"),
            (-32000, "explanation not found"),
            (-32000, "header not found"),
        ] {
            assert!(!refused(code, message).is_no_such_method(), "{code} {message}");
        }
    }
}
