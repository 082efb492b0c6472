//! A connection that carries JSON-RPC messages: a websocket, or a unix socket with one JSON value after another.

use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::edge::ingest::SourceError;

/// Longest message of a unix socket; more without an end is no JSON.
const MAX_MESSAGE: usize = 64 << 20;

/// One connection.
pub(in crate::edge::ingest) enum Link {
    /// Messages are frames.
    Ws(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    /// Messages are told apart by their braces.
    Ipc(UnixStream, Splitter),
}

/// What came.
pub(in crate::edge::ingest::node) enum Received {
    /// A message.
    Text(String),
    /// A sign of life.
    Life,
}

impl Link {
    /// The next message. Cancel-safe.
    pub(in crate::edge::ingest::node) async fn next(&mut self) -> Result<Received, SourceError> {
        match self {
            Self::Ws(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => Ok(Received::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Ok(Received::Text(String::from_utf8_lossy(&bytes).into_owned())),
                Some(Ok(Message::Close(_))) | None => Err(SourceError::Link("closed by the node".to_owned())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Received::Life),
                Some(Err(error)) => Err(SourceError::Link(error.to_string())),
            },
            Self::Ipc(socket, splitter) => loop {
                if let Some(text) = splitter.next() {
                    return Ok(Received::Text(text));
                }
                if splitter.buffer.len() > MAX_MESSAGE {
                    return Err(SourceError::Link(format!("more than {MAX_MESSAGE} bytes without an end")));
                }
                match socket.read_buf(&mut splitter.buffer).await {
                    Ok(0) => return Err(SourceError::Link("closed by the node".to_owned())),
                    Ok(_) => {}
                    Err(error) => return Err(SourceError::Link(error.to_string())),
                }
            },
        }
    }

    /// Sends one message.
    pub(in crate::edge::ingest::node) async fn send(&mut self, text: String) -> Result<(), SourceError> {
        let broken = |error: &dyn std::error::Error| SourceError::Link(error.to_string());
        match self {
            Self::Ws(socket) => socket.send(Message::text(text)).await.map_err(|error| broken(&error)),
            Self::Ipc(socket, _) => {
                socket.write_all(format!("{text}\n").as_bytes()).await.map_err(|error| broken(&error))
            }
        }
    }

    /// Asks for a sign of life, where the transport has a way.
    pub(in crate::edge::ingest::node) async fn ping(&mut self) -> Result<(), SourceError> {
        match self {
            Self::Ws(socket) => {
                let ping = Message::Ping(Vec::new().into());
                socket.send(ping).await.map_err(|error| SourceError::Link(error.to_string()))
            }
            // There is none on a unix socket.
            Self::Ipc(..) => Ok(()),
        }
    }
}

/// Cuts a stream of bytes into JSON values, whatever stands between them.
#[derive(Default)]
pub(in crate::edge::ingest) struct Splitter {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already looked at.
    seen: usize,
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Splitter {
    /// The next whole value in the buffer; what is outside of any braces goes with the line it stands on.
    fn next(&mut self) -> Option<String> {
        while let Some(byte) = self.buffer.get(self.seen).copied() {
            self.seen += 1;
            if self.ends(byte) {
                let rest = self.buffer.split_off(self.seen);
                let value = std::mem::replace(&mut self.buffer, rest);
                self.seen = 0;
                let text = String::from_utf8_lossy(value.trim_ascii()).into_owned();
                if !text.is_empty() {
                    return Some(text);
                }
            }
        }
        None
    }

    fn ends(&mut self, byte: u8) -> bool {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'"' if self.depth > 0 => self.quoted = true,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            b'\n' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_at_their_braces_with_or_without_newlines_and_across_reads() {
        let stream = b"{\"a\":\"}\\\"{\"}{\"b\":[1,{}]}\n\nnonsense\n[1]";
        for chunk in 1..stream.len() {
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for bytes in stream.chunks(chunk) {
                splitter.buffer.extend_from_slice(bytes);
                found.extend(std::iter::from_fn(|| splitter.next()));
            }
            assert_eq!(found, ["{\"a\":\"}\\\"{\"}", "{\"b\":[1,{}]}", "nonsense", "[1]"], "chunks of {chunk}");
        }
    }
}
