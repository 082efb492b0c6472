//! What a relay answered. Shapes differ from relay to relay (facts/relays.md, section 0): an object, `null`, a bare value, HTML.
//!
//! # Invariants
//! - Only a JSON-RPC error is a refusal, and one that says nothing beside a result is none. What is not understood is unknown: the
//!   bundle may well be in the auction.
//! - What a relay wrote is bounded and printable before anybody stores or prints it.

use std::time::Duration;

use serde_json::Value;

use crate::edge::rpc::Busy;
use crate::edge::rpc::limit;
use crate::types::text::printable;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken; the bundle's hash as the relay forecasts it, which need not be ours.
    Accepted(String),
    /// A JSON-RPC error.
    Refused {
        /// Its code, if it had one.
        code: Option<i64>,
        /// Its words.
        message: String,
    },
    /// Something came back that says neither, or the connection broke after the request went out.
    Unknown(String),
    /// Nothing came back in time. The bundle may have been taken.
    Timeout,
    /// It never left: no connection, or the deadline had passed.
    Unsent(String),
}

impl Answer {
    /// Name in metrics and the ledger.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Refused { .. } => "refused",
            Self::Unknown(_) => "unknown",
            Self::Timeout => "timeout",
            Self::Unsent(_) => "unsent",
        }
    }

    /// The relay may have the bundle.
    #[must_use]
    pub const fn may_land(&self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Unknown(_) | Self::Timeout)
    }
}

/// One relay's answer.
#[derive(Debug)]
pub struct Reply {
    /// The relay's name.
    pub relay: String,
    /// What became of the request.
    pub answer: Answer,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// From the first byte out to the last byte in.
    pub took: Duration,
    /// How its answer begins, printable.
    pub excerpt: String,
    /// It says that it is asked too fast.
    pub busy: Option<Busy>,
}

/// Whether an answer says that the relay is asked too fast: by its status, or by its words.
#[must_use]
pub fn busy(status: u16, retry_after: Option<&str>, answer: &Answer) -> Option<Busy> {
    limit::of_status(status, retry_after).or_else(|| match answer {
        Answer::Refused { code, message } if limit::is_of_rate(code.unwrap_or_default(), message) => {
            Some(Busy::default())
        }
        _ => None,
    })
}

/// Reads an answer.
#[must_use]
pub fn read(status: u16, body: &[u8]) -> Answer {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Answer::Unknown(format!("http {status}, not JSON"));
    };
    // `jsonerror` is blockrazor's.
    let has_result = value.get("result").is_some_and(|result| !result.is_null());
    let says = |error: &&Value| if has_result { !is_empty(error) } else { !error.is_null() };
    let error = ["error", "jsonerror"].into_iter().filter_map(|key| value.get(key)).find(says);
    if let Some(error) = error {
        return refusal(error);
    }
    let result = value.get("result");
    let hash = result.and_then(|result| result.get("bundleHash").or(Some(result))).and_then(Value::as_str);
    match (status, hash, result) {
        (200..=299, Some(hash), _) if hash.starts_with("0x") => Answer::Accepted(printable(hash, HASH_CHARS)),
        (200..=299, _, Some(Value::Null)) => Answer::Unknown("result is null".to_owned()),
        (200..=299, _, Some(_)) => Answer::Unknown("result without a bundle hash".to_owned()),
        _ => Answer::Unknown(format!("http {status}, no JSON-RPC answer")),
    }
}

fn refusal(error: &Value) -> Answer {
    let code = error.get("code").and_then(Value::as_i64);
    let message = error.get("message").unwrap_or(error);
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    Answer::Refused { code, message: printable(&message, MESSAGE_CHARS) }
}

/// It says nothing: some relays write the key beside every result.
fn is_empty(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(all) => all.iter().all(is_empty),
        Value::Object(all) => all.values().all(is_empty),
    }
}

const HASH_CHARS: usize = 80;
const MESSAGE_CHARS: usize = 256;
