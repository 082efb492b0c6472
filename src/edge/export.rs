//! Numbers for others to read: `/metrics` as Prometheus takes them, `/status` as one JSON object.
//!
//! # Invariants
//! - It serves what it is handed and knows nothing of what it means.
//! - Loopback unless the user's configuration says otherwise.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

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
    let (for_metrics, for_status) = (Arc::clone(&exported), exported);
    let metrics = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], for_metrics.metrics()) };
    let status = move || async move { ([(CONTENT_TYPE, "application/json")], for_status.status()) };
    let router = Router::new().route("/metrics", get(metrics)).route("/status", get(status));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(socket, router).await {
            tracing::error!(%error, "the metrics' door is closed");
        }
    });
    Ok(Exporter { at, task })
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
