//! The same searcher on geth: its own websockets, pool and tracer, its own way of making blocks and of undoing them.

use crate::newborn::Hand;
use crate::rig::Rig;
use crate::{earns, liquidates, reorg, spin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_geth_backruns_land_and_earn_what_was_predicted() {
    let Some(rig) = Rig::start_on_geth(77, false).await else { return };
    earns::landed(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_geth_reorgs_take_state_and_outcomes_back_and_every_bundle_is_settled_anew() {
    let Some(rig) = Rig::start_on_geth(60, false).await else { return };
    reorg::survived(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_geth_a_spinning_thread_hears_and_sends_by_itself() {
    let Some(rig) = Rig::start_on_geth(120, false).await else { return };
    spin::spun(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_geth_liquidations_land_behind_the_answers_that_allow_them() {
    let Some(rig) = Rig::start_on_geth(91, true).await else { return };
    // Morpho's markets are found by logs, and those of the set-up have none here: one more is opened, and somebody owes there.
    let mut hand = Hand::of(&rig, rig.net.maker().unwrap()).await;
    hand.send(&rig, &rig.net.opening_market(400_000, 985).unwrap()).await;
    rig.block(0).await;
    liquidates::liquidated(rig).await;
}
