//! Dense traffic on the devnet, the real routers and pools: a searcher that forecasts first, and its journal.

#[path = "../replay_journal/run.rs"]
mod run;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::eips::eip2718::Decodable2718;
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::choice::{self, Made};
use peregrine::hot::event::Event;
use peregrine::hot::evm::block;
use peregrine::hot::forecast::Why;
use peregrine::metrics::count::Counter;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::replay::journal::{self, Judged};
use peregrine::types::decision::{Decision, Ran};

use crate::causes;

/// Blocks of the short run, and bundles that must have left by the fast path.
const BLOCKS: u64 = 25;
const PROMISES: u64 = 20;

#[test]
fn maths_and_the_evm_agree_on_all_of_the_devnets_traffic_and_the_run_replays_decision_for_decision() {
    let least = Duration::from_secs(number("PEREGRINE_RECKON_SECONDS").unwrap_or(0));
    let seed = number("PEREGRINE_RECKON_SEED").unwrap_or(run::SEED);
    let (began, numbers) = (Instant::now(), RefCell::new(BTreeMap::new()));
    let counted = [
        Counter::Looked,
        Counter::ForecastResolved,
        Counter::ForecastShape,
        Counter::ForecastToken,
        Counter::ForecastLeft,
        Counter::ForecastSent,
        Counter::ForecastConfirmed,
        Counter::ForecastDiffered,
        Counter::ForecastFailed,
        Counter::ForecastStopped,
        Counter::ForecastRefused,
        Counter::Built,
        Counter::NotSent,
    ];
    let enough = |count: &dyn Fn(Counter) -> u64, blocks| {
        *numbers.borrow_mut() = counted.iter().map(|counter| (counter.name(), count(*counter))).collect();
        blocks >= BLOCKS && count(Counter::ForecastConfirmed) >= PROMISES && began.elapsed() >= least
    };
    let (bytes, _) =
        run::run_until(seed, |config| config.forecast.enabled = true, least + Duration::from_secs(180), enough);
    let numbers = numbers.into_inner();
    for (name, count) in &numbers {
        println!("{name} {count}");
    }
    let share = 100 * numbers[Counter::ForecastResolved.name()] / numbers[Counter::Looked.name()];
    println!("{share} of 100 looks at pending transactions were resolved without the EVM");

    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    if let Some(keep) = std::env::var_os("PEREGRINE_RECKON_KEEP") {
        std::fs::copy(file.path(), keep).expect("kept");
    }
    let (mut judged, mut words, mut stories) = (BTreeMap::new(), BTreeMap::<String, u64>::new(), 0);
    let report = journal::replay(file.path(), &mut |thread, said| {
        if let Some(first) = &said.decided.decision.first {
            *words.entry(first.word.to_string()).or_default() += 1;
        }
        let index = thread.index();
        if let Some((ours, theirs)) = thread.engine().and_then(|engine| disagreement(engine, said)) {
            println!("{}: {ours} by maths, {theirs} by the EVM", said.event.what);
            stories += 1;
        }
        if let Some(forecaster) = thread.engine().and_then(|engine| engine.forecaster()) {
            judged.insert(index, (forecaster.judged(), forecaster.confidence().proven()));
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
    if stories > 0 {
        let kept = file.keep().expect("a journal").1;
        panic!("maths and the EVM differ on {stories} transactions of {}", kept.display());
    }
    assert_eq!(numbers[Counter::ForecastDiffered.name()], 0, "no bundle was withdrawn because pools differ");
    assert_eq!(numbers[Counter::ForecastShape.name()], 0);
    causes::spoilt(file.path());
    causes::unmoved(file.path());
    causes::undone(file.path());
    searched_anew(file.path());
    assert!(judged.values().all(|((agreed, differed), _)| *agreed > 50 && *differed == 0), "{judged:?}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A search that maths began and that goes on once the EVM agrees finds what one made anew finds.
fn searched_anew(path: &Path) {
    let (mut same, mut found) = (0, 0);
    let ended = journal::replay(path, &mut |thread, said| {
        let then = &said.decided.decision;
        let foreseen = then.first.as_ref().is_some_and(|first| first.word == "nothing") && !then.cancelled;
        let Some(trigger) = said.event.trigger.as_ref().filter(|_| foreseen) else { return Ok(()) };
        let tx = TxEnvelope::decode_2718(&mut &trigger.raw[..]).expect("a transaction");
        let env = block::tx_env(&Recovered::new_unchecked(tx, trigger.sender));
        let Some(engine) = thread.engine() else { return Ok(()) };
        let outcome = engine.on_event(Event::Pending(Box::new(env)));
        let now = choice::decision(engine, &outcome, &Made::default());
        let all = |said: &Decision| (said.trigger.clone(), said.refused.clone(), said.left, said.wanted.clone());
        assert_eq!(all(&now), all(then), "{}", said.event.what);
        assert_eq!((&now.proven, &now.rejected), (&then.proven, &then.rejected), "{}", said.event.what);
        same += 1;
        found += now.proven.len();
        if same >= 100 { Err("seen".to_owned()) } else { Ok(()) }
    });
    assert!(same >= 20 && found > 0, "{same} searches, {found} proofs: {:?}", ended.err());
}

/// What a decision that differs is about.
fn disagreement(engine: &Engine, said: &Judged) -> Option<(String, String)> {
    let ran = matches!(said.decided.decision.trigger, Some(Ran::Ended { success: true, .. }));
    let resolved =
        said.decided.decision.first.as_ref().is_some_and(|first| !Why::ALL.iter().any(|why| why.name() == first.word));
    let (ours, theirs) = engine.disagreement().filter(|_| ran && resolved)?;
    let story = |pool: &AnyPool| {
        let AnyPool::UniswapV3(p) = pool else { return format!("{pool:?}") };
        let known = p.ticks().list().iter().filter(|tick| (tick.tick - p.tick()).abs() < 4_000);
        let (price, known) = (p.sqrt_price_x96(), known.collect::<Vec<_>>());
        format!("{} price {price} tick {} liquidity {} {known:?}", p.address(), p.tick(), p.liquidity())
    };
    Some((story(ours), story(theirs)))
}
