//! Stands between the node and us, and spoils what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};

/// What becomes of an answer: the call, and what the node says (`result` or `error`).
type Spoil = dyn Fn(&Value, Value) -> Value + Send + Sync;

struct Between {
    node: String,
    client: reqwest::Client,
    spoil: Box<Spoil>,
    calls: AtomicU64,
}

pub struct Proxy {
    pub url: String,
    between: Arc<Between>,
}

impl Proxy {
    pub async fn before(node: &str, spoil: impl Fn(&Value, Value) -> Value + Send + Sync + 'static) -> Self {
        peregrine::edge::rpc::install_tls();
        let (client, calls) = (reqwest::Client::new(), AtomicU64::new(0));
        let between = Arc::new(Between { node: node.to_owned(), client, spoil: Box::new(spoil), calls });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let limit = axum::extract::DefaultBodyLimit::disable();
        let app = Router::new().route("/", post(carry)).layer(limit).with_state(between.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, between }
    }

    /// Answers that were spoilt.
    pub fn spoilt(&self) -> u64 {
        self.between.calls.load(Ordering::Relaxed)
    }
}

async fn carry(State(between): State<Arc<Between>>, axum::Json(asked): axum::Json<Value>) -> axum::Json<Value> {
    let said = between.client.post(&between.node).json(&asked).send().await.unwrap().bytes().await.unwrap();
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
