//! A node's subscriptions over its unix socket. Requests go where the row's `http` says, or to another node.

use std::path::PathBuf;

use tokio::net::UnixStream;

use crate::edge::ingest::Config;
use crate::edge::ingest::Source;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::node::Patience;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::link::Splitter;
use crate::edge::ingest::node::session;

/// One node.
pub struct NodeIpc {
    path: PathBuf,
    patience: Patience,
}

impl NodeIpc {
    /// Nothing is dialled yet.
    #[must_use]
    pub fn new(path: String, config: &Config) -> Self {
        Self { path: path.into(), patience: Patience::of(config) }
    }
}

impl Source for NodeIpc {
    const NAME: &'static str = "node_ipc";

    async fn run(&self, out: Inlet) -> Result<(), SourceError> {
        let socket = UnixStream::connect(&self.path).await.map_err(|error| SourceError::Link(error.to_string()))?;
        session(Link::Ipc(socket, Splitter::default()), out, self.patience).await
    }
}
