//! Stands before a node's one port, whatever is spoken there, and is up, dead, hung or slow as a test says.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the node behind it seems to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Up,
    /// Connections end, and new ones at once.
    Dead,
    /// Connections stand, and nothing passes.
    Hung,
    /// All that passes is so late.
    Late(Duration),
}

pub struct Gate {
    place: String,
    mode: watch::Sender<Mode>,
}

impl Gate {
    /// Before the node of this URL.
    pub async fn before(node: &str) -> Self {
        let node = node.split_once("://").unwrap().1.trim_end_matches('/');
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mode, modes) = watch::channel(Mode::Up);
        let (place, node) = (listener.local_addr().unwrap().to_string(), node.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *modes.borrow() != Mode::Dead {
                    tokio::spawn(carry(client, node.clone(), modes.clone()));
                }
            }
        });
        Self { place, mode }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.place)
    }

    pub fn ws(&self) -> String {
        format!("ws://{}", self.place)
    }
}

async fn carry(client: TcpStream, node: String, mut modes: watch::Receiver<Mode>) {
    let Ok(node) = TcpStream::connect(node).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_node, to_node) = node.into_split();
    tokio::select! {
        () = pump(from_client, to_node, modes.clone()) => (),
        () = pump(from_node, to_client, modes.clone()) => (),
        // An error: the test has ended.
        _ = modes.wait_for(|mode| *mode == Mode::Dead) => (),
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(size @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(mode) = modes.wait_for(|mode| *mode != Mode::Hung).await.map(|mode| *mode) else { return };
        if let Mode::Late(by) = mode {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}
