//! What a subscription tells, handed in; and what is done where it cannot be read.

use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::hearing::Kind;
use crate::edge::ingest::node::Session;
use crate::edge::ingest::node::Topic;
use crate::edge::ingest::node::wire;
use crate::edge::ingest::node::wire::Announced;
use crate::edge::ingest::node::wire::Unread;

/// Announcements in a row that give neither a transaction nor a hash, behind which hashes are subscribed.
const NAMELESS: u32 = 3;

/// A message, and when it came.
type Frame<'a> = (&'a str, u64);

impl Session {
    /// A single notice, mostly as the common nodes send it.
    pub(super) async fn notice(&mut self, topic: Topic, text: &str, at_ns: u64) -> Result<(), SourceError> {
        match topic {
            Topic::Heads => {
                if let Ok(head) = wire::notice(text) {
                    self.head(head, at_ns).await;
                    return Ok(());
                }
            }
            Topic::Logs => {
                if let Ok(log) = wire::notice(text) {
                    self.inlet.log(log).await;
                    return Ok(());
                }
            }
            Topic::Bodies | Topic::Hashes => {
                let began_ns = self.inlet.now_ns();
                if let Some(announced) = wire::pending(text) {
                    self.pending(announced, (text, at_ns), began_ns);
                    return Ok(());
                }
            }
            Topic::Other => return Ok(()),
        }
        self.uncommon(topic, (text, at_ns)).await
    }

    /// A single notice in another form.
    #[cold]
    async fn uncommon(&mut self, topic: Topic, frame: Frame<'_>) -> Result<(), SourceError> {
        let mut all = match wire::read(frame.0) {
            Ok(all) => all,
            Err(error) => return self.unread(topic, frame, Unread { why: error.to_string(), hash: None }).await,
        };
        match all.pop() {
            Some(wire::Said::Notice(_, items)) if all.is_empty() => self.items(topic, items, frame).await,
            _ => self.unread(topic, frame, Unread { why: "no notice".to_owned(), hash: None }).await,
        }
    }

    /// What one notice tells, which may be several things.
    pub(super) async fn items(&mut self, topic: Topic, items: Vec<Value>, frame: Frame<'_>) -> Result<(), SourceError> {
        for item in items {
            let why = |error: serde_json::Error| Unread { why: error.to_string(), hash: None };
            let read = match topic {
                Topic::Heads => match Head::deserialize(&item) {
                    Ok(head) => {
                        self.head(head, frame.1).await;
                        Ok(())
                    }
                    Err(error) => Err(why(error)),
                },
                Topic::Logs => match Log::deserialize(&item) {
                    Ok(log) => {
                        self.inlet.log(log).await;
                        Ok(())
                    }
                    Err(error) => Err(why(error)),
                },
                Topic::Bodies | Topic::Hashes => {
                    let began_ns = self.inlet.now_ns();
                    let announced = wire::any_pending(&item, self.inlet.chain_id());
                    announced.map(|announced| self.pending(announced, frame, began_ns))
                }
                Topic::Other => Ok(()),
            };
            if let Err(unread) = read {
                self.unread(topic, frame, unread).await?;
            }
        }
        Ok(())
    }

    async fn head(&mut self, head: Head, at_ns: u64) {
        self.inlet.head(head, at_ns).await;
        (self.head, self.checked) = (Instant::now(), false);
    }

    /// A node that was asked for bodies may send hashes all the same.
    fn pending(&mut self, announced: Announced, (text, at_ns): Frame<'_>, began_ns: u64) {
        self.nameless = 0;
        match announced {
            Announced::Full(tx, derived) => {
                if !derived.is_empty() {
                    self.inlet.derived(&derived, text);
                }
                self.inlet.pending(*tx, at_ns, began_ns);
            }
            Announced::Hash(hash) => {
                self.inlet.heard(Kind::Pending);
                self.fetch(hash, at_ns);
            }
        }
    }

    fn fetch(&self, hash: B256, at_ns: u64) {
        if !self.inlet.announced(hash, at_ns) || self.hashes.try_send(hash).is_ok() {
            return;
        }
        // Others may bring the body.
        self.inlet
            .not_had(1, if self.hashes.is_closed() { NOBODY } else { "the node announces faster than it answers" });
    }

    /// It is counted; what it told of is had in another way, if there is one.
    async fn unread(&mut self, topic: Topic, frame: Frame<'_>, unread: Unread) -> Result<(), SourceError> {
        let Unread { why, hash } = unread;
        self.inlet.bad(topic.kind(), frame.1, frame.0, why);
        match (topic, hash) {
            (Topic::Heads, _) => {
                // The node has one, whatever it says of it.
                (self.head, self.checked) = (Instant::now(), false);
                self.inlet.check().await;
            }
            (Topic::Bodies | Topic::Hashes, Some(hash)) => {
                self.nameless = 0;
                self.fetch(hash, frame.1);
            }
            (Topic::Bodies, None) => {
                self.nameless += 1;
                let is_asked = self.topics.values().any(|topic| *topic == Topic::Hashes);
                if self.nameless >= NAMELESS && !is_asked && !self.asked.is_open(Topic::Hashes) {
                    self.ask(Topic::Hashes, "eth_subscribe", json!(["newPendingTransactions"])).await?;
                }
            }
            (Topic::Hashes | Topic::Logs | Topic::Other, _) => {}
        }
        Ok(())
    }
}

const NOBODY: &str = "there is no node to ask for them";
