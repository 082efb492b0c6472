//! A searcher that was stopped goes on, started again, from where it was, and is right.

use peregrine::edge::bootstrap::Progress;
use peregrine::live::{self, How, start_behind};

use crate::rig::Rig;
use crate::truth;

/// Blocks that nobody follows.
const BETWEEN: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ends_in_order_leaves_the_state_that_the_next_one_goes_on_from() {
    let rig = Rig::start(71).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = rig.config();
    config.bootstrap.snapshot = Some(folder.path().join("snapshot"));
    // A few blocks are sooner followed than so small a world is read, if it is read in small parts.
    config.bootstrap.batch = 100;
    let searcher = rig.search_as(&config).await;
    rig.blocks(&searcher, 4).await;
    truth::whole(&rig, &searcher).await;
    let tip = searcher.tip();
    searcher.wind_down(std::time::Duration::ZERO).await;
    searcher.stop().await;

    for _ in 0..BETWEEN {
        rig.block(4).await;
    }
    let mut followed = 0;
    let mut hear = |progress: Progress<'_>| followed += u64::from(matches!(progress, Progress::Following { .. }));
    let loaded = live::load(&config, &mut hear).await.unwrap();
    // Those since the end, not since the start.
    assert_eq!((loaded.head.number, followed), (tip + BETWEEN, BETWEEN));
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);
    let searcher = start_behind(&config, How::Loopback, 0, loaded).await.unwrap();
    rig.blocks(&searcher, 4).await;
    truth::whole(&rig, &searcher).await;
    rig.close(searcher).await;
}
