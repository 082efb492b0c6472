//! Settings: each room's own `Config`, put together as nested tables. An unknown key is an error.
//!
//! # Invariants
//! - What is shown of it holds no secret: keys are places, URLs are cut down to their host.

mod chains;
mod ranges;
mod written;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain;
use crate::config::written::{Written, Wrong};
use crate::edge::bootstrap;
use crate::edge::export;
use crate::edge::ingest;
use crate::edge::record;
use crate::edge::submit;
use crate::hot::bundle;
use crate::hot::forecast;
use crate::hot::rt;
use crate::hot::search;

/// All that is said of one chain, and of the process: the whole file, where it is of one chain.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which chain.
    pub chain: chain::Config,
    /// How nodes are listened to.
    pub ingest: ingest::Config,
    /// How the state is loaded.
    pub bootstrap: bootstrap::Config,
    /// How far and from where to look for cycles.
    pub search: search::config::Config,
    /// Whose contract, whose key. A searcher needs it, a replay does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<bundle::config::Executor>,
    /// Whether known pools do without the interpreter at first.
    #[serde(alias = "reckon")]
    pub forecast: forecast::config::Config,
    /// What builders are offered.
    pub bid: bundle::config::Bid,
    /// The last gate.
    pub limits: bundle::config::Limits,
    /// What is kept on disk.
    pub record: record::Config,
    /// Where numbers are served.
    pub metrics: export::Config,
    /// Hot threads.
    pub threads: rt::Config,
    /// Nodes; the first that says something wins.
    pub node: Vec<ingest::Node>,
    /// Factories, which make pools.
    pub factory: Vec<bootstrap::Factory>,
    /// Pools by address.
    pub pool: Vec<bootstrap::PoolRow>,
    /// Lending contracts whose borrowers are followed.
    pub lending: Vec<bootstrap::LendingRow>,
    /// Relays, which take bundles.
    pub relay: Vec<submit::config::Relay>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be opened.
    #[error("{path}: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Not TOML, an unknown key, a value that makes no sense, or none where one is due.
    #[error("{path}: {}{what}", .line.map_or_else(String::new, |line| format!("line {line}: ")))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, if it is said somewhere.
        line: Option<usize>,
        /// Key, value, and what is due.
        what: String,
    },
}

impl Wrong {
    /// In this file; in a `[[chain]]` row of it, where there are such.
    fn of(self, path: &Path, row: Option<usize>) -> ConfigError {
        let Self { line, what } = self;
        let what = row.map_or_else(|| what.clone(), |row| format!("[[chain]] {row}: {what}"));
        ConfigError::Wrong { path: path.to_path_buf(), line, what }
    }
}

/// Refuses a key that there was, in a sentence that says what there is in its place.
fn dropped(file: &Written<'_>) -> Result<(), Wrong> {
    let what = "executor.liquidator is no key any more: the contract at executor.address liquidates, too, if it was deployed \
                since the two became one; drop the key";
    match file.has("executor", "liquidator") {
        true => Err(Wrong { line: file.line_of("executor.liquidator", 0), what: what.to_owned() }),
        false => Ok(()),
    }
}

impl Config {
    /// Reads and checks `path`, which is of one chain.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::read_of(path, None)
    }

    /// Reads and checks what `path` says of a chain; it need not be said which, where there is one.
    pub fn read_of(path: &Path, id: Option<u64>) -> Result<Self, ConfigError> {
        let wrong = |what| ConfigError::Wrong { path: path.to_path_buf(), line: None, what };
        if let Some(id) = id {
            let one = Self::read_all(path)?.into_iter().find(|config| config.chain.id == id);
            return one.ok_or_else(|| wrong(format!("no [[chain]] of id {id}")));
        }
        let [one] = <[Self; 1]>::try_from(Self::read_all(path)?).map_err(|all| {
            let ids: Vec<String> = all.iter().map(|config| config.chain.id.to_string()).collect();
            let (rows, ids) = (ids.len(), ids.join(", "));
            wrong(format!("{rows} [[chain]] rows ({ids}), and this verb is about one: say which by --chain"))
        })?;
        Ok(one)
    }

    /// Reads and checks `path`: one configuration a chain.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Open { path: path.to_path_buf(), cause })?;
        let file = Written::parse(&text).map_err(|wrong| wrong.of(path, None))?;
        let Some(rows) = chains::rows(&file) else {
            return Ok(vec![Self::of(&file).map_err(|wrong| wrong.of(path, None))?]);
        };
        let one = |(place, row): (usize, Written<'_>)| Self::of(&row).map_err(|wrong| wrong.of(path, Some(place + 1)));
        let mut all = rows.into_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
        chains::apart(path, &mut all)?;
        Ok(all)
    }

    fn of(file: &Written<'_>) -> Result<Self, Wrong> {
        dropped(file)?;
        if let Some(wrong) = file.wrong_address() {
            return Err(wrong);
        }
        let mut config: Self = file.read()?;
        // A list that is not written is the chain's own.
        if !file.has("search", "base_tokens") {
            config.search.base_tokens = config.chain.base_tokens();
        }
        let tokens = || config.chain.wrong_tokens(&config.search.base_tokens);
        if let Some(what) = config.chain.fault().or_else(tokens) {
            // The sentence begins with its key.
            let key = what.split(' ').next().unwrap_or_default();
            return Err(Wrong { line: file.line_of(key, 0), what });
        }
        match config.out_of_range() {
            None => Ok(config),
            Some((row, (key, found, due))) => {
                Err(Wrong { line: file.line_of(key, row), what: format!("{key} is {found}, {due} due") })
            }
        }
    }

    /// Reads `path` for searchers, one a chain: what they cannot do without must be there.
    pub fn read_for_run(path: &Path) -> Result<Vec<Self>, ConfigError> {
        let all = Self::read_all(path)?;
        let several = all.len() > 1;
        match all.iter().find_map(|config| config.missing().map(|what| (config.chain.id, what))) {
            None => Ok(all),
            Some((id, what)) => {
                let what = if several { format!("chain {id}: {what}") } else { what };
                Err(ConfigError::Wrong { path: path.to_path_buf(), line: None, what })
            }
        }
    }

    /// What holds and is yet worth a word: one sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        // A table of the chain's counts beyond this host, whatever the file says of it.
        self.chain.inexact().or_else(|| self.chain.inexact_abroad()).into_iter().collect()
    }

    /// As TOML, every key with the value it has, without a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        // Serialising to a string fails on maps with keys that are no strings, and there is none.
        toml::to_string(self).unwrap_or_default()
    }
}
