//! A node that lives in the test: a chain in memory, its requests over HTTP, its subscriptions over a websocket. It does
//! what it is told, faults included.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::rpc::types::eth::Transaction;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, keccak256};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::{SinkExt, StreamExt};
use peregrine::edge::chain::BlockId;
use peregrine::edge::ingest::Node;
use peregrine::types::secret::Key;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite::Message;

/// The pool that every block has a log of.
pub const POOL: Address = address!("0x00000000000000000000000000000000000000aa");
/// Logs of it are never asked for.
pub const STRANGER: Address = address!("0x00000000000000000000000000000000000000bb");

/// How it answers a subscription with full bodies.
#[derive(Clone, Copy, PartialEq)]
pub enum Bodies {
    Full,
    Refused(i64),
    Hashes,
}

#[derive(Clone, Default)]
pub struct Ledger {
    blocks: HashMap<B256, (Value, Vec<Value>)>,
    canonical: Vec<BlockId>,
    txs: HashMap<B256, Value>,
    /// So many requests are answered with 500.
    failing: u32,
    /// Transactions that were asked for by hash and are not there.
    pub in_vain: Arc<AtomicU64>,
    /// Ids come back as text.
    pub text_ids: bool,
    salt: u64,
}

#[derive(Clone)]
enum Say {
    Notice(&'static str, Value),
    Raw(String),
}

#[derive(Clone)]
pub struct FakeNode {
    pub ledger: Arc<Mutex<Ledger>>,
    say: broadcast::Sender<Say>,
    listeners: Arc<watch::Sender<usize>>,
    pub ws: String,
    pub http: String,
}

impl FakeNode {
    pub async fn start() -> Self {
        Self::with(Bodies::Full, Arc::default()).await
    }

    /// Of a ledger that other nodes may share.
    pub async fn with(bodies: Bodies, ledger: Arc<Mutex<Ledger>>) -> Self {
        let ws = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Self {
            ledger,
            say: broadcast::channel(4096).0,
            listeners: Arc::new(watch::channel(0).0),
            ws: format!("ws://{}", ws.local_addr().unwrap()),
            http: format!("http://{}", http.local_addr().unwrap()),
        };
        if node.lock().canonical.is_empty() {
            node.grow();
        }
        let routes = Router::new().route("/", post(answer)).with_state(node.ledger.clone());
        tokio::spawn(async move { axum::serve(http, routes).await });
        let serving = node.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = ws.accept().await {
                tokio::spawn(serving.clone().serve(socket, bodies));
            }
        });
        node
    }

    pub fn row(&self, name: &str) -> Node {
        Node { name: name.to_owned(), ws: Some(self.ws.clone()), http: Some(self.http.clone()), ipc: None }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Once so many sockets have subscribed heads since the start.
    pub async fn subscribed(&self, times: usize) {
        self.listeners.subscribe().wait_for(|count| *count >= times).await.unwrap();
    }

    pub fn canonical(&self) -> Vec<BlockId> {
        self.lock().canonical.clone()
    }

    pub fn tip(&self) -> BlockId {
        *self.lock().canonical.last().unwrap()
    }

    /// The pool's logs of a block, as positions in it.
    pub fn log_indices(&self, hash: B256) -> Vec<u64> {
        let ledger = self.lock();
        let index = |log: &Value| u64::from_str_radix(&log["logIndex"].as_str().unwrap()[2..], 16).unwrap();
        ledger.blocks[&hash].1.iter().filter(|log| log["address"] == json!(POOL)).map(index).collect()
    }

    pub fn fail(&self, requests: u32) {
        self.lock().failing = requests;
    }

    /// From now on its blocks are others than those of a node with the same past.
    pub fn part_ways(&self) {
        self.lock().salt += 1 << 32;
    }

    /// A block that nobody is told of.
    pub fn grow(&self) -> BlockId {
        let mut ledger = self.lock();
        ledger.salt += 1;
        let parent = ledger.canonical.last().copied();
        let number = parent.map_or(100, |parent| parent.number + 1);
        let hash = keccak256(ledger.salt.to_be_bytes());
        let head = json!({
            "hash": hash, "parentHash": parent.map_or(B256::ZERO, |parent| parent.hash), "number": format!("{number:#x}"),
            "timestamp": format!("{:#x}", 1_700_000_000 + number * 12), "baseFeePerGas": "0x3b9aca00",
            "gasUsed": "0xea60", "gasLimit": "0x1c9c380", "miner": Address::ZERO, "mixHash": B256::ZERO,
        });
        let log = |index: u64, address: Address| {
            json!({"address": address, "topics": [keccak256("Sync")], "data": "0x01", "blockHash": hash,
                "blockNumber": format!("{number:#x}"), "transactionHash": keccak256(hash), "transactionIndex": "0x0",
                "logIndex": format!("{index:#x}"), "removed": false})
        };
        let logs = vec![log(0, POOL), log(1, STRANGER), log(2, POOL)];
        ledger.blocks.insert(hash, (head, logs));
        ledger.canonical.push(BlockId { number, hash });
        BlockId { number, hash }
    }

    /// A block, its logs and its head told.
    pub fn mine(&self) -> BlockId {
        let block = self.grow();
        self.tell_logs(block.hash, false);
        self.tell_head(block.hash);
        block
    }

    pub fn mine_times(&self, blocks: usize) {
        for _ in 0..blocks {
            self.mine();
        }
    }

    pub fn grow_times(&self, blocks: usize) {
        for _ in 0..blocks {
            self.grow();
        }
    }

    /// Takes `depth` blocks off; they stay known by hash.
    pub fn undo(&self, depth: usize) -> Vec<BlockId> {
        let mut ledger = self.lock();
        let keep = ledger.canonical.len() - depth;
        ledger.canonical.split_off(keep)
    }

    pub fn tell_head(&self, hash: B256) {
        let head = self.lock().blocks[&hash].0.clone();
        self.say(Say::Notice("newHeads", head));
    }

    pub fn tell_logs(&self, hash: B256, removed: bool) {
        let logs = self.lock().blocks[&hash].1.clone();
        for mut log in logs {
            log["removed"] = json!(removed);
            self.say(Say::Notice("logs", log));
        }
    }

    pub fn tell_tx(&self, nonce: u64) -> B256 {
        let (hash, tx) = transaction(nonce);
        self.lock().txs.insert(hash, tx.clone());
        self.say(Say::Notice("newPendingTransactions", tx));
        hash
    }

    /// A pending transaction, told in any way; whoever asks by its hash is told it whole.
    pub fn tell_any(&self, (hash, tx): (B256, Value), told: Value) {
        self.lock().txs.insert(hash, tx);
        self.say(Say::Notice("newPendingTransactions", told));
    }

    /// From now on it knows the transaction by its hash.
    pub fn knows(&self, (hash, tx): (B256, Value)) {
        self.lock().txs.insert(hash, tx);
    }

    pub fn tell_raw(&self, text: &str) {
        self.say(Say::Raw(text.to_owned()));
    }

    fn say(&self, say: Say) {
        let _nobody = self.say.send(say);
    }

    async fn serve(self, socket: TcpStream, bodies: Bodies) {
        let mut heard = self.say.subscribe();
        let Ok(mut socket) = tokio_tungstenite::accept_async(socket).await else { return };
        let mut topics: HashMap<String, (String, bool)> = HashMap::new();
        let mut count = 0;
        loop {
            let out = tokio::select! {
                asked = socket.next() => match asked {
                    Some(Ok(Message::Text(text))) => {
                        // Of subscriptions alone: their ids are known to tests.
                        count += u64::from(text.contains("eth_subscribe"));
                        let (reply, topic) = subscribe(&text, count, bodies);
                        if let Some((id, topic, full)) = topic {
                            if topic == "newHeads" {
                                self.listeners.send_modify(|count| *count += 1);
                            }
                            topics.insert(id, (topic, full));
                        }
                        vec![reply]
                    }
                    Some(Ok(_)) => Vec::new(),
                    _ => return,
                },
                said = heard.recv() => match said {
                    Ok(Say::Raw(text)) => vec![text],
                    Ok(Say::Notice(topic, value)) => notices(&topics, topic, &value),
                    Err(_) => return,
                },
            };
            for text in out {
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn notices(topics: &HashMap<String, (String, bool)>, topic: &str, value: &Value) -> Vec<String> {
    let wanted = topics.iter().filter(|(_, (of, _))| of == topic);
    let notice = |(id, (_, full)): (&String, &(String, bool))| {
        let result = if *full { value.clone() } else { value["hash"].clone() };
        json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": id, "result": result}})
            .to_string()
    };
    wanted.map(notice).collect()
}

/// The reply, and the subscription made: its id, topic, and whether bodies are sent.
fn subscribe(text: &str, count: u64, bodies: Bodies) -> (String, Option<(String, String, bool)>) {
    let asked: Value = serde_json::from_str(text).unwrap();
    if asked["method"] != "eth_subscribe" {
        return (json!({"jsonrpc": "2.0", "id": asked["id"], "result": true}).to_string(), None);
    }
    let topic = asked["params"][0].as_str().unwrap().to_owned();
    let full = asked["params"][1] == json!(true);
    if let (true, Bodies::Refused(code)) = (full, bodies) {
        let error = json!({"code": code, "message": "data did not match any variant"});
        return (json!({"jsonrpc": "2.0", "id": asked["id"], "error": error}).to_string(), None);
    }
    let whole = topic != "newPendingTransactions" || (full && bodies == Bodies::Full);
    let id = format!("0x{count:032x}");
    (json!({"jsonrpc": "2.0", "id": asked["id"], "result": id}).to_string(), Some((id, topic, whole)))
}

async fn answer(State(ledger): State<Arc<Mutex<Ledger>>>, body: String) -> (StatusCode, String) {
    let mut ledger = ledger.lock().unwrap();
    if ledger.failing > 0 {
        ledger.failing -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, "<html>busy</html>".to_owned());
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let id = |asked: &Value| if ledger.text_ids { json!(asked["id"].to_string()) } else { asked["id"].clone() };
    let one = |asked: &Value| json!({"jsonrpc": "2.0", "id": id(asked), "result": ledger.result(asked)});
    let reply = match asked.as_array() {
        // The order of a batch's answers is the server's own.
        Some(batch) => Value::Array(batch.iter().rev().map(one).collect()),
        None => one(&asked),
    };
    (StatusCode::OK, reply.to_string())
}

impl Ledger {
    fn result(&self, asked: &Value) -> Value {
        let first = &asked["params"][0];
        let head = |hash: &B256| self.blocks.get(hash).map_or(Value::Null, |(head, _)| head.clone());
        let hash = |value: &Value| value.as_str().and_then(|hash| hash.parse::<B256>().ok()).unwrap_or_default();
        match asked["method"].as_str().unwrap() {
            "eth_getBlockByNumber" if first == "latest" => head(&self.canonical.last().unwrap().hash),
            "eth_getBlockByNumber" => {
                let found = self.canonical.iter().find(|block| format!("{:#x}", block.number) == *first);
                found.map_or(Value::Null, |block| head(&block.hash))
            }
            "eth_chainId" => json!("0x1"),
            "eth_getBlockByHash" => head(&hash(first)),
            "eth_getLogs" => {
                let logs = self.blocks.get(&hash(&first["blockHash"])).map(|(_, logs)| logs.clone());
                let wanted = |log: &Value| {
                    first["address"].as_array().is_none_or(|only| only.iter().any(|address| *address == log["address"]))
                };
                logs.unwrap_or_default().into_iter().filter(wanted).collect()
            }
            "eth_getTransactionByHash" => self.txs.get(&hash(first)).cloned().unwrap_or_else(|| {
                self.in_vain.fetch_add(1, Ordering::Relaxed);
                Value::Null
            }),
            other => panic!("{other} was not to be asked"),
        }
    }
}

/// A signed transaction (the signature is no one's; a node's word for the sender is taken) as a node shows it.
pub fn transaction(nonce: u64) -> (B256, Value) {
    let signature = Signature::new(U256::from(7), U256::from(9), false);
    shown(unsigned(nonce).into_signed(signature).into(), STRANGER)
}

fn key() -> Key {
    Key::from_bytes(&[7; 32]).unwrap()
}

/// Who signs [`signed`].
pub fn signer() -> Address {
    key().address()
}

/// One that is signed by somebody.
pub fn signed(nonce: u64) -> (B256, Value) {
    let tx = unsigned(nonce);
    let signature = key().sign(&tx.signature_hash()).unwrap();
    shown(tx.into_signed(signature).into(), signer())
}

fn unsigned(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(POOL),
        value: U256::from(nonce),
        input: Bytes::from_static(&[0xd0, 0xe3, 0x0d, 0xb0]),
        ..TxEip1559::default()
    }
}

fn shown(signed: TxEnvelope, sender: Address) -> (B256, Value) {
    let tx = Transaction {
        inner: Recovered::new_unchecked(signed, sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    };
    (*tx.inner.inner().tx_hash(), serde_json::to_value(&tx).unwrap())
}
