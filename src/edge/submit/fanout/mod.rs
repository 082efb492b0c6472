//! One bundle to all relays at once, over connections kept warm.
//!
//! # Invariants
//! - What is prepared is sent at most once: sending consumes it.
//! - A relay waits for no other: each has its own time, and all end at the deadline.
//! - No redirect is followed and no proxy asked: a bundle goes to the host of the row, or nowhere.
//! - A URL is in no error and no answer: it may hold an account's key.
//!
//! # Cost
//! A body and a signature a dialect, a reference-counted copy of the body a relay.

pub mod connection;

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::edge::rpc::install_tls;
use crate::edge::submit::Answer;
use crate::edge::submit::Armed;
use crate::edge::submit::Dialect;
use crate::edge::submit::DialectName;
use crate::edge::submit::Identity;
use crate::edge::submit::Message;
use crate::edge::submit::Reply;
use crate::edge::submit::Setup;
use crate::edge::submit::SetupError;
use crate::edge::submit::config;
use crate::edge::submit::identity::HEADER;
use crate::edge::submit::reply;
use crate::hot::bundle::SignedBundle;
use crate::hot::send::Relays;
use crate::hot::send::connection::Said;
use crate::types::secret::SignError;
use crate::types::text::printable;

/// What is about to be sent: only a [`SignedBundle`], or a cancellation, makes one.
#[derive(Debug)]
pub struct Prepared {
    uuid: Uuid,
    block: u64,
    messages: Vec<Message>,
}

impl Prepared {
    /// Its `replacementUuid`.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// The block it is for.
    #[must_use]
    pub const fn block(&self) -> u64 {
        self.block
    }

    /// A message a dialect.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }
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
    /// An answer a relay that was sent to, in the order of the rows. `None`: a dry run, nothing was sent.
    pub replies: Option<Vec<Reply>>,
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
        if let Some(relay) = setup.relays.iter().find(|relay| !relay.is_loopback()) {
            return Err(SetupError::NotLoopback(relay.name.clone()));
        }
        Self::new(setup, Some(Armed::arm()))
    }

    pub(in crate::edge::submit) const fn is_armed(&self) -> bool {
        self.armed.is_some()
    }

    pub(in crate::edge::submit) const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub(in crate::edge::submit) fn relays(&self) -> &[config::Relay] {
        &self.relays
    }

    fn new(setup: Setup, armed: Option<Armed>) -> Result<Self, SetupError> {
        setup.check()?;
        let Setup { relays, identity, .. } = setup;
        let client = client().map_err(|error| SetupError::Client(error.without_url().to_string()))?;
        Ok(Self { client, relays, identity: identity.map(Identity::new), armed })
    }

    /// Writes and signs what goes out for `bundle`, under a fresh UUID. Nothing is sent yet: here is the moment to write it
    /// into the ledger, so that a restart knows of it.
    ///
    /// # Errors
    /// The identity key cannot sign a body.
    pub fn prepare(&self, bundle: &SignedBundle) -> Result<Prepared, SignError> {
        self.prepare_as(Uuid::new_v4(), bundle)
    }

    /// The same under a UUID that it has already gone out with, for the relays that it has not gone to.
    ///
    /// # Errors
    /// As [`Submitter::prepare`].
    pub fn prepare_as(&self, uuid: Uuid, bundle: &SignedBundle) -> Result<Prepared, SignError> {
        self.messages(uuid, bundle.block(), |dialect, to| dialect.bundle(bundle, &uuid, to))
    }

    /// What takes the bundle for `block` back, as far as relays let it.
    ///
    /// # Errors
    /// As [`Submitter::prepare`].
    pub fn prepare_cancel(&self, uuid: Uuid, block: u64) -> Result<Prepared, SignError> {
        self.messages(uuid, block, |dialect, to| dialect.cancel(block, &uuid, to))
    }

    /// Sends to every relay and waits for the answers, until `deadline` at most. What was sent cannot be sent again.
    pub async fn send(&self, prepared: Prepared, deadline: Instant) -> Submission {
        self.send_to_others(prepared, Relays::default(), deadline).await
    }

    /// The same, but to the relays that a hot thread has sent to.
    pub async fn send_to_others(&self, prepared: Prepared, but: Relays, deadline: Instant) -> Submission {
        let Prepared { uuid, block, messages } = prepared;
        let mut submission = Submission { uuid, block, messages, replies: None };
        if self.armed.is_some() {
            let others = self.relays.iter().enumerate().filter(|(index, _)| !but.has(*index));
            let posts = others.filter_map(|(_, relay)| {
                let message = submission.messages.iter().find(|message| message.kind == relay.dialect)?;
                Some(self.post(relay, message, deadline))
            });
            submission.replies = Some(futures_util::future::join_all(posts).await);
        }
        submission
    }

    /// Opens a connection to every relay, so that the first bundle need not. A dry run dials nobody.
    pub async fn warm(&self) {
        self.warm_others(Relays::default()).await;
    }

    async fn warm_others(&self, but: Relays) {
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
        let others = self.relays.iter().enumerate().filter(|(index, _)| !but.has(*index));
        futures_util::future::join_all(others.map(|(_, relay)| dial(relay))).await;
    }

    /// As [`Submitter::warm`], over so many connections to each at once: while one waits for its answer, the next bundle goes
    /// down another. What a relay has closed meanwhile is opened anew, before a bundle needs it. `but`: these are left alone.
    pub async fn warm_again(&self, but: Relays) {
        futures_util::future::join_all((0..SPARES).map(|_| self.warm_others(but))).await;
    }

    /// A relay's index in the configuration.
    #[must_use]
    pub fn place_of(&self, name: &str) -> Option<usize> {
        self.relays.iter().position(|relay| relay.name == name)
    }

    fn messages(
        &self,
        uuid: Uuid,
        block: u64,
        body: impl Fn(&dyn Dialect, &mut Vec<u8>),
    ) -> Result<Prepared, SignError> {
        let mut messages = Vec::with_capacity(DialectName::ALL.len());
        for kind in DialectName::ALL {
            let mut speakers = self.relays.iter().filter(|relay| relay.dialect == kind).peekable();
            if speakers.peek().is_some() {
                let identity = self.identity.as_ref().filter(|_| speakers.any(config::Relay::needs_signature));
                let mut text = Vec::new();
                body(kind.dialect(), &mut text);
                messages.push(Message::seal(kind, text, identity)?);
            }
        }
        Ok(Prepared { uuid, block, messages })
    }

    /// What a relay said to a hot thread, or what kept it from saying anything.
    #[must_use]
    pub fn heard(&self, relay: usize, said: Result<&Said, Answer>, took: Duration) -> Option<Reply> {
        let relay = self.relays.get(relay)?.name.clone();
        let (answer, status, busy, body) = match said {
            Ok(Said { status, body, retry_after, .. }) => {
                let answer = reply::read(*status, body);
                let busy = reply::busy(*status, retry_after.as_deref(), &answer);
                (answer, Some(*status), busy, &body[..])
            }
            Err(answer) => (answer, None, None, &[][..]),
        };
        Some(Reply { relay, answer, status, took, excerpt: excerpt(body), busy })
    }

    /// Whether a relay is left that a bundle has not gone to.
    #[must_use]
    pub fn has_others(&self, but: Relays) -> bool {
        self.armed.is_some() && (0..self.relays.len()).any(|index| !but.has(index))
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
            busy: None,
        };
        if patience.is_zero() {
            return reply;
        }
        let signature = message.signature.as_deref().filter(|_| relay.needs_signature());
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
                let retry_after = response.headers().get(reqwest::header::RETRY_AFTER).cloned();
                let read = bounded(response).await;
                reply.answer = read.as_ref().map_or_else(failure, |body| reply::read(status, body));
                let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
                reply.busy = reply::busy(status, retry_after, &reply.answer);
                let body = read.unwrap_or_default();
                reply.excerpt = excerpt(&body);
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

fn excerpt(body: &[u8]) -> String {
    printable(&String::from_utf8_lossy(body), EXCERPT_CHARS)
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

/// Connections kept warm to each relay.
const SPARES: usize = 2;
const MOST_BYTES: usize = 64 * 1024;
const EXCERPT_CHARS: usize = 512;
