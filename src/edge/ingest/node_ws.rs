//! A node's subscriptions over a websocket, `ws://` or `wss://`.

use tokio_tungstenite::connect_async_with_config;

use crate::edge::ingest::Config;
use crate::edge::ingest::Source;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::node::Patience;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::session;

/// One node.
pub struct NodeWs {
    url: String,
    patience: Patience,
}

impl NodeWs {
    /// Nothing is dialled yet.
    #[must_use]
    pub fn new(url: String, config: &Config) -> Self {
        Self { url, patience: Patience::of(config) }
    }
}

impl Source for NodeWs {
    const NAME: &'static str = "node_ws";

    async fn run(&self, out: Inlet) -> Result<(), SourceError> {
        // Nagle's algorithm off: a subscription's request is one small packet.
        let dial = connect_async_with_config(self.url.as_str(), None, true);
        let late = |_| SourceError::Link(format!("no connection within {:?}", self.patience.connect));
        let dialled = tokio::time::timeout(self.patience.connect, dial).await.map_err(late)?;
        let (socket, _) = dialled.map_err(|error| SourceError::Link(error.to_string()))?;
        session(Link::Ws(Box::new(socket)), out, self.patience).await
    }
}
