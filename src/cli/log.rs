//! Words on stderr and on stdout.

use std::io::IsTerminal;
use std::io::Write;

use eyre::eyre;
use tracing_subscriber::EnvFilter;

use crate::cli::Failure;
use crate::edge::ledger;
use crate::edge::stderr::Stderr;

/// Starts structured logs: `PEREGRINE_LOG` filters them, `PEREGRINE_LOG_FORMAT=json` makes them JSON.
pub fn start() -> Result<(), Failure> {
    let text = std::env::var("PEREGRINE_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter =
        EnvFilter::try_new(&text).map_err(|cause| Failure::Input(eyre!("PEREGRINE_LOG is {text}: {cause}")))?;
    // A thread that panics says so where it is seen; the run ends for it. What becomes an error is told as that.
    std::panic::set_hook(Box::new(|panic| {
        if !ledger::is_guarded() {
            tracing::error!(%panic, "a thread has panicked");
        }
    }));
    // A file or a pipe has no colours, and https://no-color.org asks for none anywhere.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| Stderr);
    match std::env::var("PEREGRINE_LOG_FORMAT").as_deref() {
        Ok("json") => builder.json().init(),
        Ok("text") | Err(_) => builder.with_target(false).init(),
        Ok(other) => return Err(Failure::Input(eyre!("PEREGRINE_LOG_FORMAT is {other}, json or text due"))),
    }
    Ok(())
}

/// Prints to stdout. A reader that has gone away is no failure.
pub fn say(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{}", text.trim_end());
}
