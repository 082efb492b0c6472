//! Requests of one session, and which of them an answer is to.
//!
//! # Invariants
//! - An answer is to the request of its id; an id that was not asked is no answer.
//! - A no without an id is to the requests that are still open once there is one for each of them.
//! - What is not answered for long counts as refused. Should an answer come after all, it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::edge::ingest::node::Topic;
use crate::edge::rpc::Answered;
use crate::edge::rpc::Refusal;
use crate::edge::rpc::Reply;
use crate::edge::rpc::UNSAID;
use crate::edge::rpc::is_of_rate;

struct Open {
    topic: Topic,
    since: Instant,
    /// It counts as refused.
    late: bool,
}

/// What came of requests.
#[derive(Debug, PartialEq)]
pub(in crate::edge::ingest::node) enum Outcome {
    Granted(Topic, Value),
    /// ... with the words; and whether they are of the rate, which passes.
    Refused(Topic, String, bool),
    /// To nothing that is open: it was answered before.
    Again,
    /// To nothing that was asked.
    Unasked,
}

#[derive(Default)]
pub(in crate::edge::ingest::node) struct Asked {
    open: BTreeMap<u64, Open>,
    next: u64,
    /// Noes that do not say to what.
    unsaid: Vec<Refusal>,
}

impl Asked {
    /// Requests whose ids begin there. Not with zero: nobody takes another number for a default.
    pub(in crate::edge::ingest::node) fn from(first: u64) -> Self {
        Self { next: first.saturating_sub(1), ..Self::default() }
    }

    pub(in crate::edge::ingest::node) fn ask(&mut self, topic: Topic) -> u64 {
        self.next += 1;
        self.open.insert(self.next, Open { topic, since: Instant::now(), late: false });
        self.next
    }

    /// Whether a subscription is still to be confirmed.
    pub(in crate::edge::ingest::node) fn is_any_open(&self) -> bool {
        self.waiting().any(|open| open.topic != Topic::Other)
    }

    /// Whether such a request is still to be answered.
    pub(in crate::edge::ingest::node) fn is_open(&self, topic: Topic) -> bool {
        self.waiting().any(|open| open.topic == topic)
    }

    fn waiting(&self) -> impl Iterator<Item = &Open> {
        self.open.values().filter(|open| !open.late)
    }

    pub(in crate::edge::ingest::node) fn answer(&mut self, reply: Reply) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        match (reply.to, reply.said) {
            (Answered::Request(id), said) => match (self.open.remove(&id), said) {
                (Some(open), Ok(result)) => outcomes.push(Outcome::Granted(open.topic, result)),
                // It counted as refused before.
                (Some(Open { late: true, .. }), Err(_)) => outcomes.push(Outcome::Again),
                (Some(open), Err(refusal)) => outcomes.push(refused(open.topic, &refusal)),
                (None, _) if (1..=self.next).contains(&id) => outcomes.push(Outcome::Again),
                (None, _) => outcomes.push(Outcome::Unasked),
            },
            (Answered::Unsaid, Err(refusal)) if self.waiting().next().is_some() => {
                self.unsaid.push(refusal);
            }
            (Answered::Unsaid | Answered::Nobody, _) => outcomes.push(Outcome::Unasked),
        }
        if !self.unsaid.is_empty() && self.waiting().count() <= self.unsaid.len() {
            let words = std::mem::take(&mut self.unsaid);
            let open = self.open.values_mut().filter(|open| !open.late);
            outcomes.extend(open.zip(words).map(|(open, why)| {
                open.late = true;
                refused(open.topic, &why)
            }));
        }
        outcomes
    }

    /// When the next one is late.
    pub(in crate::edge::ingest::node) fn late_at(&self, patience: Duration) -> Option<Instant> {
        self.waiting().map(|open| open.since + patience).min()
    }

    /// Those that are.
    pub(in crate::edge::ingest::node) fn late(&mut self, now: Instant, patience: Duration) -> Vec<Outcome> {
        let late = self.open.values_mut().filter(|open| !open.late && open.since + patience <= now);
        late.map(|open| {
            open.late = true;
            Outcome::Refused(open.topic, format!("no answer for {patience:?}"), false)
        })
        .collect()
    }
}

fn refused(topic: Topic, refusal: &Refusal) -> Outcome {
    let is_of_rate = is_of_rate(refusal.code.unwrap_or(UNSAID), &refusal.message);
    Outcome::Refused(topic, refusal.to_string(), is_of_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        Reply::read(serde_json::from_str(text).expect("json")).expect("a reply")
    }

    fn granted(topic: Topic) -> Vec<Outcome> {
        vec![Outcome::Granted(topic, Value::from("0x1"))]
    }

    fn three() -> Asked {
        let mut asked = Asked::default();
        assert_eq!([Topic::Heads, Topic::Bodies, Topic::Logs].map(|topic| asked.ask(topic)), [1, 2, 3]);
        asked
    }

    #[test]
    fn answers_come_in_any_order_under_text_or_numbers_and_what_was_not_asked_is_none() {
        let mut asked = three();
        assert_eq!(asked.answer(reply(r#"{"id":"3","result":"0x1"}"#)), granted(Topic::Logs));
        for unasked in [
            r#"{"id":4,"result":"0x1"}"#,
            r#"{"id":0,"result":"0x1"}"#,
            r#"{"id":"x","error":"no"}"#,
            r#"{"result":"0x1"}"#,
        ] {
            assert_eq!(asked.answer(reply(unasked)), [Outcome::Unasked], "{unasked}");
        }
        assert_eq!(asked.answer(reply(r#"{"id":"1","result":"0x1"}"#)), granted(Topic::Heads));
        assert_eq!(asked.answer(reply(r#"{"id":1,"result":"0x1"}"#)), [Outcome::Again]);
        assert!(asked.is_any_open());
        assert_eq!(
            asked.answer(reply(r#"{"id":2,"error":"no"}"#)),
            [Outcome::Refused(Topic::Bodies, "no".to_owned(), false)]
        );
        assert!(!asked.is_any_open());
    }

    #[test]
    fn a_no_without_an_id_is_to_what_is_left_open() {
        let no = || reply(r#"{"id":null,"error":"no"}"#);
        let mut asked = three();
        assert_eq!(asked.answer(no()), []);
        assert_eq!(asked.answer(reply(r#"{"id":1,"result":"0x1"}"#)), granted(Topic::Heads));
        let mut last = granted(Topic::Logs);
        last.push(Outcome::Refused(Topic::Bodies, "no".to_owned(), false));
        assert_eq!(asked.answer(reply(r#"{"id":3,"result":"0x1"}"#)), last);
        assert_eq!(asked.answer(no()), [Outcome::Unasked], "nothing is open");
        let mut asked = three();
        assert_eq!((asked.answer(no()), asked.answer(no())), (Vec::new(), Vec::new()));
        assert_eq!(asked.answer(no()).len(), 3, "all of them");
    }

    #[test]
    fn what_is_not_answered_for_a_while_is_refused_and_an_answer_behind_that_holds() {
        let patience = Duration::from_secs(5);
        let mut asked = three();
        assert_eq!(asked.answer(reply(r#"{"id":1,"result":"0x1"}"#)), granted(Topic::Heads));
        let late_at = asked.late_at(patience).expect("two are open");
        assert_eq!(asked.late(late_at - patience / 2, patience), []);
        assert_eq!(asked.late(late_at + patience / 2, patience).len(), 2);
        assert_eq!((asked.late_at(patience), asked.is_any_open()), (None, false));
        assert_eq!(asked.answer(reply(r#"{"id":2,"result":"0x1"}"#)), granted(Topic::Bodies));
        assert_eq!(asked.answer(reply(r#"{"id":3,"error":"no"}"#)), [Outcome::Again]);
    }
}
