//! One bundle to all relays at once, over connections kept warm.
//!
//! # Invariants
//! - A relay waits for no other: each has its own time, and all end at the deadline.
//! - No redirect is followed and no proxy asked: a bundle goes to the host of the row, or nowhere.
//! - A URL is in no error and no answer: it may hold an account's key.
//!
//! # Cost
//! A body and a signature a dialect, a reference-counted copy of the body a relay.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use uuid::Uuid;

use crate::edge::rpc::install_tls;
use crate::edge::submit::Answer;
use crate::edge::submit::Armed;
use crate::edge::submit::Dialect;
use crate::edge::submit::Identity;
use crate::edge::submit::Kind;
use crate::edge::submit::Message;
use crate::edge::submit::config;
use crate::edge::submit::identity::HEADER;
use crate::edge::submit::reply;
use crate::hot::build::SignedBundle;
use crate::types::secret::Key;
use crate::types::secret::SignError;

/// What a submitter is made of.
#[derive(Debug)]
pub struct Setup {
    /// The `[[relay]]` rows.
    pub relays: Vec<config::Relay>,
    /// The identity key. Needed when a relay wants signatures.
    pub identity: Option<Key>,
    /// Whose transactions are sent.
    pub owner: Address,
}

/// Why there is no submitter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The key that signs transactions must not sign headers: a header's key is shown to every relay, and may be lost.
    #[error("executor.identity is the owner's key, another one due")]
    IdentityIsOwner,
    /// A relay wants signatures, and there is no key.
    #[error("relay {0} wants signatures, executor.identity due")]
    NoIdentity(String),
    /// A value of a row makes no sense.
    #[error("{key} is {found}, {due} due")]
    Row {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        due: &'static str,
    },
    /// Two rows of one name.
    #[error("relay.name {0} stands twice")]
    Twice(String),
    /// Only relays on this host may be sent to without [`Armed`].
    #[error("relay {0} is not on a loopback address")]
    NotLoopback(String),
    /// No HTTP client could be made.
    #[error("http client: {0}")]
    Client(String),
}

/// What was sent, or would have been, and what came back.
#[derive(Debug)]
pub struct Submission {
    /// Its `replacementUuid`: with it, it can be cancelled.
    pub uuid: Uuid,
    /// The block it is for.
    pub block: u64,
    /// A message a dialect.
    pub messages: Vec<Message>,
    /// An answer a relay, in the order of the rows. `None`: a dry run, nothing was sent.
    pub replies: Option<Vec<Reply>>,
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
}

/// Sends bundles.
#[derive(Debug)]
pub struct Submitter {
    client: reqwest::Client,
    relays: Vec<config::Relay>,
    identity: Option<Identity>,
    armed: Option<Armed>,
}

impl Submitter {
    /// Says what it would send, and sends nothing.
    pub fn dry(setup: Setup) -> Result<Self, SetupError> {
        Self::new(setup, None)
    }

    /// Sends.
    pub fn live(setup: Setup, armed: Armed) -> Result<Self, SetupError> {
        Self::new(setup, Some(armed))
    }

    /// Sends, but to literal loopback addresses only: for tests and a devnet of one's own.
    pub fn loopback(setup: Setup) -> Result<Self, SetupError> {
        if let Some(relay) = setup.relays.iter().find(|relay| !is_loopback(&relay.url)) {
            return Err(SetupError::NotLoopback(relay.name.clone()));
        }
        Self::new(setup, Some(Armed::arm()))
    }

    fn new(setup: Setup, armed: Option<Armed>) -> Result<Self, SetupError> {
        let Setup { relays, identity, owner } = setup;
        if identity.as_ref().is_some_and(|key| key.address() == owner) {
            return Err(SetupError::IdentityIsOwner);
        }
        let mut names = HashSet::new();
        for relay in &relays {
            if let Some((key, found, due)) = relay.out_of_range() {
                return Err(SetupError::Row { key, found, due });
            }
            if !names.insert(relay.name.as_str()) {
                return Err(SetupError::Twice(relay.name.clone()));
            }
            if wants_signature(relay) && identity.is_none() {
                return Err(SetupError::NoIdentity(relay.name.clone()));
            }
        }
        let client = client().map_err(|error| SetupError::Client(error.without_url().to_string()))?;
        Ok(Self { client, relays, identity: identity.map(Identity::new), armed })
    }

    /// Sends `bundle` to every relay and waits for the answers, until `deadline` at most.
    ///
    /// # Errors
    /// The identity key cannot sign a body; then nothing was sent.
    pub async fn submit(&self, bundle: &SignedBundle, deadline: Instant) -> Result<Submission, SignError> {
        let uuid = Uuid::new_v4();
        self.send(uuid, bundle.block(), deadline, |dialect| dialect.bundle(bundle, &uuid)).await
    }

    /// Takes a bundle back, as far as relays let it.
    ///
    /// # Errors
    /// As [`Submitter::submit`].
    pub async fn cancel(&self, sent: &Submission, deadline: Instant) -> Result<Submission, SignError> {
        self.send(sent.uuid, sent.block, deadline, |dialect| dialect.cancel(sent.block, &sent.uuid)).await
    }

    /// Opens a connection to every relay, so that the first bundle need not. A dry run dials nobody.
    pub async fn warm(&self) {
        if self.armed.is_none() {
            return;
        }
        let dial = |relay: &config::Relay| {
            let timeout = Duration::from_millis(relay.timeout_ms);
            let request = self.client.get(&relay.url).timeout(timeout);
            async move {
                // Whatever it says to a GET: the connection is open once it has been said.
                let Ok(reply) = request.send().await else { return };
                let _said = bounded(reply).await;
            }
        };
        futures_util::future::join_all(self.relays.iter().map(dial)).await;
    }

    async fn send(
        &self,
        uuid: Uuid,
        block: u64,
        deadline: Instant,
        body: impl Fn(&dyn Dialect) -> String,
    ) -> Result<Submission, SignError> {
        let mut messages = Vec::with_capacity(Kind::ALL.len());
        for kind in Kind::ALL {
            let mut speakers = self.relays.iter().filter(|relay| relay.dialect == kind).peekable();
            if speakers.peek().is_some() {
                let identity = self.identity.as_ref().filter(|_| speakers.any(wants_signature));
                messages.push(Message::seal(kind, body(kind.dialect()), identity)?);
            }
        }
        let mut submission = Submission { uuid, block, messages, replies: None };
        if self.armed.is_some() {
            let relays = self.relays.iter();
            let posts = relays.filter_map(|relay| {
                let message = submission.messages.iter().find(|message| message.kind == relay.dialect)?;
                Some(self.post(relay, message, deadline))
            });
            submission.replies = Some(futures_util::future::join_all(posts).await);
        }
        Ok(submission)
    }

    async fn post(&self, relay: &config::Relay, message: &Message, deadline: Instant) -> Reply {
        let start = Instant::now();
        let patience = Duration::from_millis(relay.timeout_ms).min(deadline.saturating_duration_since(start));
        let mut reply = Reply {
            relay: relay.name.clone(),
            answer: Answer::Unsent("past its deadline".to_owned()),
            status: None,
            took: Duration::ZERO,
            excerpt: String::new(),
        };
        if patience.is_zero() {
            return reply;
        }
        let signature = message.signature.as_deref().filter(|_| wants_signature(relay));
        let mut request = self.client.post(&relay.url).header("Content-Type", "application/json").timeout(patience);
        if let Some(signature) = signature {
            request = request.header(HEADER, signature);
        }
        let sent = request.body(reqwest::Body::from(message.body.0.clone())).send().await;
        match sent {
            Err(error) => reply.answer = failure(&error),
            Ok(response) => {
                let status = response.status().as_u16();
                reply.status = Some(status);
                let read = bounded(response).await;
                reply.answer = read.as_ref().map_or_else(failure, |body| reply::read(status, body));
                let body = read.unwrap_or_default();
                reply.excerpt = reply::printable(&String::from_utf8_lossy(&body), EXCERPT_CHARS);
            }
        }
        reply.took = start.elapsed();
        reply
    }
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    install_tls();
    reqwest::Client::builder()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(300))
        .tcp_keepalive(Duration::from_secs(15))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_while_idle(true)
        .build()
}

fn wants_signature(relay: &config::Relay) -> bool {
    relay.sign || relay.dialect.dialect().must_sign()
}

fn failure(error: &reqwest::Error) -> Answer {
    if error.is_connect() {
        return Answer::Unsent("no connection".to_owned());
    }
    if error.is_timeout() {
        return Answer::Timeout;
    }
    // Nothing of the error's own text: it may quote what it was given.
    Answer::Unknown("connection broke".to_owned())
}

/// An answer's body, up to [`MOST_BYTES`] of it.
async fn bounded(mut response: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(MOST_BYTES - body.len())]);
        if body.len() == MOST_BYTES {
            break;
        }
    }
    Ok(body)
}

/// The host is an address, and of this machine. A name could lead anywhere.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

const MOST_BYTES: usize = 64 * 1024;
const EXCERPT_CHARS: usize = 512;
