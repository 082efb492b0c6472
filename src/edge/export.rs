//! Numbers for others to read: `/metrics` as Prometheus takes them, `/status` as one JSON object.
//!
//! # Invariants
//! - It serves what it is handed and knows nothing of what it means.
//! - Loopback unless the user's configuration says otherwise.
//! - Whoever connects is bounded: [`MOST`] connections, [`PATIENCE`] for all of one, 16 KiB for what is asked. One more connection
//!   closes the oldest, so that who asks is answered however many sit there and say nothing.
//! - As many descriptors are kept for them, used or not: those who dial nodes and relays leave none over where there are few.

use std::collections::VecDeque;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;

/// Connections at once. Each is for one request: who scrapes, who looks, and room for both.
pub const MOST: usize = 8;
/// All the time that a connection has, from its first byte to the last of the answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request's head.
const ROOM: usize = 16 << 10;
/// Until a connection is taken again, where the system has none to give: for want of descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(10);
/// What a descriptor that is kept for later is open to.
const NOTHING: &str = "/dev/null";

/// The `[metrics]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port to serve on; port 0 takes a free one. Without it nothing is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// A run that for so long sees no pending transaction, no pool or no opportunity says so, and why; in seconds, 0 for never.
    pub quiet_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: None, quiet_seconds: 180 }
    }
}

/// What is served, made at each request.
pub trait Exported: Send + Sync + 'static {
    /// Prometheus' text format.
    fn metrics(&self) -> String;
    /// A JSON object.
    fn status(&self) -> String;
}

/// A running exporter. It stops when dropped.
#[derive(Debug)]
pub struct Exporter {
    at: SocketAddr,
    task: JoinHandle<()>,
}

/// Starts serving; within a tokio runtime.
///
/// # Errors
/// The address cannot be had.
pub async fn serve(listen: SocketAddr, exported: Arc<impl Exported>) -> std::io::Result<Exporter> {
    let socket = TcpListener::bind(listen).await?;
    let at = socket.local_addr()?;
    let closed = Arc::new(AtomicU64::new(0));
    let (for_metrics, for_status, shown) = (Arc::clone(&exported), exported, closed.clone());
    let metrics = move || async move {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], for_metrics.metrics() + &own(shown.load(Ordering::Relaxed)))
    };
    let status = move || async move { ([(CONTENT_TYPE, "application/json")], for_status.status()) };
    let router = Router::new().route("/metrics", get(metrics)).route("/status", get(status));
    let task = tokio::spawn(
        Door { socket, router, spare: Vec::new(), open: VecDeque::new(), tasks: JoinSet::new(), closed }.keep(),
    );
    Ok(Exporter { at, task })
}

/// What the door says of itself.
fn own(closed: u64) -> String {
    let name = "peregrine_metrics_connections_closed_total";
    let help = "Connections to this address closed to make room for another.";
    format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {closed}\n")
}

/// Lets in who connects.
struct Door {
    socket: TcpListener,
    router: Router,
    /// Descriptors for connections to come: with those that are open [`MOST`] of them.
    spare: Vec<File>,
    /// Oldest first.
    open: VecDeque<AbortHandle>,
    tasks: JoinSet<()>,
    /// Connections that made room for another.
    closed: Arc<AtomicU64>,
}

impl Door {
    async fn keep(mut self) {
        let (mut said, mut is_full) = (false, false);
        loop {
            // What was given up for who comes next is left to it.
            if !std::mem::take(&mut is_full) {
                self.keep_room();
            }
            let came = self.socket.accept().await;
            while self.tasks.try_join_next().is_some() {}
            self.open.retain(|task| !task.is_finished());
            match came {
                Ok((stream, _)) => {
                    if self.open.len() >= MOST {
                        self.close_oldest();
                    }
                    self.open.push_back(self.tasks.spawn(answer(stream, self.router.clone())));
                }
                // Of the one that came, or of the system's means: the next may be let in.
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!(%error, "nobody is let in at the address of the metrics for now; it goes on");
                    }
                    is_full = true;
                    if self.spare.pop().is_none() {
                        self.close_oldest();
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn keep_room(&mut self) {
        while self.open.len() + self.spare.len() < MOST {
            let Ok(file) = File::open(NOTHING) else { return };
            self.spare.push(file);
        }
        self.spare.truncate(MOST - self.open.len().min(MOST));
    }

    fn close_oldest(&mut self) {
        if let Some(oldest) = self.open.pop_front() {
            oldest.abort();
            self.closed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One request, one answer, or whatever there is of them in time.
async fn answer(stream: TcpStream, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false).max_buf_size(ROOM);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Whoever it was has gone, or has had its time.
    let _ended = tokio::time::timeout(PATIENCE, connection).await;
}

impl Exporter {
    /// Where.
    #[must_use]
    pub const fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}
