//! The feed against a real node: anvil's own frames, answers and reorgs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use peregrine::edge::chain::BlockId;
use peregrine::edge::ingest::feed::Feed;
use peregrine::edge::ingest::queue::Outlet;
use peregrine::edge::ingest::{Node, start};
use peregrine::edge::record::{Clock, JournalHandle};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::chain_of;
use crate::config;
use crate::watched_of;

/// Returns code that logs nothing with no topic: `LOG0` and stop.
const LOGGER: &str = "0x6560006000a0006000526006601af3";

struct Anvil {
    _child: Child,
    url: String,
    client: reqwest::Client,
}

/// The native program: a wrapper would leave it running behind.
fn program() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [home.join("contracts"), home.join("../main/contracts")];
    let inside = |place: &PathBuf| place.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    places.iter().map(inside).find(|path| path.exists())
}

impl Anvil {
    async fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("SKIPPED: no anvil in contracts/node_modules");
            return None;
        };
        let mut child = Command::new(program)
            .args(["--no-mining", "--port", "0", "--chain-id", "1"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("anvil says where it listens");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.to_owned();
            }
        };
        // Its pipe is read on, or it would stop at a full one.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { _child: child, url: format!("http://{address}"), client: reqwest::Client::new() })
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let reply = self.client.post(&self.url).header("content-type", "application/json").body(body);
        let reply = reply.send().await.unwrap().bytes().await.unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert!(reply["error"].is_null(), "{method}: {reply}");
        reply["result"].clone()
    }

    async fn tip(&self) -> BlockId {
        let block = self.ask("eth_getBlockByNumber", json!(["latest", false])).await;
        let number = u64::from_str_radix(&block["number"].as_str().unwrap()[2..], 16).unwrap();
        BlockId { number, hash: serde_json::from_value(block["hash"].clone()).unwrap() }
    }
}

struct Reader {
    outlet: Outlet,
    tip: Option<BlockId>,
    logs: Vec<(BlockId, usize)>,
    pending: Vec<(B256, Address)>,
    undone: usize,
}

impl Reader {
    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let item = tokio::time::timeout(Duration::from_secs(20), self.outlet.recv()).await;
            match item.expect("nothing came").expect("the feed ended") {
                Feed::Head(head) => {
                    assert!(self.tip.is_none_or(|tip| tip.hash == head.parent), "not the tip's child");
                    self.tip = Some(head.id());
                }
                Feed::Logs { block, logs, .. } => self.logs.push((block, logs.len())),
                Feed::Pending(tx) => self.pending.push((tx.hash(), tx.sender())),
                Feed::Undo { from, to } => {
                    assert_eq!(self.tip, Some(from));
                    self.tip = Some(to);
                    self.undone += 1;
                }
                Feed::Gap { .. } | Feed::Recovered { .. } | Feed::Lost { .. } => {}
            }
        }
    }

    async fn reaches(&mut self, tip: BlockId) {
        self.until(|reader| reader.tip == Some(tip) && reader.logs.last().is_some_and(|(block, _)| *block == tip))
            .await;
    }
}

#[tokio::test]
async fn a_real_node_is_followed_through_blocks_logs_transactions_and_a_reorg() {
    peregrine::edge::rpc::install_tls();
    let Some(anvil) = Anvil::start().await else { return };
    let accounts: Vec<Address> = serde_json::from_value(anvil.ask("eth_accounts", json!([])).await).unwrap();
    let receipt = |hash: Value| anvil.ask("eth_getTransactionReceipt", json!([hash]));
    let made = anvil.ask("eth_sendTransaction", json!([{"from": accounts[0], "data": LOGGER}])).await;
    anvil.ask("evm_mine", json!([])).await;
    let logger: Address = serde_json::from_value(receipt(made).await["contractAddress"].clone()).unwrap();

    let ws = anvil.url.replacen("http", "ws", 1);
    let rows = [Node { name: "anvil".to_owned(), ws: Some(ws), http: None, ipc: None }];
    let (ingest, outlet) = start(
        (&rows, &chain_of(&rows)),
        &config(),
        None,
        watched_of(vec![logger]),
        JournalHandle::none(Clock::start()),
    )
    .unwrap();
    let mut reader = Reader { outlet, tip: None, logs: Vec::new(), pending: Vec::new(), undone: 0 };
    reader.reaches(anvil.tip().await).await;
    // Subscriptions are confirmed one by one: told until heard, then counted.
    for sent in 0..20 {
        let call = json!([{"from": accounts[sent % 10], "to": logger, "gas": "0x186a0"}]);
        let hash: B256 = serde_json::from_value(anvil.ask("eth_sendTransaction", call).await).unwrap();
        if sent > 0 {
            let due = (hash, accounts[sent % 10]);
            reader.until(|reader| reader.pending.contains(&due)).await;
        }
        anvil.ask("evm_mine", json!([])).await;
        let tip = anvil.tip().await;
        reader.reaches(tip).await;
        assert_eq!(reader.logs.last(), Some(&(tip, 1)), "one log a block");
    }
    assert!(reader.pending.len() >= 19);
    anvil.ask("anvil_reorg", json!([3, []])).await;
    reader.reaches(anvil.tip().await).await;
    assert_eq!(reader.undone, 1);
    assert_eq!((ingest.bad_frames(), ingest.last_bad_frames().len()), (0, 0));
}
