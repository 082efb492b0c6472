//! `check --dial`: does everything that the configuration names answer?

use std::fmt;
use std::time::Duration;

use eyre::WrapErr;
use serde_json::Value;
use serde_json::json;

use crate::config::Config;
use crate::edge::ingest::Node;
use crate::edge::rpc::Rpc;
use crate::edge::rpc::RpcError;
use crate::edge::rpc::install_tls;
use crate::edge::submit::config::Relay;
use crate::edge::submit::keys;
use crate::types::secret::Place;

/// What one of them said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which.
    pub of: String,
    /// What.
    pub said: String,
    /// As due.
    pub good: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.of, if self.good { "" } else { "NOT AS DUE: " }, self.said)
    }
}

/// Asks all of them, one after the other.
///
/// # Errors
/// No runtime.
pub fn all(config: &Config) -> eyre::Result<Vec<Answer>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().wrap_err("no tokio runtime")?;
    Ok(runtime.block_on(async {
        let timeout = Duration::from_millis(config.ingest.timeout_ms);
        let mut answers = Vec::new();
        if let Some(executor) = &config.executor {
            answers.push(key("executor.owner", &executor.owner));
            answers.extend(executor.identity.as_ref().map(|place| key("executor.identity", place)));
        }
        for row in &config.node {
            node(row, config.chain.id, timeout, &mut answers).await;
        }
        for row in &config.relay {
            answers.push(relay(row).await);
        }
        answers
    }))
}

fn key(of: &str, place: &Place) -> Answer {
    let (said, good) = match keys::read(place) {
        Ok(key) => (format!("the key of {}", key.address()), true),
        Err(error) => (error.to_string(), false),
    };
    Answer { of: of.to_owned(), said, good }
}

async fn node(row: &Node, chain_id: u64, timeout: Duration, answers: &mut Vec<Answer>) {
    let mut tell =
        |kind: &str, (said, good)| answers.push(Answer { of: format!("node {} {kind}", row.name), said, good });
    match row.endpoint(timeout) {
        None => tell("http", ("no usable http or ws url".to_owned(), false)),
        Some(chain) => match tokio::try_join!(chain.chain_id(), chain.latest()) {
            Ok((id, _)) if id != chain_id => tell("http", (format!("chain {id}, chain.id is {chain_id}"), false)),
            Ok((_, None)) => tell("http", ("no block".to_owned(), false)),
            Ok((id, Some(head))) => tell("http", (format!("chain {id}, block {}", head.number), true)),
            Err(error) => tell("http", (error.to_string(), false)),
        },
    }
    if let Some(url) = &row.ws {
        install_tls();
        let dialled = tokio::time::timeout(timeout, tokio_tungstenite::connect_async(url)).await;
        tell(
            "ws",
            match dialled {
                Ok(Ok(_)) => ("open".to_owned(), true),
                // The error's own words may hold the URL.
                Ok(Err(_)) => ("no websocket there".to_owned(), false),
                Err(_) => (format!("no answer within {timeout:?}"), false),
            },
        );
    }
    if let Some(path) = &row.ipc {
        tell(
            "ipc",
            match tokio::net::UnixStream::connect(path).await {
                Ok(_) => ("open".to_owned(), true),
                Err(error) => (format!("{path}: {error}"), false),
            },
        );
    }
}

/// Any answer will do: relays differ in what they say to a question they do not know.
async fn relay(row: &Relay) -> Answer {
    let of = format!("relay {}", row.name);
    let Some(rpc) = Rpc::new(&row.url, Duration::from_millis(row.timeout_ms)) else {
        return Answer { of, said: "not a url".to_owned(), good: false };
    };
    let (said, good) = match rpc.call::<Value>("net_version", json!([])).await {
        Err(error @ RpcError::Transport { .. }) => (error.to_string(), false),
        Ok(_) | Err(RpcError::Refused { .. } | RpcError::Shape { .. } | RpcError::Busy { .. }) => {
            (format!("{} answers", rpc.host()), true)
        }
    };
    Answer { of, said, good }
}
