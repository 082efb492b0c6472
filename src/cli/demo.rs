//! `peregrine demo`: a chain, a builder, traffic, and the searcher against them.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use eyre::WrapErr;
use eyre::eyre;
use peregrine_devnet::rivals::Strength;
use peregrine_devnet::world;
use tempfile::NamedTempFile;

use crate::cli::Failure;
use crate::cli::log;
use crate::live::session;
use crate::live::stats::show;
use crate::live::stats::totals::Status;

/// Printed below the options.
pub const HELP: &str = "Everything is real but the money: anvil with the real protocols' bytecode, websockets, signatures, HTTP, blocks. It sends to
this host alone. Exit code 1 when nothing landed, or a landed bundle's realised profit is not the predicted one, to the wei.

Examples:
  peregrine demo                                60 s, a block every 2 s
  peregrine demo --seconds 20 --json demo.json  shorter, with the report as JSON
  peregrine demo --rivals 2                     against two other searchers
  peregrine demo --lending                      with people who owe, and prices that have some of them liquidated
  peregrine demo --keep demo                    keeps ledger and journal in the folder demo";

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How long bundles are sent, in seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Prices, depths and trades follow from it.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep ledger and journal in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Transactions a second, on average, up to 200.
    #[arg(long, value_name = "TX_PER_S", default_value_t = 20.0)]
    rate: f64,
    /// Other searchers, up to 8.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=8))]
    rivals: u8,
    /// How good they are, 0 to 100.
    #[arg(long, value_name = "0..100", default_value_t = 80, value_parser = clap::value_parser!(u8).range(..=100))]
    strength: u8,
    /// Lending markets too, Aave V2, Aave V3 and Morpho Blue: feeds whose prices move once a slot, people who owe, and with rivals one
    /// who liquidates.
    #[arg(long)]
    lending: bool,
}

/// Runs the verb.
pub fn run(arguments: &Demo) -> Result<(), Failure> {
    log::start()?;
    let mut json = arguments.json.as_deref().map(open).transpose()?;
    let strength = Strength::percent(arguments.strength);
    let world = world::Options {
        seed: arguments.seed,
        per_second: arguments.rate,
        rivals: strength.into_iter().flat_map(|each| vec![each; arguments.rivals.into()]).collect(),
        lending: arguments.lending,
        ..world::Options::default()
    };
    let demo = session::Demo { seconds: arguments.seconds, world, keep: arguments.keep.clone() };
    let report = session::demo(&demo).map_err(Failure::Run)?;
    if let (Some(path), Some(file)) = (&arguments.json, json.take()) {
        write(file, path, &report.status)?;
    }
    log::say(&show::table(&report.status, report.aside));
    judge(&report.status)
}

fn judge(status: &Status) -> Result<(), Failure> {
    if status.bundles_landed == 0 {
        return Err(Failure::Run(eyre!("nothing landed")));
    }
    if status.mismatched > 0 {
        let of = status.bundles_landed;
        return Err(Failure::Run(eyre!("{} of {of} landed bundles earned not what was predicted", status.mismatched)));
    }
    Ok(())
}

/// Opened before any work, so that a place that cannot be written is named at once.
fn open(path: &Path) -> Result<NamedTempFile, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder).map_err(|cause| Failure::Input(eyre!("{}: {cause}", path.display())))
}

fn write(mut file: NamedTempFile, path: &Path, status: &Status) -> Result<(), Failure> {
    let text = serde_json::to_string(status).wrap_err("the report").map_err(Failure::Run)?;
    let wrote = writeln!(file, "{text}").and_then(|()| file.persist(path).map(drop).map_err(|error| error.error));
    wrote.map_err(|cause| Failure::Run(eyre!("{}: {cause}", path.display())))
}
