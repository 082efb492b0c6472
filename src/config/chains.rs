//! Several chains in one file: a `[[chain]]` row each, with whatever is that chain's alone below it.
//!
//! ```toml
//! [[chain]]
//! id = 1
//! [chain.executor]
//! # ..
//! [[chain.node]]
//! # ..
//!
//! [[chain]]
//! id = 8453
//! # ..
//! ```
//!
//! # Invariants
//! - A row becomes a whole [`Config`] of its own, as if it stood in a file alone. A table below the row takes the place of the
//!   file's table of the same name; what the row does not say is the file's.
//! - What the process has once (`metrics`, `record`, `threads`) is not below a row. Ledger and journal are files of each chain:
//!   the configured name and the chain's id behind it; so is a snapshot that several would share. Each chain has `threads.hot` threads, on cores of their own.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::ConfigError;
use crate::config::written::Written;
use crate::hot::rt::thread;
use crate::hot::rt::thread::CorePlacement;

/// Tables and rows that may stand below a `[[chain]]`.
const PER_CHAIN: [&str; 12] = [
    "bid",
    "bootstrap",
    "executor",
    "factory",
    "forecast",
    "ingest",
    "lending",
    "limits",
    "node",
    "pool",
    "relay",
    "search",
];

/// A core that no host has.
const NO_CORE: usize = 65_535;

/// A whole file a row, in order; none, where the file has one chain.
pub(super) fn rows<'a>(file: &Written<'a>) -> Option<Vec<Written<'a>>> {
    file.rows(&PER_CHAIN)
}

/// Gives each of several chains its files and its cores.
///
/// # Errors
/// Two rows of one chain, or no row at all.
pub(super) fn apart(path: &Path, configs: &mut [Config]) -> Result<(), ConfigError> {
    let wrong = |what| ConfigError::Wrong { path: path.to_path_buf(), line: None, what };
    for (place, config) in configs.iter().enumerate() {
        let id = config.chain.id;
        if configs.iter().take(place).any(|before| before.chain.id == id) {
            return Err(wrong(format!("two [[chain]] rows of id {id}, one due")));
        }
    }
    let snapshots: Vec<PathBuf> = configs.iter().filter_map(|config| config.bootstrap.snapshot.clone()).collect();
    // One that each writes over is nobody's.
    let is_shared = |path: &&PathBuf| snapshots.iter().filter(|other| other == path).count() > 1;
    let shared: Vec<PathBuf> = snapshots.iter().filter(is_shared).cloned().collect();
    let hot: usize = configs.iter().map(|config| config.threads.hot).sum();
    let Some(first) = configs.first() else {
        return Err(wrong("chain is an empty list, at least one [[chain]] row due".to_owned()));
    };
    let mut cores = thread::placements(hot, &first.threads.cores).into_iter();
    for config in configs {
        let own = cores.by_ref().take(config.threads.hot);
        // Where the host has no core left to give, the thread goes wherever the system puts it.
        config.threads.cores = own
            .map(|placement| match placement {
                CorePlacement::Core(core) => core,
                CorePlacement::Any => NO_CORE,
            })
            .collect();
        let id = config.chain.id;
        let snapshot = config.bootstrap.snapshot.take();
        config.bootstrap.snapshot = snapshot.map(|path| if shared.contains(&path) { beside(&path, id) } else { path });
        config.record.ledger = beside(&config.record.ledger, id);
        config.record.journal = config.record.journal.take().map(|journal| beside(&journal, id));
        config.record.facts = config.record.facts.take().map(|facts| beside(&facts, id));
    }
    Ok(())
}

/// `peregrine.ledger` is `peregrine.ledger.8453`.
fn beside(path: &Path, id: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{id}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Config>, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("write");
        let path = file.path().display().to_string();
        Config::read_all(file.path()).map_err(|error| error.to_string().replace(&path, "p"))
    }

    const TWO: &str = "
        [bootstrap]
        snapshot = \"s\"
        [limits]
        max_bundles_per_block = 7
        [record]
        ledger = \"l\"
        journal = \"j\"
        [[node]]
        name = \"both\"
        ws = \"ws://127.0.0.1:1\"
        [[chain]]
        id = 1
        [[chain]]
        id = 8453
        hardfork = \"prague\"
        slot_seconds = 2
        base_fee_elasticity = 2
        base_fee_denominator = 8
        [chain.limits]
        max_bundles_per_block = 3
        [[chain.node]]
        name = \"base\"
        ws = \"ws://127.0.0.1:2\"
    ";

    #[test]
    fn each_row_is_a_configuration_of_its_own() {
        let [mainnet, base] = &read(TWO).unwrap()[..] else { panic!("two due") };
        assert_eq!((mainnet.chain.id, base.chain.id, base.chain.slot_seconds), (1, 8453, 2));
        assert_eq!((mainnet.limits.max_bundles_per_block, base.limits.max_bundles_per_block), (7, 3));
        assert_eq!((mainnet.node[0].name.as_str(), base.node[0].name.as_str(), base.node.len()), ("both", "base", 1));
        assert_eq!(base.search.base_tokens[0], base.chain.wrapped_native);
        assert_ne!(base.search.base_tokens, mainnet.search.base_tokens);
        assert_eq!((mainnet.record.ledger.to_str(), base.record.ledger.to_str()), (Some("l.1"), Some("l.8453")));
        assert_eq!(base.record.journal.as_deref(), Some(Path::new("j.8453")));
        let snapshots = [mainnet, base].map(|config| config.bootstrap.snapshot.as_deref());
        assert_eq!(snapshots, [Some(Path::new("s.1")), Some(Path::new("s.8453"))]);
        // Where each has its own already, that is its name.
        let own = TWO.replace("[chain.limits]", "[chain.bootstrap]\nsnapshot = \"t\"\n[chain.limits]");
        let own: Vec<_> = read(&own).unwrap().into_iter().map(|config| config.bootstrap.snapshot).collect();
        assert_eq!(own, [Some(PathBuf::from("s")), Some(PathBuf::from("t"))]);
        let [one, other] = [mainnet, base].map(|config| config.threads.cores[0]);
        assert!(one != other || one == NO_CORE, "both on core {one}");
    }

    #[test]
    fn a_file_of_one_chain_is_read_as_ever() {
        let one = read("[chain]\nid = 1\n").unwrap();
        assert_eq!((one.len(), one[0].record.ledger.to_str()), (1, Some("peregrine.ledger")));
        assert!(one[0].threads.cores.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_of_its_row() {
        for (text, due) in [
            ("chain = []", "p: chain is an empty list, at least one [[chain]] row due"),
            ("[[chain]]\nid = 1\n[[chain]]\nid = 1\n", "p: two [[chain]] rows of id 1, one due"),
            (
                "[[chain]]\nid = 1\n[chain.metrics]\nlisten = \"127.0.0.1:0\"\n",
                "p: line 3: [[chain]] 1: `chain.metrics`: unknown field `metrics`",
            ),
            ("chain = [1]", "p: line 1: [[chain]] 1: `chain`: invalid type: integer `1`"),
            ("[[chain]]\nid = 1\nhardfork = \"base\"\n", "p: line 3: [[chain]] 1: chain.hardfork is base"),
            (
                "[[chain]]\nid = 1\n[chain.limits]\n\nmax_bid_wei = \"x\"\n",
                "p: line 5: [[chain]] 1: `limits.max_bid_wei`: \"x\" is no amount in wei",
            ),
            (
                "[[chain]]\nid = 1\n[[chain]]\nid = 11155111\n[chain.search]\nmax_hops = 9\n",
                "p: line 6: [[chain]] 2: search.max_hops is 9, 2 to 6 due",
            ),
            (
                "[limits]\nmax_gas = 0\n[[chain]]\nid = 1\n",
                "p: line 2: [[chain]] 1: limits.max_gas is 0, 1 to 16777216 due",
            ),
            (
                "[[chain]]\nid = 1\n[[chain.pool]]\naddress = \"0x88E6A0c2dDD26FEEb64F039a2c41296FcB3f5640\"\n",
                "p: line 4: [[chain]] 1: pool.address is 0x88E6A0c2dDD26FEEb64F039a2c41296FcB3f5640, whose capital",
            ),
        ] {
            let error = read(text).map(|_| ()).unwrap_err();
            assert!(error.starts_with(due) && !error.contains('\n'), "{error}");
        }
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), TWO).expect("write");
        let error = Config::read(file.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("2 [[chain]] rows (1, 8453), and this verb is about one: say which by --chain"),
            "{error}"
        );
        assert_eq!(Config::read_of(file.path(), Some(8453)).unwrap().chain.id, 8453);
        let error = Config::read_of(file.path(), Some(10)).unwrap_err().to_string();
        assert!(error.ends_with("no [[chain]] of id 10"), "{error}");
    }
}
