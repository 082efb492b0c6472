//! A relay on 127.0.0.1 that behaves as it is told and remembers what it was sent.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use peregrine::edge::submit::{DialectName, config};

/// What it answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// This, with this status.
    Says(u16, String),
    /// This, with this status, and when to come again.
    Busy(u16, String, String),
    /// This, after so many milliseconds.
    Slow(u64, String),
    /// Nothing, ever.
    Hangs,
    /// Sends the client somewhere else.
    Redirects(String),
}

/// A request it got.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub from: SocketAddr,
}

#[derive(Clone)]
pub struct Relay {
    manner: Manner,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub at: SocketAddr,
}

/// The URL's path: as an account's key would stand there.
pub const SECRET_PATH: &str = "hunter2-account-key";

impl Relay {
    pub async fn start(manner: Manner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("bound");
        let relay = Self { manner, seen: Arc::default(), at };
        let router = Router::new().fallback(answer).with_state(relay.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        relay
    }

    pub async fn says(status: u16, text: &str) -> Self {
        Self::start(Manner::Says(status, text.to_owned())).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }

    /// What it was POSTed.
    pub fn posts(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method == Method::POST).collect()
    }

    pub fn row(&self, name: &str, dialect: DialectName, sign: bool) -> config::Relay {
        row(name, &format!("http://{}/{SECRET_PATH}", self.at), dialect, sign)
    }
}

pub fn row(name: &str, url: &str, dialect: DialectName, sign: bool) -> config::Relay {
    config::Relay { name: name.to_owned(), url: url.to_owned(), dialect, sign, timeout_ms: 1_000 }
}

async fn answer(
    State(relay): State<Relay>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    relay.seen.lock().expect("whole").push(Seen { method, headers, body: body.to_vec(), from });
    match relay.manner {
        Manner::Says(status, text) => (StatusCode::from_u16(status).expect("a status"), text).into_response(),
        Manner::Busy(status, after, text) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::RETRY_AFTER, after)], text).into_response()
        }
        Manner::Slow(ms, text) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            text.into_response()
        }
        Manner::Hangs => std::future::pending().await,
        Manner::Redirects(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
    }
}
