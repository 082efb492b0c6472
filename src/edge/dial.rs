//! Dials for threads that poll: TCP, and TLS on it. Blocks while it does, so it is called where that is no harm.
//!
//! # Invariants
//! - What comes back stands: connected, the TLS handshake done.
//! - An error names host and port, and nothing else of a URL.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::edge::rpc::install_tls;
use crate::hot::rt::port::Broken;
use crate::hot::rt::port::Stream;

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Roots(Arc<ClientConfig>);

impl Roots {
    /// The web's.
    #[must_use]
    pub fn web() -> Self {
        Self::of(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// These alone: for a server of one's own.
    #[must_use]
    pub fn of(roots: RootCertStore) -> Self {
        install_tls();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Neither a relay's line nor a websocket can be had over HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name, or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Under TLS.
    pub tls: bool,
}

impl Place {
    /// Of a URL of `http`, `https`, `ws` or `wss`. `None` when it is none. A user and a password are left to whoever asks there.
    #[must_use]
    pub fn of(url: &reqwest::Url) -> Option<Self> {
        let tls = match url.scheme() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port_or_known_default()?, tls })
    }

    /// Connects. Reads and writes of what comes back block, for `patience` at most.
    ///
    /// # Errors
    /// No connection in time, or no TLS on it.
    pub fn connect(&self, patience: Duration, roots: &Roots) -> Result<Stream, Broken> {
        let stream = self.socket(patience).and_then(|socket| self.dress(socket, roots));
        stream.map_err(|error| Broken(format!("{}:{}: {error}", self.host, self.port)))
    }

    fn socket(&self, patience: Duration) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(socket) => {
                    // One request is one small packet.
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(patience))?;
                    socket.set_write_timeout(Some(patience))?;
                    return Ok(socket);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn dress(&self, mut socket: TcpStream, roots: &Roots) -> io::Result<Stream> {
        if !self.tls {
            return Ok(Stream::Plain(socket));
        }
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let mut client = ClientConnection::new(Arc::clone(&roots.0), name).map_err(io::Error::other)?;
        while client.is_handshaking() {
            client.complete_io(&mut socket)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(client, socket))))
    }
}

/// From here on its reads and writes do not block.
///
/// # Errors
/// The system refuses.
pub fn release(stream: &Stream) -> Result<(), Broken> {
    let socket = stream.socket();
    let set = || {
        socket.set_read_timeout(None)?;
        socket.set_write_timeout(None)?;
        socket.set_nonblocking(true)
    };
    set().map_err(|error: io::Error| Broken(error.to_string()))
}
