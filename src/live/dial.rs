//! `check --dial`: does everything that the configuration names answer, and is it what it is taken for?

use std::fmt;
use std::time::Duration;

use eyre::WrapErr;
use serde_json::Value;
use serde_json::json;

use crate::config::Config;
use crate::edge::chain::Chain;
use crate::edge::ingest;
use crate::edge::ingest::Node;
use crate::edge::rpc::Rpc;
use crate::edge::rpc::RpcError;
use crate::edge::rpc::install_tls;
use crate::edge::submit::SetupError;
use crate::edge::submit::config::Relay;
use crate::edge::submit::keys;
use crate::hot::bundle::config::Executor;
use crate::live::executor::Due;
use crate::live::executor::capital;
use crate::types::secret::Place;
use crate::types::text::printable;

/// Characters of an answer.
const MOST_SAID: usize = 1_000;

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
        // A node's own words may be among them.
        let said = printable(&self.said, MOST_SAID);
        write!(f, "{}: {}{said}", self.of, if self.good { "" } else { "NOT AS DUE: " })
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
            answers.extend(own_keys(executor));
        }
        for row in &config.node {
            node(row, config.chain.id, timeout, &mut answers).await;
        }
        if let Some(executor) = &config.executor {
            answers.extend(on_chain(config, executor, timeout).await);
        }
        for row in &config.relay {
            answers.push(relay(row).await);
        }
        answers
    }))
}

/// The owner's and the identity's, which are two.
pub fn own_keys(executor: &Executor) -> Vec<Answer> {
    let key = |of: &str, place: &Place| match keys::read(place) {
        Ok(key) => (Some(key.address()), answer(of, format!("the key of {}", key.address()), true)),
        Err(error) => (None, answer(of, error.to_string(), false)),
    };
    let (owner, said) = key("executor.owner", &executor.owner);
    let mut answers = vec![said];
    if let Some(place) = &executor.identity {
        let (identity, said) = key("executor.identity", place);
        let same = identity.is_some() && identity == owner;
        answers.push(if same {
            answer("executor.identity", SetupError::IdentityIsOwner.to_string(), false)
        } else {
            said
        });
    }
    answers
}

fn answer(of: &str, said: String, good: bool) -> Answer {
    Answer { of: of.to_owned(), said, good }
}

/// The contract and what it holds: asked of the nodes that the searcher would load from.
async fn on_chain(config: &Config, executor: &Executor, timeout: Duration) -> Vec<Answer> {
    let chain = ingest::chain(&config.node, timeout, Some(config.chain.id));
    if chain.check().await.len() == chain.nodes().len() {
        return vec![answer(CONTRACT, "no node answers".to_owned(), false)];
    }
    let contract = contract(config, executor, &chain).await;
    std::iter::once(contract).chain(held(config, executor, &chain).await).collect()
}

const CONTRACT: &str = "executor.address";

async fn contract(config: &Config, executor: &Executor, chain: &Chain) -> Answer {
    let owner = keys::read(&executor.owner).ok().map(|key| key.address());
    let (of, due) = (CONTRACT, Due { address: executor.address, owner, weth: config.chain.wrapped_native });
    match due.look(chain).await {
        Ok(None) if owner.is_some() => answer(of, format!("{}, the contract, and ours", due.address), true),
        Ok(None) => answer(of, format!("{}, the contract; whose, is not known", due.address), false),
        Ok(Some(wrong)) => answer(of, due.say(wrong).to_string(), false),
        Err(error) => answer(of, error.to_string(), false),
    }
}

/// What a run may begin with where no pool lends it: the executor's own, and lenders'. Nothing where there is neither.
async fn held(config: &Config, executor: &Executor, chain: &Chain) -> Option<Answer> {
    let (of, search) = ("search.capital, search.lenders", &config.search);
    if search.capital.is_empty() && search.lenders.is_empty() {
        return None;
    }
    Some(match capital::short(chain, executor.address, search).await {
        Ok(short) if short.is_empty() => answer(of, "it is there".to_owned(), true),
        Ok(short) => answer(of, short.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), false),
        Err(error) => answer(of, error.to_string(), false),
    })
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
