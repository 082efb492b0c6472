//! Relays that hang, break or babble beside one that works: bundles go on, and the ledger says what each relay said.

use peregrine::edge::ledger::row::{Outcome, RelayReply};

use crate::raw_relay::RawRelay;
use crate::relay::{Manner, Relay};
use crate::rig::{self, Rig, until};
use crate::run::Run;
use crate::truth;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_hang_or_answer_500_null_or_html_cost_no_bundle_of_the_one_that_works() {
    let rig = Rig::start(50).await;
    let relays = [
        ("hangs", Relay::start(Manner::Hangs).await),
        ("500", Relay::says(500, "internal error").await),
        ("null", Relay::says(200, "null").await),
        ("html", Relay::says(200, "<html><body>hello</body></html>").await),
    ];
    let mut config = rig.config();
    config.relay.extend(relays.iter().map(|(name, relay)| rig::relay(name, &format!("http://{}", relay.at))));
    let searcher = rig.search_as(&config).await;
    let mut blocks = 0;
    until("three bundles landed", async || {
        rig.blocks(&searcher, 1).await;
        blocks += 1;
        searcher.status().bundles_landed >= 3
    })
    .await;
    truth::whole(&rig, &searcher).await;
    let rows = || searcher.ledger().all().unwrap();
    until("every relay's word, or that it had none", async || {
        let sent = |row: &&_| -> bool {
            let row: &peregrine::edge::ledger::row::Row = row;
            row.outcome != Some(Outcome::Unsent)
        };
        rows().iter().filter(sent).all(|row| row.answers.len() == 5)
    })
    .await;
    let rows = rows();
    for (name, relay) in &relays {
        let answers: Vec<&RelayReply> =
            rows.iter().flat_map(|row| &row.answers).filter(|a| a.relay == *name).map(|a| &a.reply).collect();
        assert!(answers.len() >= 3, "{name}: {answers:?}");
        let due = |reply: &&RelayReply| match *name {
            "hangs" => matches!(reply, RelayReply::Silent { .. }),
            _ => matches!(reply, RelayReply::Refused { .. } | RelayReply::Unknown { .. }),
        };
        assert!(answers.iter().all(due), "{name}: {answers:?}");
        // Each bundle once, and never again.
        let mut posts: Vec<Vec<u8>> =
            relay.posts().into_iter().map(|seen| seen.body).filter(|b| is_bundle(b)).collect();
        let all = posts.len();
        posts.sort_unstable();
        posts.dedup();
        assert!(posts.len() == all && all >= 3, "{name} was sent a bundle twice");
        println!("{name}: {all} bundles, {:?}", answers[0]);
    }
    println!("{blocks} blocks");
    rig.close(searcher).await;
}

/// The program, live, with relays besides.
fn run_with<const N: usize>(rig: &Rig, relays: [(&str, String); N]) -> Run {
    let mut config = rig.config();
    config.relay.extend(relays.map(|(name, url)| rig::relay(name, &url)));
    let path = rig.folder.path().join("relays.toml");
    std::fs::write(&path, config.shown()).unwrap();
    Run::of(&path, "")
}

fn is_bundle(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains("eth_sendBundle"))
}

/// What a relay writes for each request, and whether that is a bundle taken.
fn odd_answers() -> [(&'static str, String, bool); 10] {
    let taken = "{\"result\":{\"bundleHash\":\"0xab\"}}";
    let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{taken}", taken.len());
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let headers: String = (0..90).map(|at| format!("X-Trace-{at}: {at}\r\n")).collect();
    let (half, rest) = taken.split_at(9);
    let chunks = format!("9;x=y\r\n{half}\r\n{:x}\r\n{rest}\r\n0\r\n", rest.len());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    [
        ("hints", format!("{hints}{ok}"), true),
        ("hints, often", format!("{}{ok}", hints.repeat(5)), true),
        ("continues", format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{ok}"), true),
        ("many headers", ok.replace("Content-Length", &format!("{headers}Content-Length")), true),
        ("trailers", format!("{chunked}{chunks}X-Sum: 1\r\nX-More: 2\r\n\r\n"), true),
        ("one length twice", ok.replace("Content-Length", "Content-Length: 32, 32\r\nContent-Length"), true),
        ("a line too many", format!("{ok}\r\n"), true),
        (
            "escapes",
            "HTTP/1.1 500 X\r\nContent-Length: 25\r\n\r\n\u{1b}[2J\u{1b}[31mgone\u{202e}fishing\r\n".to_owned(),
            false,
        ),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), false),
        ("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 32\r\n\r\n".to_owned(), false),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_http_lets_a_relay_say_around_its_answer_the_answer_is_heard_and_no_connection_is_lost() {
    let rig = Rig::start(51).await;
    let mut config = rig.config();
    let mut relays = Vec::new();
    for (name, answer, taken) in odd_answers() {
        let relay = RawRelay::says(&answer).await;
        config.relay.push(rig::relay(name, &relay.url()));
        relays.push((name, relay, taken));
    }
    let searcher = rig.search_as(&config).await;
    let count = |name: &str| searcher.status().counters[&*format!("peregrine_{name}_total")];
    until("eight bundles that a worker sent itself", async || {
        rig.blocks(&searcher, 1).await;
        count("bundles_sent_in_line") >= 8
    })
    .await;
    let rows = || searcher.ledger().all().unwrap();
    until("every relay's word", async || {
        rows()
            .iter()
            .filter(|row| row.outcome != Some(Outcome::Unsent))
            .all(|row| row.answers.len() == relays.len() + 1)
    })
    .await;
    for (name, relay, taken) in &relays {
        let rows = rows();
        let said: Vec<_> = rows.iter().flat_map(|row| &row.answers).filter(|answer| answer.relay == *name).collect();
        let as_due = said.iter().filter(|answer| match &answer.reply {
            RelayReply::Accepted { hash } => *taken && hash.as_deref() == Some("0xab"),
            // What steers a terminal is not in the ledger.
            RelayReply::Unknown { text } => !*taken && (*name != "escapes" || text == "gone fishing"),
            RelayReply::Refused { .. } | RelayReply::Silent { .. } => false,
        });
        let as_due = as_due.count();
        println!("{name}: {as_due} of {} answers as due, {} connections", said.len(), relay.taken());
        assert_eq!(as_due, said.len(), "{name}: {said:?}");
    }
    assert_eq!(count("sockets_lost"), 0, "connections to relays were lost");
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_speaks_no_http_is_told_of_once_by_its_name_and_how_it_begins() {
    let rig = Rig::start(53).await;
    let relay = RawRelay::says("{\"result\":\u{1b}[31m\"0x1\"}\r\n\r\n").await;
    let mut program = run_with(&rig, [("babbler", relay.url())]);
    let of_it = || program.lines("no HTTP");
    let mut blocks = 0;
    until("a word, and some blocks more", async || {
        rig.block(4).await;
        blocks += u64::from(!of_it().is_empty());
        blocks >= 8
    })
    .await;
    program.child.kill().await.unwrap();
    let lines = program.lines("no HTTP");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("babbler") && lines[0].contains("result"), "{lines:?}");
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_asked_too_fast_is_left_alone_for_as_long_as_it_says_and_that_is_said_once() {
    let rig = Rig::start(54).await;
    let busy = |status, after: &str, text: &str| Manner::Busy(status, after.to_owned(), text.to_owned());
    let limit = "{\"error\":{\"code\":-32005,\"message\":\"request rate exceeded\"}}";
    let relays = [
        ("seconds", Relay::start(busy(429, "600", "<html>Too Many Requests</html>")).await),
        ("date", Relay::start(busy(503, "Fri, 31 Dec 2060 23:59:59 GMT", "")).await),
        ("words", Relay::start(busy(200, "", limit)).await),
    ];
    let [seconds, date, words] = relays.each_ref().map(|(name, relay)| (*name, format!("http://{}", relay.at)));
    let mut program = run_with(&rig, [seconds, date, words]);
    let others = || rig.builder.bundles().len();
    until("many bundles at the relay that takes them", async || {
        rig.block(4).await;
        others() >= 60
    })
    .await;
    program.child.kill().await.unwrap();
    let lines = program.lines("asked too fast");
    for (name, relay) in &relays {
        let posts = relay.posts().iter().filter(|seen| is_bundle(&seen.body)).count();
        println!("{name}: {posts} bundles, where another relay had {}", others());
        // Its first answer may find another of either thread's on the way; without a time of its own it is tried now and then.
        assert!((1..=16).contains(&posts), "{name} was sent {posts} bundles");
        let of_it: Vec<_> = lines.iter().filter(|line| line.contains(&format!("relay=\"{name}\""))).collect();
        assert_eq!(of_it.len(), 1, "{name}: {lines:?}");
    }
}
