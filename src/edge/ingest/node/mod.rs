//! One session with a node, whatever carries it: subscribe, listen, hand in.
//!
//! # Invariants
//! - `up` is told once newHeads is confirmed, so that what is asked for then leaves no hole before the first head. Where they are
//!   refused the node is asked for its head every now and then.
//! - A notice that outruns the reply to its subscription waits for it.
//! - A message that does not decode is counted, kept and said; only the connection's end and silence end the session. What it told
//!   of is asked for: a head at once, a transaction by its hash, and where it has none hashes are subscribed besides.

mod asked;
mod fetch;
mod identity;
pub(in crate::edge::ingest) mod link;
mod notices;
mod subscriptions;
pub(in crate::edge::ingest) mod wire;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::edge::ingest::Config;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::hearing::Kind;
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::node::asked::Asked;
use crate::edge::ingest::node::asked::Outcome;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::link::Received;
use crate::edge::ingest::node::wire::Said;

/// Notices kept until their subscription is confirmed.
const EARLY: usize = 1024;
/// Between two looks at the head of a node that does not tell it.
const LOOK: Duration = Duration::from_millis(500);

/// When a session is taken for dead.
#[derive(Clone, Copy, Debug)]
pub(in crate::edge::ingest) struct Patience {
    ping: Duration,
    silence: Duration,
    heads: Duration,
    pub(in crate::edge::ingest) connect: Duration,
}

impl Patience {
    pub(in crate::edge::ingest) fn of(config: &Config) -> Self {
        let ms = |ms: u64| Duration::from_millis(ms.max(1));
        Self {
            ping: ms(config.ping_ms),
            silence: ms(config.silence_ms),
            heads: ms(config.head_silence_ms),
            connect: ms(config.timeout_ms),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Heads,
    Logs,
    Bodies,
    Hashes,
    /// Nobody waits for the answer.
    Other,
}

impl Topic {
    const fn kind(self) -> Kind {
        match self {
            Self::Heads => Kind::Heads,
            Self::Logs => Kind::Logs,
            Self::Bodies | Self::Hashes => Kind::Pending,
            Self::Other => Kind::Unknown,
        }
    }

    /// As it is subscribed.
    const fn name(self) -> &'static str {
        match self {
            Self::Heads => "newHeads",
            Self::Logs => "logs",
            Self::Bodies => "newPendingTransactions in full",
            Self::Hashes => "newPendingTransactions",
            Self::Other => "another request",
        }
    }
}

struct Session {
    link: Link,
    inlet: Inlet,
    patience: Patience,
    watched: watch::Receiver<Arc<[Address]>>,
    hashes: mpsc::Sender<B256>,
    asked: Asked,
    topics: HashMap<String, Topic>,
    given_up: HashSet<String>,
    early: VecDeque<(u64, String)>,
    alive: Instant,
    head: Instant,
    /// The node was asked for a head once already.
    checked: bool,
    /// It does not tell its heads.
    headless: bool,
    /// Announcements in a row that give neither a transaction nor a hash.
    nameless: u32,
    /// Subscriptions that were refused, and when each is asked for again.
    later: Vec<(Topic, Instant)>,
    /// Refusals so far.
    refusals: u32,
}

/// Until the connection ends.
pub(in crate::edge::ingest) async fn session(
    mut link: Link,
    inlet: Inlet,
    patience: Patience,
) -> Result<(), SourceError> {
    let next_id = match inlet.chain() {
        Some(chain) => identity::check(&mut link, chain, patience).await?,
        None => 1,
    };
    let (hashes, wanted) = mpsc::channel(fetch::ROOM);
    // Dropped with the session, and its task with it.
    let mut fetcher = JoinSet::new();
    if let Some(chain) = inlet.chain().cloned() {
        fetcher.spawn(fetch::run(chain, inlet.clone(), wanted));
    }
    inlet.connected();
    let now = Instant::now();
    let session = Session {
        link,
        patience,
        watched: inlet.watched(),
        inlet,
        hashes,
        asked: Asked::from(next_id),
        topics: HashMap::new(),
        given_up: HashSet::new(),
        early: VecDeque::new(),
        alive: now,
        head: now,
        checked: false,
        headless: false,
        nameless: 0,
        later: Vec::new(),
        refusals: 0,
    };
    session.run().await
}

impl Session {
    async fn run(mut self) -> Result<(), SourceError> {
        self.ask(Topic::Heads, "eth_subscribe", json!(["newHeads"])).await?;
        self.ask(Topic::Bodies, "eth_subscribe", json!(["newPendingTransactions", true])).await?;
        self.subscribe_logs().await?;
        let mut ping = tokio::time::interval(self.patience.ping);
        loop {
            let dead = self.alive + self.patience.silence;
            let headless = self.head + if self.headless { LOOK } else { self.patience.heads };
            let late = self.asked.late_at(self.patience.connect);
            let later = self.later_at();
            tokio::select! {
                biased;
                received = self.link.next() => self.received(received?).await?,
                Ok(()) = self.watched.changed() => self.subscribe_logs().await?,
                _ = ping.tick() => self.ping().await?,
                () = tokio::time::sleep_until(dead) => return Err(SourceError::Silent(self.patience.silence)),
                () = tokio::time::sleep_until(headless) => self.no_head().await?,
                () = tokio::time::sleep_until(later.unwrap_or(dead)), if later.is_some() => self.ask_again().await?,
                () = tokio::time::sleep_until(late.unwrap_or(dead)), if late.is_some() => {
                    let late = self.asked.late(Instant::now(), self.patience.connect);
                    self.outcomes(late).await?;
                }
            }
        }
    }

    /// No ping on a unix socket: any request will do.
    async fn ping(&mut self) -> Result<(), SourceError> {
        match self.link {
            Link::Ws(_) => self.within(Link::ping).await,
            Link::Ipc(..) => self.ask(Topic::Other, "eth_chainId", json!([])).await,
        }
    }

    async fn no_head(&mut self) -> Result<(), SourceError> {
        let confirmed = self.topics.values().any(|topic| *topic == Topic::Heads);
        if !self.headless && (self.checked || !confirmed) {
            return Err(SourceError::NoHeads(self.patience.heads));
        }
        self.checked = true;
        self.head = Instant::now();
        self.inlet.check().await;
        Ok(())
    }

    async fn received(&mut self, received: Received) -> Result<(), SourceError> {
        self.alive = Instant::now();
        let Received::Text(text) = received else { return Ok(()) };
        let at_ns = self.inlet.now_ns();
        self.inlet.raw(at_ns, text.as_bytes());
        match wire::subscription(&text).and_then(|id| self.topics.get(id).copied()) {
            Some(topic) => self.notice(topic, &text, at_ns).await,
            None => self.any(text, at_ns).await,
        }
    }

    /// Whatever is no notice of a subscription that is known by this very id.
    async fn any(&mut self, text: String, at_ns: u64) -> Result<(), SourceError> {
        let all = match wire::read(&text) {
            Ok(all) => all,
            Err(error) => {
                self.inlet.bad(Kind::Unknown, at_ns, &text, error);
                return Ok(());
            }
        };
        let mut is_early = false;
        for said in all {
            match said {
                Said::Reply(reply) => {
                    let outcomes = self.asked.answer(reply);
                    if outcomes.contains(&Outcome::Unasked) {
                        self.inlet.bad(Kind::Unknown, at_ns, &text, "an answer to nothing that was asked");
                    }
                    self.outcomes(outcomes).await?;
                }
                Said::Notice(id, items) => match self.topic(&id) {
                    Some(topic) => self.items(topic, items, (&text, at_ns)).await?,
                    None if self.given_up.contains(&id) => {}
                    None => is_early = true,
                },
                Said::Odd => self.inlet.bad(Kind::Unknown, at_ns, &text, "neither a notice nor an answer"),
            }
        }
        if is_early {
            self.keep_early(at_ns, text);
        }
        Ok(())
    }

    fn topic(&self, id: &str) -> Option<Topic> {
        let same = || self.topics.iter().find(|(known, _)| wire::is_same(known, id)).map(|(_, topic)| topic);
        self.topics.get(id).or_else(same).copied()
    }

    /// Of a subscription not yet confirmed; once nothing is to be confirmed, of none.
    fn keep_early(&mut self, at_ns: u64, text: String) {
        let lost = if !self.asked.is_any_open() {
            Some((at_ns, text))
        } else {
            self.early.push_back((at_ns, text));
            if self.early.len() > EARLY { self.early.pop_front() } else { None }
        };
        if let Some((at_ns, text)) = lost {
            self.inlet.bad(Kind::Unknown, at_ns, &text, "of a subscription that is not known");
        }
    }

    async fn ask(&mut self, topic: Topic, method: &str, params: Value) -> Result<(), SourceError> {
        let id = self.asked.ask(topic);
        let text = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        self.within(async |link| link.send(text).await).await
    }

    /// Sending to a peer that reads nothing must not hang.
    async fn within(
        &mut self,
        send: impl AsyncFnOnce(&mut Link) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let silence = self.patience.silence;
        tokio::time::timeout(silence, send(&mut self.link)).await.unwrap_or(Err(SourceError::Silent(silence)))
    }
}
