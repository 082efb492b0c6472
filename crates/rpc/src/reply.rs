//! Answers as they are given. JSON-RPC has one form for them, servers have more: an error that is a bare string or has no code, or
//! one that is text; an id that comes back as text, or not at all; a gateway's no that is no JSON-RPC.
//!
//! # Invariants
//! - Ids asked by are numbers. One that comes back as the same number, in digits or as text, is that request's.
//! - A refusal's words are bounded, on one line, and without control characters.

use serde_json::Map;
use serde_json::Value;

/// Characters kept of a refusal's words.
const WORDS: usize = 512;

/// Which request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The one of this id.
    Request(u64),
    /// It is not said.
    Unsaid,
    /// None: no request has such an id.
    Nobody,
}

/// A no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its code, where one was given.
    pub code: Option<i64>,
    /// Its words.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(to, "{code}: {}", self.message),
            None => to.write_str(&self.message),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// To which request.
    pub to: Answered,
    /// What it says.
    pub said: Result<Value, Refusal>,
}

impl Reply {
    /// Reads an answer. `None`: it is none.
    #[must_use]
    pub fn read(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else { return None };
        // What has a method asks or tells.
        if fields.contains_key("method") {
            return None;
        }
        let to = answered(fields.get("id"));
        let error = fields.remove("error").filter(|error| !error.is_null());
        let said = match (error, fields.remove("result")) {
            (Some(error), _) => Err(refusal(error)),
            (None, Some(result)) => Ok(result),
            // Some leave out a result that is null.
            (None, None) if matches!(to, Answered::Request(_)) => Ok(Value::Null),
            (None, None) if fields.contains_key("message") || fields.contains_key("code") => {
                Err(refusal(Value::Object(fields)))
            }
            (None, None) => return None,
        };
        Some(Self { to, said })
    }
}

fn answered(id: Option<&Value>) -> Answered {
    let number = match id {
        None | Some(Value::Null) => return Answered::Unsaid,
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Some(_) => None,
    };
    number.map_or(Answered::Nobody, Answered::Request)
}

/// Servers whose numbers are all floats say 1.0.
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64)
}

fn refusal(error: Value) -> Refusal {
    let Value::Object(fields) = error else { return Refusal { code: None, message: words(&error) } };
    let code = match fields.get("code") {
        Some(Value::Number(code)) => code.as_i64().or_else(|| code.as_f64().map(|code| code as i64)),
        Some(Value::String(code)) => code.trim().parse().ok(),
        _ => None,
    };
    Refusal { code, message: said_in(&fields) }
}

/// The words of an error, wherever it has them; else the whole of it.
fn said_in(fields: &Map<String, Value>) -> String {
    let text = |key: &&str| fields.get(*key).filter(|text| text.as_str().is_some_and(|text| !text.is_empty()));
    match ["message", "reason", "error", "data"].iter().find_map(text) {
        Some(text) => words(text),
        None => words(&Value::Object(fields.clone())),
    }
}

fn words(value: &Value) -> String {
    clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// On one line, bounded, and without what steers or hides. The searcher's `types::text` says more of it; this crate stands below.
pub(crate) fn clean(text: &str) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().map(|letter| if hidden(letter) { ' ' } else { letter }).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Reply> {
        Reply::read(serde_json::from_str(text).expect("json"))
    }

    #[test]
    fn a_refusal_is_one_in_whatever_form_it_comes() {
        for (text, to, code, message) in [
            (r#"{"id":2,"error":{"code":-32602,"message":"no"}}"#, Answered::Request(2), Some(-32602), "no"),
            (r#"{"id":2,"error":"no"}"#, Answered::Request(2), None, "no"),
            (r#"{"id":"2","error":{"message":"no"}}"#, Answered::Request(2), None, "no"),
            (r#"{"id":null,"error":{"code":"-32601","message":"no"}}"#, Answered::Unsaid, Some(-32601), "no"),
            (r#"{"error":{"code":"METHOD_NOT_FOUND","data":"no"}}"#, Answered::Unsaid, None, "no"),
            (
                r#"{"id":2.0,"error":{"code":-32601.0,"message":""}}"#,
                Answered::Request(2),
                Some(-32601),
                r#"{"code":-32601.0,"message":""}"#,
            ),
            (r#"{"id":2,"error":["no"]}"#, Answered::Request(2), None, r#"["no"]"#),
            (r#"{"id":2,"error":false}"#, Answered::Request(2), None, "false"),
            (r#"{"id":2,"result":null,"error":"n\u001b[2Jo\n"}"#, Answered::Request(2), None, "n [2Jo "),
            (r#"{"code":429,"message":"too many"}"#, Answered::Unsaid, Some(429), "too many"),
            (r#"{"id":2,"error":"\u202eon\u200b"}"#, Answered::Request(2), None, " on "),
        ] {
            let refusal = Refusal { code, message: message.to_owned() };
            assert_eq!(read(text), Some(Reply { to, said: Err(refusal) }), "{text}");
        }
    }

    #[test]
    fn an_answer_is_to_the_id_it_names_and_to_no_other() {
        for (text, to) in [
            (r#"{"id":7,"result":"0x1"}"#, Answered::Request(7)),
            (r#"{"id":" 7 ","result":"0x1"}"#, Answered::Request(7)),
            (r#"{"result":"0x1"}"#, Answered::Unsaid),
            (r#"{"id":"seven","result":"0x1"}"#, Answered::Nobody),
            (r#"{"id":-7,"result":"0x1"}"#, Answered::Nobody),
            (r#"{"id":[7],"result":"0x1"}"#, Answered::Nobody),
        ] {
            assert_eq!(read(text).map(|reply| reply.to), Some(to), "{text}");
        }
        assert_eq!(read(r#"{"id":7}"#).map(|reply| reply.said), Some(Ok(Value::Null)));
        for text in ["{}", "[]", "7", r#"{"method":"eth_subscription","result":1}"#, r#"{"id":"x"}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
