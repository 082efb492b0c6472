//! `peregrine devnet`: a local chain with traffic and a block builder, and the config by which `run` finds them.
//!
//! # Invariants
//! - Keys go to files of mode 600 beside the config, which names them. They are never printed.
//! - Every file appears whole or not at all, and the config last: whoever sees it finds what it names.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::{U256, hex};
use clap::Args;
use eyre::eyre;
use peregrine_devnet::DevnetError;
use peregrine_devnet::Wallet;
use peregrine_devnet::block_builder::Fate;
use peregrine_devnet::rivals::Strength;
use peregrine_devnet::world;
use peregrine_devnet::world::Block;
use peregrine_devnet::world::Options;
use peregrine_devnet::world::World;
use tempfile::NamedTempFile;

use crate::cli::Failure;
use crate::live::session;
use crate::live::session::LARGE_BID;

/// Printed below the options.
pub const HELP: &str = "Writes FILE for `peregrine run --config FILE`, and beside it, with mode 600, the keys of a fresh owner and a fresh
identity (FILE's name with .owner.key and .identity.key). Play money, but the same care. Files of an earlier run are replaced.
One line a block: its number, transactions, gas and base fee, the bundles in it, and the others by the reason why not.
Ctrl-C or SIGTERM ends it, with exit code 0.

Examples:
  peregrine devnet                                   a block every 2 s, 20 transactions a second
  peregrine devnet --slot 12 --rate 12               mainnet's pace
  peregrine devnet --rivals 2 --strength 80          two others who bid 89 % of what they find
  peregrine devnet --seed 7 --out /tmp/seven.toml    other prices, depths and trades";

/// Arguments of `devnet`.
#[derive(Debug, Args)]
pub struct Devnet {
    /// Prices, depths and trades follow from it; keys and ports do not.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The config to write.
    #[arg(long, value_name = "FILE", default_value = "devnet.toml")]
    out: PathBuf,
    /// Time between blocks, 1 to 60 s.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    slot: u64,
    /// Transactions a second, on average, up to 200.
    #[arg(long, value_name = "TX_PER_S", default_value_t = 20.0)]
    rate: f64,
    /// Other searchers, up to 8. Each takes the node some simulations a transaction.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=8))]
    rivals: u8,
    /// How good they are: 0 none at all, 50 bid 74.5 % and are slow, 100 bid 99 % at once.
    #[arg(long, value_name = "0..100", default_value_t = 80, value_parser = clap::value_parser!(u8).range(..=100))]
    strength: u8,
    /// Where the block builder listens, on loopback; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Lending markets too, Aave V2, Aave V3 and Morpho Blue: Chainlink feeds whose prices move once a slot, and people who owe.
    #[arg(long)]
    lending: bool,
}

/// Runs the verb.
pub fn run(arguments: &Devnet) -> Result<(), Failure> {
    let files = Files::open(&arguments.out)?;
    let strength = Strength::percent(arguments.strength);
    let options = Options {
        seed: arguments.seed,
        slot: Duration::from_secs(arguments.slot),
        per_second: arguments.rate,
        rivals: strength.into_iter().flat_map(|each| vec![each; arguments.rivals.into()]).collect(),
        listen: arguments.listen,
        lending: arguments.lending,
        ..Options::default()
    };
    world::serve(
        options,
        |world| {
            let config = files.write(world)?;
            say(&up(world, &config))
        },
        |block| say(&line(block)),
    )
}

impl From<DevnetError> for Failure {
    fn from(error: DevnetError) -> Self {
        if error.is_input() { Self::input(error) } else { Self::run(error) }
    }
}

/// What is written, opened before any work so that a place that cannot be written is named at once.
struct Files {
    /// Absolute, without the last part's ending.
    stem: PathBuf,
    config: PathBuf,
    to: [NamedTempFile; 3],
}

impl Files {
    fn open(out: &Path) -> Result<Self, Failure> {
        let cannot = |cause: std::io::Error| unwritten(out.display(), &cause);
        let config = std::path::absolute(out).map_err(cannot)?;
        if config.is_dir() {
            return Err(cannot(std::io::ErrorKind::IsADirectory.into()));
        }
        if config.to_str().is_none() {
            return Err(Failure::Input(eyre!("{}: a path of text due, the config names it", out.display())));
        }
        let folder = config.parent().unwrap_or(Path::new("/"));
        let file = || NamedTempFile::new_in(folder).map_err(cannot);
        Ok(Self { stem: config.with_extension(""), to: [file()?, file()?, file()?], config })
    }

    /// Keys first. The config's path.
    fn write(self, world: &World) -> Result<PathBuf, Failure> {
        let [owner, identity] = ["owner.key", "identity.key"].map(|ending| beside(&self.stem, ending));
        let text = config(world, [&owner, &identity], &self.stem);
        let [to_owner, to_identity, to_config] = self.to;
        put(to_owner, &owner, &key(&world.devnet.owner))?;
        put(to_identity, &identity, &key(&world.identity))?;
        put(to_config, &self.config, &text)?;
        Ok(self.config)
    }
}

/// Not `Path::with_extension`, which would take a part of `a.b` for an ending.
fn beside(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// A temporary file has mode 600 and keeps it.
fn put(mut file: NamedTempFile, at: &Path, text: &str) -> Result<(), Failure> {
    file.write_all(text.as_bytes()).map_err(|cause| unwritten(at.display(), &cause))?;
    file.persist(at).map_err(|error| unwritten(at.display(), &error.error))?;
    Ok(())
}

fn key(wallet: &Wallet) -> String {
    hex::encode(wallet.secret()) + "\n"
}

/// The kind alone: the cause may name a temporary file, which nobody asked for.
fn unwritten(to: impl Display, cause: &std::io::Error) -> Failure {
    Failure::Input(eyre!("{to}: cannot be written: {}", cause.kind()))
}

/// The config, as `peregrine run` takes it.
fn config(world: &World, [owner, identity]: [&Path; 2], stem: &Path) -> String {
    let quoted = |text: &dyn Display| toml::Value::String(text.to_string()).to_string();
    let file = |path: &Path| quoted(&path.display());
    let slot = world.options.slot.as_secs();
    let hardfork = quoted(&world.devnet.options.hardfork);
    let mut text = format!(
        "# Written by `peregrine devnet --seed {}`. It holds as long as that runs.\n\n[chain]\nid = 1\nhardfork = {hardfork}\nslot_seconds = {slot}\n",
        world.options.seed
    );
    let (ws, http, builder) = (quoted(&world.node_ws()), quoted(&world.node_http()), quoted(&world.builder_url()));
    text += &format!("\n[[node]]\nname = \"anvil\"\nws = {ws}\nhttp = {http}\n");
    for factory in world.devnet.contracts.factories() {
        text += &format!(
            "\n[[factory]]\nname = {}\nprotocol = {}\naddress = \"{}\"\nfrom_block = {}\n",
            quoted(&factory.name),
            quoted(&factory.protocol),
            factory.address,
            factory.from_block
        );
    }
    for row in session::lending(world.devnet.lending.as_ref()) {
        let (name, protocol) = (quoted(&row.name), quoted(&row.protocol));
        text += &format!("\n[[lending]]\nname = {name}\nprotocol = {protocol}\naddress = \"{}\"\n", row.address);
    }
    let address = world.devnet.executor;
    let (owner, identity) = (file(owner), file(identity));
    text += &format!("\n[executor]\naddress = \"{address}\"\nowner = {owner}\nidentity = {identity}\n");
    let (mut cap, mut most) = (String::new(), "# (defaults)\n".to_owned());
    if world.devnet.lending.is_some() {
        (cap, most) = (format!("cap_wei = \"{LARGE_BID}\"\n"), format!("max_bid_wei = \"{LARGE_BID}\"\n"));
    }
    text += &format!("\n[bid]\nshare_bps = 9000\n{cap}\n[limits]\n{most}");
    text += &format!("\n[[relay]]\nname = \"devnet\"\nurl = {builder}\ndialect = \"flashbots\"\nsign = true\n");
    let [journal, ledger] = ["journal", "ledger"].map(|ending| file(&beside(stem, ending)));
    text += &format!("timeout_ms = 1000\n\n[record]\njournal = {journal}\nledger = {ledger}\n");
    text += "\n[metrics]\nlisten = \"127.0.0.1:0\"\n";
    text
}

/// What stands, and where.
fn up(world: &World, config: &Path) -> String {
    let world::Options { seed, slot, per_second, ref rivals, .. } = world.options;
    let devnet = &world.devnet;
    format!(
        "devnet of seed {seed}: {} pools of {} tokens, a block every {} s, {per_second} transactions a second, {} rivals
node     {}  {}
builder  {}
executor {}
config   {}",
        devnet.pools.len(),
        devnet.tokens.len(),
        slot.as_secs(),
        rivals.len(),
        world.node_http(),
        world.node_ws(),
        world.builder_url(),
        devnet.executor,
        config.display()
    )
}

/// One line a block.
fn line(block: &Block) -> String {
    let (gas, base_fee) = (block.gas_used.0 as f64 / 1e6, block.base_fee.0 as f64 / 1e9);
    let landed = block.landed().count();
    let (txs, number) = (block.txs.len(), block.number);
    let mut text = format!("block {number}: {txs} txs, {gas:.2} Mgas at {base_fee:.3} gwei, {landed} bundles in");
    let paid = block.landed().fold(U256::ZERO, |sum, entry| match &entry.fate {
        Fate::Landed { paid, .. } => sum.saturating_add(*paid),
        Fate::Waiting | Fate::LeftOut { .. } => sum,
    });
    if landed > 0 {
        let micro = paid / U256::from(1_000_000_000_000u64);
        // Nothing here pays 2^64 millionths of an ether.
        let _fits = write!(text, " for {:.6} ETH", micro.saturating_to::<u64>() as f64 / 1e6);
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, why) in block.left_out() {
        *reasons.entry(why.name()).or_default() += 1;
    }
    let _fits = write!(text, ", {} left out", block.left_out().count());
    let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{why} {count}")).collect();
    if reasons.is_empty() { text } else { format!("{text}: {}", reasons.join(", ")) }
}

/// Line by line, so that a pipe sees a block when it is there.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{text}").and_then(|()| out.flush());
    said.map_err(|cause| Failure::Run(eyre!("stdout: cannot be written: {}", cause.kind())))
}
