//! A geth process in its `--dev` mode: found, given a first block that holds a devnet's state, started on a free port of
//! loopback, and gone with its folder when dropped.
//!
//! - `genesis`: that first block.
//!
//! # Invariants
//! - It makes one block as it starts, which is waited for, and from then on only those that are asked for by its own
//!   `testing_commitBlockV1`, of its own pool or of transactions that are named.
//! - It speaks to nobody but us: no peers, no discovery, no IPC.
//!
//! # Limits
//! - What stands in the first block was never logged: pools and borrowers of the set-up are to be named, not found.
//! - A block's changes are kept for 128 blocks behind the head, as geth does unless it is an archive.
//! - Its pool cannot be emptied, and no account can be given anything: what asks for that needs anvil.

mod genesis;

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::U64;
use peregrine_rpc::Rpc;
use serde_json::json;
use tempfile::TempDir;

use crate::DevnetError;
use crate::TIMEOUT;
use crate::block_builder::COINBASE;
use crate::process::Mouth;
use crate::process::Process;

pub(super) use genesis::Genesis;

/// Where `scripts/geth` puts it, below the repository.
const BUILT: &str = "../../target/tools/bin/geth";
/// Ends the line that says where it listens.
const LISTENING: &str = "HTTP server started";
/// Seconds between the blocks that it makes by itself: none but the first is ever due. With 0 it would make one of each transaction.
const PERIOD: &str = "4000000000";
/// Megabytes of cache: the chain is small, and a test has other things in memory.
const CACHE: &str = "256";
/// Between two looks at its first block, and how many.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 1_000;

/// A running geth.
#[derive(Debug)]
pub struct Geth {
    process: Process,
    host: String,
    /// Its first block, for a twin, and the gas of every one.
    genesis: Vec<u8>,
    gas_limit: u64,
    /// Goes after the process.
    _folder: TempDir,
}

/// `PEREGRINE_GETH`, else the one that `scripts/geth` has built. None of `PATH`: its version is anybody's.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("PEREGRINE_GETH").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUILT);
    named.into_iter().chain([built]).find(|path| path.is_file())
}

impl Geth {
    /// Starts it on this first block and waits until it has made the second.
    pub(super) async fn start(genesis: Genesis) -> Result<Self, DevnetError> {
        let binary = find().ok_or(DevnetError::NoGeth)?;
        let base = run(&binary, &["--dev", "dumpgenesis"]).await?;
        Self::on(&binary, genesis.on(&base)?, genesis.gas_limit).await
    }

    /// Another one on the same first block: where a branch can be made that this one has never heard of, to be carried over by
    /// `admin_exportChain` and `admin_importChain`.
    pub async fn twin(&self) -> Result<Self, DevnetError> {
        Self::on(&find().ok_or(DevnetError::NoGeth)?, self.genesis.clone(), self.gas_limit).await
    }

    async fn on(binary: &Path, genesis: Vec<u8>, gas_limit: u64) -> Result<Self, DevnetError> {
        let system = |what| move |cause| DevnetError::System { what, cause };
        let folder = TempDir::with_prefix("peregrine-geth-").map_err(system("a folder for geth"))?;
        let (file, data) = (folder.path().join("genesis.json"), folder.path().join("data").display().to_string());
        std::fs::write(&file, &genesis).map_err(system("geth's first block"))?;
        run(binary, &["--datadir", &data, "init", &file.display().to_string()]).await?;

        let mut arguments = vec!["--datadir", &data, "--cache", CACHE, "--dev", "--dev.period", PERIOD, "--ipcdisable"];
        let (coinbase, gas) = (COINBASE.to_string(), gas_limit.to_string());
        arguments.extend(["--miner.pending.feeRecipient", &coinbase, "--miner.gaslimit", &gas]);
        arguments.extend(["--http", "--http.addr", "127.0.0.1", "--http.port", "0"]);
        arguments.extend(["--http.api", "admin,eth,net,web3,debug,txpool,testing"]);
        arguments.extend(["--ws", "--ws.addr", "127.0.0.1", "--ws.port", "0", "--ws.api", "eth,net,web3,debug,txpool"]);
        arguments.extend(["--nodiscover", "--maxpeers", "0"]);
        // Simulations of whole blocks, and fees far above what anybody asks.
        arguments.extend(["--rpc.gascap", "0", "--rpc.txfeecap", "0"]);
        let (process, host) = Process::start(binary, &arguments, (Mouth::Stderr, endpoint)).await?;
        let geth = Self { process, host, genesis, gas_limit, _folder: folder };
        geth.begun(binary).await?;
        Ok(geth)
    }

    async fn begun(&self, binary: &Path) -> Result<(), DevnetError> {
        let rpc = Rpc::new(&self.http(), TIMEOUT).ok_or_else(|| DevnetError::Url(self.http()))?;
        for _ in 0..LOOKS {
            if !rpc.call::<U64>("eth_blockNumber", json!([])).await?.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(DevnetError::Silent { path: binary.to_owned(), seconds: (LOOK * LOOKS).as_secs() })
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

/// The address in the line that tells it.
fn endpoint(line: &str) -> Option<String> {
    let (_, said) = line.split_once(LISTENING)?;
    let (_, host) = said.split_once("endpoint=")?;
    host.split_whitespace().next().map(str::to_owned)
}

/// Runs it to its end: what it prints.
async fn run(binary: &Path, arguments: &[&str]) -> Result<Vec<u8>, DevnetError> {
    let ran = tokio::process::Command::new(binary).args(arguments).kill_on_drop(true).output().await;
    let ran = ran.map_err(|cause| DevnetError::Spawn { path: binary.to_owned(), cause })?;
    if ran.status.success() {
        return Ok(ran.stdout);
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(DevnetError::Geth(said.lines().last().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_off_the_line_that_tells_it_and_off_no_other() {
        let line = r#"INFO [11-29|19:34:57.981] HTTP server started                      endpoint=127.0.0.1:41759 auth=false prefix= cors= vhosts=localhost"#;
        assert_eq!(endpoint(line).as_deref(), Some("127.0.0.1:41759"));
        assert_eq!(endpoint("INFO [11-29|19:34:57.981] WebSocket enabled url=ws://127.0.0.1:41759"), None);
    }
}
