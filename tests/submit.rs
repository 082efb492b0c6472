//! Bundles to relays that accept, refuse, hang, break and babble: what is signed is what is sent, once, and nobody learns a key.

mod common;
#[path = "submit/connection.rs"]
mod connection;
#[path = "build/market.rs"]
mod market;
#[path = "common/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, address, b256};
use market::{BLOCK, Market, OTHER_KEY, OWNER_KEY, key, target_block};
use peregrine::edge::submit::identity::{self, HEADER, Identity};
use peregrine::edge::submit::{Answer, DialectName, Setup, SetupError, Submission, Submitter, keys, reply};
use peregrine::hot::bundle::config::{Bid, Limits};
use peregrine::hot::bundle::{SignedBundle, Target};
use peregrine::types::secret::Place;
use proptest::prelude::*;
use relay::{Manner, Relay, SECRET_PATH, row};
use serde_json::{Value, json};

const ACCEPTS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"bundleHash":"0xc0ffee"}}"#;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Somebody's swap with ours behind it.
fn bundle() -> SignedBundle {
    let tx = TxEip1559 { chain_id: 1, input: Bytes::from_static(b"swap"), ..TxEip1559::default() };
    let signature = key(OTHER_KEY).sign(&tx.signature_hash()).expect("signs");
    let tx = tx.into_signed(signature);
    let target = Target::raw(&tx.encoded_2718(), *tx.hash()).expect("sendable");
    let market = Market::new(2, 1);
    let mut signer = market.signer(Bid::default(), Limits::default());
    signer.build(&market.proven[0], market.engine.pools(), Some(&target), &target_block()).expect("signed")
}

fn owner() -> Address {
    key(OWNER_KEY).address()
}

fn setup(relays: Vec<peregrine::edge::submit::config::Relay>) -> Setup {
    Setup { relays, identity: Some(key(OTHER_KEY)), owner: owner() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn submit(submitter: &Submitter, bundle: &SignedBundle, deadline: Instant) -> Submission {
    let prepared = submitter.prepare(bundle).expect("signed");
    let (uuid, messages) = (prepared.uuid(), prepared.messages().to_vec());
    let sent = submitter.send(prepared, deadline).await;
    assert_eq!((sent.uuid, sent.block, &sent.messages), (uuid, bundle.block(), &messages), "sent is what was prepared");
    sent
}

async fn cancel(submitter: &Submitter, sent: &Submission) -> Submission {
    submitter.send(submitter.prepare_cancel(sent.uuid, sent.block).expect("signed"), soon()).await
}

fn answers(submission: &Submission) -> Vec<(&str, &Answer)> {
    submission.replies.as_ref().expect("sent").iter().map(|reply| (reply.relay.as_str(), &reply.answer)).collect()
}

// ---- the header ------------------------------------------------------------------------------------------------------

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{"txs":["0x02"],"blockNumber":"0x1406f40","minTimestamp":0,"maxTimestamp":0,"revertingTxHashes":[]}]}"#;

#[test]
fn the_header_is_that_of_both_known_vectors() {
    assert_eq!(BODY.len(), 161);
    assert_eq!(
        identity::digest(BODY.as_bytes()),
        b256!("0x74586016396f6798390210a79521ebecfe716b21553164d4ffa815b97a3ee3d0")
    );
    for (secret, body, due) in [
        (
            OWNER_KEY,
            BODY,
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:0x689951359160a337fdf253d29e121d924fff8800137755d0873b0536ec978ab2189d079295e87b10ffa79fb1a9610dbb124bbcf824554df4ef7df12b04021db11b",
        ),
        // flashbots/go-utils.
        (
            "fad9c8855b740a0b7ed4c221dbad0f33a83a49cad6b3fe8d5817ac83d38b6a19",
            "Hello",
            "0x96216849c49358B10257cb55b28eA603c874b05E:0x1446053488f02d460c012c84c4091cd5054d98c6cfca01b65f6c1a72773e80e60b8a4931aeee7ed18ce3adb45b2107e8c59e25556c1f871a8334e30e5bddbed21c",
        ),
    ] {
        let identity = Identity::new(key(secret));
        let header = identity.header(body.as_bytes()).expect("signs");
        assert_eq!(header, due);
        assert_eq!(identity::recover(&header, body.as_bytes()), Some(identity.address()));
        assert_eq!(identity::recover(&header, format!("{body} ").as_bytes()), None, "other bytes");
    }
}

#[test]
fn the_known_mistakes_recover_a_stranger() {
    for (mistake, signature, stranger) in [
        (
            "the digest's text without 0x",
            "0xaf77693d0a171d1354d0ae5aa598a708add08d4e34191881f3c7d445445a79ba68e2c9c9a4a256ce3540ae59e05b91016aae73fca9df7c90b45fb7b359542ada1b",
            address!("0x364635DDEf128550A9738F5F489F83bcc213Fa3b"),
        ),
        (
            "the digest's raw bytes",
            "0x977738642729d2ac84a041d337ce00c952591f1f889408b9ece3d3e22c02c4316503cee02e51e8210028205699735b049f78b67b98cf0f7465e22971ebfa88861b",
            address!("0x28645dFb9B8F419bF5C90023ED8425aaF6644d76"),
        ),
        (
            "the body's text",
            "0xd20e713af13b1de0ee75222d15e4a643884528f7b2f8e19086579447f92a106a6a46a97d9f3f8edd41ac7016df5c8ccb7917e10005ac60f2fa87e92208eb3e941b",
            address!("0xBd15D00f145E0e4bF60341c845f1AE52EcD3E3Ba"),
        ),
    ] {
        let ours = Identity::new(key(OWNER_KEY)).header(BODY.as_bytes()).expect("signs");
        assert!(!ours.ends_with(signature), "{mistake}");
        let as_us = format!("{}:{signature}", owner());
        assert_eq!(identity::recover(&as_us, BODY.as_bytes()), None, "{mistake}");
        let as_stranger = format!("{stranger}:{signature}");
        assert_eq!(identity::recover(&as_stranger, BODY.as_bytes()), Some(stranger), "{mistake}");
    }
    for header in ["", ":", "0x:0x", "no colon", &format!("{}:0x00", owner()), &format!("{}:zz", owner())] {
        assert_eq!(identity::recover(header, b""), None, "{header}");
    }
    let spaced = serde_json::to_string_pretty(&serde_json::from_str::<Value>(BODY).expect("json")).expect("text");
    assert_ne!(identity::digest(spaced.as_bytes()), identity::digest(BODY.as_bytes()), "another serialisation");
}

// ---- what goes over the wire -----------------------------------------------------------------------------------------

#[test]
fn bytes_signed_are_bytes_sent_once_a_relay_and_the_same_for_all_of_a_dialect() {
    let bundle = bundle();
    runtime().block_on(async {
        let mut relays = Vec::new();
        for _ in 0..5 {
            relays.push(Relay::says(200, ACCEPTS).await);
        }
        let rows = vec![
            relays[0].row("flashbots", DialectName::Flashbots, true),
            relays[1].row("copy", DialectName::Flashbots, false),
            relays[2].row("buildernet", DialectName::Plain, true),
            relays[3].row("rsync", DialectName::Plain, false),
            relays[4].row("titan", DialectName::Plain, true),
        ];
        let submitter = Submitter::loopback(setup(rows)).expect("set up");
        let sent = submit(&submitter, &bundle, soon()).await;
        assert!(answers(&sent).iter().all(|(_, answer)| **answer == Answer::Accepted("0xc0ffee".to_owned())));
        assert_eq!(sent.messages.len(), 2, "one serialisation a dialect");
        for (index, relay) in relays.iter().enumerate() {
            let posts = relay.posts();
            let [post] = &posts[..] else { panic!("{} posts", posts.len()) };
            let kind = if index < 2 { DialectName::Flashbots } else { DialectName::Plain };
            let message = sent.messages.iter().find(|message| message.kind == kind).expect("its dialect's");
            assert_eq!(post.body, message.body, "bytes sent are the message's");
            assert_eq!(post.headers["content-type"], "application/json");
            let header = post.headers.get(HEADER).map(|header| header.to_str().expect("text"));
            // A Flashbots relay is signed to whatever its row says; a plain one only where its row says so.
            assert_eq!(header.is_some(), index != 3);
            if let Some(header) = header {
                assert_eq!(Some(header), message.signature.as_deref(), "one signature a dialect");
                assert_eq!(identity::recover(header, &post.body), Some(key(OTHER_KEY).address()));
            }
        }
    });
}

#[test]
fn a_body_has_the_form_that_every_builder_takes() {
    let bundle = bundle();
    runtime().block_on(async {
        let rows = DialectName::ALL.map(|kind| row(kind.dialect().name(), "http://127.0.0.1:9", kind, true)).to_vec();
        let dry = Submitter::dry(setup(rows)).expect("set up");
        let sent = submit(&dry, &bundle, soon()).await;
        let hex = alloy_primitives::hex::encode_prefixed::<&&[u8]>;
        let txs: Vec<String> = bundle.txs().iter().map(hex).collect();
        for message in &sent.messages {
            let body: Value = serde_json::from_slice(&message.body).expect("json");
            let due = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": [{
                "txs": txs, "blockNumber": format!("0x{BLOCK:x}"),
                "revertingTxHashes": [], "replacementUuid": sent.uuid.hyphenated().to_string(),
            }]});
            assert_eq!(body, due);
        }
        assert_eq!(sent.uuid.get_version_num(), 4);
        assert_eq!(sent.messages.len(), DialectName::ALL.len());
        let again = submit(&dry, &bundle, soon()).await;
        assert_ne!(again.uuid, sent.uuid);
    });
}

#[test]
fn a_bundle_is_taken_back_by_its_uuid_in_each_dialect() {
    let bundle = bundle();
    runtime().block_on(async {
        let relays = [Relay::says(200, ACCEPTS).await, Relay::says(200, ACCEPTS).await];
        let rows = vec![relays[0].row("f", DialectName::Flashbots, true), relays[1].row("p", DialectName::Plain, true)];
        let submitter = Submitter::loopback(setup(rows)).expect("set up");
        let sent = submit(&submitter, &bundle, soon()).await;
        let taken = cancel(&submitter, &sent).await;
        assert_eq!(taken.uuid, sent.uuid);
        let uuid = sent.uuid.hyphenated().to_string();
        for (relay, method, params) in [
            (&relays[0], "eth_cancelBundle", json!([{"replacementUuid": uuid}])),
            (
                &relays[1],
                "eth_sendBundle",
                json!([{"txs": [], "blockNumber": format!("0x{BLOCK:x}"), "revertingTxHashes": [], "replacementUuid": uuid}]),
            ),
        ] {
            let post = relay.posts().pop().expect("two posts");
            let body: Value = serde_json::from_slice(&post.body).expect("json");
            assert_eq!((&body["method"], &body["params"]), (&json!(method), &params));
            let header = post.headers[HEADER].to_str().expect("text");
            assert_eq!(identity::recover(header, &post.body), Some(key(OTHER_KEY).address()));
        }
    });
}

#[test]
fn a_dry_run_dials_nobody_and_says_what_it_would_have_sent() {
    let bundle = bundle();
    runtime().block_on(async {
        let relay = Relay::says(200, ACCEPTS).await;
        let submitter = Submitter::dry(setup(vec![relay.row("f", DialectName::Flashbots, true)])).expect("set up");
        submitter.warm().await;
        let sent = submit(&submitter, &bundle, soon()).await;
        cancel(&submitter, &sent).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(relay.seen().is_empty());
        assert!(sent.replies.is_none());
        let [message] = &sent.messages[..] else { panic!("{sent:?}") };
        let header = message.signature.as_deref().expect("signed");
        assert_eq!(identity::recover(header, &message.body), Some(key(OTHER_KEY).address()));
        let text = std::str::from_utf8(&message.body).expect("text");
        assert!(bundle.txs().iter().all(|tx| text.contains(&alloy_primitives::hex::encode_prefixed(tx))), "{text}");
    });
}

#[test]
fn connections_are_warm_before_the_first_bundle_and_stay_so() {
    let bundle = bundle();
    runtime().block_on(async {
        let relay = Relay::says(200, ACCEPTS).await;
        let submitter = Submitter::loopback(setup(vec![relay.row("f", DialectName::Flashbots, true)])).expect("set up");
        submitter.warm().await;
        for _ in 0..3 {
            // The client puts a connection back in a task of its own, a moment after the answer has been read.
            tokio::time::sleep(Duration::from_millis(100)).await;
            submit(&submitter, &bundle, soon()).await;
        }
        let seen = relay.seen();
        assert_eq!((seen.len(), relay.posts().len()), (4, 3));
        assert!(seen.iter().all(|request| request.from == seen[0].from), "one connection: {seen:?}");
    });
}

// ---- what comes back -------------------------------------------------------------------------------------------------

#[test]
fn every_manner_of_relay_gets_its_answer_and_none_waits_for_another() {
    let bundle = bundle();
    runtime().block_on(async {
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32025,"message":"invalid flashbots signature"}}"#;
        // Bound and not listening, so that nobody else gets the port meanwhile.
        let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
        nobody.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let gone = nobody.local_addr().expect("bound");
        let breaks = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let broken_at = breaks.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((socket, _)) = breaks.accept().await {
                // Reads the request, then closes.
                socket.readable().await.ok();
                let mut sink = vec![0; 1 << 16];
                let _read = socket.try_read(&mut sink);
            }
        });
        let elsewhere = Relay::says(200, ACCEPTS).await;
        let away = format!("http://{}/", elsewhere.at);
        let refused = |message: &str| Answer::Refused { code: Some(-32025), message: message.to_owned() };
        let unknown = |text: &str| Answer::Unknown(text.to_owned());
        let cases = [
            ("accepts", Manner::Says(200, ACCEPTS.to_owned()), Answer::Accepted("0xc0ffee".to_owned())),
            ("slow", Manner::Slow(300, ACCEPTS.to_owned()), Answer::Accepted("0xc0ffee".to_owned())),
            ("refuses", Manner::Says(200, error.to_owned()), refused("invalid flashbots signature")),
            ("refuses_403", Manner::Says(403, error.to_owned()), refused("invalid flashbots signature")),
            ("null", Manner::Says(200, r#"{"id":1,"result":null}"#.to_owned()), unknown("result is null")),
            ("bare_null", Manner::Says(200, "null".to_owned()), unknown("http 200, no JSON-RPC answer")),
            ("html", Manner::Says(200, "<html>".repeat(200_000)), unknown("http 200, not JSON")),
            ("empty", Manner::Says(200, String::new()), unknown("http 200, not JSON")),
            ("500", Manner::Says(500, "oops\u{1b}[31m".to_owned()), unknown("http 500, not JSON")),
            ("redirects", Manner::Redirects(away), unknown("http 307, not JSON")),
            ("hangs", Manner::Hangs, Answer::Timeout),
        ];
        let (mut rows, mut relays) = (Vec::new(), Vec::new());
        for (name, manner, _) in &cases {
            let relay = Relay::start(manner.clone()).await;
            rows.push(relay.row(name, DialectName::Flashbots, true));
            relays.push(relay);
        }
        rows.push(row("gone", &format!("http://{gone}/{SECRET_PATH}"), DialectName::Plain, false));
        rows.push(row("breaks", &format!("http://{broken_at}/{SECRET_PATH}"), DialectName::Plain, false));
        for name in ["hangs_2", "hangs_3", "hangs_4"] {
            let relay = Relay::start(Manner::Hangs).await;
            rows.push(relay.row(name, DialectName::Plain, false));
            relays.push(relay);
        }
        let submitter = Submitter::loopback(setup(rows)).expect("set up");
        let start = Instant::now();
        let sent = submit(&submitter, &bundle, soon()).await;
        let took = start.elapsed();
        // One after the other, four that hang would take four seconds.
        assert!(took < Duration::from_millis(2_500), "{took:?}: the longest is a time-out of a second");
        let got = answers(&sent);
        for ((name, _, due), got) in cases.iter().zip(&got) {
            assert_eq!((*name, due), *got);
        }
        assert_eq!(got[11], ("gone", &Answer::Unsent("no connection".to_owned())));
        assert_eq!(got[12], ("breaks", &unknown("connection broke")));
        assert!(got[13..].iter().all(|(_, answer)| **answer == Answer::Timeout) && got.len() == 16, "{got:?}");
        let replies = sent.replies.as_ref().expect("sent");
        assert!(replies[0].took < Duration::from_millis(500), "{:?} behind one that hangs", replies[0].took);
        assert!(replies.iter().all(|reply| reply.excerpt.chars().count() <= 512));
        assert!(replies.iter().all(|reply| !reply.excerpt.contains('\u{1b}')), "a terminal's escape");
        assert_eq!(replies[8].status, Some(500));
        assert!(elsewhere.seen().is_empty(), "a redirect was followed");
        assert!(relays.iter().all(|relay| relay.posts().len() == 1), "sent again");
        assert!(!format!("{sent:?}").contains(SECRET_PATH));
    });
}

#[test]
fn nothing_is_sent_past_the_deadline_and_nobody_is_waited_for_beyond_it() {
    let bundle = bundle();
    runtime().block_on(async {
        let relay = Relay::start(Manner::Hangs).await;
        let submitter = Submitter::loopback(setup(vec![relay.row("f", DialectName::Flashbots, true)])).expect("set up");
        let sent = submit(&submitter, &bundle, Instant::now()).await;
        assert_eq!(answers(&sent), [("f", &Answer::Unsent("past its deadline".to_owned()))]);
        assert!(relay.seen().is_empty());
        let start = Instant::now();
        let sent = submit(&submitter, &bundle, start + Duration::from_millis(200)).await;
        assert_eq!(answers(&sent), [("f", &Answer::Timeout)]);
        assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
    });
}

#[test]
fn an_answer_is_what_it_says_and_unknown_where_it_says_nothing() {
    let accepted = |hash: &str| Answer::Accepted(hash.to_owned());
    let refused = |code, message: &str| Answer::Refused { code, message: message.to_owned() };
    for (status, text, due) in [
        (200, ACCEPTS, accepted("0xc0ffee")),
        (200, r#"{"id":1,"result":{"bundleHash":"0x1","smart":"true"}}"#, accepted("0x1")),
        (200, r#"{"id":1,"result":"0x2","error":null}"#, accepted("0x2")),
        (200, r#"{"id":1,"error":"rate limited"}"#, refused(None, "rate limited")),
        (429, r#"{"id":1,"error":{"code":-32603,"message":"slow\u001bdown"}}"#, refused(Some(-32603), "slow down")),
        (200, r#"{"jsonerror":{"message":"no"}}"#, refused(None, "no")),
        // An error that says nothing beside a result is none; alone it is one.
        (200, r#"{"id":1,"result":"0x3","error":{}}"#, accepted("0x3")),
        (200, r#"{"id":1,"result":{"bundleHash":"0x4"},"error":""}"#, accepted("0x4")),
        (200, r#"{"id":1,"result":"0x5","error":[],"jsonerror":{}}"#, accepted("0x5")),
        (200, r#"{"id":1,"result":"0x6","error":{"code":0,"message":"","data":null}}"#, accepted("0x6")),
        (200, r#"{"id":1,"result":"0x7","error":false}"#, accepted("0x7")),
        (200, r#"{"id":1,"result":null,"error":{"code":0,"message":""}}"#, refused(Some(0), "")),
        (200, r#"{"id":1,"result":"0x8","error":{},"jsonerror":{"message":"no"}}"#, refused(None, "no")),
        (200, r#"{"id":1,"result":"0x9","error":{"code":-32000,"message":""}}"#, refused(Some(-32000), "")),
        (200, r#"{"id":1,"result":"0xa","error":{"code":0,"message":"no"}}"#, refused(Some(0), "no")),
        (200, r#"{"id":1,"error":"\u001b[31mred\u001b[0m \u202enur"}"#, refused(None, "red  nur")),
    ] {
        assert_eq!(reply::read(status, text.as_bytes()), due, "{text}");
    }
    for (status, text) in [
        (200, r#"{"id":1,"result":{}}"#),
        (200, r#"{"id":1,"result":{"bundleHash":null}}"#),
        (200, r#"{"id":1,"result":200}"#),
        (200, r#"{"id":1,"result":"ok"}"#),
        (200, "200"),
        (200, "[]"),
        (200, "ok"),
        (502, ACCEPTS),
        (200, "{\"id\":1,\"result\":{\"bundleHash\":\"0x1\""),
    ] {
        let answer = reply::read(status, text.as_bytes());
        assert!(matches!(answer, Answer::Unknown(_)), "{text}: {answer:?}");
        assert!(answer.may_land());
    }
}

proptest! {
    #[test]
    fn no_answer_stops_us(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        prop_assert!(!reply::read(status, &body).name().is_empty());
        let error = json!({"error": {"code": text, "message": text}}).to_string();
        let Answer::Refused { message, .. } = reply::read(status, error.as_bytes()) else { panic!("{error}") };
        prop_assert!(!message.chars().any(char::is_control));
    }
}

// ---- who may send ----------------------------------------------------------------------------------------------------

#[test]
fn a_setup_that_would_go_wrong_is_refused_by_name() {
    let here = || row("r", "http://127.0.0.1:9", DialectName::Flashbots, true);
    let error = |setup: Setup| Submitter::loopback(setup).expect_err("refused").to_string();
    let same = Setup { relays: vec![], identity: Some(key(OWNER_KEY)), owner: owner() };
    assert_eq!(error(same), SetupError::IdentityIsOwner.to_string());
    let none = Setup { relays: vec![here()], identity: None, owner: owner() };
    assert_eq!(error(none), SetupError::NoIdentity("r".to_owned()).to_string());
    assert_eq!(error(setup(vec![here(), here()])), "relay.name r stands twice");
    for url in ["https://relay.flashbots.net", "http://localhost:1", "http://127.0.0.1.example.com", "http://10.0.0.1"]
    {
        let far = row("far", url, DialectName::Plain, false);
        assert_eq!(error(setup(vec![far])), "relay far is not on a loopback address", "{url}");
    }
    for url in ["relay.flashbots.net", "ftp://127.0.0.1/", "", "hunter2"] {
        let bad =
            Submitter::dry(setup(vec![row("bad", url, DialectName::Plain, false)])).expect_err("refused").to_string();
        assert!(bad.starts_with("relay.url") && !bad.contains("hunter2"), "{bad}");
    }
    let plain =
        Setup { relays: vec![row("p", "http://[::1]:9", DialectName::Plain, false)], identity: None, owner: owner() };
    assert!(Submitter::loopback(plain).is_ok(), "a plain relay needs no identity");
}

#[test]
fn a_row_is_read_and_an_unknown_key_or_dialect_is_refused() {
    let read = |text: &str| toml::from_str::<peregrine::edge::submit::config::Relay>(text);
    let good = "name = \"titan\"\nurl = \"https://rpc.titanbuilder.xyz\"\ndialect = \"plain\"\nsign = true\ntimeout_ms = 800\n";
    let relay = read(good).expect("a row");
    assert_eq!((relay.dialect, relay.sign, relay.timeout_ms), (DialectName::Plain, true, 800));
    assert_eq!(relay.out_of_range(), None);
    assert!(read(&format!("{good}extra = 1\n")).is_err());
    assert!(read(&good.replace("plain", "mev_boost")).is_err());
    for kind in DialectName::ALL {
        let name = kind.dialect().name();
        assert_eq!(read(&good.replace("plain", name)).expect("a row").dialect, kind, "{name}");
    }
}

/// `Armed::arm` cannot be named outside of the crate; inside it, only here.
#[test]
fn only_live_and_the_loopback_of_submit_arm() {
    fn files(at: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(at).expect("src").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() { files(&entry, found) } else { found.push(entry) }
        }
    }
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for file in found {
        let name = file.strip_prefix(&src).expect("inside").display().to_string();
        let text = std::fs::read_to_string(&file).expect("text");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let text = code.join("\n");
        let arms = text.contains("Armed::arm") || (text.contains("Armed") && text.contains("::arm("));
        let may = name == "live/mod.rs" || name == "edge/submit/fanout/mod.rs";
        assert!(may || !arms, "src/{name} makes an Armed: live/mod.rs alone does, when the user said --live");
    }
}

// ---- keys ------------------------------------------------------------------------------------------------------------

fn digits() -> &'static str {
    OWNER_KEY.trim_start_matches("0x")
}

#[track_caller]
fn shows_no_key(text: &str) {
    let text = text.to_lowercase();
    assert!(!text.contains(&digits()[..12]) && !text.contains(&OTHER_KEY[2..14]), "a key is shown: {text}");
    // The bytes as numbers: ac 09 74.
    assert!(!text.contains("172, 9, 116"), "a key is shown: {text}");
}

fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("mode");
    file
}

#[test]
fn a_key_is_read_from_a_file_that_nobody_else_may_read() {
    for text in [OWNER_KEY.to_owned(), digits().to_owned(), format!("{OWNER_KEY}\n"), digits().to_uppercase()] {
        let file = file(&text, 0o600);
        let place = Place::from(file.path().display().to_string());
        assert_eq!(keys::read(&place).expect("a key").address(), owner(), "{}", text.len());
    }
    for (text, mode, due) in [
        (OWNER_KEY.to_owned(), 0o644, "mode is 644, 600 due"),
        (OWNER_KEY.to_owned(), 0o640, "mode is 640, 600 due"),
        (format!("{OWNER_KEY}00"), 0o600, "64 hex digits due"),
        (digits()[..62].to_owned(), 0o600, "64 hex digits due"),
        (format!("{}zz", &digits()[..62]), 0o600, "64 hex digits due"),
        (String::new(), 0o600, "64 hex digits due"),
        ("0".repeat(64), 0o600, "not on the curve"),
        ("f".repeat(64), 0o600, "not on the curve"),
        (digits().repeat(100), 0o600, "64 hex digits due"),
        (format!("{{\"crypto\": \"{}\"}}", digits()), 0o600, "a JSON keystore"),
    ] {
        let file = file(&text, mode);
        let error = keys::read(&Place::from(file.path().display().to_string())).expect_err(due);
        assert!(error.to_string().contains(due), "{error}: {due}");
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
        shows_no_key(&format!("{error} {error:?}"));
    }
    let missing = keys::read(&Place::from("/nowhere/key".to_owned())).expect_err("missing").to_string();
    assert!(missing.starts_with("/nowhere/key: "), "{missing}");
    assert!(keys::read(&Place::from("/tmp".to_owned())).is_err(), "a directory");
}

#[test]
fn a_key_is_read_from_the_environment() {
    const NAME: &str = "PEREGRINE_TEST_KEY";
    if std::env::var_os(NAME).is_some() {
        let key = keys::read(&Place::from(format!("env:{NAME}"))).expect("a key");
        assert_eq!(key.address(), owner());
        let error = keys::read(&Place::from("env:PEREGRINE_TEST_BAD".to_owned())).expect_err("no key");
        assert_eq!(error.to_string(), "env:PEREGRINE_TEST_BAD: not a key: 64 hex digits due");
        shows_no_key(&format!("{error:?}"));
        return;
    }
    // A process of its own: setting a variable in this one is not safe among threads.
    let test = std::env::current_exe().expect("this binary");
    let child = std::process::Command::new(test)
        .args(["--exact", "a_key_is_read_from_the_environment"])
        .env(NAME, OWNER_KEY)
        .env("PEREGRINE_TEST_BAD", format!("{OWNER_KEY}!"))
        .output()
        .expect("runs");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let error = keys::read(&Place::from("env:PEREGRINE_NOT_SET".to_owned())).expect_err("unset").to_string();
    assert_eq!(error, "env:PEREGRINE_NOT_SET: variable is not set");
}

#[test]
fn a_key_in_the_configuration_itself_is_refused_without_being_shown() {
    #[derive(Debug, serde::Deserialize)]
    struct Table {
        owner: Place,
    }
    for text in [OWNER_KEY.to_owned(), digits().to_owned(), format!(" {OWNER_KEY} "), digits()[..62].to_owned()] {
        let table: Table = toml::from_str(&format!("owner = \"{text}\"")).expect("read, so that no parser quotes it");
        assert_eq!(table.owner, Place::Naked);
        let error = keys::read(&table.owner).expect_err("refused");
        shows_no_key(&format!("{table:?} {error} {error:?}"));
    }
}

#[test]
fn nobody_shows_a_key_or_a_relays_url() {
    let relay = row(
        "r",
        &format!("https://user:{SECRET_PATH}@relay.example/{SECRET_PATH}?k={SECRET_PATH}"),
        DialectName::Plain,
        true,
    );
    let setup = setup(vec![relay.clone()]);
    let identity = Identity::new(key(OTHER_KEY));
    let shown =
        format!("{:?} {:?} {setup:?} {relay:?} {identity:?} {:#?}", key(OWNER_KEY), key(OTHER_KEY), key(OWNER_KEY));
    let submitter = Submitter::dry(setup).expect("set up");
    let shown = format!("{shown} {submitter:?} {submitter:#?}");
    assert!(shown.contains("***") && shown.contains("relay.example:443"), "{shown}");
    assert!(!shown.contains(SECRET_PATH), "{shown}");
    shows_no_key(&shown);
}

#[test]
fn signatures_are_deterministic_and_low() {
    let digest = B256::repeat_byte(0x42);
    let [one, two] = [(); 2].map(|()| key(OWNER_KEY).sign(&digest).expect("signs"));
    assert_eq!(one, two);
    for byte in 0..=255 {
        let digest = B256::repeat_byte(byte);
        let signature = key(OTHER_KEY).sign(&digest).expect("signs");
        assert!(signature.normalize_s().is_none(), "s is high");
        assert_eq!(signature.recover_address_from_prehash(&digest).expect("recovers"), key(OTHER_KEY).address());
    }
}
