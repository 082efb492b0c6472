//! Stands between a node's socket and the searcher, and spoils what passes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, connect_async};

/// What it does to the node's frames.
#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Pass,
    /// Every frame twice.
    Twice,
    /// Each two frames in the wrong order.
    Swapped,
    /// No head.
    NoHeads,
    /// Behind every frame, one that is none.
    Garbage,
    /// Whoever asks for whole pending transactions is refused: an error takes the place of the answer.
    HashesAlone,
    /// Every log once more, as removed.
    Removed,
}

type Answers = dyn Fn(&Value) -> Option<Vec<Value>> + Send + Sync;
type Sayings = dyn Fn(Value) -> Vec<Value> + Send + Sync;

/// A dialect: what a node answers by itself to what it is asked (nothing: it is asked), and how it says what it says.
pub struct Dialect {
    pub asked: Box<Answers>,
    pub said: Box<Sayings>,
}

/// One that answers as the node does, and says what it says in another way.
pub fn saying(said: impl Fn(Value) -> Vec<Value> + Send + Sync + 'static) -> Dialect {
    Dialect { asked: Box::new(|_| None), said: Box::new(said) }
}

/// The item of a notice, where it is one.
pub fn item(said: &mut Value) -> Option<&mut Value> {
    said.get_mut("params").and_then(|params| params.get_mut("result"))
}

/// ... of a pending transaction in full.
pub fn tx(said: &mut Value) -> Option<&mut Value> {
    item(said).filter(|item| item.get("nonce").is_some() && item.get("parentHash").is_none())
}

type Spoken = Arc<Mutex<(Mode, Option<Arc<Dialect>>)>>;

/// What it does to the connections of this moment.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Half a frame, and the end.
    CutMidFrame,
    /// Nothing any more, not even a pong; the connection stays open.
    FallSilent,
}

pub struct Proxy {
    pub ws: String,
    mode: Spoken,
    act: broadcast::Sender<Act>,
}

impl Proxy {
    pub async fn before(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ws = format!("ws://{}", listener.local_addr().unwrap());
        let (mode, act) = (Arc::new(Mutex::new((Mode::Pass, None))), broadcast::channel(8).0);
        let (node, its_mode, its_act) = (node.to_owned(), mode.clone(), act.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(carry(socket, node.clone(), its_mode.clone(), its_act.subscribe()));
            }
        });
        Self { ws, mode, act }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.lock().unwrap().0 = mode;
    }

    /// From now on the node speaks so.
    pub fn speak(&self, dialect: Dialect) {
        self.mode.lock().unwrap().1 = Some(Arc::new(dialect));
    }

    /// From now on the node speaks as it does.
    pub fn speak_plainly(&self) {
        self.mode.lock().unwrap().1 = None;
    }

    pub fn act(&self, act: Act) {
        self.act.send(act).unwrap();
    }
}

async fn carry(socket: TcpStream, node: String, mode: Spoken, mut acts: broadcast::Receiver<Act>) {
    let Ok(mut client) = accept_async(socket).await else { return };
    let Ok((mut node, _)) = connect_async(node).await else { return };
    let mut kept = None;
    loop {
        tokio::select! {
            biased;
            act = acts.recv() => match act {
                Ok(Act::CutMidFrame) => return cut(client).await,
                _ => return std::future::pending().await,
            },
            asked = client.next() => match asked {
                Some(Ok(message @ Message::Text(_))) => {
                    let (mode, dialect) = mode.lock().unwrap().clone();
                    match refused(mode, &message).map(|no| vec![no]).or_else(|| answered(dialect?.as_ref(), &message)) {
                        // A client that is gone is noticed at the next turn.
                        Some(answers) => for answer in answers {
                            drop(client.send(answer).await);
                        },
                        None => node.send(message).await.unwrap(),
                    }
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            said = node.next() => {
                let Some(Ok(message)) = said else { return };
                let (mode, dialect) = mode.lock().unwrap().clone();
                let said = match dialect {
                    Some(dialect) => translated(&dialect, message),
                    None => spoil(mode, message, &mut kept),
                };
                for message in said {
                    if client.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn translated(dialect: &Dialect, message: Message) -> Vec<Message> {
    match message.to_text().ok().and_then(|text| serde_json::from_str(text).ok()) {
        Some(said) => (dialect.said)(said).iter().map(|said| Message::text(said.to_string())).collect(),
        None => vec![message],
    }
}

fn answered(dialect: &Dialect, asked: &Message) -> Option<Vec<Message>> {
    let asked = serde_json::from_str(asked.to_text().ok()?).ok()?;
    Some((dialect.asked)(&asked)?.iter().map(|said| Message::text(said.to_string())).collect())
}

fn spoil(mode: Mode, message: Message, kept: &mut Option<Message>) -> Vec<Message> {
    match mode {
        Mode::Pass | Mode::HashesAlone => kept.take().into_iter().chain([message]).collect(),
        Mode::Twice => vec![message.clone(), message],
        Mode::Swapped => match kept.take() {
            Some(earlier) => vec![message, earlier],
            None => {
                *kept = Some(message);
                Vec::new()
            }
        },
        Mode::NoHeads if message.to_text().is_ok_and(|text| text.contains("parentHash")) => Vec::new(),
        Mode::NoHeads => vec![message],
        Mode::Garbage => {
            let text = message.to_text().unwrap_or_default();
            let half = text.get(..text.len() / 2).unwrap_or_default().to_owned();
            vec![message, Message::text(half), Message::text("<html>no</html>")]
        }
        Mode::Removed => {
            let text = message.to_text().unwrap_or_default();
            let gone = text.contains("\"topics\"").then(|| text.replace("\"removed\":false", "\"removed\":true"));
            let gone = gone.map(Message::text);
            std::iter::once(message).chain(gone).collect()
        }
    }
}

/// The node's no to whole pending transactions.
fn refused(mode: Mode, asked: &Message) -> Option<Message> {
    let asked: Value = serde_json::from_str(asked.to_text().ok()?).ok()?;
    let whole = asked["params"] == json!(["newPendingTransactions", true]);
    let error = json!({"code": -32602, "message": "data did not match any variant"});
    let refusal = json!({"jsonrpc": "2.0", "id": asked["id"], "error": error});
    (mode == Mode::HashesAlone && whole).then(|| Message::text(refusal.to_string()))
}

/// A text frame of 4096 bytes, of which five come.
async fn cut(mut client: WebSocketStream<TcpStream>) {
    let raw = client.get_mut();
    raw.write_all(&[0x81, 126, 0x10, 0x00, b'{', b'"', b'j', b's', b'o']).await.unwrap();
    raw.shutdown().await.unwrap();
}

/// The node's socket as a file: JSON values one after another, no newline between them.
pub async fn ipc(path: &Path, node: &str) {
    let listener = UnixListener::bind(path).unwrap();
    let node = node.to_owned();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (mut node, _) = connect_async(&node).await.unwrap();
            tokio::spawn(async move {
                let (read, mut write) = socket.into_split();
                let mut lines = BufReader::new(read).lines();
                loop {
                    tokio::select! {
                        Ok(Some(line)) = lines.next_line() => node.send(Message::text(line)).await.unwrap(),
                        Some(Ok(message)) = node.next() => {
                            let text = message.into_text().unwrap();
                            // In two writes, so that the reader sees halves.
                            let (a, b) = text.as_bytes().split_at(text.len() / 2);
                            write.write_all(a).await.unwrap();
                            write.write_all(b).await.unwrap();
                        }
                        else => return,
                    }
                }
            });
        }
    });
}
