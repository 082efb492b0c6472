//! Code is asked for once a hash, by whatever way a node has, and is the chain's whatever it says. So are balances and nonces.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{Bytes, keccak256};
use peregrine::edge::chain::Chain;
use peregrine::hot::event::AccountUpdate;
use serde_json::{Value, json};

use crate::proxy::{Proxy, refusal};
use crate::world::World;

/// How a node tells hashes of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    ByCall,
    ByProof,
    NotAtAll,
    /// Of other codes.
    Wrongly,
}

fn answers(manner: Manner, call: &Value, reply: Value) -> Value {
    let is_hashes = call["method"] == "eth_call" && call["params"][0]["to"].is_null();
    match manner {
        Manner::ByProof | Manner::NotAtAll if is_hashes => refusal(call, -32000, "to is missing"),
        Manner::NotAtAll if call["method"] == "eth_getProof" => refusal(call, -32601, "the method does not exist"),
        Manner::Wrongly if is_hashes => {
            let said: Bytes = serde_json::from_value(reply["result"].clone()).unwrap();
            let wrong: Vec<u8> = said.iter().map(|byte| byte ^ 1).collect();
            json!({"jsonrpc": "2.0", "id": call["id"], "result": Bytes::from(wrong)})
        }
        _ => reply,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_is_asked_for_once_a_hash_by_whatever_way_a_node_has() {
    let world = World::start(35).await;
    let due = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    let addresses: Vec<_> = due.accounts.iter().map(|account| account.address).collect();
    let mut each = Vec::new();
    for few in addresses.chunks(32) {
        each.extend(world.chain().accounts(due.head.hash, few).await.unwrap());
    }
    for manner in [Manner::ByCall, Manner::ByProof, Manner::NotAtAll, Manner::Wrongly] {
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let noted = asked.clone();
        let proxy = Proxy::before(&world.net.node.http(), move |call: &Value, reply| {
            if call["method"] == "eth_getCode" {
                noted.lock().unwrap().push(call["params"][0].clone());
            }
            answers(manner, call, reply)
        })
        .await;
        let chain = Chain::new(&proxy.url, Duration::from_secs(30)).unwrap();
        let loaded = world.load(&chain, &world.config(None), &mut |_| ()).await.unwrap();
        assert_eq!(loaded.pools.len(), world.net.pools.len(), "{manner:?}");
        for (found, due) in loaded.accounts.iter().zip(&each) {
            assert_eq!(AccountUpdate { slots: Vec::new(), ..found.clone() }, *due, "{manner:?}");
        }
        assert_eq!(loaded.accounts, due.accounts, "{manner:?}");
        let asked = asked.lock().unwrap().len();
        let hashes: BTreeSet<_> =
            due.accounts.iter().filter_map(|account| account.code.as_ref()).map(keccak256).collect();
        // Few accounts at a time are asked for as they are: tokens and routers, in the rounds behind the first.
        let by_hash = [Manner::ByCall, Manner::ByProof].contains(&manner);
        println!("{manner:?}: {asked} codes of {} accounts asked for, {} differ", due.accounts.len(), hashes.len());
        assert_eq!(asked < due.accounts.len(), by_hash, "{manner:?}: {asked} of {}", due.accounts.len());
    }
}
