//! The whole searcher behind nodes that speak otherwise: it follows, hears and earns, and says what is wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use peregrine::live::Searcher;
use peregrine::live::stats::totals::{Source, Status};
use serde_json::{Value, json};

use crate::rig::{Rig, until};
use crate::socket::{Dialect, item, saying, tx};
use crate::truth;

fn count(status: &Status, name: &str) -> u64 {
    status.counters[&*format!("peregrine_{name}_total")]
}

fn source(searcher: &Searcher) -> Source {
    searcher.status().sources.swap_remove(0)
}

/// Each transaction without some of what the rest of it gives, one after another in every way: absent and null.
fn leaving_out(announced: Arc<AtomicU64>) -> Dialect {
    const LEFT_OUT: [&[&str]; 8] = [
        &["from"],
        &["chainId"],
        &["type"],
        &["from", "chainId", "type"],
        &["v", "yParity"],
        &["from", "accessList"],
        &["from", "type", "v", "yParity"],
        &["from", "chainId", "gasPrice"],
    ];
    saying(move |mut said| {
        if let Some(Value::Object(fields)) = tx(&mut said) {
            let turn = announced.fetch_add(1, Ordering::Relaxed) as usize;
            for name in LEFT_OUT[turn / 2 % LEFT_OUT.len()] {
                // A legacy transaction has its price and no other.
                if *name == "gasPrice" && !fields.contains_key("maxFeePerGas") {
                    continue;
                }
                match turn % 2 {
                    0 => drop(fields.remove(*name)),
                    _ => drop(fields.insert((*name).to_owned(), Value::Null)),
                }
            }
        }
        if let Some(head) = item(&mut said).filter(|item| item.get("parentHash").is_some()) {
            (head["blockAccessListHash"], head["withdrawals"], head["uncles"]) =
                (Value::Null, Value::Null, Value::Null);
        }
        vec![said]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_leave_out_what_can_be_derived_are_heard_and_earned_behind() {
    let (rig, announced) = (Rig::start(150).await, Arc::new(AtomicU64::new(0)));
    rig.socket.speak(leaving_out(announced.clone()));
    let searcher = rig.search().await;
    until("bundles that landed", async || {
        rig.blocks(&searcher, 1).await;
        searcher.status().bundles_landed > 0 && source(&searcher).heard.derived > 30
    })
    .await;
    truth::whole(&rig, &searcher).await;
    let (heard, status) = (source(&searcher).heard, searcher.status());
    println!(
        "{} announced, {} derived, {} seen",
        announced.load(Ordering::Relaxed),
        heard.derived,
        status.pending_seen
    );
    assert_eq!((heard.bad_frames, heard.not_had, &heard.deaf_to[..]), (0, 0, &[][..]), "{heard:?}");
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_thread_derives_by_itself_what_a_frame_leaves_out() {
    let (rig, announced) = (Rig::start(151).await, Arc::new(AtomicU64::new(0)));
    rig.socket.speak(leaving_out(announced));
    let mut config = rig.config();
    (config.threads.hot, config.threads.spin) = (1, true);
    let searcher = rig.search_as(&config).await;
    until("transactions that the thread heard itself, and a bundle that landed", async || {
        rig.blocks(&searcher, 1).await;
        let status = searcher.status();
        count(&status, "pending_heard_in_line") > 30 && status.bundles_landed > 0
    })
    .await;
    let status = searcher.status();
    println!(
        "{} heard in line, {} left",
        count(&status, "pending_heard_in_line"),
        count(&status, "pending_left_to_edge")
    );
    assert_eq!(count(&status, "pending_left_to_edge"), 0);
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_nothing_makes_whole_are_fetched_by_hash_or_subscribed_as_hashes() {
    for (seed, hash_left) in [(152, true), (153, false)] {
        let rig = Rig::start(seed).await;
        rig.socket.speak(saying(move |mut said| {
            if let Some(Value::Object(fields)) = tx(&mut said) {
                fields.remove("r");
                if !hash_left {
                    fields.remove("hash");
                }
            }
            vec![said]
        }));
        let searcher = rig.search().await;
        until("transactions", async || {
            rig.blocks(&searcher, 1).await;
            searcher.status().pending_seen > 30
        })
        .await;
        let heard = source(&searcher).heard;
        assert!(heard.bad_frames > 0 && heard.causes.iter().all(|cause| !cause.begins.is_empty()), "{heard:?}");
        truth::whole(&rig, &searcher).await;
        rig.close(searcher).await;
    }
}

/// Numbers for ids of subscriptions, text for those of answers, notices in arrays; whole transactions are refused, without an id and
/// in a bare string; what is asked first is answered behind an answer to nothing.
fn foreign() -> Dialect {
    let known = Mutex::new(Vec::new());
    // The node's own ids are longer than a number is.
    let number = move |id: &Value| {
        let (id, mut known) = (id.as_str().filter(|id| id.starts_with("0x"))?.to_owned(), known.lock().unwrap());
        let at = known.iter().position(|known| *known == id).unwrap_or(known.len());
        if at == known.len() {
            known.push(id);
        }
        Some(json!(at + 1))
    };
    let asked = |asked: &Value| {
        let whole = asked["params"] == json!(["newPendingTransactions", true]);
        let unasked = json!({"jsonrpc": "2.0", "id": "4711", "result": "0x9"});
        whole.then(|| {
            vec![unasked, json!({"jsonrpc": "2.0", "id": null, "error": "whole transactions are not for you\u{1b}[2J"})]
        })
    };
    let said = move |mut said: Value| {
        if let Some(id) = said.get("result").and_then(&number) {
            (said["result"], said["id"]) = (id, json!(said["id"].to_string()));
        }
        match said["params"].get("subscription").and_then(&number) {
            Some(id) => {
                said["params"]["subscription"] = id;
                vec![json!([said])]
            }
            None => vec![said],
        }
    };
    Dialect { asked: Box::new(asked), said: Box::new(said) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_dialect_is_followed_heard_and_earned_on() {
    let rig = Rig::start(154).await;
    rig.socket.speak(foreign());
    let searcher = rig.search().await;
    until("bundles that landed", async || {
        rig.blocks(&searcher, 1).await;
        searcher.status().bundles_landed > 0
    })
    .await;
    truth::whole(&rig, &searcher).await;
    let heard = source(&searcher).heard;
    let words = &heard.refused["newPendingTransactions in full"];
    assert_eq!(words, "whole transactions are not for you [2J", "{heard:?}");
    let status = rig.close(searcher).await;
    assert!(status.pending_seen > 0 && count(&status, "gaps") == 0, "{} seen", status.pending_seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_counts_as_refused_and_heads_are_asked_for() {
    let rig = Rig::start(155).await;
    let silent = |asked: &Value| {
        let unheard = [json!(["newHeads"]), json!(["newPendingTransactions", true])];
        unheard.contains(&asked["params"]).then(Vec::new)
    };
    rig.socket.speak(Dialect { asked: Box::new(silent), said: Box::new(|said| vec![said]) });
    let mut config = rig.config();
    config.ingest.timeout_ms = 1_000;
    let searcher = rig.search_as(&config).await;
    until("transactions, and blocks", async || {
        rig.blocks(&searcher, 1).await;
        searcher.status().pending_seen > 30 && searcher.status().blocks > 3
    })
    .await;
    let refused: Vec<&str> = source(&searcher).heard.refused.into_keys().collect();
    assert_eq!(refused, ["newHeads", "newPendingTransactions in full"]);
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_which_nothing_decodes_is_deaf_and_status_says_so_with_the_cause() {
    let rig = Rig::start(156).await;
    // All that tells of transactions is of a type that nobody knows, and what is asked for by hash is never told.
    rig.socket.speak(saying(|mut said| {
        if let Some(tx) = tx(&mut said) {
            *tx = json!({"nonce": "0x1", "type": "0x55", "from": "\u{1b}[31m"});
        } else if let Some(hash) = item(&mut said).filter(|item| item.is_string()) {
            *hash = json!("0xno\u{7}hash");
        }
        vec![said]
    }));
    let mut config = rig.config();
    config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    config.metrics.quiet_seconds = 1;
    let searcher = rig.search_as(&config).await;
    let client = reqwest::Client::new();
    let page = |name: &str| {
        let request = client.get(format!("http://{}/{name}", searcher.served_at().unwrap()));
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    until("a deaf source, and no pending transaction, in /status", async || {
        rig.blocks(&searcher, 1).await;
        let status: Value = serde_json::from_str(&page("status").await).unwrap();
        let deaf = status["sources"][0]["deaf_to"] == json!(["pending transactions"]);
        deaf && !status["lacking"]["no pending transaction"].is_null()
    })
    .await;
    let status: Value = serde_json::from_str(&page("status").await).unwrap();
    let causes = status["sources"][0]["causes"].as_array().unwrap();
    assert!(
        !causes.is_empty() && causes.iter().all(|cause| cause["begins"].as_str().unwrap().contains("subscription")),
        "{status}"
    );
    let why = status["lacking"]["no pending transaction"].as_str().unwrap();
    assert!(why.contains("devnet/node_ws is deaf") && !why.contains(['\u{1b}', '\u{7}']), "{why}");
    assert!(page("metrics").await.contains("peregrine_source_bad_frames_total{source=\"devnet/node_ws\"} "));
    // The chain is followed all the same; and once the node speaks plainly, it is heard.
    truth::whole(&rig, &searcher).await;
    rig.socket.speak_plainly();
    until("transactions, and nothing lacking", async || {
        rig.blocks(&searcher, 1).await;
        let status = searcher.status();
        status.pending_seen > 0
            && !status.lacking.contains_key("no pending transaction")
            && status.sources[0].heard.deaf_to.is_empty()
    })
    .await;
    rig.close(searcher).await;
}
