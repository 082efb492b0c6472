//! The stream of facts against the ledger: a file of lines tells the same, whole, as it happens.

use std::collections::HashMap;
use std::path::Path;

use peregrine::edge::ledger::Ledger;
use peregrine::edge::ledger::row::{Outcome, Row};
use serde_json::Value;

use crate::reorg::{Told, reorg};
use crate::rig::{Rig, until};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], fact: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["fact"] == fact)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_each_bundle_is_a_line_as_it_happens_and_the_ledger_says_the_same() {
    let (rig, folder) = (Rig::start(81).await, tempfile::tempdir().unwrap());
    let mut config = rig.config();
    let [facts, ledger] = ["facts", "ledger"].map(|name| folder.path().join(name));
    config.record.ledger.clone_from(&ledger);
    config.record.facts = Some(facts.clone());
    // So that some are held back.
    config.limits.max_bundles_per_block = 2;
    let searcher = rig.search_as(&config).await;
    until("bundles landed, lost and held back", async || {
        rig.blocks(&searcher, 1).await;
        let status = searcher.status();
        status.bundles_landed >= 2 && status.lost >= 2 && status.counters["peregrine_bundles_not_sent_total"] > 0
    })
    .await;
    // While it runs.
    assert!(of(&lines(&facts), "decided").count() >= 4);
    let quiet = rig.quiet().await;
    reorg(&rig, 3, Told::BlockByBlock).await;
    rig.followed(&searcher).await;
    drop(quiet);
    until("an outcome that a reorg took back", async || of(&lines(&facts), "reopened").count() > 0).await;
    let status = rig.close(searcher).await;
    let held_back = status.counters["peregrine_bundles_not_sent_total"];

    let lines = lines(&facts);
    let rows: HashMap<String, Row> = Ledger::open(&ledger)
        .unwrap()
        .all()
        .unwrap()
        .into_iter()
        .map(|row| (row.bundle.uuid.to_string(), row))
        .collect();
    let uuid = |line: &Value| line["bundle"]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(of(&lines, "decided").count(), rows.len());
    for line in of(&lines, "decided") {
        let row = &rows[line["uuid"].as_str().unwrap()];
        let due = serde_json::to_value(&row.bundle).unwrap();
        assert!(due.as_object().unwrap().iter().all(|(key, value)| line[key] == *value), "{line} {due}");
    }
    // The last word about each is its outcome.
    let last: HashMap<String, &Value> = of(&lines, "settled").map(|line| (uuid(line), line)).collect();
    assert_eq!(last.len(), rows.len());
    for (uuid, row) in &rows {
        assert_eq!(last[uuid]["outcome"], serde_json::to_value(&row.outcome).unwrap());
    }
    let landed = rows.values().filter(|row| matches!(row.outcome, Some(Outcome::Landed { .. }))).count();
    assert_eq!(landed as u64, status.bundles_landed, "the run's numbers are a sink of the same");
    let settled = of(&lines, "settled").count() - of(&lines, "reopened").count();
    assert_eq!(settled, rows.len(), "each reopened one is settled once more");
    let answers: usize = rows.values().map(|row| row.answers.len()).sum();
    assert_eq!(of(&lines, "answered").count(), answers);
    assert_eq!(of(&lines, "held").count() as u64, held_back);
    assert!(of(&lines, "held").any(|line| line["why"] == "limit"), "{:?}", of(&lines, "held").next());
    let times: Vec<u64> = lines.iter().map(|line| line["at_ms"].as_u64().unwrap()).collect();
    assert!(times.iter().all(|at| *at > 1_700_000_000_000));
}
