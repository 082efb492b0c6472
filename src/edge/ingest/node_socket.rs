//! Dials the node sockets of the hot threads: a websocket of their own to a node, subscribed to pending transactions in full.

use std::time::Duration;

use serde::Deserialize;
use tungstenite::{Message, WebSocket};

use crate::edge::dial;
use crate::edge::dial::Place;
use crate::edge::dial::Roots;
use crate::edge::ingest::Node;
use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;
use crate::hot::rt::port::node_socket::NodeSocket;

/// How one node is dialled: as often as a node socket is needed.
#[derive(Clone)]
pub struct Dial {
    node: usize,
    /// May hold an account's key: never shown.
    url: String,
    place: Place,
    roots: Roots,
    patience: Duration,
}

/// How every node that has a websocket is dialled, by its index in the configuration. One that wants a password is left to
/// the edge's own sockets.
#[must_use]
pub fn dials(nodes: &[Node], patience: Duration) -> Vec<Dial> {
    let roots = Roots::web();
    let of = |(node, row): (usize, &Node)| {
        let url = row.ws.clone()?;
        let parsed = reqwest::Url::parse(&url).ok()?;
        let open = parsed.username().is_empty() && parsed.password().is_none();
        let place = Place::of(&parsed).filter(|_| open)?;
        Some(Dial { node, url, place, roots: roots.clone(), patience })
    };
    nodes.iter().enumerate().filter_map(of).collect()
}

#[derive(Deserialize)]
struct SubscribeReply {
    id: u64,
    error: Option<serde_json::Value>,
}

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newPendingTransactions",true]}"#;

impl Dial {
    /// The node's index in the configuration.
    #[must_use]
    pub const fn node(&self) -> usize {
        self.node
    }

    /// Believes these instead of the web's.
    #[must_use]
    pub fn trusting(self, roots: Roots) -> Self {
        Self { roots, ..self }
    }

    /// Dials and subscribes; blocks while it does. What the node announces meanwhile is left to the edge's own socket.
    ///
    /// # Errors
    /// No connection in time, or the node does not announce transactions in full.
    pub fn node_socket(&self) -> Result<NodeSocket, Broken> {
        let stream = self.place.connect(self.patience, &self.roots)?;
        let opened = tungstenite::client(self.url.as_str(), stream);
        let (mut socket, _) = opened.map_err(|_| Broken("no websocket".to_owned()))?;
        let broken = |error: tungstenite::Error| Broken(error.to_string());
        socket.send(Message::text(SUBSCRIBE)).map_err(broken)?;
        confirmed(&mut socket)?;
        dial::release(socket.get_ref())?;
        Ok(NodeSocket::new(self.node, socket))
    }
}

fn confirmed(socket: &mut WebSocket<Stream>) -> Result<(), Broken> {
    loop {
        let message = socket.read().map_err(|error| Broken(error.to_string()))?;
        let Ok(text) = message.to_text() else { continue };
        match serde_json::from_str::<SubscribeReply>(text) {
            Ok(SubscribeReply { id: 1, error: None }) => return Ok(()),
            Ok(SubscribeReply { id: 1, error: Some(error) }) => return Err(Broken(format!("refused: {error}"))),
            // An early notice, or a ping.
            _ => {}
        }
    }
}
