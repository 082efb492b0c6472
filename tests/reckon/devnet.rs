//! Dense traffic on the devnet, the real routers and pools: a searcher that reckons first, and its journal.

#[path = "../replay_journal/run.rs"]
mod run;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use peregrine::metrics::count::Counter;
use peregrine::replay::journal;

/// Blocks of the short run, and bundles that must have left by the first door.
const BLOCKS: u64 = 25;
const PROMISES: u64 = 1;

#[test]
fn maths_and_the_evm_agree_on_all_of_the_devnets_traffic_and_the_run_replays_decision_for_decision() {
    let longer = std::env::var("PEREGRINE_RECKON_SECONDS").ok().and_then(|text| text.parse().ok());
    let least = Duration::from_secs(longer.unwrap_or(0));
    let (began, numbers) = (Instant::now(), RefCell::new(BTreeMap::new()));
    let counted = [
        Counter::Looked,
        Counter::ReckonResolved,
        Counter::ReckonShape,
        Counter::ReckonToken,
        Counter::ReckonLeft,
        Counter::ReckonPromised,
        Counter::ReckonConfirmed,
        Counter::ReckonDiffered,
        Counter::ReckonFailed,
        Counter::ReckonStopped,
        Counter::ReckonRefused,
        Counter::Built,
        Counter::NotSent,
    ];
    let enough = |count: &dyn Fn(Counter) -> u64, blocks| {
        *numbers.borrow_mut() = counted.iter().map(|counter| (counter.name(), count(*counter))).collect();
        blocks >= BLOCKS && count(Counter::ReckonConfirmed) >= PROMISES && began.elapsed() >= least
    };
    let (bytes, _) = run::run_until(|config| config.reckon.enabled = true, least + Duration::from_secs(180), enough);
    let numbers = numbers.into_inner();
    for (name, count) in &numbers {
        println!("{name} {count}");
    }
    assert_eq!(numbers[Counter::ReckonDiffered.name()], 0, "no bundle was withdrawn because pools differ");
    assert_eq!(numbers[Counter::ReckonShape.name()], 0);
    let share = 100 * numbers[Counter::ReckonResolved.name()] / numbers[Counter::Looked.name()];
    println!("{share} of 100 looks at pending transactions were resolved without the EVM");

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let (mut judged, mut words) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
    let report = journal::replay(file.path(), &mut |thread, said| {
        if let Some(first) = &said.decided.decision.first {
            *words.entry(first.word.to_string()).or_default() += 1;
        }
        let index = thread.index();
        if let Some(reckoner) = thread.engine().and_then(|engine| engine.reckoner()) {
            judged.insert(index, (reckoner.judged(), reckoner.trust().proven()));
        }
        Ok(())
    });
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{} events, {} decisions, {} bundles; first door: {words:?}",
        report.events, report.decisions, report.bundles
    );
    println!("by thread, (agreed, differed) and ways proven: {judged:?}");
    assert_eq!((&report.difference, &report.gaps[..], report.torn), (&None, &[][..], None));
    assert!(judged.values().all(|((agreed, differed), _)| *agreed > 50 && *differed == 0), "{judged:?}");
}
