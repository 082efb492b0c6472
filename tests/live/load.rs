//! Two thousand pending transactions a second for ten seconds, then three hundred: what is looked at, what is dropped and
//! by which reason, and that the chain is followed as if nothing else came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use futures_util::{SinkExt, StreamExt};
use peregrine::edge::ingest::Node;
use peregrine::hot::rt::worth::Shape;
use peregrine::live::Searcher;
use peregrine::metrics::count::Counter;
use peregrine::metrics::stage::Stage;
use peregrine_devnet::Wallet;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{Rig, until};
use crate::truth;

/// A second, and for so many seconds.
const BURST: (u64, u64) = (2_000, 10);
const SUSTAINED: (u64, u64) = (300, 10);
/// Who sends it, each a nonce of zero and many transactions: each of them may be next.
const SENDERS: usize = 40;
/// Room for pending transactions, in ingest and at each thread. A tenth of a second's worth: it must overflow.
const ROOM: usize = 200;
/// `deposit()` of wrapped ether.
const DEPOSIT: [u8; 4] = hex!("d0e30db0");
/// Frames are sent so many times a second.
const TICKS: u64 = 100;

/// A node that tells of pending transactions alone. It answers what it is asked, and sends frames once it is told to.
struct Babbler {
    ws: String,
    told: Arc<AtomicU64>,
    go: tokio::sync::mpsc::Sender<(u64, u64)>,
}

impl Babbler {
    async fn start(frames: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ws = format!("ws://{}", listener.local_addr().unwrap());
        let (told, (go, orders)) = (Arc::new(AtomicU64::new(0)), tokio::sync::mpsc::channel(4));
        let counter = told.clone();
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            babble(socket, frames, orders, &counter).await;
        });
        Self { ws, told, go }
    }

    /// Sends at this rate, and waits until it is done.
    async fn send(&self, (rate, seconds): (u64, u64)) {
        let due = self.told.load(Ordering::Relaxed) + rate * seconds;
        self.go.send((rate, seconds)).await.unwrap();
        until("all frames sent", async || self.told.load(Ordering::Relaxed) >= due).await;
    }
}

async fn babble(
    socket: TcpStream,
    frames: Vec<String>,
    mut orders: tokio::sync::mpsc::Receiver<(u64, u64)>,
    told: &AtomicU64,
) {
    let mut client = accept_async(socket).await.unwrap();
    let (mut frames, mut due, mut rate) = (frames.into_iter(), 0, 0);
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / TICKS));
    loop {
        tokio::select! {
            asked = client.next() => {
                let Some(Ok(asked)) = asked else { return };
                let Ok(asked) = serde_json::from_str::<Value>(asked.to_text().unwrap_or_default()) else { continue };
                // The topic is the subscription's name: frames were written for that of bodies.
                let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"][0]});
                client.send(Message::text(reply.to_string())).await.unwrap();
            }
            Some((a_second, seconds)) = orders.recv() => {
                (rate, due) = (a_second / TICKS, a_second * seconds);
                // Those that were not waited for are no reason to hurry.
                tick.reset();
            }
            _ = tick.tick(), if due > 0 => {
                for frame in frames.by_ref().take(rate.min(due) as usize) {
                    client.feed(Message::text(frame)).await.unwrap();
                    told.fetch_add(1, Ordering::Relaxed);
                }
                client.flush().await.unwrap();
                due -= rate.min(due);
            }
        }
    }
}

/// Signed transactions as a node announces them: ether to a neighbour, ether wrapped, calls of code that is none, and of
/// pools' functions that move nothing.
fn frames(rig: &Rig, wallets: &[Wallet]) -> Vec<String> {
    let pools: Vec<Address> = rig.net.pools.iter().map(|pool| pool.address).collect();
    let weth = rig.net.contracts.weth;
    let count = (BURST.0 * BURST.1 + SUSTAINED.0 * SUSTAINED.1) as usize;
    let frame = |number: usize| {
        let wallet = &wallets[number % wallets.len()];
        let neighbour = wallets[(number + 1) % wallets.len()].address();
        let (to, input, value): (_, &[u8], _) = match number / wallets.len() % 4 {
            0 => (neighbour, &[], 1),
            1 => (weth, &DEPOSIT, 1 + number as u64),
            2 => (neighbour, &hex!("deadbeef00000000"), 0),
            // `token0()`.
            _ => (pools[number % pools.len()], &hex!("0dfe1681"), 0),
        };
        let tx = TxEip1559 {
            chain_id: 1,
            nonce: 0,
            gas_limit: 100_000,
            // So that no two are the same.
            max_fee_per_gas: 1_000_000_000_000 + number as u128,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(to),
            value: U256::from(value),
            input: Bytes::copy_from_slice(input),
            ..TxEip1559::default()
        };
        let tx = TxEnvelope::decode_2718(&mut &wallet.sign(tx).raw[..]).unwrap();
        let tx = Transaction {
            inner: Recovered::new_unchecked(tx, wallet.address()),
            block_hash: None,
            block_number: None,
            transaction_index: None,
            effective_gas_price: None,
            block_timestamp: None,
        };
        let params = json!({"subscription": "newPendingTransactions", "result": tx});
        json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}).to_string()
    };
    (0..count).map(frame).collect()
}

fn count(searcher: &Searcher, counter: Counter) -> u64 {
    searcher.meters().count(counter)
}

/// Blocks, with what was heard since, until `done`.
async fn blocks_until(rig: &Rig, searcher: &Searcher, done: impl Future<Output = ()>) -> u64 {
    let mining = async {
        for blocks in 0.. {
            rig.block(10).await;
            rig.followed(searcher).await;
            BLOCKS.store(blocks + 1, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = mining => unreachable!(),
        () = done => BLOCKS.swap(0, Ordering::Relaxed),
    }
}

/// One world at a time.
static BLOCKS: AtomicU64 = AtomicU64::new(0);

fn tell(searcher: &Searcher, what: &str, blocks: u64, took: Duration) {
    let meters = searcher.meters();
    meters.collect();
    let latency = meters.latency(Stage::Decision);
    println!(
        "{what}: {took:.1?}, {blocks} blocks; so far: notification to decision p50 {:.0} us, p99 {:.0} us, most {:.0} us ({} first looks); \
         heard {}, dropped by ingest {}; offered {}, looked at {}, put off {}, dropped by threads {}; searches called off {}",
        latency.p50_us,
        latency.p99_us,
        latency.most_us,
        latency.count,
        count(searcher, Counter::Pending),
        searcher.ingest().dropped_pending(),
        count(searcher, Counter::Offered),
        count(searcher, Counter::Looked),
        count(searcher, Counter::PendingStale),
        count(searcher, Counter::PendingDropped),
        count(searcher, Counter::Cancelled),
    );
}

/// Nothing waits any more, and all that came is in one of the counts.
async fn accounted(rig: &Rig, searcher: &Searcher, babbler: &Babbler) {
    until("all that was offered is looked at, put off or dropped", async || {
        let ended = [Counter::Looked, Counter::PendingStale, Counter::PendingDropped];
        let offered = count(searcher, Counter::Offered);
        offered == ended.map(|counter| count(searcher, counter)).iter().sum::<u64>()
    })
    .await;
    let stats = searcher.ingest().stats();
    let told: u64 = stats.iter().map(|source| source.txs.first).sum();
    let babbled = stats.iter().find(|source| source.name.starts_with("babbler")).unwrap().txs;
    assert_eq!(babbled.first, babbler.told.load(Ordering::Relaxed), "every frame was decoded, and was new");
    assert_eq!(searcher.ingest().bad_frames(), 0);
    // Our own bundles that the node tells of are no triggers, and are not counted as heard.
    let ours = told - count(searcher, Counter::Pending) - searcher.ingest().dropped_pending();
    assert!(ours <= rig.builder.bundles().len() as u64, "{ours} transactions went nowhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_flood_the_chain_is_followed_what_moves_nothing_sinks_and_all_that_came_is_counted() {
    let rig = Rig::start_alone(60).await;
    let wallets: Vec<Wallet> = (0..SENDERS).map(|i| Wallet::derived("load", 60, i).unwrap()).collect();
    for wallet in &wallets {
        rig.ask("anvil_setBalance", json!([wallet.address(), U256::from(10).pow(U256::from(21))])).await;
    }
    rig.block(1).await;
    let babbler = Babbler::start(frames(&rig, &wallets)).await;
    let mut config = rig.config();
    config.ingest.pending_room = ROOM;
    // The babbler has no heads to tell.
    config.ingest.head_silence_ms = 600_000;
    let http = config.node[0].http.clone();
    config.node.push(Node { name: "babbler".to_owned(), ws: Some(babbler.ws.clone()), http, ipc: None });
    let searcher = rig.search_as(&config).await;
    rig.blocks(&searcher, 2).await;
    for (what, load) in [("burst", BURST), ("sustained", SUSTAINED)] {
        let (began, before) = (Instant::now(), count(&searcher, Counter::Blocks));
        let blocks = blocks_until(&rig, &searcher, babbler.send(load)).await;
        tell(&searcher, what, blocks, began.elapsed());
        assert!(blocks > 0, "blocks are followed in between");
        assert!(count(&searcher, Counter::Blocks) >= before + blocks, "none of them by loading the state anew");
    }
    rig.blocks(&searcher, 3).await;
    accounted(&rig, &searcher, &babbler).await;
    truth::whole(&rig, &searcher).await;
    // Dropped first, as `hot::rt` holds by its own tests: what was seen to move nothing.
    let deposit = Shape::new(Some(&rig.net.contracts.weth.0.0), &DEPOSIT);
    assert_eq!(searcher.meters().edge().worth.of(deposit), 0);
    assert_eq!((count(&searcher, Counter::Reloads), count(&searcher, Counter::Undone)), (0, 0));
    let status = rig.close(searcher).await;
    assert!(status.bundles_landed > 0, "what was worth something was not lost in it");
}
