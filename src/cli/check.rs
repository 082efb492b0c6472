//! `peregrine check`: is the configuration one, and does what it names answer?

use std::path::PathBuf;

use clap::Args;
use eyre::eyre;

use crate::cli::Failure;
use crate::cli::log;
use crate::config::Config;
use crate::live::dial;

/// Printed below the options.
pub const HELP: &str =
    "Prints the effective configuration, every key with the value it has; what may hold a secret is ***.

Examples:
  peregrine check --config peregrine.toml           reads and checks it
  peregrine check --config peregrine.toml --dial    and asks every node and relay, and looks for the keys";

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Try every node and relay. Nothing is sent to a relay but an empty request.
    #[arg(long)]
    dial: bool,
}

/// Runs the verb.
pub fn run(arguments: &Check) -> Result<(), Failure> {
    let configs = Config::read_all(&arguments.config).map_err(Failure::input)?;
    for config in &configs {
        if configs.len() > 1 {
            log::say(&format!("# chain {}\n", config.chain.id));
        }
        log::say(&config.shown());
        config.notes().iter().for_each(|note| log::say(&format!("# {note}")));
    }
    if !arguments.dial {
        return Ok(());
    }
    let mut answers = Vec::new();
    for config in &configs {
        answers.extend(dial::all(config).map_err(Failure::Run)?);
    }
    for answer in &answers {
        log::say(&format!("# {answer}"));
    }
    match answers.iter().filter(|answer| !answer.good).count() {
        0 => Ok(()),
        bad => Err(Failure::Run(eyre!("{bad} of {} did not answer as due", answers.len()))),
    }
}
