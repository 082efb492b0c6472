//! A node's subscription to pending transactions, polled.
//!
//! # Invariants
//! - It never waits: [`NodeSocket::hear`] says what has come, or that nothing has.
//!
//! # Cost
//! Nothing heard: one read of the socket, 0.3 µs. A frame: one read, and what the websocket's parser allocates.

use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;
use crate::hot::rt::port::is_empty;

/// One node's, subscribed and non-blocking.
pub struct NodeSocket {
    node: usize,
    socket: WebSocket<Stream>,
}

/// What has come.
#[derive(Debug)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// A sign of life.
    Life,
    /// A frame.
    Frame(Utf8Bytes),
}

impl NodeSocket {
    /// Of the node of this index in the configuration; its socket is non-blocking already.
    #[must_use]
    pub const fn new(node: usize, socket: WebSocket<Stream>) -> Self {
        Self { node, socket }
    }

    /// Whose it is.
    #[must_use]
    pub const fn node(&self) -> usize {
        self.node
    }

    /// What has come since.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn hear(&mut self) -> Result<Heard, Broken> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Ok(Heard::Frame(text)),
            // Some nodes send text as binary.
            Ok(Message::Binary(bytes)) => Ok(Utf8Bytes::try_from(bytes).map_or(Heard::Life, Heard::Frame)),
            Ok(Message::Close(_)) => Err(Broken("closed by the node".to_owned())),
            // A ping is answered by the next read or write.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(Heard::Life),
            Err(Error::Io(error)) if is_empty(&error) => Ok(Heard::Nothing),
            Err(error) => Err(Broken(error.to_string())),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn ping(&mut self) -> Result<(), Broken> {
        match self.socket.send(Message::Ping(Default::default())) {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if is_empty(&error) => Ok(()),
            Err(error) => Err(Broken(error.to_string())),
        }
    }
}
