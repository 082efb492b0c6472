//! An anvil process: found, started on a free port of loopback, and gone when dropped.
//!
//! # Invariants
//! - It mines only when told to, and includes transactions in the order in which they came.
//! - Killed by its own pid, and reaped, on drop. A searcher that is itself killed by SIGKILL leaves it behind.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::DevnetError;

/// Where npm puts the native binary, below a `node_modules`.
const NPM: &str = "@foundry-rs/anvil-linux-amd64/bin/anvil";
/// Printed once it listens; the port follows.
const LISTENING: &str = "Listening on ";
/// A cold start takes 60 ms; a machine at its limits, longer.
const START: Duration = Duration::from_secs(20);

/// What anvil is started with.
#[derive(Clone, Debug)]
pub struct Spec {
    /// EIP-155's id.
    pub chain_id: u64,
    /// Rules of the chain: `prague`, `cancun`.
    pub hardfork: &'static str,
    /// Gas limit of the first blocks.
    pub gas_limit: u64,
}

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    host: String,
}

impl Anvil {
    /// Starts it and waits until it listens.
    pub async fn start(spec: &Spec) -> Result<Self, DevnetError> {
        let binary = find().ok_or(DevnetError::NoAnvil)?;
        let (chain_id, gas_limit) = (spec.chain_id.to_string(), spec.gas_limit.to_string());
        let spawn = |cause: std::io::Error| DevnetError::Spawn { path: binary.clone(), cause };
        let mut child = Command::new(&binary)
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", &chain_id, "--accounts", "0"])
            .args(["--no-mining", "--order", "fifo", "--disable-min-priority-fee", "--no-request-size-limit"])
            .args(["--hardfork", spec.hardfork, "--gas-limit", &gas_limit])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(spawn)?;
        let stdout = child.stdout.take();
        // From here on the drop kills it, whatever happens.
        let mut anvil = Self { child, host: String::new() };
        let (tell, told) = oneshot::channel();
        if let Some(stdout) = stdout {
            std::thread::Builder::new()
                .name("anvil-stdout".into())
                .spawn(move || drain(stdout, tell))
                .map_err(spawn)?;
        }
        let silent = |_| DevnetError::Silent { path: binary.clone(), seconds: START.as_secs() };
        let host = tokio::time::timeout(START, told).await.map_err(silent)?;
        anvil.host = host.map_err(|_| DevnetError::Ended { path: binary })?;
        Ok(anvil)
    }

    /// JSON-RPC over HTTP.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}", self.host)
    }

    /// JSON-RPC over a websocket, on the same port.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://{}", self.host)
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // Fails only if it has ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Reads on after the address has been told, else a full pipe would stop anvil.
fn drain(stdout: ChildStdout, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        let Some(host) = line.strip_prefix(LISTENING) else { continue };
        if let Some(tell) = tell.take() {
            // Nobody listens any more: the start has been given up.
            let _heard = tell.send(host.trim().to_owned());
        }
    }
}

/// Folders that may hold npm's packages: `PEREGRINE_NODE_MODULES`, this repository, the working directory.
pub(super) fn node_modules() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("PEREGRINE_NODE_MODULES").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules");
    named.into_iter().chain([built, PathBuf::from("contracts/node_modules")])
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).map(|folder| folder.join("anvil")).collect();
    node_modules().map(|folder| folder.join(NPM)).chain(on_path).find(|path| path.is_file())
}
