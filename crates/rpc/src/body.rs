//! A batch's body as it is written, and as it mostly comes back: without a tree of values between text and types, for starts ask for
//! millions of words.

use std::fmt::{Display, Write as _};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// Bytes that a call takes, roughly, to begin with.
const CALL: usize = 200;

/// Calls of one method, numbered from 0. What is shown of parameters is their JSON.
pub fn of_batch(method: &str, params: &[impl Display]) -> String {
    let method = Value::from(method).to_string();
    let mut body = String::with_capacity(params.len() * CALL);
    for (id, params) in params.iter().enumerate() {
        body.push(if id == 0 { '[' } else { ',' });
        call(&mut body, id, &method, params);
    }
    body.push(']');
    body
}

/// One call. What is shown of its parameters is their JSON.
pub fn of_call(method: &str, params: impl Display) -> String {
    let mut body = String::with_capacity(CALL);
    call(&mut body, 1, &Value::from(method).to_string(), params);
    body
}

fn call(body: &mut String, id: usize, method: &str, params: impl Display) {
    // Writing to a string does not fail.
    let _written = write!(body, r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#);
}

/// An answer as it is due. Whatever else stands there makes it another one.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
struct Plain<T> {
    id: usize,
    /// Missing is not null.
    #[serde(deserialize_with = "T::deserialize")]
    result: T,
    error: Option<IgnoredAny>,
}

/// The answers in order, where the body is nothing but one of each, and none an error. `None`: it is to be looked at more closely.
pub fn plain<T: DeserializeOwned>(body: &[u8], due: usize) -> Option<Vec<T>> {
    let all: Vec<Plain<T>> = serde_json::from_slice(body).ok()?;
    if all.len() != due || all.iter().any(|answer| answer.error.is_some()) {
        return None;
    }
    if all.iter().enumerate().all(|(place, answer)| answer.id == place) {
        return Some(all.into_iter().map(|answer| answer.result).collect());
    }
    let mut placed: Vec<Option<T>> = std::iter::repeat_with(|| None).take(due).collect();
    for answer in all {
        placed.get_mut(answer.id).filter(|place| place.is_none())?.replace(answer.result);
    }
    placed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{of_batch, of_call, plain};
    use serde_json::{Value, json};

    #[test]
    fn a_batch_is_an_array_of_numbered_calls() {
        let body: Value = serde_json::from_str(&of_batch("a\"b", &[json!([1]), json!(["x"])])).unwrap();
        let call = |id, params| json!({"jsonrpc": "2.0", "id": id, "method": "a\"b", "params": params});
        assert_eq!(body, json!([call(0, json!([1])), call(1, json!(["x"]))]));
        let one: Value = serde_json::from_str(&of_call("a\"b", json!([1]))).unwrap();
        assert_eq!(one, call(1, json!([1])));
    }

    #[test]
    fn answers_are_taken_in_whatever_order_and_anything_else_is_left_to_be_looked_at() {
        let read = |body: Value| plain::<u64>(body.to_string().as_bytes(), 2);
        let answer = |id: Value, result: u64| json!({"jsonrpc": "2.0", "id": id, "result": result});
        assert_eq!(read(json!([answer(json!(0), 5), answer(json!(1), 6)])), Some(vec![5, 6]));
        assert_eq!(read(json!([answer(json!(1), 6), answer(json!(0), 5)])), Some(vec![5, 6]));
        assert_eq!(read(json!([{"id": 0, "result": 5, "error": null}, answer(json!(1), 6)])), Some(vec![5, 6]));
        for other in [
            json!([answer(json!(0), 5)]),
            json!([answer(json!(0), 5), answer(json!(0), 6)]),
            json!([answer(json!(0), 5), answer(json!(2), 6)]),
            json!([answer(json!("0"), 5), answer(json!(1), 6)]),
            json!([answer(json!(0), 5), {"id": 1, "error": {"code": 3}}]),
            json!([{"id": 0, "result": 5, "error": {"code": 3}}, answer(json!(1), 6)]),
            json!([answer(json!(0), 5), {"id": 1, "result": "6"}]),
            json!({"id": 0, "result": 5}),
        ] {
            assert_eq!(read(other.clone()), None, "{other}");
        }
    }
}
