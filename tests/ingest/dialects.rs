//! Nodes that speak otherwise: what they leave out is derived or fetched, what they say in another form is understood, and what
//! nobody can read is counted, said once, and known of the source.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::B256;
use peregrine::edge::chain::Chain;
use peregrine::edge::ingest::{Config, Ingest, Node, SourceStats};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::follower::{Follower, LONGEST};
use crate::node::{Bodies, FakeNode, signed, transaction};
use crate::proxy::{Dialect, Proxy, item, saying, tx};
use crate::{config, follow};

/// Between two looks at something that cannot call.
const LOOK: Duration = Duration::from_millis(5);

/// A node that speaks so from the first word, followed to its tip.
async fn speaking(dialect: Dialect, config: &Config) -> (FakeNode, Proxy, Ingest, Follower) {
    let node = FakeNode::start().await;
    let proxy = Proxy::before(&node.ws).await;
    proxy.speak(dialect);
    let row = Node { ws: Some(proxy.ws.clone()), ..node.row("a") };
    let (ingest, mut follower) = follow(&[row], config);
    node.mine();
    follower.reaches(&node).await;
    (node, proxy, ingest, follower)
}

/// Transactions and blocks, until all of them are heard from here on.
async fn hears_all(node: &FakeNode, follower: &mut Follower) {
    let mut nonce = 0;
    // The subscription may be made somewhat later than the heads': told until one is heard.
    while follower.pending.is_empty() {
        node.tell_tx(nonce);
        nonce += 1;
        node.mine();
        follower.reaches(node).await;
        follower.drain();
    }
    for nonce in nonce..nonce + 10 {
        let tx = node.tell_tx(nonce);
        node.mine();
        follower.reaches(node).await;
        follower.hears(tx).await;
    }
}

/// Looks until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LONGEST, looks).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

fn source(ingest: &Ingest) -> SourceStats {
    ingest.stats().swap_remove(0)
}

fn without(names: &[&str], told: &Value, is_null: bool) -> Value {
    let mut told = told.clone();
    let fields = told.as_object_mut().unwrap();
    for name in names {
        match is_null {
            true => drop(fields.insert((*name).to_owned(), Value::Null)),
            false => drop(fields.remove(*name)),
        }
    }
    told
}

#[tokio::test]
async fn a_transaction_is_read_without_what_the_rest_of_it_gives_and_else_fetched_by_its_hash() {
    let node = FakeNode::start().await;
    let (ingest, mut follower) = follow(&[node.row("a")], &config());
    node.subscribed(1).await;
    node.mine();
    follower.reaches(&node).await;
    hears_all(&node, &mut follower).await;
    let derivable: [&[&str]; 9] = [
        &["from"],
        &["type"],
        &["hash"],
        &["from", "type"],
        &["yParity", "v"],
        &["from", "type", "yParity"],
        &["from", "accessList"],
        &["type", "accessList", "gasPrice"],
        &["from", "blockHash", "transactionIndex", "gasPrice"],
    ];
    let mut nonce = 1_000;
    for (names, is_null) in derivable.iter().flat_map(|names| [(names, false), (names, true)]) {
        let (hash, told) = signed(nonce);
        nonce += 1;
        node.tell_any((B256::ZERO, Value::Null), without(names, &told, is_null));
        follower.hears(hash).await;
    }
    let heard = source(&ingest).heard;
    assert_eq!((heard.bad_frames, heard.derived, heard.not_had), (0, 18, 0), "{heard:?}");
    // What nothing gives is asked for: a number that the signature does not tell, or a chain that nobody has told.
    for names in [&["nonce"][..], &["r"], &["maxFeePerGas", "from"], &["chainId", "from"], &["gas"]] {
        let (hash, told) = signed(nonce);
        nonce += 1;
        node.tell_any((hash, told.clone()), without(names, &told, false));
        follower.hears(hash).await;
    }
    let heard = source(&ingest).heard;
    assert_eq!((heard.bad_frames, heard.not_had), (5, 0), "{heard:?}");
    assert!(heard.causes.iter().any(|cause| cause.cause.contains("`gas`")), "{:?}", heard.causes);
}

#[tokio::test]
async fn where_bodies_have_neither_hash_nor_what_makes_it_hashes_are_subscribed() {
    let blank = |mut said: Value| {
        if let Some(tx) = tx(&mut said) {
            *tx = json!({"nonce": "0x1", "from": null});
        }
        vec![said]
    };
    let (node, _proxy, ingest, mut follower) = speaking(saying(blank), &config()).await;
    hears_all(&node, &mut follower).await;
    let heard = source(&ingest).heard;
    assert!(heard.bad_frames > 10 && heard.not_had == 0, "{heard:?}");
}

/// Each frame in the form that `form` has for it.
fn formed(form: usize) -> impl Fn(Value) -> Vec<Value> + Send + Sync + 'static {
    let kept = Mutex::new(Vec::new());
    move |mut said: Value| {
        let number = |id: &Value| json!(u64::from_str_radix(&id.as_str().unwrap()[2..], 16).unwrap());
        if form == 3 {
            // A number here, its text there.
            if said["result"].is_string() {
                said["result"] = number(&said["result"]);
            }
            return vec![json!([said])];
        }
        // What chain it is of was asked before.
        if said["result"].is_boolean() {
            return vec![said];
        }
        if let Some(id) = said.get("result").filter(|id| id.is_string()) {
            said["result"] = number(id);
            said["id"] = json!(said["id"].to_string());
            // In another order, behind an answer to nothing.
            let mut kept = kept.lock().unwrap();
            kept.push(said);
            return match kept.len() {
                3 => std::iter::once(json!({"jsonrpc": "2.0", "id": "77", "result": "0x1"}))
                    .chain(kept.drain(..).rev())
                    .collect(),
                _ => Vec::new(),
            };
        }
        if said["params"]["subscription"].is_string() {
            said["params"]["subscription"] = number(&said["params"]["subscription"]);
        }
        match form {
            0 => vec![said],
            1 => vec![json!([said])],
            _ => {
                let result = item(&mut said).unwrap();
                *result = json!([result.clone()]);
                vec![said]
            }
        }
    }
}

#[tokio::test]
async fn ids_that_are_numbers_or_text_answers_in_another_order_and_notices_in_arrays_are_understood() {
    for form in 0..4 {
        let (node, _proxy, ingest, mut follower) = speaking(saying(formed(form)), &config()).await;
        hears_all(&node, &mut follower).await;
        // The answer to nothing.
        assert_eq!(ingest.bad_frames(), u64::from(form != 3), "form {form}: {:?}", ingest.last_bad_frames());
    }
}

/// Answers to a subscription are `no`; `None` is silence.
fn refusing(subscription: Value, no: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static) -> Dialect {
    let asked = move |asked: &Value| (asked["params"] == subscription).then(|| no(&asked["id"]).into_iter().collect());
    Dialect { asked: Box::new(asked), said: Box::new(|said| vec![said]) }
}

#[tokio::test]
async fn a_refusal_in_any_form_or_none_at_all_leads_to_hashes() {
    let config = Config { timeout_ms: 150, ..config() };
    let forms: [fn(&Value) -> Option<Value>; 9] = [
        |id| Some(json!({"id": id, "error": "no bodies"})),
        |id| Some(json!({"id": id, "error": {"message": "no bodies"}})),
        |id| Some(json!({"id": id, "error": {"code": "-32601", "message": "no bodies"}})),
        |id| Some(json!({"id": id.to_string(), "error": {"code": "NO", "message": "no bodies"}})),
        |_| Some(json!({"id": null, "error": {"code": -32600, "message": "no bodies"}})),
        |_| Some(json!({"error": "no bodies", "message": "no bodies"})),
        |id| Some(json!([{"id": id, "result": null, "error": {"data": "no bodies"}}])),
        |id| Some(json!({"id": id, "result": false})),
        |_| None,
    ];
    for (index, form) in forms.into_iter().enumerate() {
        let dialect = refusing(json!(["newPendingTransactions", true]), form);
        let (node, _proxy, ingest, mut follower) = speaking(dialect, &config).await;
        hears_all(&node, &mut follower).await;
        let words = &source(&ingest).heard.refused["newPendingTransactions in full"];
        let due = ["no subscription: false", "no answer for 150ms"].get(index.wrapping_sub(7)).unwrap_or(&"no bodies");
        assert!(words.contains(due), "form {index}: {words}");
    }
}

#[tokio::test]
async fn a_node_that_refuses_heads_or_tells_none_that_can_be_read_is_asked_for_them() {
    let refuses = || refusing(json!(["newHeads"]), |id| Some(json!({"id": id, "error": "no heads"})));
    let garbles = || {
        saying(|mut said| {
            if let Some(head) = item(&mut said).filter(|item| item.get("parentHash").is_some()) {
                head["gasUsed"] = Value::Null;
            }
            vec![said]
        })
    };
    for dialect in [refuses(), garbles()] {
        let (node, _proxy, ingest, mut follower) = speaking(dialect, &config()).await;
        for nonce in 0..3 {
            node.mine();
            follower.reaches(&node).await;
            let tx = node.tell_tx(nonce);
            follower.hears(tx).await;
        }
        assert!(source(&ingest).heard.down.is_none(), "the connection stands");
    }
}

/// Twice for each of the two kinds.
#[tokio::test]
async fn a_subscription_that_is_refused_for_the_rate_is_asked_for_again() {
    let refused = AtomicU64::new(0);
    let asked = move |asked: &Value| {
        let is_of_pending = asked["params"][0] == "newPendingTransactions";
        let no = json!({"id": asked["id"], "error": {"code": -32005, "message": "too many requests, slow down"}});
        (is_of_pending && refused.fetch_add(1, Ordering::Relaxed) < 4).then(|| vec![no])
    };
    let dialect = Dialect { asked: Box::new(asked), said: Box::new(|said| vec![said]) };
    let (node, _proxy, ingest, mut follower) = speaking(dialect, &config()).await;
    until("a transaction that is heard", async || {
        node.tell_tx(node.mine().number);
        follower.reaches(&node).await;
        follower.drain();
        !follower.pending.is_empty()
    })
    .await;
    assert!(source(&ingest).heard.refused["newPendingTransactions"].contains("slow down"));
}

#[tokio::test]
async fn a_body_that_is_not_there_yet_is_asked_for_again_and_one_that_never_comes_is_counted() {
    let node = FakeNode::with(Bodies::Hashes, Arc::default()).await;
    let (ingest, mut follower) = follow(&[node.row("a")], &config());
    node.subscribed(1).await;
    node.mine();
    follower.reaches(&node).await;
    hears_all(&node, &mut follower).await;
    let (late, never) = (signed(2_000), signed(2_001));
    for (hash, _) in [&late, &never] {
        node.tell_any((B256::ZERO, Value::Null), json!({"hash": hash}));
    }
    let in_vain = node.ledger.lock().unwrap().in_vain.clone();
    until("both asked for in vain", async || in_vain.load(Ordering::Relaxed) >= 2).await;
    node.knows(late.clone());
    follower.hears(late.0).await;
    until("the other is given up", async || source(&ingest).heard.gone > 0).await;
    let heard = source(&ingest).heard;
    assert_eq!((heard.gone, heard.not_had), (1, 0), "{heard:?}");
}

/// One that has another number than its parent's child, and one that has null where the block has a value.
#[tokio::test]
async fn a_head_that_is_no_child_of_its_parent_or_leaves_out_what_the_block_has_is_asked_for() {
    let wrong = |name: &'static str, value: fn(&Value) -> Value| {
        saying(move |mut said| {
            if let Some(head) = item(&mut said).filter(|item| item.get("parentHash").is_some()) {
                head[name] = value(&head[name]);
            }
            vec![said]
        })
    };
    let far = |number: &Value| {
        let number = u64::from_str_radix(&number.as_str().unwrap()[2..], 16).unwrap();
        json!(format!("{:#x}", number + (1 << 40)))
    };
    for dialect in [wrong("number", far), wrong("baseFeePerGas", |_| Value::Null)] {
        let (node, _proxy, _ingest, mut follower) = speaking(dialect, &config()).await;
        hears_all(&node, &mut follower).await;
        assert!(follower.undone.is_empty() && follower.lost == 0);
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_the_order_asked_whatever_order_and_ids_its_answers_have() {
    let node = FakeNode::start().await;
    let hashes: Vec<B256> = (0..5).map(|nonce| node.tell_tx(nonce)).collect();
    let chain = Chain::new(&node.http, Duration::from_secs(5)).unwrap();
    for text_ids in [false, true] {
        node.ledger.lock().unwrap().text_ids = text_ids;
        let bodies = chain.transactions(&hashes).await.unwrap();
        let found: Vec<B256> =
            bodies.iter().map(|body| serde_json::from_value(body["hash"].clone()).unwrap()).collect();
        assert_eq!(found, hashes, "ids as text: {text_ids}");
    }
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn what_does_not_decode_is_said_at_the_first_and_each_power_of_ten_and_a_deaf_source_is_called_so() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false).with_writer(log.clone());
    // All of this test runs on its own thread.
    let _listening = tracing::subscriber::set_default(subscriber.finish());
    let node = FakeNode::start().await;
    let (ingest, mut follower) = follow(&[node.row("a")], &config());
    node.subscribed(1).await;
    node.mine();
    follower.reaches(&node).await;
    for nonce in 0..120 {
        node.tell_any(
            (B256::ZERO, Value::Null),
            json!({"nonce": "0x1", "type": "0x7e", "what": format!("\u{1b}[31m{nonce}\nx")}),
        );
    }
    node.mine();
    follower.reaches(&node).await;
    let heard = source(&ingest).heard;
    assert_eq!((heard.bad_frames, &heard.deaf_to[..]), (120, &["pending transactions"][..]), "{heard:?}");
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let frames: Vec<&str> = said.lines().filter(|line| line.contains("a frame does not decode")).collect();
    assert_eq!(frames.len(), 3, "1, 10, 100: {said}");
    assert!(
        frames[0].contains("a/node_ws") && frames[0].contains("of type 126") && frames[0].contains("eth_subscription"),
        "{said}"
    );
    assert_eq!(said.lines().filter(|line| line.contains("a source is deaf")).count(), 1, "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    // One that decodes, and it hears.
    let (hash, whole) = transaction(5);
    node.tell_any((hash, whole.clone()), whole);
    follower.hears(hash).await;
    assert!(source(&ingest).heard.deaf_to.is_empty());
}
