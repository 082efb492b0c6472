//! `peregrine replay`: recorded input through the engine.

mod bundle;
mod extract;
mod journal;

use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use alloy_primitives::U256;
use clap::{Args, Subcommand};
use eyre::eyre;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::chain::RECORDED;
use crate::cli::Failure;
use crate::config::Config;
use crate::config::ConfigError;
use crate::hot::search::config::Config as Search;
use crate::protocols::executor::MAX_HOPS;
use crate::replay::block::BlockError;
use crate::replay::block::Options;
use crate::replay::block::Replayer;
use crate::replay::record;
use crate::replay::report::Line;
use crate::replay::report::Summary;
use crate::types::wei_text;

/// Printed below the verbs.
pub const HELP: &str = "Examples:
  peregrine replay bundle bundles/backrun/v2_v3/case.json.zst    a recorded bundle of the repository, explained
  peregrine replay journal demo/demo.journal                     what `demo --keep demo` left behind, decision by decision
  peregrine replay block mainnet/blocks                          recorded blocks, as if each transaction were pending";

/// What to replay.
#[derive(Debug, Subcommand)]
pub enum Replay {
    /// Run recorded blocks through the engine and print every opportunity that the EVM proves.
    #[command(after_help = BLOCK_HELP)]
    Block(Block),
    /// Feed a recorded run to the same engine; every decision must come out bit for bit.
    #[command(after_help = journal::HELP)]
    Journal(journal::Journal),
    /// Explain one bundle: the state used, each hop predicted and actual, who got what, and why it failed if it did.
    #[command(after_help = bundle::HELP)]
    Bundle(bundle::Bundle),
}

const BLOCK_HELP: &str = "Each DIR is a record (block.json.zst, prestate.json.zst; codes.json.zst in it or in its parent) or a folder of records.
Output: one JSON object a line; kinds: opportunity, refused, summary. Amounts are decimal strings in wei or the token's smallest unit.

Examples:
  peregrine replay block mainnet/blocks --json out.jsonl        all records, a summary for the eye on stdout
  peregrine replay block mainnet/blocks/12047794 | jq .kind     one record, lines on stdout
  peregrine replay block mainnet/blocks --strict --max-hops 6   assume nothing, look further";

/// Arguments of `replay block`.
#[derive(Debug, Args)]
pub struct Block {
    /// Records, or folders of records.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Write the lines to FILE, whole or not at all, and a summary for the eye to stdout.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Refuse simulations that read a slot or account the record lacks (those of our own accounts apart).
    #[arg(long)]
    strict: bool,
    /// Least gross profit to print, in wei of ether before gas [default: from the config, 1].
    #[arg(long, value_name = "WEI", value_parser = wei_text::parse)]
    min_profit: Option<U256>,
    /// Longest cycle to look at, 2 to 6 hops [default: from the config, 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=MAX_HOPS as i64))]
    max_hops: Option<u8>,
    /// Settings (only the [search] table is read).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(verb: Replay) -> Result<(), Failure> {
    match verb {
        Replay::Block(arguments) => block(&arguments),
        Replay::Journal(arguments) => journal::run(&arguments),
        Replay::Bundle(arguments) => bundle::run(&arguments),
    }
}

/// Of a file with several chains, what it says of the one that records are of.
fn recorded(path: &Path) -> Result<Config, ConfigError> {
    match <[Config; 1]>::try_from(Config::read_all(path)?) {
        Ok([one]) => Ok(one),
        Err(_several) => Config::read_of(path, Some(RECORDED.id)),
    }
}

fn block(arguments: &Block) -> Result<(), Failure> {
    let mut search = match &arguments.config {
        Some(path) => recorded(path).map_err(Failure::input)?.search,
        None => Search::patient(),
    };
    if let Some(hops) = arguments.max_hops {
        search.max_hops = usize::from(hops);
    }
    if let Some(wei) = arguments.min_profit {
        search.min_profit_wei = wei;
    }
    let dirs = record::find(&arguments.dirs).map_err(Failure::input)?;
    let mut out = Output::open(arguments.json.as_deref())?;
    let bar = progress(dirs.len());
    let mut replayer = Replayer::new(Options { strict: arguments.strict, search });
    let mut summaries = Vec::new();
    for dir in &dirs {
        bar.set_message(dir.display().to_string());
        let lines = replayer.block(dir).map_err(failure)?;
        for line in &lines {
            out.line(line)?;
            if let Line::Summary(summary) = line {
                summaries.push(summary.clone());
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    out.close(&table(&summaries))
}

fn failure(error: BlockError) -> Failure {
    match error {
        BlockError::Record(_) | BlockError::Broken { .. } => Failure::input(error),
        BlockError::Ours { .. } => Failure::run(error),
    }
}

/// On a terminal alone; elsewhere it would be noise.
fn progress(blocks: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(blocks as u64);
    match ProgressStyle::with_template("{bar:30} {pos}/{len} blocks  {elapsed}  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Where the lines go. A file appears whole or not at all.
enum Output {
    Stdout(BufWriter<std::io::Stdout>),
    File { path: PathBuf, to: BufWriter<NamedTempFile> },
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stdout(BufWriter::new(std::io::stdout())));
        };
        // In the same folder, so that the last step is a rename.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The kind alone: the cause may name the temporary file, which nobody asked for.
        let cannot =
            |cause: std::io::Error| Failure::Input(eyre!("{}: cannot be written: {}", path.display(), cause.kind()));
        if path.is_dir() {
            return Err(cannot(std::io::ErrorKind::IsADirectory.into()));
        }
        let file = NamedTempFile::new_in(folder).map_err(cannot)?;
        Ok(Self::File { path: path.to_path_buf(), to: BufWriter::new(file) })
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(line).map_err(Failure::run)?;
        match self {
            Self::Stdout(to) => writeln!(to, "{text}").map_err(|cause| unwritten("stdout", &cause)),
            Self::File { path, to } => writeln!(to, "{text}").map_err(|cause| unwritten(path.display(), &cause)),
        }
    }

    /// Ends the output; the summary goes where the lines do not.
    fn close(self, summary: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout(mut to) => {
                to.flush().map_err(|cause| unwritten("stdout", &cause))?;
                std::io::stderr().write_all(summary.as_bytes()).map_err(|cause| unwritten("stderr", &cause))
            }
            Self::File { path, to } => {
                let file = to.into_inner().map_err(|error| unwritten(path.display(), error.error()))?;
                file.persist(&path).map_err(|error| unwritten(path.display(), &error.error))?;
                std::io::stdout().write_all(summary.as_bytes()).map_err(|cause| unwritten("stdout", &cause))
            }
        }
    }
}

fn unwritten(to: impl Display, cause: &std::io::Error) -> Failure {
    Failure::Run(eyre!("{to}: cannot be written: {}", cause.kind()))
}

/// What a person wants to see: a row a block, and the totals.
fn table(blocks: &[Summary]) -> String {
    let mut text = format!(
        "{:>9} {:>5} {:>10} {:>7} {:>5} {:>6} {:>6} {:>12} {:>8} {:>8} {:>8} {:>8}\n",
        "block",
        "txs",
        "gas",
        "exact",
        "pools",
        "tokens",
        "found",
        "gross ETH",
        "load ms",
        "exec ms",
        "find ms",
        "prove ms"
    );
    for block in blocks {
        let exact = if block.gas_matches_header && block.receipts_root_matches_header { "yes" } else { "NO" };
        let ms = |us: u64| format!("{:.1}", us as f64 / 1e3);
        text += &format!(
            "{:>9} {:>5} {:>10} {:>7} {:>5} {:>6} {:>6} {:>12} {:>8} {:>8} {:>8} {:>8}\n",
            block.block,
            block.txs,
            block.gas_used,
            exact,
            block.pools,
            block.tokens,
            block.opportunities,
            ether(block.gross_profit_eth_wei),
            ms(block.elapsed_us.load),
            ms(block.elapsed_us.execute),
            ms(block.elapsed_us.search),
            ms(block.elapsed_us.simulate),
        );
    }
    let found: usize = blocks.iter().map(|block| block.opportunities).sum();
    text += &format!(
        "{} blocks, {found} opportunities proven (those on the same pools exclude one another)\n",
        blocks.len()
    );
    text
}

/// Ether with six decimals, for the eye.
fn ether(wei: U256) -> String {
    let micro = wei / U256::from(1_000_000_000_000u64);
    let million = U256::from(1_000_000);
    format!("{}.{:06}", micro / million, (micro % million).to::<u64>())
}
