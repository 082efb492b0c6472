//! What the engine misses is fetched, and then a transaction runs as it ran on the chain; a pool is taken up anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Transaction as _, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use peregrine::edge::bootstrap::{self, ChangeSource, Config, Keep, Loaded, Progress, Rules, Wanted};
use peregrine::edge::chain::{Chain, Head};
use peregrine::hot::event::{AccountUpdate, StateKey};
use peregrine::hot::evm::block::{BlockFields, tx_env};
use peregrine::hot::evm::db::{Cold, Db, Unknown};
use peregrine::hot::evm::machine::{ExecuteError, Machine};
use peregrine::protocols::amm::Amm;
use revm::state::{AccountInfo, Bytecode};
use serde_json::{Value, json};

use crate::proxy::{Proxy, without};
use crate::world::World;

/// Tells a machine's state what was fetched.
fn tell(db: &mut Db, accounts: &[AccountUpdate]) {
    for news in accounts {
        if let (Some(balance), Some(nonce)) = (news.balance, news.nonce) {
            let code = news.code.clone().map(Bytecode::new_raw);
            let code = code.or_else(|| db.known_account(news.address).and_then(|info| info.code.clone())).unwrap();
            let code_hash = code.hash_slow();
            let info = AccountInfo { balance, nonce, code_hash, code: Some(code), ..AccountInfo::default() };
            db.tell_account(news.address, info);
        }
        for (slot, value) in &news.slots {
            db.tell_slot(news.address, *slot, *value);
        }
    }
}

fn want(cold: Cold) -> StateKey {
    match cold {
        Cold::Account(address) => StateKey::Account(address),
        Cold::Slot(address, slot) => StateKey::Slot(address, slot),
        Cold::BlockHash(number) => StateKey::BlockHash(number),
        Cold::Code(hash) => panic!("code {hash} without its account"),
    }
}

/// Prefetches for the first transaction of the block, then runs it.
async fn first_as_on_chain(world: &World, keep: &Keep, head: &Head, known: &mut Known) -> (Vec<StateKey>, bool) {
    let block = world.chain().full(head.hash).await.unwrap().unwrap();
    let tx = &block.transactions.as_transactions().unwrap()[0];
    let told = keep.prefetch(head.parent, &tx.inner).await.unwrap();
    assert_eq!(told.at, head.parent);
    lay(known, &told.accounts);
    run(world, keep, head, known).await
}

/// Runs the first transaction of the block on the parent's state; returns what was still missing, and whether it succeeded.
async fn run(world: &World, keep: &Keep, head: &Head, known: &mut Known) -> (Vec<StateKey>, bool) {
    let block = world.chain().full(head.hash).await.unwrap().unwrap();
    let tx = &block.transactions.as_transactions().unwrap()[0];
    let mut machine = machine(world, head, &known.values().cloned().collect::<Vec<_>>());
    let mut misses = Vec::new();
    let executed = loop {
        match machine.execute(tx_env(&tx.inner)) {
            Ok(executed) => break executed,
            Err(ExecuteError::Cold(cold)) => {
                misses.push(want(cold));
                assert!(misses.len() < 100, "{cold}");
                let told = keep.fetch(head.parent, &misses[misses.len() - 1..]).await.unwrap();
                tell(machine.db_mut(), &told.accounts);
                lay(known, &told.accounts);
            }
            Err(error) => panic!("{error}"),
        }
    };
    let hash = *tx.inner.inner().tx_hash();
    let receipt: serde_json::Value =
        world.net.rpc.call("eth_getTransactionReceipt", serde_json::json!([hash])).await.unwrap();
    assert_eq!(receipt["gasUsed"], format!("{:#x}", executed.gas_used()), "{:?}", tx.inner.inner().to());
    let logs = receipt["logs"].as_array().unwrap();
    assert_eq!(logs.len(), executed.logs().len());
    for (theirs, ours) in logs.iter().zip(executed.logs()) {
        let topics: Vec<B256> = serde_json::from_value(theirs["topics"].clone()).unwrap();
        let data: Bytes = serde_json::from_value(theirs["data"].clone()).unwrap();
        assert_eq!((topics.as_slice(), &data), (ours.topics(), &ours.data.data));
    }
    (misses, executed.is_success())
}

fn machine(world: &World, head: &Head, accounts: &[AccountUpdate]) -> Machine {
    let fork = world.rules().forks.at(0, 0);
    let terms = BlockFields {
        number: head.number,
        timestamp: head.timestamp,
        beneficiary: head.beneficiary,
        gas_limit: head.gas_limit,
        base_fee: head.base_fee.unwrap(),
        mix_hash: head.mix_hash,
        excess_blob_gas: head.excess_blob_gas,
        ..BlockFields::default()
    };
    let mut db = Db::default();
    db.set_unknown(Unknown::Refuse);
    tell(&mut db, accounts);
    Machine::new(1, fork, terms.env(fork), db)
}

type Known = BTreeMap<Address, AccountUpdate>;

fn lay(known: &mut Known, told: &[AccountUpdate]) {
    for news in told {
        let account = known.entry(news.address).or_insert_with(|| AccountUpdate { slots: Vec::new(), ..news.clone() });
        account.balance = news.balance.or(account.balance);
        account.nonce = news.nonce.or(account.nonce);
        account.code = news.code.clone().or(account.code.take());
        account.slots.extend(&news.slots);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_misses_is_fetched_at_once_and_it_runs_as_on_the_chain() {
    let world = World::start(41).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(8).await;
    let traceless = Proxy::before(&world.net.node.http(), without(&["debug_traceCall"])).await;
    for (name, url) in [("debug_traceCall", &world.net.node.http()), ("eth_createAccessList", &traceless.url)] {
        let keep = Keep::new(Chain::new(url, Duration::from_secs(30)).unwrap(), world.rules(), &loaded);
        let mut known = Known::new();
        lay(&mut known, &loaded.accounts);
        let mut misses = Vec::new();
        for number in 1..=8 {
            let head = world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
            let (mut missed, succeeded) = first_as_on_chain(&world, &keep, &head, &mut known).await;
            if name == "eth_createAccessList" {
                // It runs in the parent's own time: what has traded there sums up no prices before time goes on.
                let traded = traded(&world, head.parent).await;
                missed.retain(|key| !matches!(key, StateKey::Slot(at, _) if traded.contains(at)));
            }
            // A node lists nothing for a call that reverts, and nothing is done behind a transaction that does.
            if succeeded || name == "debug_traceCall" {
                misses.push(missed);
            }
            let news = keep.update(&head, &[]).await.unwrap();
            lay(&mut known, &news.accounts);
        }
        println!("{name}: {misses:?} misses after the prefetch");
        assert!(misses.iter().all(Vec::is_empty), "{name}: {misses:?}");
        assert!(misses.len() >= 4, "{name}: {misses:?}");
    }
    assert_eq!(traceless.spoilt(), 1, "asked again for what the node does not have");
}

/// Contracts that wrote logs in this block.
async fn traded(world: &World, block: B256) -> Vec<Address> {
    let receipts: Vec<serde_json::Value> =
        world.net.rpc.call("eth_getBlockReceipts", serde_json::json!([block])).await.unwrap();
    let logs = receipts.iter().flat_map(|receipt| receipt["logs"].as_array().unwrap());
    logs.map(|log| serde_json::from_value(log["address"].clone()).unwrap()).collect()
}

/// `SLOAD(NUMBER)`, `SLOAD(TIMESTAMP > the parent's)`: what it reads depends on the block that it runs in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefetch_runs_in_the_next_block_and_later_than_the_last_one() {
    let world = World::start(43).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    let keep = Keep::new(world.chain(), world.rules(), &loaded);
    world.net.mine().await.unwrap();
    let head = world.chain().at(loaded.head.number + 1).await.unwrap().unwrap();
    keep.update(&head, &[]).await.unwrap();
    let code = [&[0x43, 0x54, 0x50, 0x67][..], &head.timestamp.to_be_bytes(), &[0x42, 0x11, 0x54, 0x50, 0x00]].concat();
    let at = Address::repeat_byte(0xc0);
    let () = world.net.rpc.call("anvil_setCode", serde_json::json!([at, Bytes::from(code)])).await.unwrap();
    let tx = TxEip1559 { chain_id: 1, gas_limit: 100_000, to: TxKind::Call(at), ..TxEip1559::default() };
    let tx = TxEnvelope::decode_2718(&mut &world.net.senders[0].sign(tx).raw[..]).unwrap();
    let tx = Recovered::new_unchecked(tx, world.net.senders[0].address());
    let told = keep.prefetch(head.hash, &tx).await.unwrap();
    let told = told.accounts.iter().find(|account| account.address == at).unwrap();
    let mut slots: Vec<U256> = told.slots.iter().map(|(slot, _)| *slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, [U256::ONE, U256::from(head.number + 1)], "its number, and that time has passed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_prefetch_each_miss_is_fetched_and_of_another_block_than_the_tip_nothing() {
    let world = World::start(42).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    let keep = Keep::new(world.chain(), world.rules(), &loaded);
    world.busy_blocks(1).await;
    let head = world.chain().at(loaded.head.number + 1).await.unwrap().unwrap();
    let mut known = Known::new();
    lay(&mut known, &loaded.accounts);
    assert!(!run(&world, &keep, &head, &mut known).await.0.is_empty());

    let sender = [StateKey::Account(world.net.senders[0].address()), StateKey::BlockHash(head.number - 1)];
    let told = keep.fetch(head.hash, &sender).await.unwrap();
    assert!(told.accounts.is_empty() && told.hashes.is_empty(), "told of a block that is not the tip yet");
    keep.update(&head, &[]).await.unwrap();
    let told = keep.fetch(head.hash, &sender).await.unwrap();
    assert_eq!(told.accounts.len(), 1);
    assert_eq!(told.hashes, [(head.number - 1, head.parent)]);
    assert!(keep.fetch(head.parent, &sender).await.unwrap().accounts.is_empty());
    keep.rewind(head.parent);
    let undone = keep.fetch(head.parent, &sender).await.unwrap();
    assert!(undone.accounts.len() == 1 && undone.at == head.parent);
}

/// As anvil does while it makes a block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_answers_out_of_the_next_block_tells_nothing_of_what_is_known() {
    let world = World::start(44).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(1).await;
    let another = U256::from(7);
    let answer = move |call: &serde_json::Value, mut reply: serde_json::Value| {
        if call["method"] == "eth_getStorageAt" {
            reply["result"] = serde_json::json!(B256::from(another));
        }
        reply
    };
    let ahead = Proxy::before(&world.net.node.http(), answer).await;
    let chain = Chain::new(&ahead.url, Duration::from_secs(30)).unwrap();
    let keep = Keep::new(chain, world.rules(), &loaded);
    let known: BTreeMap<Address, &AccountUpdate> = loaded.accounts.iter().map(|news| (news.address, news)).collect();
    let head = world.chain().at(loaded.head.number + 1).await.unwrap().unwrap();
    let block = world.chain().full(head.hash).await.unwrap().unwrap();
    let (mut held, mut strange) = (0, 0);
    for tx in block.transactions.as_transactions().unwrap() {
        for news in keep.prefetch(head.parent, &tx.inner).await.unwrap().accounts {
            let of = known.get(&news.address);
            for (slot, value) in &news.slots {
                let due = of.and_then(|of| of.slots.iter().find(|(key, _)| key == slot)).map(|(_, value)| *value);
                held += u64::from(due.is_some());
                strange += u64::from(due.is_none());
                assert_eq!(*value, due.unwrap_or(another), "slot {slot:#x} of {}", news.address);
            }
        }
    }
    assert!(held > 50 && strange > 10, "{held} slots were known, {strange} were not");
}

/// The same node, once with headers that fit and once without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_gave_out_of_the_next_block_is_told_again_with_that_block() {
    let world = World::start(45).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    world.busy_blocks(1).await;
    let head = world.chain().at(loaded.head.number + 1).await.unwrap().unwrap();
    let block = world.chain().full(head.hash).await.unwrap().unwrap();
    let traced = Keep::new(world.chain(), world.rules(), &loaded).update(&head, &[]).await.unwrap();
    let next = slots(&traced.accounts);
    for way in [ChangeSource::Execute, ChangeSource::Reread] {
        let is_ahead = Arc::new(AtomicBool::new(true));
        let (ahead, parent, of_next) = (is_ahead.clone(), json!(head.parent), next.clone());
        let answer = move |call: &Value, mut reply: Value| {
            let params = &call["params"];
            let is_parents = params[2]["blockHash"] == parent;
            if call["method"] == "eth_getStorageAt" && is_parents && ahead.load(Ordering::Relaxed) {
                let place: (Address, U256) = serde_json::from_value(json!([params[0], params[1]])).unwrap();
                if let Some(value) = of_next.get(&place) {
                    reply["result"] = json!(B256::from(*value));
                }
            } else if way == ChangeSource::Reread && call["method"] == "eth_getBlockByHash" && params[1] == true {
                reply["result"]["receiptsRoot"] = reply["result"]["stateRoot"].clone();
            }
            without(&["debug_traceBlockByHash"])(call, reply)
        };
        let node = Proxy::before(&world.net.node.http(), answer).await;
        let chain = Chain::new(&node.url, Duration::from_secs(30)).unwrap();
        let [unasked, keep] = [(); 2].map(|()| Keep::new(chain.clone(), world.rules(), &loaded));
        let mut fetched = 0;
        for tx in block.transactions.as_transactions().unwrap() {
            let told = keep.prefetch(head.parent, &tx.inner).await.unwrap().accounts;
            fetched += slots(&told).iter().filter(|(place, value)| next.get(*place) == Some(*value)).count();
        }
        // It has made its block.
        is_ahead.store(false, Ordering::Relaxed);
        let due = slots(&unasked.update(&head, &[]).await.unwrap().accounts);
        let found = slots(&keep.update(&head, &[]).await.unwrap().accounts);
        assert_eq!((unasked.learnt_by(), keep.learnt_by()), (Some(way), Some(way)));
        for (place, value) in &due {
            assert_eq!(found.get(place), Some(value), "{place:?}, learnt by {way:?}");
        }
        println!("{way:?}: {fetched} slots were ahead, {} told for {}", found.len(), due.len());
        assert!(fetched > 10 && due.len() > 50, "{fetched} of {}", due.len());
    }
}

fn slots(news: &[AccountUpdate]) -> BTreeMap<(Address, U256), U256> {
    news.iter().flat_map(|news| news.slots.iter().map(|(slot, value)| ((news.address, *slot), *value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_found_wrong_is_read_anew_at_a_block_and_a_new_one_is_taken_up() {
    let world = World::start(43).await;
    let loaded = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    let keep = Keep::new(world.chain(), world.rules(), &loaded);
    world.busy_blocks(4).await;
    let mut at = loaded.head.hash;
    for number in 1..=4 {
        let head = world.chain().at(loaded.head.number + number).await.unwrap().unwrap();
        keep.update(&head, &[]).await.unwrap();
        at = head.hash;
    }
    let now = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    assert_eq!(now.head.hash, at);
    for due in now.pools.iter().step_by(5) {
        let reseeded = keep.reseed(at, due.key()).await.unwrap();
        let pool = reseeded.pool.unwrap();
        assert_eq!(pool.views(), due.views());
        assert_eq!((pool.tokens(), pool.log_fed()), (due.tokens(), due.log_fed()));
        let theirs = now.accounts.iter().find(|account| account.address == due.address()).unwrap();
        let ours = reseeded.fetched.accounts.iter().find(|account| account.address == due.address()).unwrap();
        for (slot, value) in &ours.slots {
            let other = theirs.slots.iter().find(|(key, _)| key == slot);
            assert!(other.is_none_or(|(_, other)| other == value), "slot {slot:#x} of {}", due.address());
        }
        assert_eq!((ours.balance, ours.nonce, &ours.code), (theirs.balance, theirs.nonce, &theirs.code));
    }
    let token = world.net.tokens[3].address;
    let refused = keep.reseed(at, token.into()).await.unwrap();
    assert!(refused.pool.unwrap_err().contains("no pool"));
}

/// The edge runs all of this on its own threads, and hands what it gets to the hot ones.
#[tokio::test]
async fn everything_may_go_from_thread_to_thread() {
    fn goes<T: Send>(_: &T) {}
    let (chain, rules) = (
        Chain::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap(),
        Rules::of(&peregrine::chain::Config::default()),
    );
    let (loaded, config, wanted, mut hear) =
        (Loaded::default(), Config::default(), Wanted::default(), |_: Progress<'_>| ());
    let keep = Keep::new(chain.clone(), rules, &loaded);
    let head = Head::default();
    goes(&loaded);
    goes(&bootstrap::load(&chain, &config, rules, &wanted, &mut hear));
    goes(&keep.update(&head, &[]));
    goes(&keep.changes(ChangeSource::Execute, &head));
    goes(&keep.fetch(B256::ZERO, &[]));
    goes(&keep.reseed(B256::ZERO, Address::ZERO.into()));
    goes(&std::sync::Arc::new(keep));
}
