//! Threads that spin: they hear the node and speak to the relay on sockets of their own.

use peregrine::config::Config;
use peregrine::edge::ledger::row::RelayReply;
use peregrine::live::Searcher;

use crate::rig::{Rig, until};
use crate::socket::Act;
use crate::truth;

/// One thread that spins: a second would leave the chain no core.
fn spinning(rig: &Rig) -> Config {
    let mut config = rig.config();
    config.threads.hot = 1;
    config.threads.spin = true;
    config
}

fn count(searcher: &Searcher, name: &str) -> u64 {
    searcher.status().counters[&*format!("peregrine_{name}_total")]
}

/// Blocks, until the thread has sent so many bundles more by itself.
async fn sends(rig: &Rig, searcher: &Searcher, bundles: u64) {
    let due = count(searcher, "bundles_sent_in_line") + bundles;
    until("bundles that the thread sent itself", async || {
        rig.blocks(searcher, 1).await;
        count(searcher, "bundles_sent_in_line") >= due
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_thread_hears_and_sends_by_itself_and_earns_what_was_predicted() {
    spun(Rig::start_alone(120).await).await;
}

/// Until it has heard, sent and landed.
pub async fn spun(rig: Rig) {
    let searcher = rig.search_as(&spinning(&rig)).await;
    until("a bundle that the thread sent itself and that landed, behind a transaction it heard itself", async || {
        rig.blocks(&searcher, 1).await;
        let landed = searcher.status().bundles_landed;
        landed >= 3 && count(&searcher, "bundles_sent_in_line") >= 3 && count(&searcher, "pending_heard_in_line") >= 3
    })
    .await;
    truth::whole(&rig, &searcher).await;
    // The relay's answer came back on the same line, and is where every answer is.
    let rows = searcher.ledger().all().unwrap();
    let accepted = |row: &&peregrine::edge::ledger::row::Row| {
        row.answers.iter().any(|answer| matches!(answer.reply, RelayReply::Accepted { .. }))
    };
    assert!(rows.iter().filter(accepted).count() >= 3);
    println!(
        "{} heard in line, {} sent in line",
        count(&searcher, "pending_heard_in_line"),
        count(&searcher, "bundles_sent_in_line")
    );
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_breaks_is_dialled_anew_and_nothing_is_sent_twice() {
    let rig = Rig::start_alone(121).await;
    let searcher = rig.search_as(&spinning(&rig)).await;
    sends(&rig, &searcher, 1).await;
    for act in [Act::CutMidFrame, Act::FallSilent, Act::CutMidFrame] {
        let (lost, heard) = (count(&searcher, "sockets_lost"), count(&searcher, "pending_heard_in_line"));
        rig.socket.act(act);
        until("the loss of a port, and news on a new one", async || {
            rig.blocks(&searcher, 1).await;
            count(&searcher, "sockets_lost") > lost && count(&searcher, "pending_heard_in_line") > heard
        })
        .await;
    }
    sends(&rig, &searcher, 1).await;
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_on_maths_before_the_evm_has_spoken_is_confirmed_or_taken_back() {
    let rig = Rig::start_alone(122).await;
    let mut config = spinning(&rig);
    config.forecast.enabled = true;
    let searcher = rig.search_as(&config).await;
    until("bundles that the EVM confirmed behind their sending, and some landed", async || {
        rig.blocks(&searcher, 1).await;
        count(&searcher, "forecast_confirmed") >= 5 && searcher.status().bundles_landed >= 3
    })
    .await;
    truth::whole(&rig, &searcher).await;
    for name in ["sent", "confirmed", "withdrawn_differs", "withdrawn_failed", "withdrawn_stopped", "withdrawn_refused"]
    {
        println!("{name}: {}", count(&searcher, &format!("forecast_{name}")));
    }
    assert_eq!(count(&searcher, "forecast_withdrawn_differs"), 0);
    rig.close(searcher).await;
}
