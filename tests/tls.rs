//! The sockets of a hot thread under TLS: a connection to a relay and a node socket at a node, on a server with a certificate of
//! its own.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use peregrine::edge::dial::Roots;
use peregrine::edge::ingest::{Node, node_socket};
use peregrine::edge::submit::{DialectName, Setup, Submitter, config, connection};
use peregrine::hot::rt::port::Broken;
use peregrine::hot::rt::port::node_socket::{Heard, NodeSocket};
use peregrine::hot::send::connection::{RelayConnection, Said};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tungstenite::{Message, WebSocket};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);
/// As an account's key would stand in a path.
const SECRET_PATH: &str = "hunter2-account-key";

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server of one connection, and the authority that vouches for it.
struct Server {
    port: u16,
    roots: Roots,
    served: JoinHandle<()>,
}

impl Server {
    fn start(serve: impl FnOnce(io::Result<Stream>) + Send + 'static) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
        let mut store = RootCertStore::empty();
        store.add(made.cert.der().clone()).expect("a root");
        let roots = Roots::of(store);
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![made.cert.der().clone()], key).expect("a server's configuration");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let served = std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("a client");
            socket.set_read_timeout(Some(PATIENCE)).expect("set");
            socket.set_write_timeout(Some(PATIENCE)).expect("set");
            serve(shaken(ServerConnection::new(Arc::new(config)).expect("a server"), socket));
        });
        Self { port, roots, served }
    }

    fn relay(&self, account: &str) -> connection::Dial {
        let url = format!("https://{account}127.0.0.1:{}/{SECRET_PATH}?a=b", self.port);
        let relay = config::Relay {
            name: "relay".to_owned(),
            url,
            dialect: DialectName::Plain,
            sign: false,
            timeout_ms: 10_000,
        };
        let setup = Setup { relays: vec![relay], identity: None, owner: Address::ZERO };
        Submitter::loopback(setup).expect("a submitter").dials().remove(0)
    }

    fn node(&self) -> node_socket::Dial {
        let url = format!("wss://127.0.0.1:{}/{SECRET_PATH}", self.port);
        let node = Node { name: "node".to_owned(), ws: Some(url), http: None, ipc: None };
        node_socket::dials(&[node], PATIENCE).remove(0)
    }
}

/// With the handshake done.
fn shaken(mut server: ServerConnection, mut socket: TcpStream) -> io::Result<Stream> {
    while server.is_handshaking() {
        server.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(server, socket))
}

/// Asks until there is an answer, as a thread that spins does.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "nothing has come");
        std::thread::yield_now();
    }
}

fn answer(connection: &mut RelayConnection) -> Said {
    until(|| connection.listen().expect("a connection that stands"))
}

fn heard(node_socket: &mut NodeSocket) -> Result<Heard, Broken> {
    until(|| match node_socket.hear() {
        Ok(Heard::Nothing) => None,
        other => Some(other),
    })
}

/// A request: its head, and as much of a body as it promises.
fn request(stream: &mut Stream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).expect("a body");
    (head, body)
}

fn says(stream: &mut Stream, body: &str) {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    // In two records: the first says nothing whole.
    let (first, rest) = text.as_bytes().split_at(30);
    for part in [first, rest] {
        stream.write_all(part).and_then(|()| stream.flush()).expect("said");
    }
}

#[test]
fn a_line_under_tls_carries_one_request_after_another_and_their_answers() {
    let (tell, told) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let server = Server::start(move |stream| {
        let mut stream = stream.expect("a client that trusts us");
        for body in ["first", "second"] {
            // A relay that is slow to read: what is sent to it does not fit the socket.
            wait.recv().expect("asked");
            tell.send(request(&mut stream)).expect("heard");
            says(&mut stream, body);
        }
    });
    let mut connection = server.relay("").trusting(server.roots.clone()).connection().expect("a connection");
    let uuid = Uuid::from_u128(7);
    for (due, size) in [("first", 10), ("second", 6_000_000)] {
        let body = vec![b'x'; size];
        connection.say(uuid, &body, Some(b"0xsigned")).expect("said");
        assert!(!connection.is_free());
        assert_eq!(connection.listen().expect("a connection"), None, "nobody has answered yet");
        go.send(()).expect("a server");
        assert_eq!(
            answer(&mut connection),
            Said { uuid, status: 200, body: due.as_bytes().to_vec(), retry_after: None }
        );
        assert!(connection.is_free());
        let (head, read) = told.recv().expect("a request");
        assert!(read == body, "{} bytes came, {size} due", read.len());
        let place = format!("POST /{SECRET_PATH}?a=b HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", server.port);
        assert!(head.starts_with(&place), "{head}");
        assert!(head.contains("\r\nX-Flashbots-Signature: 0xsigned\r\n") && !head.contains("Authorization"), "{head}");
    }
    server.served.join().expect("a server");
    let broken = until(|| connection.listen().err());
    assert!(!broken.to_string().contains(SECRET_PATH), "{broken}");
}

#[test]
fn a_relay_whose_url_holds_a_user_and_a_password_has_a_line_that_says_them_and_shows_them_nowhere() {
    let server = Server::start(|stream| {
        let mut stream = stream.expect("a client that trusts us");
        let (head, _) = request(&mut stream);
        says(&mut stream, &head);
    });
    // As a password with an @ in it stands in a URL.
    let dial = server.relay("some%20one:hunter2%40home@").trusting(server.roots.clone());
    let mut connection = dial.connection().expect("a connection");
    connection.say(Uuid::nil(), b"{}", None).expect("said");
    let shown = format!("{dial:?} {connection:?}");
    let head = String::from_utf8(answer(&mut connection).body).expect("text");
    // Of RFC 7617: "some one:hunter2@home" in base64.
    let due = "Authorization: Basic c29tZSBvbmU6aHVudGVyMkBob21l\r\n";
    assert!(head.contains(due) && !head.contains("hunter2%40home"), "{head}");
    for secret in ["hunter2", "some", "c29tZS"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    server.served.join().expect("a server");
}

#[test]
fn an_ear_under_tls_hears_what_is_announced_and_that_the_node_has_gone() {
    let (told, wait) = mpsc::channel::<()>();
    let server = Server::start(move |stream| {
        let stream = stream.expect("a client that trusts us");
        let mut socket: WebSocket<Stream> = tungstenite::accept(stream).expect("a websocket");
        let asked = socket.read().expect("a request").into_text().expect("text");
        assert!(asked.contains(r#"["newPendingTransactions",true]"#), "{asked}");
        // Early notices are left to the edge's own socket.
        for text in [r#"{"method":"eth_subscription"}"#, r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#] {
            socket.send(Message::text(text)).expect("said");
        }
        for index in 0..3 {
            wait.recv().expect("asked");
            // More than one record of TLS.
            socket.send(Message::text(format!("{index}{}", "y".repeat(100_000)))).expect("announced");
        }
        let ping = socket.read().expect("a sign of life is asked for");
        assert!(matches!(ping, Message::Ping(_)), "{ping:?}");
        socket.flush().expect("a pong");
        socket.close(None).expect("closed");
        while socket.read().is_ok() {}
    });
    let mut node_socket = server.node().trusting(server.roots.clone()).node_socket().expect("a socket");
    assert!(matches!(node_socket.hear(), Ok(Heard::Nothing)), "nothing has been announced, and nobody waits for it");
    for index in 0..3 {
        told.send(()).expect("a server");
        let Ok(Heard::Frame(text)) = heard(&mut node_socket) else { panic!("a frame is due") };
        assert_eq!((text.len(), &text[..1]), (100_001, &*index.to_string()));
    }
    node_socket.ping().expect("asked");
    assert!(matches!(heard(&mut node_socket), Ok(Heard::Life)), "a pong");
    let gone = until(|| node_socket.hear().err());
    assert!(!gone.to_string().contains(SECRET_PATH), "{gone}");
    drop(node_socket);
    server.served.join().expect("a server");
}

#[test]
fn nobody_is_spoken_to_whom_no_root_vouches_for_and_no_path_is_told() {
    let refused = |why: Broken, port: u16| {
        let why = why.to_string();
        assert!(why.starts_with(&format!("127.0.0.1:{port}: ")) && why.contains("certificate"), "{why}");
        assert!(!why.contains(SECRET_PATH), "{why}");
    };
    let broken_off = |stream: io::Result<Stream>| assert!(stream.is_err());
    let relay = Server::start(broken_off);
    refused(relay.relay("").connection().expect_err("the web vouches for nobody here"), relay.port);
    let node = Server::start(broken_off);
    refused(node.node().trusting(relay.roots.clone()).node_socket().err().expect("another's root is none"), node.port);
    for server in [relay, node] {
        server.served.join().expect("a server");
    }
}
