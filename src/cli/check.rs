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
  peregrine check --config peregrine.toml --dial    and asks every node and relay, for the keys, and for the executor";

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Try every node and relay, and look for the executor on the chain. Nothing is sent to a relay but an empty request.
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
    // In the words of `run`, and before anybody is asked.
    let configs = Config::read_for_run(&arguments.config).map_err(Failure::input)?;
    if !arguments.dial {
        let keys = configs.iter().filter_map(|config| config.executor.as_ref()).flat_map(dial::own_keys);
        keys.filter(|key| !key.good).for_each(|key| log::say(&format!("# run would end here: {key}")));
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
