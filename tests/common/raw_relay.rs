//! A relay on 127.0.0.1 that answers every request with bytes of a test's choosing: what no HTTP library would write.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub struct RawRelay {
    pub at: SocketAddr,
    /// Connections that it has taken.
    taken: Arc<AtomicU64>,
}

impl RawRelay {
    pub async fn says(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (at, taken) = (listener.local_addr().expect("bound"), Arc::new(AtomicU64::new(0)));
        let (answer, count): (Arc<[u8]>, _) = (answer.as_bytes().into(), taken.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(socket, answer.clone()));
            }
        });
        Self { at, taken }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One answer a request, until the client is gone.
async fn serve(mut socket: TcpStream, answer: Arc<[u8]>) {
    let mut heard = Vec::new();
    loop {
        while let Some(length) = request(&heard) {
            heard.drain(..length);
            if socket.write_all(&answer).await.is_err() {
                return;
            }
        }
        match socket.read_buf(&mut heard).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The length of a whole request.
fn request(heard: &[u8]) -> Option<usize> {
    let head = heard.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&heard[..head]).expect("a head of text").to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = head + body.map_or(0, |length| length.trim().parse::<usize>().expect("a length"));
    (heard.len() >= length).then_some(length)
}
