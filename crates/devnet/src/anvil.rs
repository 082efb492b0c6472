//! An anvil process: found, started on a free port of loopback, and gone when dropped.
//!
//! # Invariants
//! - It mines only when told to, and includes transactions in the order in which they came.

use std::path::Path;
use std::path::PathBuf;

use crate::DevnetError;
use crate::process::Mouth;
use crate::process::Process;

/// Where npm puts the native binary, below a `node_modules`.
const NPM: &str = "@foundry-rs/anvil-linux-amd64/bin/anvil";
/// Printed once it listens; the port follows.
const LISTENING: &str = "Listening on ";

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
    process: Process,
    host: String,
}

impl Anvil {
    /// Starts it and waits until it listens.
    pub async fn start(spec: &Spec) -> Result<Self, DevnetError> {
        let binary = find().ok_or(DevnetError::NoAnvil)?;
        let (chain_id, gas_limit) = (spec.chain_id.to_string(), spec.gas_limit.to_string());
        let mut arguments = vec!["--host", "127.0.0.1", "--port", "0", "--chain-id", &chain_id, "--accounts", "0"];
        arguments.extend(["--no-mining", "--order", "fifo", "--disable-min-priority-fee", "--no-request-size-limit"]);
        arguments.extend(["--hardfork", spec.hardfork, "--gas-limit", &gas_limit]);
        let listens = |line: &str| line.strip_prefix(LISTENING).map(|host| host.trim().to_owned());
        let (process, host) = Process::start(&binary, &arguments, (Mouth::Stdout, listens)).await?;
        Ok(Self { process, host })
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
        self.process.pid()
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
