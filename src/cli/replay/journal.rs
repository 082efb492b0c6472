//! `peregrine replay journal`: a recorded run through the engine, decision by decision.

use std::path::PathBuf;
use std::time::Instant;

use alloy_primitives::B256;
use clap::Args;
use eyre::eyre;
use serde::Serialize;

use crate::cli::Failure;
use crate::cli::log;
use crate::cli::replay::Output;
use crate::cli::replay::extract::Extract;
use crate::replay::journal;
use crate::replay::journal::Gap;
use crate::replay::journal::JournalError;
use crate::replay::journal::Judged;
use crate::replay::journal::Report;
use crate::replay::journal::Thread;

/// Behind the options.
pub const HELP: &str =
    "FILE is what [record] journal = \"FILE\" of a configuration has a run write (`demo --keep DIR`: DIR/demo.journal).
Each decision is compared whole: refusals and their counts, what was missing, every candidate's path and amounts, gas,
payment, and of a bundle the block, trigger, terms and all fields of our transaction with the digest that was signed.
The first difference is printed and exits 1; so do frames that are missing, as nothing can be said behind them.

Examples:
  peregrine replay journal peregrine.journal                    the whole run; a summary on stdout
  peregrine replay journal peregrine.journal --json out.jsonl   a line for each bundle, and the summary as the last
  peregrine replay journal peregrine.journal --bundle 0x2d80.. --out bundle.json
                                                                one bundle with its state, for `replay bundle`
  peregrine replay journal peregrine.journal --bundles DIR      all of them";

/// Arguments of `replay journal`.
#[derive(Debug, Args)]
pub struct Journal {
    /// The journal.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write a line for each bundle, each gap, the difference, and a summary to FILE, whole or not at all.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    extract: Extract,
}

/// A bundle that came out as it was recorded.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    run: usize,
    thread: u16,
    event: u64,
    block: u64,
    bundle: Option<B256>,
    ours: Option<B256>,
    trigger: Option<B256>,
    hops: usize,
    value: String,
    gas_cost: String,
    bid: String,
    take: String,
}

#[derive(Debug, Serialize)]
struct Missing {
    kind: &'static str,
    run: usize,
    thread: u16,
    from: u64,
    to: u64,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    kind: &'static str,
    equal: bool,
    runs: usize,
    threads: usize,
    events: u64,
    decisions: u64,
    proofs: u64,
    bundles: u64,
    gaps: usize,
    resumed: u64,
    unsaid: u64,
    torn_at: Option<u64>,
    difference: Option<&'a journal::Difference>,
    bytes: u64,
    recorded_ms: u64,
    elapsed_us: u64,
}

/// Runs the verb.
pub fn run(arguments: &Journal) -> Result<(), Failure> {
    let mut out = arguments.json.as_deref().map(|path| Output::open(Some(path))).transpose()?;
    let mut found = arguments.extract.begin()?;
    let start = Instant::now();
    let mut lines = Vec::new();
    let mut hear = |thread: &mut Thread, judged: &Judged| {
        lines.extend(line(thread, judged));
        found.hear(thread, judged)
    };
    let report = journal::replay(&arguments.file, &mut hear).map_err(failure)?;
    let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    if let Some(mut out) = out.take() {
        for line in &lines {
            out.line(line)?;
        }
        for Gap { run, thread, from, to } in report.gaps.iter().copied() {
            out.line(&Missing { kind: "gap", run, thread, from, to })?;
        }
        out.line(&summary(&report, elapsed_us))?;
        out.close("")?;
    }
    let said = found.end(&arguments.file)?;
    if !arguments.extract.takes_stdout() {
        log::say(&format!("{}{}", table(&report, elapsed_us), said.unwrap_or_default()));
    }
    verdict(arguments, &report)
}

fn line(thread: &Thread, judged: &Judged) -> Option<Line> {
    let (bundle, names) = (judged.decided.decision.bundle.as_ref()?, judged.decided.names);
    Some(Line {
        kind: "bundle",
        run: thread.run(),
        thread: thread.index(),
        event: judged.event.number,
        block: bundle.block,
        bundle: names.map(|names| names.bundle),
        ours: names.map(|names| names.ours),
        trigger: bundle.trigger,
        hops: bundle.of.path.hops.len(),
        value: bundle.value.to_string(),
        gas_cost: bundle.gas_cost.to_string(),
        bid: bundle.bid.to_string(),
        take: bundle.take.to_string(),
    })
}

fn summary(report: &Report, elapsed_us: u64) -> Summary<'_> {
    Summary {
        kind: "summary",
        equal: report.is_whole(),
        runs: report.runs,
        threads: report.threads,
        events: report.events,
        decisions: report.decisions,
        proofs: report.proofs,
        bundles: report.bundles,
        gaps: report.gaps.len(),
        resumed: report.resumed,
        unsaid: report.unsaid,
        torn_at: report.torn,
        difference: report.difference.as_ref(),
        bytes: report.bytes,
        recorded_ms: report.recorded_ns / 1_000_000,
        elapsed_us,
    }
}

fn table(report: &Report, elapsed_us: u64) -> String {
    let Report { runs, threads, events, decisions, proofs, bundles, .. } = report;
    let mut text = format!(
        "{runs} runs, {threads} hot threads, {:.1} s recorded in {:.1} MB, replayed in {:.1} s\n\
         {events} events, {decisions} decisions equal, with {proofs} proofs and {bundles} bundles\n",
        report.recorded_ns as f64 / 1e9,
        report.bytes as f64 / 1e6,
        elapsed_us as f64 / 1e6,
    );
    if !report.gaps.is_empty() {
        text += &format!(
            "{} gaps, behind {} of which it went on from a state loaded anew; {} frames of which nothing is said\n",
            report.gaps.len(),
            report.resumed,
            report.unsaid,
        );
    }
    if let Some(at) = report.torn {
        text += &format!("the file ends within a frame at byte {at}: the run died while it was written\n");
    }
    text
}

/// A difference, or a gap, is a failure: not every decision came out.
fn verdict(arguments: &Journal, report: &Report) -> Result<(), Failure> {
    let file = arguments.file.display();
    if let Some(difference) = &report.difference {
        return Err(Failure::Run(eyre!("{file}: {difference}")));
    }
    let Some(Gap { run, thread, from, to }) = report.gaps.first() else { return Ok(()) };
    Err(Failure::Run(eyre!(
        "{file}: run {run}, hot-{thread}: frames {from} to {} are missing, nothing can be said from event {from} on{}",
        to.saturating_sub(1),
        if report.resumed > 0 { ", until the state was loaded anew" } else { "" }
    )))
}

fn failure(error: JournalError) -> Failure {
    match error {
        JournalError::Caller(_) => Failure::run(error),
        _ => Failure::input(error),
    }
}
