//! Nodes whose traces are wrong and look right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use peregrine::edge::bootstrap::Keep;
use peregrine::edge::chain::Chain;
use serde_json::Value;

use crate::proxy::Proxy;
use crate::traces::{LIES, Lie, other_data};
use crate::world::World;
use crate::{brief, laid, values};

/// Blocks of people's trades.
const BLOCKS: u64 = 12;

/// A node that lies from when it is told to.
async fn liar(world: &World, lie: Lie) -> (Proxy, Arc<AtomicBool>) {
    let lies = Arc::new(AtomicBool::new(false));
    let on = lies.clone();
    let spoil = move |call: &Value, mut reply: Value| {
        if call["method"] == "debug_traceBlockByHash" && on.load(Ordering::Relaxed) {
            lie(&mut reply["result"]);
        }
        reply
    };
    (Proxy::before(&world.net.node.http(), spoil).await, lies)
}

fn chain(proxy: &Proxy) -> Chain {
    Chain::new(&proxy.url, Duration::from_secs(30)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_lies_from_the_first_block_on_changes_nothing_that_is_told() {
    let world = World::start(37).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(BLOCKS).await;
    let mut due = vec![values(&loaded.accounts)];
    let honest = Keep::new(world.chain(), world.rules(), &loaded);
    for number in 1..=BLOCKS {
        let head = world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
        let told = honest.update(&head, &[]).await.unwrap().accounts;
        due.push(laid(&due[due.len() - 1], &told));
    }
    for (name, lie) in LIES {
        let (proxy, lies) = liar(&world, lie).await;
        lies.store(true, Ordering::Relaxed);
        let keep = Keep::new(chain(&proxy), world.rules(), &loaded);
        let mut known = due[0].clone();
        for (number, due) in (1..).zip(&due[1..]) {
            let head = world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
            known = laid(&known, &keep.update(&head, &[]).await.unwrap().accounts);
            for (address, due) in due {
                // Of a pool's contract slots may be told of that nothing reads, or not.
                let (mut due, mut found) = (due.clone(), known[address].clone());
                due.3.retain(|slot, _| found.3.contains_key(slot));
                found.3.retain(|slot, _| due.3.contains_key(slot));
                assert_eq!(brief(&due), brief(&found), "{name}: {address} behind block {}", head.number);
            }
        }
        println!("{name}: spoilt {} traces of {BLOCKS} blocks", proxy.spoilt());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_begins_to_lie_once_it_is_believed_is_found_out_when_pools_disagree() {
    let world = World::start(38).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(BLOCKS).await;
    let (proxy, lies) = liar(&world, LIES[1].1).await;
    let nodes = chain(&proxy);
    let keep = Keep::new(nodes.clone(), world.rules(), &loaded);
    let at = async |number: u64| world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
    for number in 1..=8 {
        keep.update(&at(number).await, &[]).await.unwrap();
    }
    lies.store(true, Ordering::Relaxed);
    let told = keep.update(&at(9).await, &[]).await.unwrap().accounts;
    assert!(told.iter().all(|account| account.slots.is_empty()), "it was believed by then");
    // As the hot threads say it: what the logs make of a pool is not what the state says.
    keep.doubt();
    let error = keep.update(&at(10).await, &[]).await.unwrap_err().to_string();
    assert!(error.contains("in the chain") && error.contains("debug_traceBlockByHash"), "{error}");
    let spoilt = proxy.spoilt();
    // Loaded anew it goes on, by execution.
    let keep = Keep::new(nodes, world.rules(), &loaded);
    let told = keep.update(&at(1).await, &[]).await.unwrap().accounts;
    assert!(told.iter().any(|account| !account.slots.is_empty()));
    assert_eq!(proxy.spoilt(), spoilt, "asked for again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_what_the_head_proves_where_two_say_otherwise_or_there_is_a_doubt() {
    let world = World::start(39).await;
    world.busy_blocks(1).await;
    let head = world.chain().latest().await.unwrap().unwrap();
    let mut emitters: Vec<_> =
        world.chain().all_logs(head.hash).await.unwrap().into_iter().map(|log| log.address).collect();
    emitters.sort_unstable();
    emitters.dedup();
    let (watched, none) = (emitters.split_off(emitters.len() / 2), BTreeMap::new());
    let honest = world.chain().logs_of(&head, &watched, none.clone()).await.unwrap();
    assert!(honest.len() > 5 && head.receipts_root.is_some());
    // How often receipts are not there yet, and whether they lie as well.
    for (absent, receipts_lie) in [(0, false), (2, false), (0, true)] {
        let asked = AtomicU64::new(0);
        let spoil = move |call: &Value, mut reply: Value| {
            let result = &mut reply["result"];
            match call["method"].as_str() {
                Some("eth_getLogs") => result.as_array_mut().into_iter().flatten().for_each(other_data),
                Some("eth_getBlockReceipts") if asked.fetch_add(1, Ordering::Relaxed) < absent => *result = Value::Null,
                Some("eth_getBlockReceipts") if receipts_lie => {
                    let logs = result.as_array_mut().unwrap().iter_mut().map(|receipt| receipt["logs"].as_array_mut());
                    logs.flatten().flatten().for_each(other_data);
                }
                _ => (),
            }
            reply
        };
        let proxy = Proxy::before(&world.net.node.http(), spoil).await;
        let told = chain(&proxy).logs_of(&head, &watched, none.clone()).await.unwrap();
        assert_eq!(told.len(), honest.len());
        assert!(told.iter().zip(&honest).all(|(told, honest)| told.data != honest.data), "nobody says otherwise");
        let due = if receipts_lie { &told } else { &honest };
        let heard: BTreeMap<_, _> = honest.iter().take(1).map(|log| (log.log_index, log.clone())).collect();
        assert_eq!(&chain(&proxy).logs_of(&head, &watched, heard).await.unwrap(), due, "one log was heard otherwise");
        let doubted = chain(&proxy);
        doubted.doubt_logs();
        assert_eq!(&doubted.logs_of(&head, &watched, none.clone()).await.unwrap(), due);
    }
}
