//! `peregrine replay bundle`: one bundle, explained.

use std::path::PathBuf;

use clap::Args;
use eyre::eyre;

use crate::cli::Failure;
use crate::cli::log;
use crate::replay::bundle::Case;
use crate::replay::bundle::explain;
use crate::replay::bundle::show;

/// Behind the options.
pub const HELP: &str =
    "FILE holds a bundle and all the state that its execution reads, as JSON, plain or packed with zstd. Journals yield them:
`peregrine replay journal FILE --bundle HASH --out bundle.json`. No node and no key is needed.

Examples:
  peregrine replay bundle bundle.json                       state, hops, profit: predicted and actual
  peregrine replay bundle bundles/liquidation/three_behind_an_answer/case.json.zst
                                                            one of the repository's
  peregrine replay bundle bundle.json --trace               and every call, with its gas and why it failed
  peregrine replay bundle bundle.json --json | jq .split    who got what";

/// Arguments of `replay bundle`.
#[derive(Debug, Args)]
pub struct Bundle {
    /// The bundle's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the call trees of the trigger and of our transaction, too.
    #[arg(long)]
    trace: bool,
    /// Print one JSON object; amounts are decimal strings in wei or the token's smallest unit.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Bundle) -> Result<(), Failure> {
    let case = Case::read(&arguments.file).map_err(Failure::input)?;
    let wrong = |what| Failure::Input(eyre!("{}: {what}", arguments.file.display()));
    let mut explained = explain::explain(&case).map_err(wrong)?;
    if !arguments.json {
        log::say(&show::text(&explained, arguments.trace));
        return Ok(());
    }
    if !arguments.trace {
        explained.trace = None;
    }
    log::say(&serde_json::to_string(&explained).map_err(Failure::run)?);
    Ok(())
}
