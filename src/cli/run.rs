//! `peregrine run`: the searcher.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::cli::log;
use crate::config::Config;
use crate::live::How;
use crate::live::screen;
use crate::live::session;

/// Printed below the options.
pub const HELP: &str = "Without --live it does everything but send: the ledger holds what it would have sent. Ctrl-C or SIGTERM ends it: what is under
way is followed to its block first.
A file with several [[chain]] rows runs a searcher for each, in one process.
In a terminal it draws a table; elsewhere it prints a line every five seconds. Logs go to stderr: PEREGRINE_LOG=info (or
debug, or a filter as tracing takes it), PEREGRINE_LOG_FORMAT=json.

Examples:
  peregrine run --config peregrine.toml           a dry run
  peregrine run --config peregrine.toml --live    sends bundles to every [[relay]]";

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration; config.example.toml says every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Send. Without it nothing is ever sent.
    #[arg(long)]
    live: bool,
}

/// Runs the verb.
pub fn run(arguments: &Run) -> Result<(), Failure> {
    log::start()?;
    let configs = Config::read_for_run(&arguments.config).map_err(Failure::input)?;
    let how = if arguments.live { How::Live } else { How::Dry };
    let report = session::run(&configs, how).map_err(Failure::Run)?;
    log::say(&screen::tables(&report));
    Ok(())
}
