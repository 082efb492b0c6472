//! Subscriptions: made, refused, given up; and what is done instead of one that there will not be.

use serde_json::json;

use crate::edge::ingest::SourceError;
use crate::edge::ingest::node::Session;
use crate::edge::ingest::node::Topic;
use crate::edge::ingest::node::asked::Outcome;
use crate::edge::ingest::node::wire;
use crate::types::text::printable;

/// Past so many addresses all logs are subscribed and sifted here: nodes bound the length of a filter.
const MAX_FILTER: usize = 256;
/// Characters of a refusal that are logged.
const WORDS: usize = 200;
/// Subscriptions that were given up and are remembered: what is under way of theirs is nothing new.
const GIVEN_UP: usize = 64;

impl Session {
    pub(super) async fn outcomes(&mut self, outcomes: Vec<Outcome>) -> Result<(), SourceError> {
        for outcome in outcomes {
            match outcome {
                Outcome::Granted(Topic::Other, _) | Outcome::Again | Outcome::Unasked => {}
                Outcome::Granted(topic, result) => match wire::id(&result) {
                    Some(id) => self.granted(topic, id).await?,
                    None => self.refused(topic, &format!("no subscription: {result}")).await?,
                },
                Outcome::Refused(topic, why) => self.refused(topic, &why).await?,
            }
        }
        if !self.asked.is_any_open() && !self.early.is_empty() {
            for (at_ns, text) in std::mem::take(&mut self.early) {
                self.keep_early(at_ns, text);
            }
        }
        Ok(())
    }

    async fn granted(&mut self, topic: Topic, id: String) -> Result<(), SourceError> {
        if topic == Topic::Logs {
            self.unsubscribe_logs().await?;
        }
        self.inlet.granted(topic.name());
        self.given_up.remove(&id);
        self.topics.insert(id, topic);
        if topic == Topic::Heads {
            self.headless = false;
            self.inlet.up().await;
        }
        let early = std::mem::take(&mut self.early);
        for (at_ns, text) in early {
            // Boxed: what is early is looked at as it came.
            match wire::subscription(&text).and_then(|id| self.topics.get(id).copied()) {
                Some(topic) => self.notice(topic, &text, at_ns).await?,
                None => Box::pin(self.any(text, at_ns)).await?,
            }
        }
        Ok(())
    }

    /// Whatever the code, there will be none.
    async fn refused(&mut self, topic: Topic, why: &str) -> Result<(), SourceError> {
        let is_new = topic != Topic::Other && self.inlet.refused(topic.name(), why);
        let instead = match topic {
            Topic::Heads => {
                self.headless = true;
                self.inlet.up().await;
                "the node is asked for its head"
            }
            Topic::Bodies => {
                self.ask(Topic::Hashes, "eth_subscribe", json!(["newPendingTransactions"])).await?;
                "hashes are subscribed"
            }
            Topic::Hashes => "no pending transaction comes from there",
            // With every head in any case.
            Topic::Logs => "logs are asked for",
            Topic::Other => return Ok(()),
        };
        if is_new {
            let (source, why) = (self.inlet.name(), printable(why, WORDS));
            tracing::warn!(source, subscription = topic.name(), why, instead, "a subscription is refused");
        }
        Ok(())
    }

    pub(super) async fn subscribe_logs(&mut self) -> Result<(), SourceError> {
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
            if self.given_up.len() >= GIVEN_UP {
                self.given_up.clear();
            }
            self.given_up.insert(id.clone());
            self.ask(Topic::Other, "eth_unsubscribe", json!([id])).await?;
        }
        Ok(())
    }
}
