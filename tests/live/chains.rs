//! Two chains in one process: a searcher each, which share cores, runtime and the door for numbers.

use std::time::Duration;

use peregrine::chain::{BASE, DataFee, MAINNET};
use peregrine::config::Config;
use peregrine::edge::rpc::install_tls;
use peregrine::live::searchers::Searchers;
use peregrine::live::{How, session, start};
use peregrine_devnet::world::{self, World};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{alone, until};

struct Place {
    world: World,
    config: Config,
    _folder: TempDir,
}

async fn place(seed: u64, chain: &peregrine::chain::ChainSpec) -> Place {
    let options = world::Options {
        seed,
        slot: Duration::from_secs(1),
        per_second: 15.0,
        chain: (chain.id, chain.wrapped_native),
        ..world::Options::default()
    };
    let world = World::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let mut config = session::in_world(&world, folder.path()).unwrap();
    config.record.ledger = folder.path().join("ledger");
    config.record.journal = None;
    config.metrics.listen = Some(([127, 0, 0, 1], 0).into());
    Place { world, config, _folder: folder }
}

async fn page(at: std::net::SocketAddr, path: &str) -> String {
    reqwest::get(format!("http://{at}/{path}")).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chains_in_one_process_earn_at_once_each_into_its_own_ledger() {
    install_tls();
    let _alone = alone().await;
    let places = [place(90, &MAINNET).await, place(91, &BASE).await];
    let configs = places.each_ref().map(|place| place.config.clone());
    let searchers = Searchers::start(&configs, How::Loopback, 0, &mut |_| ()).await.unwrap();
    until("three landed bundles on each chain", async || {
        searchers.check().unwrap();
        searchers.standing().iter().all(|standing| standing.status.bundles_landed >= 3)
    })
    .await;

    let at = searchers.served_at().unwrap();
    let (numbers, status) = (page(at, "metrics").await, page(at, "status").await);
    let status: Value = serde_json::from_str(&status).unwrap();
    for id in ["1", "8453"] {
        assert!(numbers.contains(&format!("peregrine_bundles_landed{{chain=\"{id}\"}} ")), "{numbers}");
        assert!(numbers.contains(&format!("peregrine_stage_seconds{{chain=\"{id}\",stage=\"search\"")), "{numbers}");
        assert!(status["chains"][id]["bundles_landed"].as_u64() >= Some(3), "{status}");
    }
    assert_eq!(numbers.matches("# TYPE peregrine_bundles_landed gauge").count(), 1);

    assert_eq!(searchers.wind_down(Duration::from_secs(20)).await, 0, "every bundle has an outcome");
    for ((id, searcher), place) in searchers.iter().zip(&places) {
        let ours: Vec<_> = place.world.verdicts().into_iter().flat_map(|verdict| verdict.txs).collect();
        let rows = searcher.ledger().all().unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|row| ours.contains(&row.bundle.ours)), "of chain {id} alone");
        let tokens = &place.world.devnet.tokens;
        assert!(rows.iter().all(|row| tokens.iter().any(|token| token.address == row.bundle.token)));
    }
    for standing in searchers.stop().await {
        println!("chain {}: {}", standing.chain, crate::rig::summary(&standing.status));
        assert_eq!(standing.status.mismatched, 0, "realised is predicted");
    }
    for place in places {
        place.world.stop().await;
    }
}

#[tokio::test]
async fn where_a_transaction_pays_for_its_data_nothing_is_sent_live_whatever_the_file_says() {
    let _alone = alone().await;
    let place = place(92, &BASE).await;
    assert_eq!(place.config.chain.data_fee, DataFee::None, "as a devnet of that id has it");
    for data_fee in [DataFee::None, DataFee::OpStack] {
        let mut config = place.config.clone();
        config.chain.data_fee = data_fee;
        let error = start(&config, How::Live, 0, &mut |_| ()).await.map(drop).unwrap_err().to_string();
        assert!(error.starts_with("nothing can be sent on chain.id 8453 (base): "), "{error}");
    }
    place.world.stop().await;
}
