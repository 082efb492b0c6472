//! The command line: one file a verb. Exit codes: 0 done, 1 failed, 2 bad usage or bad input.

use std::fmt::Display;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::edge::stderr;
use crate::types::text::printable;

pub mod check;
pub mod demo;
pub mod devnet;
pub mod doctor;
mod log;
pub mod positions;
pub mod replay;
pub mod run;

/// A low-latency MEV searcher: arbitrage, backruns and liquidations, exact to the wei. It never sandwiches or front-runs a user.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  peregrine demo                                           a local chain, and the searcher earning on it
  peregrine demo --lending                                 with borrowers, falling prices, and their liquidations
  peregrine run --config peregrine.toml                    the searcher; with --live it sends
  peregrine devnet                                         a chain to search on, and ./devnet.toml
  peregrine positions --config peregrine.toml              who owes in lending markets, the least healthy first
  peregrine check --config peregrine.toml --dial           the effective configuration; does what it names answer?
  peregrine doctor                                         what on this host costs latency
  peregrine replay block mainnet/blocks                    every recorded block of a folder, JSON lines on stdout
  peregrine replay block mainnet/blocks/12047794 --strict  one block; nothing unknown is assumed
  peregrine replay journal peregrine.journal               a recorded run again: every decision must come out
  peregrine replay bundle bundle.json --trace              one bundle explained, call by call
Exit code: 0 done, 1 failed, 2 bad usage or bad input.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the searcher: arbitrage, backruns, liquidations. Without --live it does everything but send.
    #[command(after_help = run::HELP)]
    Run(run::Run),
    /// Run a local chain with traffic and a builder, and the searcher against them; report what it earned.
    #[command(after_help = demo::HELP)]
    Demo(demo::Demo),
    /// Check a configuration and print the effective one, without secrets.
    #[command(after_help = check::HELP)]
    Check(check::Check),
    /// Say what on this host costs latency, and what mends it.
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Doctor),
    /// Run a local chain with the real protocols, traffic and a block builder, and write a config for `run`.
    #[command(after_help = devnet::HELP)]
    Devnet(devnet::Devnet),
    /// Say who owes in the configured lending markets, how near the edge, and what liquidating would earn.
    #[command(after_help = positions::HELP)]
    Positions(positions::Positions),
    /// Feed recorded input to the engine: a bundle, a run's journal, blocks.
    #[command(subcommand, after_help = replay::HELP)]
    Replay(replay::Replay),
}

/// Why a verb ended early.
#[derive(Debug)]
pub enum Failure {
    /// What was given is wrong: exit code 2.
    Input(eyre::Report),
    /// What was given is right and it still went wrong: exit code 1.
    Run(eyre::Report),
}

impl Failure {
    /// Bad usage or bad input.
    pub fn input(error: impl Into<eyre::Report>) -> Self {
        Self::Input(error.into())
    }

    /// A failure of ours, or of the machine's.
    pub fn run(error: impl Into<eyre::Report>) -> Self {
        Self::Run(error.into())
    }
}

/// Parses the arguments, runs the verb, prints the error.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    // A panic is our fault, or a library's, and no user's: one sentence for it, too, and no backtrace.
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = std::panic::catch_unwind(|| match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Devnet(arguments) => devnet::run(&arguments),
        Verb::Positions(arguments) => positions::run(&arguments),
        Verb::Replay(verb) => replay::run(verb),
    });
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(Failure::Input(error))) => complain(&format!("{error:#}"), 2),
        Ok(Err(Failure::Run(error))) => complain(&format!("{error:#}"), 1),
        Err(panic) => {
            let what = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            complain(&format!("a fault of peregrine's own, please report it: {}", what.unwrap_or("no message")), 1)
        }
    }
}

/// Help and version as they are; anything else in one sentence.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing is left to say when even the help cannot be printed.
        drop(error.print());
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let sentence = paragraph.strip_prefix("error: ").unwrap_or(paragraph);
    complain(&format!("{} (see --help)", sentence.trim_end()), 2)
}

/// Characters of a sentence; more is no sentence.
const MOST_COMPLAINT: usize = 1_000;
/// Bytes that are shown as they are: a slot, a hash, a key's place.
const MOST_BYTES: usize = 68;

/// What anybody said along the way, on one line. Bytes that nobody reads, an answer or a page of code, are cut to their beginning.
fn in_words(text: &str) -> String {
    text.split_whitespace().map(without_pages).collect::<Vec<_>>().join(" ")
}

fn without_pages(word: &str) -> String {
    let Some((before, rest)) = word.find("0x").map(|at| word.split_at(at + 2)) else { return word.to_owned() };
    let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    let (bytes, behind) = rest.split_at(digits);
    let behind = without_pages(behind);
    match bytes.get(..8).filter(|_| digits > MOST_BYTES) {
        Some(begin) => format!("{before}{begin}..({} bytes){behind}", digits / 2),
        None => format!("{before}{bytes}{behind}"),
    }
}

/// One sentence on stderr, whatever the terminal.
fn complain(error: &impl Display, code: u8) -> ExitCode {
    stderr::say(&format!("peregrine: {}", printable(&in_words(&error.to_string()), MOST_COMPLAINT)));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_hex_is_told_by_its_beginning_and_its_length() {
        let page = format!("the node answers 0x{}, which\nis {} long", "ab".repeat(400), 400);
        assert_eq!(in_words(&page), "the node answers 0xabababab..(400 bytes), which is 400 long");
        let hash = format!("block 0x{}: no such {}", "c".repeat(64), "0x");
        assert_eq!(in_words(&hash), hash);
        let two = format!("(0x{},0x{})", "1".repeat(100), "2".repeat(70));
        assert_eq!(in_words(&two), "(0x11111111..(50 bytes),0x22222222..(35 bytes))");
    }
}
