//! A node's process: started, heard until it says where it listens, and gone when dropped.
//!
//! # Invariants
//! - Killed by its own pid, and reaped, on drop. A searcher that is itself killed by SIGKILL leaves it behind.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::DevnetError;

/// A cold start takes 60 ms to a second; a machine at its limits, longer.
const START: Duration = Duration::from_secs(20);

/// Where a program says what is to be heard. What it says elsewhere nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mouth {
    Stdout,
    Stderr,
}

/// A running process.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts the program and waits for the first line in which `hear` finds an address.
    pub(super) async fn start(
        binary: &Path,
        arguments: &[&str],
        (mouth, hear): (Mouth, impl Fn(&str) -> Option<String> + Send + 'static),
    ) -> Result<(Self, String), DevnetError> {
        let spawn = |cause: std::io::Error| DevnetError::Spawn { path: binary.to_owned(), cause };
        let of = |which| if which == mouth { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(of(Mouth::Stdout))
            .stderr(of(Mouth::Stderr))
            .spawn()
            .map_err(spawn)?;
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let said = stdout.or_else(|| child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
        // From here on the drop kills it, whatever happens.
        let process = Self(child);
        let (tell, told) = oneshot::channel();
        if let Some(said) = said {
            std::thread::Builder::new()
                .name("node-output".into())
                .spawn(move || drain(said, &hear, tell))
                .map_err(spawn)?;
        }
        let silent = |_| DevnetError::Silent { path: binary.to_owned(), seconds: START.as_secs() };
        let host = tokio::time::timeout(START, told).await.map_err(silent)?;
        Ok((process, host.map_err(|_| DevnetError::Ended { path: binary.to_owned() })?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Reads on after the address has been told, else a full pipe would stop the program.
fn drain(said: Box<dyn Read + Send>, hear: &dyn Fn(&str) -> Option<String>, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(said).lines() {
        let Ok(line) = line else { return };
        if tell.is_none() {
            continue;
        }
        let Some(host) = hear(&line) else { continue };
        if let Some(tell) = tell.take() {
            // Nobody listens any more: the start has been given up.
            let _heard = tell.send(host);
        }
    }
}
