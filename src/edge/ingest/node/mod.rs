//! One session with a node, whatever carries it: subscribe, listen, hand in.
//!
//! # Invariants
//! - `up` is told once newHeads is confirmed, so that what is asked for then leaves no hole before the first head.
//! - A notice that outruns the reply to its subscription waits for it.
//! - A message that does not decode is counted and kept; only the connection's end, silence, or a refusal of newHeads
//!   ends the session.

mod fetch;
pub(in crate::edge::ingest) mod link;
mod wire;

use std::collections::{HashMap, VecDeque};
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
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::link::Received;
use crate::edge::ingest::node::wire::Announced;
use crate::edge::ingest::node::wire::Message;
use crate::edge::ingest::node::wire::Reply;

/// Notices kept until their subscription is confirmed.
const EARLY: usize = 1024;
/// Past so many addresses all logs are subscribed and sifted here: nodes bound the length of a filter.
const MAX_FILTER: usize = 256;

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

struct Session {
    link: Link,
    inlet: Inlet,
    patience: Patience,
    watched: watch::Receiver<Arc<[Address]>>,
    hashes: mpsc::Sender<B256>,
    asked: HashMap<u64, Topic>,
    topics: HashMap<String, Topic>,
    early: VecDeque<(u64, String)>,
    next_id: u64,
    alive: Instant,
    head: Instant,
    /// The node was asked for a head once already.
    checked: bool,
}

/// Until the connection ends.
pub(in crate::edge::ingest) async fn session(link: Link, inlet: Inlet, patience: Patience) -> Result<(), SourceError> {
    let (hashes, wanted) = mpsc::channel(fetch::ROOM);
    // Dropped with the session, and its task with it.
    let mut fetcher = JoinSet::new();
    if let Some(chain) = inlet.chain().cloned() {
        fetcher.spawn(fetch::run(chain, inlet.clone(), wanted));
    }
    let now = Instant::now();
    let session = Session {
        link,
        patience,
        watched: inlet.watched(),
        inlet,
        hashes,
        asked: HashMap::new(),
        topics: HashMap::new(),
        early: VecDeque::new(),
        next_id: 1,
        alive: now,
        head: now,
        checked: false,
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
            let headless = self.head + self.patience.heads;
            tokio::select! {
                biased;
                received = self.link.next() => self.received(received?).await?,
                Ok(()) = self.watched.changed() => self.subscribe_logs().await?,
                _ = ping.tick() => self.within(Link::ping).await?,
                () = tokio::time::sleep_until(dead) => return Err(SourceError::Silent(self.patience.silence)),
                () = tokio::time::sleep_until(headless) => self.no_head().await?,
            }
        }
    }

    async fn no_head(&mut self) -> Result<(), SourceError> {
        let confirmed = self.topics.values().any(|topic| *topic == Topic::Heads);
        if self.checked || !confirmed {
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
        let reply = match wire::open(&text) {
            Ok(Message::Notice(id)) => match self.topics.get(id).copied() {
                Some(topic) => {
                    self.notice(topic, &text, at_ns).await;
                    return Ok(());
                }
                None => {
                    self.keep_early(at_ns, text);
                    return Ok(());
                }
            },
            Ok(Message::Reply(reply)) => reply,
            Err(error) => {
                self.inlet.bad(at_ns, &text, error);
                return Ok(());
            }
        };
        self.reply(reply).await
    }

    /// Of a subscription not yet confirmed; of one that was given up, once nothing is to be confirmed.
    fn keep_early(&mut self, at_ns: u64, text: String) {
        if self.asked.values().all(|topic| *topic == Topic::Other) {
            return;
        }
        if self.early.len() >= EARLY {
            self.early.pop_front();
        }
        self.early.push_back((at_ns, text));
    }

    async fn notice(&mut self, topic: Topic, text: &str, at_ns: u64) {
        let decoded = match topic {
            Topic::Heads => match wire::notice(text) {
                Ok(head) => {
                    self.inlet.head(head, at_ns).await;
                    (self.head, self.checked) = (Instant::now(), false);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Topic::Logs => match wire::notice(text) {
                Ok(log) => {
                    self.inlet.log(log).await;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Topic::Bodies | Topic::Hashes => {
                let began_ns = self.inlet.now_ns();
                wire::pending(text).map(|announced| self.pending(announced, at_ns, began_ns))
            }
            Topic::Other => Ok(()),
        };
        if let Err(error) = decoded {
            self.inlet.bad(at_ns, text, error);
        }
    }

    /// A node that was asked for bodies may send hashes all the same.
    fn pending(&self, announced: Announced, at_ns: u64, began_ns: u64) {
        match announced {
            Announced::Full(tx) => self.inlet.pending(*tx, at_ns, began_ns),
            Announced::Hash(hash) => {
                if self.inlet.announced(hash, at_ns) {
                    // Full: the node announces faster than it answers. Others may bring the body.
                    let _full = self.hashes.try_send(hash);
                }
            }
        }
    }

    async fn reply(&mut self, reply: Reply) -> Result<(), SourceError> {
        let Some(topic) = self.asked.remove(&reply.id) else { return Ok(()) };
        if let Some(refusal) = reply.error {
            return self.refused(topic, &format!("{}: {}", refusal.code, refusal.message)).await;
        }
        let Value::String(id) = reply.result else { return Ok(()) };
        if topic == Topic::Logs {
            self.unsubscribe_logs().await?;
        }
        self.topics.insert(id.clone(), topic);
        if topic == Topic::Heads {
            self.inlet.up().await;
        }
        let early = std::mem::take(&mut self.early);
        for (at_ns, text) in early {
            if matches!(wire::open(&text), Ok(Message::Notice(of)) if of == id) {
                self.notice(topic, &text, at_ns).await;
            } else {
                self.keep_early(at_ns, text);
            }
        }
        Ok(())
    }

    /// -32601 or -32602 from nodes that know no bodies, but whatever the code, there will be none.
    async fn refused(&mut self, topic: Topic, why: &str) -> Result<(), SourceError> {
        match topic {
            Topic::Heads => return Err(SourceError::Refused(why.to_owned())),
            Topic::Bodies => {
                tracing::info!(source = self.inlet.name(), why, "no pending bodies; hashes are subscribed instead");
                self.ask(Topic::Hashes, "eth_subscribe", json!(["newPendingTransactions"])).await?;
            }
            // Logs are asked for with every head in any case.
            Topic::Logs | Topic::Hashes => {
                tracing::warn!(source = self.inlet.name(), ?topic, why, "subscription refused; going on without");
            }
            Topic::Other => {}
        }
        Ok(())
    }

    async fn subscribe_logs(&mut self) -> Result<(), SourceError> {
        let addresses = self.watched.borrow_and_update().clone();
        match addresses.len() {
            0 => self.unsubscribe_logs().await,
            1..=MAX_FILTER => self.ask(Topic::Logs, "eth_subscribe", json!(["logs", {"address": &*addresses}])).await,
            _ => self.ask(Topic::Logs, "eth_subscribe", json!(["logs", {}])).await,
        }
    }

    /// Gives up the subscription of an older list.
    async fn unsubscribe_logs(&mut self) -> Result<(), SourceError> {
        let old: Vec<String> =
            self.topics.iter().filter(|(_, topic)| **topic == Topic::Logs).map(|(id, _)| id.clone()).collect();
        for id in old {
            self.topics.remove(&id);
            self.ask(Topic::Other, "eth_unsubscribe", json!([id])).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, topic: Topic, method: &str, params: Value) -> Result<(), SourceError> {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, topic);
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
