//! Dials the node sockets of the hot threads: a websocket of their own to a node, subscribed to pending transactions in full.

use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket};

use crate::edge::chain::{Chain, Endpoint};
use crate::edge::dial;
use crate::edge::dial::Place;
use crate::edge::dial::Roots;
use crate::edge::ingest::Node;
use crate::edge::ingest::node::wire;
use crate::edge::ingest::node::wire::Said;
use crate::edge::rpc::Answered;
use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;
use crate::hot::rt::port::node_socket::NodeSocket;

/// How one node is dialled: as often as a node socket is needed.
#[derive(Clone)]
pub struct Dial {
    node: usize,
    name: String,
    /// May hold an account's key: never shown.
    url: String,
    place: Place,
    roots: Roots,
    patience: Duration,
    /// The node, where the edge listens to it too and sees whether it is of our chain.
    beside: Option<Endpoint>,
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
        Some(Dial { node, name: row.name.clone(), url, place, roots: roots.clone(), patience, beside: None })
    };
    nodes.iter().enumerate().filter_map(of).collect()
}

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newPendingTransactions",true]}"#;

impl Dial {
    /// The node's index in the configuration.
    #[must_use]
    pub const fn node(&self) -> usize {
        self.node
    }

    /// The node's name there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Believes these instead of the web's.
    #[must_use]
    pub fn trusting(self, roots: Roots) -> Self {
        Self { roots, ..self }
    }

    /// Waits until the edge has seen that the node is of our chain.
    #[must_use]
    pub fn behind(self, chain: &Chain, nodes: &[Node]) -> Self {
        let name = nodes.get(self.node).map(|row| row.name.as_str());
        let chain = name.and_then(|name| chain.by(name));
        Self { beside: chain.and_then(|chain| chain.first().cloned()), ..self }
    }

    /// Dials and subscribes; blocks while it does. What the node announces meanwhile is left to the edge's own socket.
    ///
    /// # Errors
    /// No connection in time, or the node does not announce transactions in full.
    pub fn node_socket(&self) -> Result<NodeSocket, Broken> {
        if self.beside.as_ref().is_some_and(|node| !node.is_heard()) {
            return Err(Broken("the node has not said yet that it is of this chain".to_owned()));
        }
        let stream = self.place.connect(self.patience, &self.roots)?;
        let opened = tungstenite::client(self.url.as_str(), stream);
        let (mut socket, _) = opened.map_err(|_| Broken("no websocket".to_owned()))?;
        let broken = |error: tungstenite::Error| Broken(error.to_string());
        socket.send(Message::text(SUBSCRIBE)).map_err(broken)?;
        confirmed(&mut socket, Instant::now() + self.patience)?;
        dial::release(socket.get_ref())?;
        Ok(NodeSocket::new(self.node, socket))
    }
}

/// Once the only request of this socket is answered. What is not answered by then counts as refused.
fn confirmed(socket: &mut WebSocket<Stream>, by: Instant) -> Result<(), Broken> {
    while Instant::now() < by {
        let message = socket.read().map_err(|error| Broken(error.to_string()))?;
        let Ok(text) = message.to_text() else { continue };
        // What is no answer is an early notice, or a ping.
        for said in wire::read(text).unwrap_or_default() {
            let Said::Reply(reply) = said else { continue };
            match (reply.to, reply.said) {
                (Answered::Request(1), Ok(result)) if wire::id(&result).is_some() => return Ok(()),
                (Answered::Request(1), Ok(result)) => return Err(Broken(format!("no subscription: {result}"))),
                (Answered::Request(1) | Answered::Unsaid, Err(no)) => return Err(Broken(format!("refused: {no}"))),
                _ => {}
            }
        }
    }
    Err(Broken("no answer to the subscription".to_owned()))
}
