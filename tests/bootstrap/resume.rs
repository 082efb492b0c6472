//! A start goes on from what the last run has left, and holds what the chain holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, U256};
use peregrine::edge::bootstrap::{self, BootstrapError, Config, Keep, Loaded, Progress, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::hot::event::StateKey;
use peregrine::protocols::amm::Amm;
use serde_json::{Value, json};

use crate::holds;
use crate::proxy::{Proxy, without};
use crate::world::World;

/// Blocks of people's trades between two starts.
const BLOCKS: u64 = 8;

/// Settings with which a few blocks are sooner followed than so small a world is read.
fn config(world: &World, snapshot: &Path) -> Config {
    Config { batch: 100, ..world.config(Some(snapshot)) }
}

/// Where the state is kept beside the snapshot.
fn state_of(snapshot: &Path) -> PathBuf {
    let mut path = snapshot.as_os_str().to_owned();
    path.push(".state");
    path.into()
}

/// A node of which it is counted how many slots it is asked for.
async fn counted(
    world: &World,
    spoil: impl Fn(&Value, Value) -> Value + Send + Sync + 'static,
) -> (Proxy, Arc<AtomicU64>) {
    let slots = Arc::new(AtomicU64::new(0));
    let counter = slots.clone();
    let spoil = move |call: &Value, reply| {
        counter.fetch_add(u64::from(call["method"] == "eth_getStorageAt"), Ordering::Relaxed);
        spoil(call, reply)
    };
    (Proxy::before(&world.net.node.http(), spoil).await, slots)
}

fn chain(proxy: &Proxy) -> Chain {
    Chain::new(&proxy.url, Duration::from_secs(30)).unwrap()
}

/// The same pools as those that are loaded with nothing kept, and as they are there.
async fn as_anew(world: &World, found: &Loaded) {
    holds(&world.chain(), found).await;
    let anew = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    assert_eq!(anew.head, found.head);
    assert_eq!(anew.pools.len(), found.pools.len());
    for (due, found) in anew.pools.iter().zip(&found.pools) {
        assert!(due.key() == found.key() && due.agrees(found), "{}", due.key());
    }
    assert_eq!(anew.unusable, found.unusable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_follows_the_blocks_since_the_last_one_whatever_its_node_can_do() {
    let world = World::start(61).await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(&world, &folder.path().join("snapshot"));
    let (node, slots) = counted(&world, |_, reply| reply).await;
    let first = world.load(&chain(&node), &config, &mut |_| ()).await.unwrap();
    let read = slots.swap(0, Ordering::Relaxed);
    let kept = std::fs::read(state_of(config.snapshot.as_ref().unwrap())).unwrap();
    world.busy_blocks(BLOCKS).await;
    let none: &[&str] = &[];
    for (manner, lacks) in [("all there is", none), ("no traces", &["debug_traceBlockByHash", "debug_traceCall"])] {
        let (node, slots) = counted(&world, without(lacks)).await;
        let (mut followed, mut rounds) = (Vec::new(), 0);
        let mut hear = |progress: Progress<'_>| match progress {
            Progress::Following { done, of } => followed.push((done, of)),
            Progress::Asking { .. } => rounds += 1,
            _ => (),
        };
        let found = world.load(&chain(&node), &config, &mut hear).await.unwrap();
        let asked = slots.load(Ordering::Relaxed);
        println!("{manner}: {asked} slots in {rounds} rounds, {read} at first");
        assert_eq!(found.head.number, first.head.number + BLOCKS);
        assert_eq!(followed, (0..BLOCKS as usize).map(|done| (done, BLOCKS as usize)).collect::<Vec<_>>(), "{manner}");
        as_anew(&world, &found).await;
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        // Somebody else starts from the same file.
        std::fs::write(state_of(config.snapshot.as_ref().unwrap()), &kept).unwrap();
    }
    // By traces nothing is read but where they leave something open.
    let (node, slots) = counted(&world, |_, reply| reply).await;
    world.load(&chain(&node), &config, &mut |_| ()).await.unwrap();
    assert!(slots.load(Ordering::Relaxed) * 4 < read, "{} slots, {read} at first", slots.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_an_orderly_end_the_state_is_kept_as_it_is_then_without_what_strangers_had_us_fetch() {
    let world = World::start(62).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let config = config(&world, &path);
    let (node, slots) = counted(&world, |_, reply| reply).await;
    let loaded = world.load(&chain(&node), &config, &mut |_| ()).await.unwrap();
    let read = slots.swap(0, Ordering::Relaxed);
    let keep = Keep::new(world.chain(), world.rules(), &loaded);
    world.busy_blocks(BLOCKS).await;
    let mut tip = loaded.head.hash;
    for block in 1..=BLOCKS {
        let head = world.chain().at(loaded.head.number + block).await.unwrap().unwrap();
        keep.update(&head, &[]).await.unwrap();
        tip = head.hash;
    }
    let stranger = Address::repeat_byte(0x77);
    let strangers = [StateKey::Account(stranger), StateKey::Slot(world.net.tokens[1].address, U256::MAX)];
    assert_eq!(keep.fetch(tip, &strangers).await.unwrap().accounts.len(), 2);
    assert_eq!(keep.save(&path), None);

    let mut followed = 0;
    let mut hear = |progress: Progress<'_>| followed += u64::from(matches!(progress, Progress::Following { .. }));
    let found = world.load(&chain(&node), &config, &mut hear).await.unwrap();
    assert_eq!((found.head.number, followed), (loaded.head.number + BLOCKS, 0));
    as_anew(&world, &found).await;
    let known = |address: Address| found.accounts.iter().find(|account| account.address == address);
    assert!(known(stranger).is_none());
    assert!(known(world.net.tokens[1].address).unwrap().slots.iter().all(|(slot, _)| *slot != U256::MAX));
    // Of the pools that the blocks have moved all but what is new in them is known.
    let asked = slots.load(Ordering::Relaxed);
    println!("{asked} slots asked for, {read} at first");
    assert!(asked * 20 < read, "{asked} of {read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_moved_between_two_runs_is_remembered_though_the_second_wrote_no_state() {
    let world = World::start(66).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let config = config(&world, &path);
    world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    let written = std::fs::read(state_of(&path)).unwrap();
    // A trade or two: few of the pools.
    let traffic = world.net.trade(200.0).unwrap();
    assert!(traffic.reached(2).await);
    traffic.stop().await;
    world.net.mine().await.unwrap();
    let second = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    assert!(std::fs::read(state_of(&path)).unwrap() == written, "some pools are asked sooner than all is written");
    assert!(!second.saved.as_ref().unwrap().moved.is_empty());
    let keep = Keep::new(world.chain(), world.rules(), &second);
    world.net.mine().await.unwrap();
    let head = world.chain().latest().await.unwrap().unwrap();
    keep.update(&head, &[]).await.unwrap();
    assert_eq!(keep.save(&path), None);
    let third = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    as_anew(&world, &third).await;
    // A file of another run is not what this one has followed the blocks from.
    assert!(keep.save(&path).unwrap().contains("is another run's"));
    // What is not believed any more is not left to the next one.
    let (left, keep) = (std::fs::read(state_of(&path)).unwrap(), Keep::new(world.chain(), world.rules(), &third));
    keep.distrust();
    assert_eq!(keep.save(&path), None);
    assert!(std::fs::read(state_of(&path)).unwrap() == left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_was_undone_since_is_gone_on_from_by_nobody() {
    let world = World::start(63).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let config = config(&world, &path);
    world.busy_blocks(2).await;
    let loaded = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    let keep = Keep::new(world.chain(), world.rules(), &loaded);
    let other = folder.path().join("other");
    for (from, to) in [(path.clone(), other.clone()), (state_of(&path), state_of(&other))] {
        std::fs::copy(from, to).unwrap();
    }
    world.net.rpc.call::<Value>("anvil_rollback", json!([1])).await.unwrap();
    world.busy_blocks(3).await;
    let (node, slots) = counted(&world, |_, reply| reply).await;
    let mut followed = 0;
    let mut hear = |progress: Progress<'_>| followed += u64::from(matches!(progress, Progress::Following { .. }));
    let found = world.load(&chain(&node), &config, &mut hear).await.unwrap();
    assert_eq!(followed, 0);
    assert!(slots.load(Ordering::Relaxed) > 1_000, "all is read");
    as_anew(&world, &found).await;

    // One that ran on over the reorg keeps a state of this chain, and pools of a block that is not.
    let back = world.chain().at(loaded.head.number - 1).await.unwrap().unwrap();
    keep.rewind(back.hash);
    for number in loaded.head.number..=found.head.number {
        let head = world.chain().at(number).await.unwrap().unwrap();
        keep.update(&head, &[]).await.unwrap();
    }
    assert_eq!(keep.save(&other), None);
    slots.store(0, Ordering::Relaxed);
    let config = Config { snapshot: Some(other), ..config };
    let found = world.load(&chain(&node), &config, &mut |_| ()).await.unwrap();
    assert!(slots.load(Ordering::Relaxed) > 1_000, "all is read");
    as_anew(&world, &found).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_state_that_cannot_be_used_is_named_and_made_anew() {
    let world = World::start(64).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let config = config(&world, &path);
    world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    let whole = std::fs::read(state_of(&path)).unwrap();
    let (mut flipped, mut longer) = (whole.clone(), zstd::decode_all(&whole[..]).unwrap());
    flipped[whole.len() / 2] ^= 1;
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let mut unpacked = longer.clone();
    longer.push(0);
    // The header's first two numbers, behind its length: the format's version and the chain's id.
    let (mut version, mut foreign, mut code) = (unpacked.clone(), unpacked.clone(), unpacked.clone());
    (version[4], foreign[5]) = (0, 10);
    let length = u32::from_le_bytes(unpacked[..4].try_into().unwrap()) as usize;
    // The first code's hash, behind the header and its own length.
    code[4 + length + 4] ^= 1;
    unpacked.truncate(unpacked.len() / 2);
    let cases: [(Vec<u8>, &str); 8] = [
        (whole[..whole.len() / 2].to_vec(), "is damaged"),
        (flipped, "is damaged"),
        (b"no state".to_vec(), "is damaged"),
        (packed(&unpacked), "is damaged"),
        (packed(&longer), "is damaged (more than there should be)"),
        (packed(&code), "has another hash"),
        (packed(&version), "is of version 0, 1 due"),
        (packed(&foreign), "is of chain 10, 1 due"),
    ];
    for (bytes, due) in cases {
        std::fs::write(state_of(&path), bytes).unwrap();
        let loaded = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
        let [note] = &loaded.notes[..] else { panic!("{due}: {:?}", loaded.notes) };
        assert!(note.contains(due) && note.ends_with("it is made anew") && !note.contains('\n'), "{note}");
        assert_eq!(loaded.pools.len(), world.net.pools.len());
        let again = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
        assert!(again.notes.is_empty(), "{:?}", again.notes);
    }
    // Other settings are no damage, and no reason to be silent.
    let mut rules = world.rules();
    rules.wrapped_native = Some(world.net.tokens[0].address);
    let loaded = bootstrap::load(&world.chain(), &config, rules, &world.wanted(), &mut |_| ()).await.unwrap();
    assert!(loaded.notes.iter().any(|note| note.contains("another token in ether's place")), "{:?}", loaded.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_wrong_is_found_out_and_is_not_gone_by_where_all_is_to_be_read_anew() {
    let world = World::start(65).await;
    let folder = tempfile::tempdir().unwrap();
    let honest = world.load(&world.chain(), &world.config(None), &mut |_| ()).await.unwrap();
    // Reserves of each pair, somewhat more than there is, and nobody looks.
    let pairs: BTreeMap<Address, ()> =
        honest.pools.iter().filter(|pool| pool.protocol() == "uniswap_v2").map(|pool| (pool.address(), ())).collect();
    let lies = move |call: &Value, mut reply: Value| {
        let of = serde_json::from_value::<Address>(call["params"][0].clone()).is_ok_and(|at| pairs.contains_key(&at));
        let reserves = json!(alloy_primitives::B256::with_last_byte(8));
        if call["method"] == "eth_getStorageAt" && of && call["params"][1] == reserves {
            let text = reply["result"].as_str().unwrap().to_owned();
            reply["result"] = json!(format!("{}{}", &text[..65], if text.ends_with('7') { '8' } else { '7' }));
        }
        reply
    };
    let liar = Proxy::before(&world.net.node.http(), lies).await;
    let config = config(&world, &folder.path().join("snapshot"));
    let blind = Config { verify_pools: 0, ..config.clone() };
    world.load(&chain(&liar), &blind, &mut |_| ()).await.unwrap();

    let error = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, BootstrapError::Wrong { .. }), "{error}");
    let wanted = Wanted { anew: true, ..world.wanted() };
    let found = bootstrap::load(&world.chain(), &config, world.rules(), &wanted, &mut |_| ()).await.unwrap();
    as_anew(&world, &found).await;
    // And the next start has that.
    let found = world.load(&world.chain(), &config, &mut |_| ()).await.unwrap();
    as_anew(&world, &found).await;
}
