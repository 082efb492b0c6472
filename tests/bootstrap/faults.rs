//! Nodes that refuse, fail and lie; files that are damaged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use peregrine::edge::bootstrap::{BootstrapError, ChangeSource, Config, Keep, Progress};
use peregrine::edge::chain::{Chain, Endpoint};
use peregrine::hot::event::AccountUpdate;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use serde_json::{Value, json};

use crate::holds;
use crate::proxy::{Proxy, refusal, without};
use crate::world::World;

fn chain(proxy: &Proxy) -> Chain {
    Chain::new(&proxy.url, Duration::from_secs(30)).unwrap()
}

/// Blocks enough that most of them are read for good.
async fn aged(world: &World) {
    world.net.rpc.call::<Value>("anvil_mine", json!(["0xc8"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_broke_off_goes_on_where_it_was() {
    let world = World::start(31).await;
    aged(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { page_blocks: 8, ..world.config(Some(&folder.path().join("snapshot"))) };
    let asked = AtomicU64::new(0);
    let breaks = move |call: &Value, reply| match call["method"] == "eth_getLogs" {
        // The first factory takes 26 pages.
        true if asked.fetch_add(1, Ordering::Relaxed) >= 40 => refusal(call, -32000, "out of service"),
        _ => reply,
    };
    let broken = Proxy::before(&world.net.node.http(), breaks).await;
    let error = world.load(&chain(&broken), &config, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("out of service"), "{error}");

    let mut spans: Vec<(String, u64, usize)> = Vec::new();
    let mut hear = |progress: Progress<'_>| match progress {
        Progress::Scanning { factory, of, pools, .. } if !spans.iter().any(|(name, ..)| name == factory) => {
            spans.push((factory.to_owned(), of, pools));
        }
        _ => (),
    };
    let loaded = world.load(&world.chain(), &config, &mut hear).await.unwrap();
    assert_eq!(loaded.pools.len(), world.net.pools.len());
    let [(_, first, found), (_, second, _), (_, third, _)] = &spans[..] else { panic!("{spans:?}") };
    // Of the first factory the last blocks alone are read again, of the third all.
    assert!(*first == 64 && *found > 0 && second < third && *third > 200, "{spans:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_few_words_is_asked_for_less_at_once_and_by_number() {
    let world = World::start(32).await;
    let number = |value: &Value| quantity(value.as_str().unwrap());
    let short = move |call: &Value, reply| {
        let params = &call["params"];
        let last = params.as_array().and_then(|params| params.last()).cloned().unwrap_or_default();
        let span = &params[0];
        if call["method"] == "eth_getLogs" && span["fromBlock"].is_string() {
            let blocks = number(&span["toBlock"]) - number(&span["fromBlock"]) + 1;
            return if blocks > 2 { refusal(call, -32005, "range is too wide") } else { reply };
        }
        if last["blockHash"].is_string() && call["method"] != "eth_getLogs" {
            return refusal(call, -32602, "invalid argument 1: json: cannot unmarshal object");
        }
        if call["id"].as_u64() > Some(300) { refusal(call, -32005, "batch is too long") } else { reply }
    };
    let proxy = Proxy::before(&world.net.node.http(), short).await;
    let config = Config { page_blocks: 1_000, ..world.config(None) };
    let loaded = world.load(&chain(&proxy), &config, &mut |_| ()).await.unwrap();
    assert!(proxy.spoilt() > 3);
    assert_eq!(loaded.pools.len(), world.net.pools.len());
    holds(&world.chain(), &loaded).await;
}

/// Of every batch, or of the calls beyond so many, in the words of several servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_at_once_is_asked_for_in_parts_whatever_the_words() {
    let world = World::start(34).await;
    let head = world.chain().latest().await.unwrap().unwrap();
    let slots: Vec<(Address, U256)> =
        world.net.pools.iter().flat_map(|pool| (0..3).map(|slot| (pool.address, U256::from(slot)))).collect();
    let due = world.chain().slots(head.hash, &slots).await.unwrap();
    const WORDS: [(u64, i64, &str); 5] = [
        (20, -32003, "response too large"),
        (10, -32000, "batch limit 10 exceeded (can increase by --rpc.batch.limit)"),
        (30, -32002, "request timed out"),
        (7, -32010, "Too many requests in batch"),
        (5, -32011, "The batch response was too large"),
    ];
    for (most, code, words) in WORDS {
        let bounded = move |call: &Value, reply| match call["id"].as_u64() >= Some(most) {
            true => refusal(call, code, words),
            false => reply,
        };
        let proxy = Proxy::before(&world.net.node.http(), bounded).await;
        assert_eq!(chain(&proxy).slots(head.hash, &slots).await.unwrap(), due, "{words}");
    }
    // A server that takes no array, not of one either.
    for (code, words) in [(-32005, "Batched requests are not supported by this server"), (-32601, "no batching")] {
        let (client, node) = (reqwest::Client::new(), world.net.node.http());
        let url = served(move |body: String| {
            let (client, node) = (client.clone(), node.clone());
            async move {
                if body.trim_start().starts_with('[') {
                    let error = json!({"code": code, "message": words});
                    return json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string().into_bytes();
                }
                let said = client.post(&node).header("content-type", "application/json").body(body).send().await;
                said.unwrap().bytes().await.unwrap().to_vec()
            }
        })
        .await;
        let chain = Chain::new(&url, Duration::from_secs(30)).unwrap();
        assert_eq!(chain.slots(head.hash, &slots).await.unwrap(), due, "{words}");
    }
}

/// A node that has not answered so many calls, or blocks, before whoever asks (or a gateway between them) has given up: a slow one, or
/// one under load. Less is asked for at once, in this question and in those behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_in_time_is_asked_for_in_parts() {
    let world = World::start(35).await;
    aged(&world).await;
    let config = Config { page_blocks: 1_000, ..world.config(None) };
    let due = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    let slots: Vec<(Address, U256)> = (0..1_000).map(|slot| (world.net.pools[0].address, U256::from(slot))).collect();
    let head = world.chain().latest().await.unwrap().unwrap();
    let held = world.chain().slots(head.hash, &slots).await.unwrap();
    let chain = Chain::new(&slow(&world, false, 300, 60).await, Duration::from_secs(2)).unwrap();
    let loaded = world.load(&chain, &config, &mut |_| ()).await.unwrap();
    assert_eq!(loaded.pools.len(), due.pools.len());
    holds(&world.chain(), &loaded).await;
    // A slower one: given up in time, and whoever asks again goes on where that was.
    for gateway in [false, true] {
        let chain = Chain::new(&slow(&world, gateway, 100, 0).await, Duration::from_secs(2)).unwrap();
        assert!(chain.slots(head.hash, &slots).await.unwrap_err().is_late());
        assert_eq!(chain.slots(head.hash, &slots).await.unwrap(), held);
    }
}

/// The node behind one that is too slow for more than this at once.
async fn slow(world: &World, gateway: bool, calls: usize, blocks: u64) -> String {
    let (client, node) = (reqwest::Client::new(), world.net.node.http());
    served(move |body: String| {
        let (client, node) = (client.clone(), node.clone());
        async move {
            let asked: Value = serde_json::from_str(&body).unwrap();
            let block = |name| asked["params"][0][name].as_str().map(quantity);
            let wide = block("toBlock").zip(block("fromBlock")).is_some_and(|(to, from)| to - from + 1 > blocks);
            if wide || asked.as_array().is_some_and(|asked| asked.len() > calls) {
                if !gateway {
                    std::future::pending::<()>().await;
                }
                return (axum::http::StatusCode::GATEWAY_TIMEOUT, axum::body::Bytes::from_static(b"<html>504</html>"));
            }
            let said = client.post(&node).header("content-type", "application/json").body(body).send().await;
            (axum::http::StatusCode::OK, said.unwrap().bytes().await.unwrap())
        }
    })
    .await
}

fn quantity(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// A server that answers so.
async fn served<H, T>(answer: H) -> String
where
    H: axum::handler::Handler<T, ()>,
    T: 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limit = axum::extract::DefaultBodyLimit::disable();
    let app = axum::Router::new().route("/", axum::routing::post(answer)).layer(limit);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_compressed_is_read() {
    // {"jsonrpc":"2.0","id":1,"result":"0x2105"}, by gzip -9n.
    const COMPRESSED: &str = "1f8b08000000000002ffab56ca2acecf2b2a4856b25232d23350d251ca4c51b232d4512a4a2d2ecd29018a1a5418191a982ad5020012d826b12a000000";
    let answer = || async {
        let body = alloy_primitives::hex::decode(COMPRESSED).unwrap();
        ([("content-encoding", "gzip"), ("content-type", "application/json")], body)
    };
    let url = served(answer).await;
    assert_eq!(Endpoint::new("node", &url, Duration::from_secs(5)).unwrap().chain_id().await.unwrap(), 0x2105);
}

/// Packed or not, what is read of it is bounded, and the words are those of an answer that is too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_left_where_it_is_too_long() {
    let url = served(|| async {
        let part = || Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b' '; 1 << 16]));
        axum::body::Body::from_stream(futures_util::stream::repeat_with(part))
    })
    .await;
    let answer = Endpoint::new("node", &url, Duration::from_secs(60)).unwrap().chain_id().await;
    let said = answer.unwrap_err().to_string();
    assert!(said.contains("response too large: more than 256 MiB"), "{said}");
}

/// One node has nothing yet, the other hangs: nobody waits for it once it is out. And what one cannot do says nothing of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_that_hangs_does_not_hold_up_what_the_other_has_not_yet() {
    let world = World::start(33).await;
    let head = world.chain().latest().await.unwrap().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("http://{}", silent.local_addr().unwrap());
    let patience = Duration::from_secs(3);
    let node = |name, url: &str| Endpoint::new(name, url, patience).unwrap();
    let chain = Chain::of(vec![node("up", &world.net.node.http()), node("hangs", &hanging)], Some(1));
    assert_eq!(chain.check().await.len(), 1, "it is out");
    let began = std::time::Instant::now();
    assert_eq!(chain.block(B256::repeat_byte(9)).await.unwrap(), None);
    assert!(began.elapsed() < patience / 2, "{:?}", began.elapsed());
    let no_tracer = Proxy::before(&world.net.node.http(), without(&["debug_traceBlockByHash"])).await;
    let busy = Proxy::before(&world.net.node.http(), |call, reply| match call["method"].as_str() {
        Some("debug_traceBlockByHash") => refusal(call, -32000, "tracing is queued"),
        _ => reply,
    })
    .await;
    let chain = Chain::of(vec![node("one", &no_tracer.url), node("other", &busy.url)], Some(1));
    let error = chain.trace(head.hash).await.unwrap_err();
    assert!(!error.is_no_such_method() && error.to_string().contains("queued"), "{error}");
}

/// Each of the first batches is refused, in another provider's words: it is waited for, and no batch is smaller for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_limits_the_rate_is_waited_for_and_asked_for_as_much_at_once_as_before() {
    let world = World::start(35).await;
    let (config, plain) = (world.config(None), world.chain());
    world.load(&plain, &config, &mut |_| ()).await.unwrap();
    const WORDS: [(i64, &str); 4] = [
        (-32005, "limit exceeded"),
        (429, "compute units per second"),
        (-32000, "Too Many Requests"),
        (-32005, "daily request count exceeded, request rate limited"),
    ];
    let refused = AtomicU64::new(0);
    let limited = move |call: &Value, reply| {
        if call["method"] != "eth_getCode" || call["id"] != 0 {
            return reply;
        }
        match WORDS.get(refused.fetch_add(1, Ordering::Relaxed) as usize) {
            Some((code, words)) => refusal(call, *code, words),
            None => reply,
        }
    };
    let proxy = Proxy::before(&world.net.node.http(), limited).await;
    let slow = chain(&proxy);
    let loaded = world.load(&slow, &config, &mut |_| ()).await.unwrap();
    assert_eq!((proxy.spoilt(), loaded.pools.len()), (4, world.net.pools.len()));
    assert_eq!(slow.requests(), plain.requests() + 4, "each refused request is sent once more, and no other");
}

/// A gateway's pages: 429 with and without a time, 503 with one, then a second of nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_busy_at_the_start_is_waited_for() {
    let world = World::start(36).await;
    let node = world.net.node.http();
    let (client, count) = (reqwest::Client::new(), std::sync::Arc::new(AtomicU64::new(0)));
    let answer = move |body: String| {
        let (client, node, count) = (client.clone(), node.clone(), count.clone());
        async move {
            let page = |status: u16, after: Option<&str>| {
                let page = axum::response::Response::builder().status(status);
                let page = after.into_iter().fold(page, |page, after| page.header("retry-after", after));
                page.body(axum::body::Body::from("<html>slow down</html>")).unwrap()
            };
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => page(429, None),
                1 => page(429, Some("1")),
                2 => page(503, Some("1")),
                3 => page(429, Some("Wed, 21 Oct 2026 07:28:00 GMT")),
                _ => {
                    let said = client.post(&node).header("content-type", "application/json").body(body).send().await;
                    axum::response::Response::new(said.unwrap().bytes().await.unwrap().into())
                }
            }
        }
    };
    let url = served(answer).await;
    let chain = Chain::new(&url, Duration::from_secs(30)).unwrap();
    let loaded = world.load(&chain, &world.config(None), &mut |_| ()).await.unwrap();
    assert_eq!(loaded.pools.len(), world.net.pools.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_snapshot_is_named_and_made_anew() {
    let world = World::start(33).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let config = world.config(Some(&path));
    world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let packed = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let unpacked = String::from_utf8(zstd::decode_all(&whole[..]).unwrap()).unwrap();
    let anchor = unpacked.find("anchor\":[0,\"0x").unwrap() + 14;
    let mut foreign = unpacked.clone();
    foreign.replace_range(anchor..anchor + 4, "dead");
    let cases: [(Vec<u8>, &str); 6] = [
        (whole[..whole.len() / 2].to_vec(), "is damaged"),
        (flipped, "is damaged"),
        (b"not a snapshot".to_vec(), "is damaged"),
        (packed(&unpacked.replacen("\"version\":3", "\"version\":0", 1)), "is of version 0, 3 due"),
        (packed(&unpacked.replacen("\"chain_id\":1", "\"chain_id\":10", 1)), "is of chain 10, 1 due"),
        (packed(&foreign), "is of another chain (block 0 differs)"),
    ];
    for (bytes, due) in cases {
        std::fs::write(&path, bytes).unwrap();
        let loaded = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
        let [note] = &loaded.notes[..] else { panic!("{due}: {:?}", loaded.notes) };
        assert!(note.contains(due) && note.ends_with("it is made anew") && !note.contains('\n'), "{note}");
        assert_eq!(loaded.pools.len(), world.net.pools.len());
        let again = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
        assert!(again.notes.is_empty(), "{:?}", again.notes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_cannot_be_written_is_named_once_and_the_state_is_loaded() {
    let world = World::start(35).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    // No folder, no file system that takes anything, and a folder in the file's place.
    let folder = tempfile::tempdir().unwrap();
    for path in [file.path().join("snapshot"), "/proc/snapshot".into(), folder.path().to_path_buf()] {
        let loaded = world.load(&world.chain(), &world.config(Some(&path)), &mut |_| ()).await.unwrap();
        let notes: Vec<_> = loaded.notes.iter().filter(|note| note.contains("is not written")).collect();
        let [note] = notes[..] else { panic!("{:?}", loaded.notes) };
        assert!(note.contains(path.to_str().unwrap()) && !note.contains('\n'), "{note}");
        assert_eq!(loaded.pools.len(), world.net.pools.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_loaded_wrong_is_named_with_its_block() {
    let world = World::start(34).await;
    let honest = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    let pair = honest.pools.iter().find(|pool| matches!(pool, AnyPool::UniswapV2(_))).unwrap().address();
    let v3 = honest.pools.iter().find(|pool| matches!(pool, AnyPool::UniswapV3(_))).unwrap().address();
    // The pair's reserves (slot 8), and the other's liquidity (slot 4): somewhat more than there is.
    for (pool, slot) in [(pair, 8), (v3, 4)] {
        let lies = move |call: &Value, mut reply: Value| {
            let params = &call["params"];
            let hit = params[0] == json!(pool) && params[1] == json!(alloy_primitives::B256::with_last_byte(slot));
            if call["method"] == "eth_getStorageAt" && hit {
                let text = reply["result"].as_str().unwrap().to_owned();
                reply["result"] = json!(format!("{}{}", &text[..65], if text.ends_with('7') { '8' } else { '7' }));
            }
            reply
        };
        let liar = Proxy::before(&world.net.node.http(), lies).await;
        let error = world.load(&chain(&liar), &world.config(None), &mut |_| ()).await.unwrap_err();
        let BootstrapError::Wrong { pool: named, block, .. } = &error else { panic!("{error}") };
        assert_eq!((*named, *block, liar.spoilt()), (pool.into(), honest.head.number, 1), "{error}");
        assert!(
            error.to_string().contains(&format!("{pool}")) && error.to_string().contains(&format!("block {block}"))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_traces_is_done_without_and_a_header_that_does_not_fit_is_read_back() {
    let world = World::start(35).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(3).await;
    let traceless = Proxy::before(&world.net.node.http(), without(&["debug_traceBlockByHash"])).await;
    let misfit = Proxy::before(&world.net.node.http(), |call, mut reply| {
        if call["method"] == "eth_getBlockByHash" && call["params"][1] == true {
            reply["result"]["receiptsRoot"] = reply["result"]["stateRoot"].clone();
        }
        without(&["debug_traceBlockByHash"])(call, reply)
    })
    .await;
    let honest = Keep::new(world.chain(), world.rules(), &loaded);
    let [by_execution, by_reading] = [&traceless, &misfit].map(|p| Keep::new(chain(p), world.rules(), &loaded));
    for number in 1..=3 {
        let head = world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
        assert_eq!(by_reading.changes(ChangeSource::Execute, &head).await.unwrap(), None, "believed a wrong header");
        let due = honest.update(&head, &[]).await.unwrap();
        let executed = by_execution.update(&head, &[]).await.unwrap();
        let read = by_reading.update(&head, &[]).await.unwrap();
        assert!(!due.accounts.is_empty());
        assert_eq!((due.head, sets(&due.accounts)), (executed.head, sets(&executed.accounts)));
        // Reading back leaves out what a pool keeps beside its state.
        let known = |(address, _): &(_, _)| !loaded.pools.iter().any(|pool| pool.address() == *address);
        let plain = |news: &[_]| sets(news).into_iter().filter(known).collect::<Vec<_>>();
        assert_eq!(plain(&due.accounts), plain(&read.accounts));
    }
    // Asked for once.
    assert_eq!(traceless.spoilt(), 1);
}

type Sets = Vec<(alloy_primitives::Address, String)>;

fn sets(news: &[AccountUpdate]) -> Sets {
    let mut sets: Sets = news
        .iter()
        .map(|account| {
            let mut account = account.clone();
            account.slots.sort_unstable();
            (account.address, format!("{account:?}"))
        })
        .collect();
    sets.sort_unstable();
    sets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_trace_leaves_open_is_read_back() {
    let world = World::start(36).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(9).await;
    // As a tracer speaks of an account that was destroyed, or that it takes for it.
    let silent = Proxy::before(&world.net.node.http(), |call, mut reply| {
        if call["method"] == "debug_traceBlockByHash" {
            for tx in reply["result"].as_array_mut().unwrap() {
                tx["result"]["post"] = json!({});
            }
        }
        reply
    })
    .await;
    silent.idle(true);
    let [due, found] = [world.chain(), chain(&silent)].map(|chain| Keep::new(chain, world.rules(), &loaded));
    let at = async |number: u64| world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
    // It is believed by then.
    for number in 1..=8 {
        due.update(&at(number).await, &[]).await.unwrap();
        found.update(&at(number).await, &[]).await.unwrap();
    }
    silent.idle(false);
    let head = at(9).await;
    let due = due.changes(ChangeSource::Trace, &head).await.unwrap().unwrap();
    let found = found.changes(ChangeSource::Trace, &head).await.unwrap().unwrap();
    assert!(due.len() > 5 && silent.spoilt() == 1);
    for news in found {
        assert!(!news.destroyed, "{}", news.address);
        let mut due = due.iter().find(|due| due.address == news.address).unwrap().clone();
        // A slot that was empty before is named nowhere.
        due.slots.retain(|slot| news.slots.contains(slot));
        assert_eq!(AccountUpdate { slots: due.slots.clone(), ..news.clone() }, due);
        assert_eq!(due.slots.len(), news.slots.len());
    }
}
