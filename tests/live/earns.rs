//! What it is for.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, eip191_hash_message, hex, keccak256};
use peregrine::edge::ledger::landed::Reason;
use peregrine::edge::ledger::row::Outcome;
use peregrine::live::{How, session, start};
use peregrine::types::secret::Key;
use peregrine_devnet::Wallet;
use peregrine_devnet::block_builder::{Entry, Fate, LeftOut};
use peregrine_devnet::rivals::Strength;
use peregrine_devnet::world::{self, World};
use serde_json::{Value, json};

use crate::rig::{Rig, Sick, until};
use crate::truth;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backruns_of_two_three_and_four_hops_land_over_v2_and_v3_and_earn_what_was_predicted() {
    landed(Rig::start(77).await).await;
}

/// Until all of these have landed.
pub async fn landed(rig: Rig) {
    let searcher = rig.search().await;
    // Hops of the backruns that landed, and how many of them go over pools of both kinds.
    let landed = || {
        let (mut hops, mut both) = (BTreeMap::new(), 0);
        for row in searcher.ledger().all().unwrap() {
            if matches!(row.outcome, Some(Outcome::Landed { .. })) && row.bundle.trigger.is_some() {
                *hops.entry(row.bundle.pools.len()).or_insert(0) += 1;
                both += u64::from(row.bundle.protocols == ["uniswap_v2", "uniswap_v3"]);
            }
        }
        (hops, both)
    };
    let enough = |(hops, both): (BTreeMap<usize, u64>, u64)| hops.keys().eq(&[2, 3, 4]) && both > 0;
    let mut blocks = 0;
    while !enough(landed()) {
        assert!(blocks < 400, "{:?}", searcher.status());
        rig.block(6).await;
        rig.followed(&searcher).await;
        blocks += 1;
    }
    truth::whole(&rig, &searcher).await;
    let (hops, both) = landed();
    println!("{blocks} blocks; backruns landed by hops: {hops:?}, {both} of them over V2 and V3");
    let status = rig.close(searcher).await;
    assert_eq!(status.profit_predicted_wei, status.profit_realised_wei);
    assert!(!status.profit_realised_wei.starts_with(['-', '0']), "{} earned", status.profit_realised_wei);
}

/// Hands in a bundle as a stranger does.
async fn send(url: &str, identity: &Wallet, target_block: u64, txs: &[Bytes]) -> B256 {
    let params = json!([{"txs": txs, "blockNumber": U64::from(target_block), "revertingTxHashes": []}]);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": params}).to_string();
    let digest = eip191_hash_message(hex::encode_prefixed(keccak256(&body)).as_bytes());
    let key = Key::from_bytes(&identity.secret().0).unwrap();
    let signature = hex::encode_prefixed(key.sign(&digest).unwrap().as_bytes());
    let request = reqwest::Client::new().post(url).header("content-type", "application/json");
    let request = request.header("x-flashbots-signature", format!("{}:{signature}", identity.address()));
    let reply = request.body(body).send().await.unwrap().bytes().await.unwrap();
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    serde_json::from_value(reply["result"]["bundleHash"].clone()).unwrap_or_else(|_| panic!("{reply}"))
}

/// What the owner has spent and the executor holds, behind the last block: ether, nonce, ether.
async fn purse(rig: &Rig) -> [Value; 3] {
    let [owner, executor] = [rig.net.owner.address(), rig.net.executor];
    [
        rig.ask("eth_getBalance", json!([owner, "latest"])).await,
        rig.ask("eth_getTransactionCount", json!([owner, "latest"])).await,
        rig.ask("eth_getBalance", json!([executor, "latest"])).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_whose_victim_vanished_costs_nothing_and_the_ledger_says_why() {
    let rig = Rig::start(78).await;
    let (searcher, stranger) = (rig.search().await, Wallet::fresh().unwrap());
    let ours = rig.net.owner.address();
    let mut shown = 0;
    for _ in 0..200 {
        if shown >= 3 {
            break;
        }
        rig.block(6).await;
        rig.followed(&searcher).await;
        let before = purse(&rig).await;
        let target_block = searcher.tip() + 1;
        // Each target's sender has somebody else include another transaction of the same nonce, dearer than ours.
        let mut foiled = Vec::new();
        until("a bundle behind a victim, or none to be had", async || {
            let waiting: Vec<_> =
                rig.builder.bundles().into_iter().filter(|b| b.target == Some(target_block)).collect();
            foiled = waiting;
            !foiled.is_empty() || rig.waiting_for(4)
        })
        .await;
        for bundle in &foiled {
            let [target, _] = bundle.txs[..] else { continue };
            let target = rig.ask("eth_getTransactionByHash", json!([target])).await;
            let Ok(from) = serde_json::from_value::<Address>(target["from"].clone()) else { continue };
            let Some(sender) = rig.net.senders.iter().find(|sender| sender.address() == from) else { continue };
            let nonce: U64 = serde_json::from_value(target["nonce"].clone()).unwrap();
            let instead = TxEip1559 {
                chain_id: 1,
                nonce: nonce.to(),
                gas_limit: 21_000,
                max_fee_per_gas: 3_000_000_000_000,
                max_priority_fee_per_gas: 2_000_000_000_000,
                to: TxKind::Call(from),
                value: U256::ZERO,
                ..TxEip1559::default()
            };
            send(&rig.builder.url(), &stranger, target_block, &[sender.sign(instead).raw]).await;
        }
        let built = rig.builder.build_now().await.unwrap();
        rig.followed(&searcher).await;
        let mined = rig.chain.receipts(built.hash).await.unwrap().unwrap();
        if mined.iter().any(|receipt| receipt.from == ours) || foiled.is_empty() {
            continue;
        }
        assert_eq!(purse(&rig).await, before, "nothing was paid, nothing spent");
        until("outcomes", async || {
            searcher.ledger().open_bundles().unwrap().iter().all(|r| r.bundle.target > target_block)
        })
        .await;
        let rows = searcher.ledger().for_block(target_block).unwrap();
        let vanished = |row: &&peregrine::edge::ledger::row::Row| {
            matches!(row.outcome, Some(Outcome::Lost { reason: Reason::TargetNotIncluded }))
        };
        shown += rows.iter().filter(vanished).count();
    }
    println!("{shown} bundles lost to a victim that vanished, at no cost");
    assert!(shown >= 3);
    rig.close(searcher).await;
}

/// `close` holds what was earned against what was predicted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_that_a_node_tells_out_of_the_next_block_are_read_again() {
    let rig = Rig::start(80).await;
    let searcher = rig.search().await;
    rig.make_sick(Sick::Ahead);
    until("three landed bundles", async || {
        rig.blocks(&searcher, 1).await;
        searcher.status().bundles_landed >= 3
    })
    .await;
    assert!(rig.spoilt() >= 3, "{} balances were told wrong", rig.spoilt());
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_who_bids_more_wins_and_the_ledger_says_so() {
    let rig_folder = tempfile::tempdir().unwrap();
    let rival = Strength { bid_bps: 9_900, ..Strength::FULL };
    let options = world::Options {
        seed: 79,
        slot: Duration::from_secs(1),
        per_second: 25.0,
        rivals: vec![rival],
        ..world::Options::default()
    };
    let _alone = crate::rig::alone().await;
    let world = World::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let mut config = session::in_world(&world, rig_folder.path()).unwrap();
    config.record.ledger = rig_folder.path().join("ledger");
    config.record.journal = None;
    let searcher = start(&config, How::Loopback, 0, &mut |_| ()).await.unwrap();
    let rival = &world.rivals[0];
    let landed = |entry: &&Entry| matches!(entry.fate, Fate::Landed { .. });
    let late = |entry: &Entry| matches!(entry.fate, Fate::LeftOut { why: LeftOut::Late { .. } });
    // Lost to a landed bundle of the rival's, though it came in time for its block. A user who trades right behind the
    // target looks like a rival to the ledger: such rows are passed over.
    let outbid = || {
        let verdicts = world.verdicts();
        let rows = searcher.ledger().all().unwrap().into_iter();
        let lost = rows.filter_map(|row| match row.outcome {
            Some(Outcome::Lost { reason: Reason::Outbid { by, paid } }) => {
                let theirs = verdicts.iter().find(|entry| entry.txs.contains(&by) && landed(entry))?;
                let ours = verdicts.iter().find(|entry| entry.txs == row.bundle.txs && !late(entry))?;
                Some((row.bundle, paid, theirs.clone(), ours.clone()))
            }
            _ => None,
        });
        lost.collect::<Vec<_>>()
    };
    until("three bundles lost to the rival", async || outbid().len() >= 3).await;
    for (bundle, paid, theirs, ours) in outbid() {
        assert_eq!((theirs.signer, ours.signer), (Some(rival.identity), Some(world.identity.address())));
        let Fate::Landed { paid: bid, .. } = theirs.fate else { panic!("{theirs:?}") };
        // Both behind the same target: the builder says that ours was the lower one.
        if theirs.txs[0] == ours.txs[0] {
            assert!(
                matches!(ours.fate, Fate::LeftOut { why: LeftOut::Outbid { .. } | LeftOut::Reverted { .. } }),
                "{ours:?}"
            );
        }
        println!(
            "block {}: bid {}, the rival's {bid} (the ledger says {paid}); {:?}",
            bundle.target, bundle.bid, ours.fate
        );
    }
    searcher.wind_down(Duration::from_secs(5)).await;
    println!("{}", crate::rig::summary(&searcher.stop().await));
    world.stop().await;
}
