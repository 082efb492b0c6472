//! Subscriptions: made, refused, given up; and what is done instead of one that there will not be.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::edge::ingest::SourceError;
use crate::edge::ingest::node::Session;
use crate::edge::ingest::node::Topic;
use crate::edge::ingest::node::asked::Outcome;
use crate::edge::ingest::node::wire;
use crate::types::text::printable;

/// Past so many addresses all logs are subscribed and sifted here: nodes bound the length of a filter.
const MAX_FILTER: usize = 256;
/// Until a subscription that was refused is asked for again: the first time, and the longest.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(600)];
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
                    None => self.refused(topic, &format!("no subscription: {result}"), false).await?,
                },
                Outcome::Refused(topic, why, is_of_rate) => self.refused(topic, &why, is_of_rate).await?,
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

    /// Whatever the code, there is none for now.
    async fn refused(&mut self, topic: Topic, why: &str, is_of_rate: bool) -> Result<(), SourceError> {
        self.ask_later(topic, is_of_rate);
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

    /// A refusal is for now: one of the rate for a while that doubles, another for longer. Hashes are what there is instead of bodies:
    /// where both are refused, both are asked for again.
    fn ask_later(&mut self, topic: Topic, is_of_rate: bool) {
        let topic = match topic {
            Topic::Heads | Topic::Logs => topic,
            Topic::Hashes => Topic::Bodies,
            Topic::Bodies | Topic::Other => return,
        };
        self.refusals = self.refusals.saturating_add(1);
        let wait = if is_of_rate { AGAIN[0].saturating_mul(1 << self.refusals.min(8)).min(AGAIN[1]) } else { AGAIN[1] };
        self.later.retain(|(later, _)| *later != topic);
        self.later.push((topic, Instant::now() + wait));
    }

    /// When a subscription that was refused is to be asked for again.
    pub(super) fn later_at(&self) -> Option<Instant> {
        self.later.iter().map(|(_, at)| *at).min()
    }

    pub(super) async fn ask_again(&mut self) -> Result<(), SourceError> {
        let now = Instant::now();
        let due: Vec<(Topic, Instant)> = self.later.extract_if(.., |(_, at)| *at <= now).collect();
        for (topic, _) in due {
            match topic {
                Topic::Heads => self.ask(topic, "eth_subscribe", json!(["newHeads"])).await?,
                Topic::Bodies => self.ask(topic, "eth_subscribe", json!(["newPendingTransactions", true])).await?,
                Topic::Logs => self.subscribe_logs().await?,
                Topic::Hashes | Topic::Other => (),
            }
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
