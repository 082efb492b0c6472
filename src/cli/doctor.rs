//! `peregrine doctor`: what on this host costs latency.

use std::path::Path;

use clap::Args;
use eyre::WrapErr;

use crate::cli::Failure;
use crate::cli::log;
use crate::edge::host;
use crate::edge::host::Finding;
use crate::edge::host::Verdict;

/// Printed below the options.
pub const HELP: &str =
    "It reads /proc and /sys and changes nothing. What it cannot see (in a container, say) it calls unknown.

Examples:
  peregrine doctor           every point, with the command that mends it
  peregrine doctor --json    one JSON object a line";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Doctor) -> Result<(), Failure> {
    for finding in host::examine(Path::new("/")) {
        let text = if arguments.json {
            serde_json::to_string(&finding).wrap_err("a finding").map_err(Failure::Run)?
        } else {
            line(&finding)
        };
        log::say(&text);
    }
    Ok(())
}

fn line(finding: &Finding) -> String {
    let Finding { point, verdict, found, why, mend } = finding;
    match verdict {
        Verdict::Good => format!("ok       {point}: {found}"),
        Verdict::Unknown => format!("unknown  {point}: {found}\n         it may be that {why}; {mend}"),
        Verdict::Costs => format!("costs    {point}: {found}\n         {why}; {mend}"),
    }
}
