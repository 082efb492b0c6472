//! Loading and keeping the state of a real chain: what is loaded is the chain's, the next start is quick, what a block
//! changed is the same whichever way it is learnt, and a node that lies or fails is found out.

#[path = "bootstrap/codes.rs"]
mod codes;
#[path = "bootstrap/faults.rs"]
mod faults;
#[path = "bootstrap/lies.rs"]
mod lies;
#[path = "bootstrap/misses.rs"]
mod misses;
#[path = "common/requests.rs"]
mod proxy;
#[path = "bootstrap/resume.rs"]
mod resume;
#[path = "common/traces.rs"]
mod traces;
#[path = "bootstrap/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use alloy_primitives::{Address, U256};
use peregrine::edge::bootstrap::{self, ChangeSource, Factory, Keep, Loaded, Look, PoolRow, Progress, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::hot::event::{AccountUpdate, StateKey};
use peregrine::hot::evm::own::balance_of;
use peregrine::protocols::amm::Amm;
use world::World;

/// Everything loaded is what the chain holds at that block.
async fn holds(chain: &Chain, loaded: &Loaded) {
    let at = loaded.head.hash;
    let addresses: Vec<Address> = loaded.accounts.iter().map(|account| account.address).collect();
    let theirs = chain.accounts(at, &addresses).await.unwrap();
    for (ours, theirs) in loaded.accounts.iter().zip(&theirs) {
        assert_eq!(AccountUpdate { slots: Vec::new(), ..ours.clone() }, *theirs);
    }
    let slot =
        |account: &AccountUpdate| account.slots.iter().map(|(slot, _)| (account.address, *slot)).collect::<Vec<_>>();
    let slots: Vec<(Address, U256)> = loaded.accounts.iter().flat_map(slot).collect();
    let values: Vec<U256> = loaded.accounts.iter().flat_map(|account| account.slots.iter().map(|(_, v)| *v)).collect();
    assert_eq!(chain.slots(at, &slots).await.unwrap(), values);
    for pool in &loaded.pools {
        let calls: Vec<_> = pool.views().into_iter().map(|view| (pool.address(), view.data.into())).collect();
        let answers = chain.views(at, &calls).await.unwrap();
        for (view, answer) in pool.views().iter().zip(answers) {
            for (place, due) in &view.due {
                assert_eq!(U256::from_be_slice(&answer[place * 32..place * 32 + 32]), *due, "{}", pool.address());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_devnet_is_loaded_as_it_stands_and_the_next_start_asks_for_less() {
    let world = World::start(21).await;
    let folder = tempfile::tempdir().unwrap();
    let config = world.config(Some(&folder.path().join("deep/snapshot.zst")));
    let chain = world.chain();
    let (start, mut rounds) = (Instant::now(), 0_u32);
    let mut hear = |progress: Progress<'_>| {
        if let Progress::Asking { round, open, missing } = progress {
            println!("round {round}: {open} open, {missing} missing");
            rounds += 1;
        }
    };
    let first = world.load(&chain, &config, &mut hear).await.unwrap();
    let (took, asked) = (start.elapsed(), chain.requests());
    let mut due: Vec<Address> = world.net.pools.iter().map(|pool| pool.address).collect();
    due.sort_unstable();
    assert_eq!(first.pools.iter().map(Amm::address).collect::<Vec<_>>(), due, "{:?}", first.unusable);
    assert!(first.notes.is_empty() && first.unusable.is_empty());
    holds(&chain, &first).await;
    let slots: usize = first.accounts.iter().map(|account| account.slots.len()).sum();
    println!("first: {took:?}, {asked} requests, {rounds} rounds, {} accounts, {slots} slots", first.accounts.len());

    world.net.mine().await.unwrap();
    let again = world.chain();
    let start = Instant::now();
    let mut rounds_again = 0;
    let mut hear = |progress: Progress<'_>| rounds_again += u32::from(matches!(progress, Progress::Asking { .. }));
    let second = world.load(&again, &config, &mut hear).await.unwrap();
    println!("second: {:?}, {} requests", start.elapsed(), again.requests());
    assert!(again.requests() < asked, "{} requests after {asked}", again.requests());
    assert!(rounds_again * 2 < rounds, "{rounds_again} rounds after {rounds}");
    assert_eq!(second.head.number, first.head.number + 1);
    assert_eq!(second.pools.len(), due.len());
    holds(&again, &second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_pool_is_listed_with_its_reason_and_what_is_asked_for_is_warm() {
    let world = World::start(23).await;
    let nobody = Address::repeat_byte(0x42);
    let (token, pool) = (world.net.tokens[1].address, world.net.pools[0].address);
    let mut wanted = world.wanted();
    wanted.factories.truncate(1);
    wanted.pools = [token, nobody, pool].map(PoolRow::of).into();
    let holder = world.net.senders[0].address();
    wanted.looks = vec![Look { from: holder, to: token, data: balance_of(holder) }];
    let (chain, config) = (world.chain(), world.config(None));
    let loaded = bootstrap::load(&chain, &config, world.rules(), &wanted, &mut |_| ()).await.unwrap();
    let mut due = [token, nobody];
    due.sort_unstable();
    assert_eq!(loaded.unusable.iter().map(|(key, _)| key.contract).collect::<Vec<_>>(), due);
    assert!(loaded.unusable.iter().all(|(_, reason)| reason.contains("no pool")), "{:?}", loaded.unusable);
    assert!(loaded.pools.iter().any(|found| found.address() == pool));
    let balance = chain.views(loaded.head.hash, &[(token, balance_of(holder))]).await.unwrap();
    let held = loaded.accounts.iter().find(|account| account.address == token).unwrap();
    assert!(held.slots.iter().any(|(_, value)| *value == U256::from_be_slice(&balance[0])));
    assert!(loaded.accounts.iter().any(|account| account.address == world.net.executor));

    let stranger = Factory { protocol: "uniswap_v9".into(), ..wanted.factories[0].clone() };
    assert_eq!(stranger.out_of_range().unwrap().0, "factory.protocol");
    let wanted = Wanted { factories: vec![stranger], ..Wanted::default() };
    let error = bootstrap::load(&chain, &config, world.rules(), &wanted, &mut |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("uniswap_v9"), "{error}");
}

/// Balance, nonce, code and slots.
type Value = (Option<U256>, Option<u64>, Option<Vec<u8>>, BTreeMap<U256, U256>);
type Values = BTreeMap<Address, Value>;

/// What is printed when it differs.
fn brief(value: &Value) -> (Option<U256>, Option<u64>, Option<usize>, &BTreeMap<U256, U256>) {
    (value.0, value.1, value.2.as_ref().map(Vec::len), &value.3)
}

/// What changes make of known values: of slots not known before, those of pools alone count.
fn laid(values: &Values, changes: &[AccountUpdate]) -> Values {
    let mut values = values.clone();
    for news in changes {
        let Some(account) = values.get_mut(&news.address) else { panic!("{} was not known", news.address) };
        account.0 = news.balance.or(account.0);
        account.1 = news.nonce.or(account.1);
        account.2 = news.code.as_ref().map(|code| code.to_vec()).or(account.2.take());
        account.3.extend(news.slots.iter().copied());
    }
    values
}

fn values(loaded: &[AccountUpdate]) -> Values {
    let empty = loaded.iter().map(|account| (account.address, Default::default())).collect();
    laid(&empty, loaded)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_changes_the_same_whichever_way_it_is_learnt_and_it_is_what_the_chain_holds() {
    let world = World::start(22).await;
    let (chain, config) = (world.chain(), world.config(None));
    let loaded = world.load(&chain, &config, &mut |_| ()).await.unwrap();
    let keep = Keep::new(chain.clone(), world.rules(), &loaded);
    // Blocks first, since the traffic goes by the clock and anvil takes its time over a trace.
    world.busy_blocks(24).await;
    let (mut known, mut pools) = (values(&loaded.accounts), loaded.pools.clone());
    let (mut told, mut spent) = (0, [0.0; 3]);
    for block in 1..=24 {
        let head = chain.at(loaded.head.number + block).await.unwrap().unwrap();
        let mut laids = Vec::new();
        for (way, spent) in
            [ChangeSource::Trace, ChangeSource::Execute, ChangeSource::Reread].into_iter().zip(&mut spent)
        {
            let start = Instant::now();
            let changes = keep.changes(way, &head).await.unwrap();
            *spent += start.elapsed().as_secs_f64();
            let changes = changes.unwrap_or_else(|| panic!("{way:?} does not serve for block {}", head.number));
            laids.push((way, laid(&known, &changes)));
        }
        let [(_, traced), (_, executed), (_, reread)] = &laids[..] else { panic!("three ways") };
        // Reading back knows of a pool's new slots those that asking it reads, not each that the block wrote.
        let mut besides = Vec::new();
        for (address, due) in traced {
            assert_eq!(brief(due), brief(&executed[address]), "{address} executed in block {}", head.number);
            let (mut due, mut found) = (due.clone(), reread[address].clone());
            due.3.retain(|slot, _| found.3.contains_key(slot));
            let new = found.3.extract_if(.., |slot, _| !due.3.contains_key(slot));
            besides.extend(new.map(|(slot, value)| ((*address, slot), value)));
            assert_eq!(brief(&due), brief(&found), "{address} reread in block {}", head.number);
        }
        let (slots, now): (Vec<_>, Vec<_>) = besides.into_iter().unzip();
        assert_eq!(chain.slots(head.parent, &slots).await.unwrap(), now, "slots that the block wrote");
        let news = keep.update(&head, &[]).await.unwrap();
        told += news.accounts.len();
        known = laid(&known, &news.accounts);
        assert!(known == *traced);
        for account in &news.accounts {
            if let Some(pool) = pools.iter_mut().find(|pool| pool.address() == account.address) {
                pool.apply_slots(pool.address(), &account.slots).unwrap();
            }
        }
        // Somebody's balance that was not known before is from here on.
        let wants = [StateKey::Account(world.net.senders[block as usize].address())];
        let fetched = keep.fetch(head.hash, &wants).await.unwrap();
        assert_eq!(fetched.accounts.len(), 1);
        known.extend(values(&fetched.accounts));
    }
    let head = chain.latest().await.unwrap().unwrap();
    let held = |(address, (balance, nonce, code, slots)): (&Address, &Value)| {
        let (code, slots) = (code.clone().map(Into::into), slots.iter().map(|(s, v)| (*s, *v)).collect());
        AccountUpdate { address: *address, balance: *balance, nonce: *nonce, code, slots, destroyed: false }
    };
    let accounts = known.iter().map(held).collect();
    let state = Loaded { head: (&head).into(), accounts, pools, ..Loaded::default() };
    holds(&chain, &state).await;
    println!("{told} accounts told; trace, execute, reread took {spent:?} s");
}
