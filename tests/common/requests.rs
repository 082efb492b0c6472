//! Stands between the node and those who ask it, and spoils the answers.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockWriteGuard};

/// What becomes of an answer: the call, and what the node says (`result` or `error`).
type Spoil = dyn Fn(&Value, Value) -> Value + Send + Sync;

struct Between {
    node: String,
    client: reqwest::Client,
    spoil: Box<Spoil>,
    calls: AtomicU64,
    /// Nothing is spoilt, nor even read: a block's trace is megabytes.
    idle: AtomicBool,
    /// Read-locked by every call on its way.
    gate: RwLock<()>,
}

pub struct Proxy {
    pub url: String,
    between: Arc<Between>,
}

impl Proxy {
    pub async fn before(node: &str, spoil: impl Fn(&Value, Value) -> Value + Send + Sync + 'static) -> Self {
        peregrine::edge::rpc::install_tls();
        let (client, calls) = (reqwest::Client::new(), AtomicU64::new(0));
        let between = Arc::new(Between {
            node: node.to_owned(),
            client,
            spoil: Box::new(spoil),
            calls,
            idle: AtomicBool::new(false),
            gate: RwLock::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let limit = axum::extract::DefaultBodyLimit::disable();
        let app = Router::new().route("/", post(carry)).layer(limit).with_state(between.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, between }
    }

    /// From now on everything passes as it is, or is given to be spoilt.
    pub fn idle(&self, idle: bool) {
        self.between.idle.store(idle, Ordering::Relaxed);
    }

    /// Waits for the calls on their way; those that come later wait for the guard's end.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.between.gate.write().await
    }

    /// Answers that were spoilt.
    pub fn spoilt(&self) -> u64 {
        self.between.calls.load(Ordering::Relaxed)
    }
}

async fn carry(State(between): State<Arc<Between>>, asked: Bytes) -> Response {
    let _on_its_way = between.gate.read().await;
    let call = between.client.post(&between.node).header("content-type", "application/json").body(asked.clone());
    // Who asks may end before the node answers, and so may the node.
    let Ok(said) = call.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let Ok(said) = said.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    if between.idle.load(Ordering::Relaxed) {
        return ([("content-type", "application/json")], said).into_response();
    }
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    let spoil = |(call, reply): (&Value, Value)| {
        let spoilt = (between.spoil)(call, reply.clone());
        between.calls.fetch_add(u64::from(spoilt != reply), Ordering::Relaxed);
        spoilt
    };
    axum::Json(match (asked, said) {
        (Value::Array(calls), Value::Array(mut replies)) => {
            replies.sort_by_key(|reply| reply["id"].as_u64());
            Value::Array(calls.iter().zip(replies).map(spoil).collect())
        }
        (call, reply) => spoil((&call, reply)),
    })
    .into_response()
}

/// The node's no.
pub fn refusal(call: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}})
}

/// A node without any of these methods.
pub fn without(methods: &'static [&'static str]) -> impl Fn(&Value, Value) -> Value + Send + Sync + 'static {
    move |call, reply| match methods.iter().any(|method| call["method"] == *method) {
        true => refusal(call, -32601, "Method not found"),
        false => reply,
    }
}
