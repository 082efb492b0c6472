//! A node that only announces, and a relay that only takes: both on loopback, driven by the bench's own thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tungstenite::Message;

/// A subscriber to pending transactions.
struct Subscriber {
    socket: TcpStream,
    /// It follows heads as well: the edge's own session.
    edge: bool,
}

/// The announcing side of a node. Requests are anvil's.
pub struct Node {
    at: SocketAddr,
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
}

impl Node {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (at, subscribers) = (listener.local_addr().expect("bound"), Arc::<Mutex<Vec<Subscriber>>>::default());
        let all = subscribers.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let all = all.clone();
                std::thread::spawn(move || session(socket, &all));
            }
        });
        Self { at, subscribers }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.at)
    }

    /// Sockets that are subscribed: the edge's, and others'.
    pub fn subscribed(&self, edge: bool) -> usize {
        self.subscribers.lock().expect("whole").iter().filter(|one| one.edge == edge).count()
    }

    /// Writes a frame to one kind of socket.
    pub fn announce(&mut self, frame: &[u8], edge: bool) {
        let mut all = self.subscribers.lock().expect("whole");
        for one in all.iter_mut().filter(|one| one.edge == edge) {
            one.socket.write_all(frame).expect("a reader");
        }
    }

    /// Closes every socket.
    pub fn hang_up(&mut self) {
        for one in self.subscribers.lock().expect("whole").drain(..) {
            let _closed = one.socket.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Who was subscribed is gone.
    pub fn forget(&mut self) {
        self.subscribers.lock().expect("whole").clear();
    }
}

/// Answers one socket's requests. Notices are written past it, whole and in one go.
fn session(socket: TcpStream, all: &Mutex<Vec<Subscriber>>) {
    socket.set_nodelay(true).expect("a socket");
    let writer = socket.try_clone().expect("a socket");
    let Ok(mut link) = tungstenite::accept(socket) else { return };
    let mut edge = false;
    while let Ok(message) = link.read() {
        let Ok(request) = serde_json::from_slice::<Value>(&message.into_data()) else { continue };
        let topic = request["params"][0].as_str().unwrap_or_default().to_owned();
        edge |= topic == "newHeads";
        let id = if topic == "newPendingTransactions" { "0x2" } else { "0x1" };
        let reply = json!({"jsonrpc": "2.0", "id": request["id"], "result": id}).to_string();
        if link.send(Message::text(reply)).is_err() {
            return;
        }
        if topic == "newPendingTransactions" {
            all.lock().expect("whole").push(Subscriber { socket: writer.try_clone().expect("a socket"), edge });
        }
    }
}

/// A notice as a server's websocket frame.
pub fn frame(notice: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match notice.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65_536 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(notice.as_bytes());
    frame
}

/// The taking side of a relay, polled.
pub struct Relay {
    listener: TcpListener,
    connections: Vec<(TcpStream, Vec<u8>)>,
}

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"bundleHash":"0x0000000000000000000000000000000000000000000000000000000000000000"}}"#;

impl Relay {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        Self { listener, connections: Vec::new() }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.listener.local_addr().expect("bound"))
    }

    /// Bodies that have arrived whole, each with the moment of its last byte; all are answered.
    pub fn poll(&mut self, bodies: &mut Vec<(Instant, Vec<u8>)>) {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true).expect("a socket");
            socket.set_nodelay(true).expect("a socket");
            self.connections.push((socket, Vec::new()));
        }
        self.connections.retain_mut(|(socket, heard)| {
            let mut chunk = [0; 16_384];
            match socket.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => heard.extend_from_slice(&chunk[..count]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
            while let Some((body, end)) = whole(heard) {
                let now = Instant::now();
                if !body.is_empty() {
                    bodies.push((now, heard[body].to_vec()));
                }
                heard.drain(..end);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ANSWER}",
                    ANSWER.len()
                );
                if socket.write_all(answer.as_bytes()).is_err() {
                    return false;
                }
            }
            true
        });
    }
}

/// Where the first request's body lies, and where the request ends, once it is whole.
fn whole(heard: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    let head = heard.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&heard[..head]).ok()?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or(0);
    (heard.len() >= end).then_some((head..end, end))
}
