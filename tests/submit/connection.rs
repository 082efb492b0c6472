//! When a worker's connection to a relay may be written to again, and when it ends: what HTTP leaves to whoever holds it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use peregrine::edge::submit::{DialectName, Submitter};
use peregrine::hot::send::connection::{RelayConnection, Said};
use uuid::Uuid;

use crate::relay::row;
use crate::setup;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// To a server of one connection, which `serve` speaks for; it stands until the worker's end is gone.
fn connected(serve: impl FnOnce(&mut TcpStream) + Send + 'static) -> (RelayConnection, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let served = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        serve(&mut socket);
        // Ends with an error where more was sent than was read.
        let _ended = std::io::copy(&mut socket, &mut std::io::sink());
    });
    let relays = vec![row("r", &url, DialectName::Plain, false)];
    let dial = Submitter::loopback(setup(relays)).expect("set up").dials().remove(0);
    (dial.connection().expect("a connection"), served)
}

/// Reads the beginning of a request, then answers.
fn answers(answer: &'static str) -> impl FnOnce(&mut TcpStream) + Send + 'static {
    move |socket| {
        let _some = socket.read(&mut [0; 16]).expect("a request");
        socket.write_all(answer.as_bytes()).expect("written");
    }
}

/// Polls, as a worker does, until something has come.
fn next(connection: &mut RelayConnection) -> Result<Said, String> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match connection.listen() {
            Ok(Some(said)) => return Ok(said),
            Ok(None) => std::thread::yield_now(),
            Err(broken) => return Err(broken.to_string()),
        }
        assert!(Instant::now() < end, "nothing has come");
    }
}

#[test]
fn a_connection_stays_free_behind_an_answer_and_ends_behind_the_last_one() {
    for (answer, stays) in [
        (OK.to_owned(), true),
        (format!("HTTP/1.1 103 Early Hints\r\n\r\n{OK}"), true),
        (format!("{OK}\r\n"), true),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), true),
        (OK.replace("Content", "Connection: close\r\nContent"), false),
        (OK.replace("1.1", "1.0"), false),
        // Whatever stands behind an answer would be taken for the next one's.
        (OK.repeat(2), false),
        (format!("{OK}HTTP/1.1 103 Early Hints\r\n\r\n"), false),
    ] {
        let text: &'static str = answer.leak();
        let (mut connection, served) = connected(answers(text));
        connection.say(Uuid::from_u128(7), b"{}", None).expect("written");
        assert!(!connection.is_free());
        let said = next(&mut connection).expect(text);
        assert!(said.uuid == Uuid::from_u128(7) && said.status >= 200, "{text}: {said:?}");
        assert_eq!(connection.is_free(), stays, "{text}");
        if !stays {
            assert_eq!(next(&mut connection).expect_err("it ends"), "closed by the relay", "{text}");
        }
        assert!(!connection.is_confused());
        drop(connection);
        served.join().expect("served");
    }
}

#[test]
fn an_answer_before_its_request_is_out_is_heard_and_nothing_is_written_behind_it() {
    let no = answers("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    let (judged, seen) = std::sync::mpsc::channel::<()>();
    let (mut connection, served) = connected(move |socket| {
        no(socket);
        // What it reads meanwhile would make room for the rest of the request.
        let _dropped = seen.recv();
    });
    // More than the sockets hold: most of it waits here.
    connection.say(Uuid::from_u128(1), &vec![b' '; 64 << 20], None).expect("begun");
    let said = next(&mut connection).expect("an answer");
    assert_eq!((said.status, &said.body[..]), (413, &b"big"[..]));
    assert!(!connection.is_free(), "the next request would stand within this one");
    assert!(next(&mut connection).is_err());
    drop((connection, judged));
    served.join().expect("served");
}

#[test]
fn what_is_no_http_breaks_a_connection_with_how_it_begins_and_a_farewell_is_no_nonsense() {
    let (mut connection, served) = connected(answers("\u{1b}[31m<html>\r\n\r\n"));
    connection.say(Uuid::from_u128(1), b"{}", None).expect("written");
    let why = next(&mut connection).expect_err("no answer");
    assert!(connection.is_confused() && why.contains("<html>") && !why.contains('\u{1b}'), "{why}");
    drop(connection);
    served.join().expect("served");
    // Unasked, as some say that they close what has been idle.
    let (mut connection, served) = connected(|socket| {
        socket.write_all(b"HTTP/1.0 408 Request Time-out\r\n\r\n").expect("written");
    });
    let why = next(&mut connection).expect_err("it ends");
    assert!(why.starts_with("an answer to nothing") && !connection.is_confused(), "{why}");
    drop(connection);
    served.join().expect("served");
}
