//! Relays that hang, break or babble beside one that works: bundles go on, and the ledger says what each relay said.

use peregrine::edge::ledger::row::{Outcome, RelayReply};

use crate::relay::{Manner, Relay};
use crate::rig::{self, Rig, until};
use crate::truth;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_hang_or_answer_500_null_or_html_cost_no_bundle_of_the_one_that_works() {
    let rig = Rig::start(50).await;
    let relays = [
        ("hangs", Relay::start(Manner::Hangs).await),
        ("500", Relay::says(500, "internal error").await),
        ("null", Relay::says(200, "null").await),
        ("html", Relay::says(200, "<html><body>hello</body></html>").await),
    ];
    let mut config = rig.config();
    config.relay.extend(relays.iter().map(|(name, relay)| rig::relay(name, &format!("http://{}", relay.at))));
    let searcher = rig.search_as(&config).await;
    let mut blocks = 0;
    until("three bundles landed", async || {
        rig.blocks(&searcher, 1).await;
        blocks += 1;
        searcher.status().bundles_landed >= 3
    })
    .await;
    truth::whole(&rig, &searcher).await;
    let rows = || searcher.ledger().all().unwrap();
    until("every relay's word, or that it had none", async || {
        let sent = |row: &&_| -> bool {
            let row: &peregrine::edge::ledger::row::Row = row;
            row.outcome != Some(Outcome::Unsent)
        };
        rows().iter().filter(sent).all(|row| row.answers.len() == 5)
    })
    .await;
    let rows = rows();
    for (name, relay) in &relays {
        let answers: Vec<&RelayReply> =
            rows.iter().flat_map(|row| &row.answers).filter(|a| a.relay == *name).map(|a| &a.reply).collect();
        assert!(answers.len() >= 3, "{name}: {answers:?}");
        let due = |reply: &&RelayReply| match *name {
            "hangs" => matches!(reply, RelayReply::Silent { .. }),
            _ => matches!(reply, RelayReply::Refused { .. } | RelayReply::Unknown { .. }),
        };
        assert!(answers.iter().all(due), "{name}: {answers:?}");
        // Each bundle once, and never again.
        let mut posts: Vec<Vec<u8>> =
            relay.posts().into_iter().map(|seen| seen.body).filter(|b| is_bundle(b)).collect();
        let all = posts.len();
        posts.sort_unstable();
        posts.dedup();
        assert!(posts.len() == all && all >= 3, "{name} was sent a bundle twice");
        println!("{name}: {all} bundles, {:?}", answers[0]);
    }
    println!("{blocks} blocks");
    rig.close(searcher).await;
}

fn is_bundle(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains("eth_sendBundle"))
}
