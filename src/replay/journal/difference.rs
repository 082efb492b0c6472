//! Where two decisions first part: the field, and what each has there.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::types::decision::Decision;

/// The first decision that did not come out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The run, from 1.
    pub run: usize,
    /// The hot thread.
    pub thread: u16,
    /// The event's number.
    pub event: u64,
    /// What the event was.
    pub what: String,
    /// The field of the decision.
    pub at: String,
    /// What the journal has there.
    pub recorded: String,
    /// What came out.
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, thread, event, what, at, recorded, replayed } = self;
        write!(f, "run {run}, hot-{thread}, event {event} ({what}): {at} was {recorded}, the replay has {replayed}")
    }
}

/// A field and two values.
pub(super) struct Parting {
    pub at: String,
    pub recorded: String,
    pub replayed: String,
}

/// The first field in which the decisions differ.
pub(super) fn first(recorded: &Decision, replayed: &Decision) -> Parting {
    let value = |decision| serde_json::to_value(decision).unwrap_or_default();
    let mut at = String::new();
    let (recorded, replayed) = part(value(recorded), value(replayed), &mut at);
    let shown = |value: Value| if value.is_null() { "nothing".to_owned() } else { short(&value.to_string()) };
    let at = if at.is_empty() { "decision".to_owned() } else { at };
    Parting { at, recorded: shown(recorded), replayed: shown(replayed) }
}

/// Goes down to where they part.
fn part(recorded: Value, replayed: Value, at: &mut String) -> (Value, Value) {
    match (recorded, replayed) {
        (Value::Object(mut recorded), Value::Object(mut replayed)) => {
            let mut keys: Vec<String> = recorded.keys().chain(replayed.keys()).cloned().collect();
            keys.sort_unstable();
            let Some(key) = keys.into_iter().find(|key| recorded.get(key) != replayed.get(key)) else {
                return (Value::Object(recorded), Value::Object(replayed));
            };
            let both = [recorded.remove(&key), replayed.remove(&key)].map(Option::unwrap_or_default);
            *at += &if at.is_empty() { key } else { format!(".{key}") };
            let [recorded, replayed] = both;
            part(recorded, replayed, at)
        }
        (Value::Array(mut recorded), Value::Array(mut replayed)) => {
            let most = recorded.len().max(replayed.len());
            let Some(index) = (0..most).find(|index| recorded.get(*index) != replayed.get(*index)) else {
                return (Value::Array(recorded), Value::Array(replayed));
            };
            *at += &format!("[{index}]");
            let both = [&mut recorded, &mut replayed].map(|list| list.get_mut(index).map(Value::take));
            let [recorded, replayed] = both.map(Option::unwrap_or_default);
            part(recorded, replayed, at)
        }
        both => both,
    }
}

/// Calldata and access lists are long.
fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}
