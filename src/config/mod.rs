//! Settings: each room's own `Config`, put together as nested tables. An unknown key is an error.
//!
//! # Invariants
//! - What is shown of it holds no secret: keys are places, URLs are cut down to their host.

mod chains;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::chain;
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
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{path}: line {line}: {what}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What.
        what: String,
    },
    /// A value out of its range.
    #[error("{path}: {key} is {found}, {due} due")]
    Range {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        due: &'static str,
    },
    /// The chain, or what is not of it.
    #[error("{path}: {what}")]
    Chain {
        /// The file.
        path: PathBuf,
        /// Key, value, and what is due.
        what: String,
    },
    /// A table without which there is nothing to run.
    #[error("{path}: {what}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Which, and what it is for.
        what: String,
    },
}

/// What is wrong with a configuration, wherever it was read.
enum Wrong {
    /// The chain, or what is not of it; or what a row holds.
    Chain(String),
    /// A value out of its range: key, value, what is due.
    Range((&'static str, String, &'static str)),
}

impl Wrong {
    /// In this file; in a `[[chain]]` row of it, where there are such.
    fn of(self, path: &Path, row: Option<usize>) -> ConfigError {
        let path = path.to_path_buf();
        match (self, row) {
            (Self::Chain(what), None) => ConfigError::Chain { path, what },
            (Self::Chain(what), Some(row)) => ConfigError::Chain { path, what: format!("[[chain]] {row}: {what}") },
            (Self::Range((key, found, due)), None) => ConfigError::Range { path, key, found, due },
            (Self::Range((key, found, due)), Some(row)) => {
                ConfigError::Chain { path, what: format!("[[chain]] {row}: {key} is {found}, {due} due") }
            }
        }
    }
}

/// Refuses a key that there was, in a sentence that says what there is in its place.
fn dropped(written: &Table) -> Result<(), Wrong> {
    let executor = written.get("executor").and_then(toml::Value::as_table);
    let second = executor.is_some_and(|table| table.contains_key("liquidator"));
    let what = "executor.liquidator is no key any more: the contract at executor.address liquidates, too, if it was deployed \
                since the two became one; drop the key";
    if second { Err(Wrong::Chain(what.to_owned())) } else { Ok(()) }
}

impl Config {
    /// Reads and checks `path`, which is of one chain.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::read_of(path, None)
    }

    /// Reads and checks what `path` says of a chain; it need not be said which, where there is one.
    pub fn read_of(path: &Path, id: Option<u64>) -> Result<Self, ConfigError> {
        let wrong = |what| ConfigError::Chain { path: path.to_path_buf(), what };
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
        let at_line = |cause: toml::de::Error| {
            let start = cause.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or(&text).matches('\n').count();
            // The line itself is not shown: what stands there may be a key.
            let key = text.lines().nth(line).unwrap_or_default().split('=').next().unwrap_or_default().trim();
            let what = format!("`{key}`: {}", cause.message());
            ConfigError::Toml { path: path.to_path_buf(), line: line + 1, what }
        };
        let file: toml::Table = text.parse().map_err(at_line)?;
        let Some(rows) = chains::rows(&file) else {
            dropped(&file).map_err(|wrong| wrong.of(path, None))?;
            let config = toml::from_str(&text).map_err(at_line)?;
            return Ok(vec![Self::checked(config, &file).map_err(|wrong| wrong.of(path, None))?]);
        };
        let one = |(place, row): (usize, Table)| {
            let wrong = |wrong: Wrong| wrong.of(path, Some(place + 1));
            dropped(&row).map_err(wrong)?;
            let config: Self = row.clone().try_into().map_err(|cause: toml::de::Error| {
                // Its first line: what follows repeats the file, where a key may stand.
                wrong(Wrong::Chain(cause.message().lines().next().unwrap_or_default().to_owned()))
            })?;
            Self::checked(config, &row).map_err(wrong)
        };
        let mut all = rows.into_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
        chains::apart(path, &mut all)?;
        Ok(all)
    }

    /// `written`: what it was read from.
    fn checked(mut self, written: &Table) -> Result<Self, Wrong> {
        // A list that is not written is the chain's own.
        let search = written.get("search").and_then(toml::Value::as_table);
        if !search.is_some_and(|table| table.contains_key("base_tokens")) {
            self.search.base_tokens = self.chain.base_tokens();
        }
        if let Some(what) = self.chain.fault().or_else(|| self.chain.wrong_tokens(&self.search.base_tokens)) {
            return Err(Wrong::Chain(what));
        }
        match self.out_of_range() {
            None => Ok(self),
            Some(range) => Err(Wrong::Range(range)),
        }
    }

    /// Reads `path` for searchers, one a chain: what they cannot do without must be there.
    pub fn read_for_run(path: &Path) -> Result<Vec<Self>, ConfigError> {
        let all = Self::read_all(path)?;
        let several = all.len() > 1;
        let missing = |config: &Self, what: &str| {
            let id = config.chain.id;
            let what = if several { format!("chain {id}: {what}") } else { what.to_owned() };
            Err(ConfigError::Missing { path: path.to_path_buf(), what })
        };
        match all.iter().find_map(|config| config.missing().map(|what| (config, what))) {
            None => Ok(all),
            Some((config, what)) => missing(config, what),
        }
    }

    fn missing(&self) -> Option<&'static str> {
        if self.node.is_empty() {
            return Some("no [[node]], at least one with ws or ipc due");
        }
        if self.executor.is_none() {
            return Some("no [executor], its address and owner due");
        }
        if self.factory.is_empty() && self.pool.is_empty() {
            return Some("neither [[factory]] nor [[pool]], at least one due");
        }
        self.relay.is_empty().then_some("no [[relay]], at least one due")
    }

    fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        let tables = self
            .bootstrap
            .out_of_range()
            .or_else(|| self.search.out_of_range())
            .or_else(|| self.executor.as_ref().and_then(bundle::config::Executor::out_of_range))
            .or_else(|| self.bid.out_of_range())
            .or_else(|| self.limits.out_of_range())
            .or_else(|| self.threads.out_of_range());
        tables
            .or_else(|| self.factory.iter().find_map(bootstrap::Factory::out_of_range))
            .or_else(|| self.lending.iter().find_map(bootstrap::LendingRow::out_of_range))
            .or_else(|| bootstrap::LendingRow::twice(&self.lending))
            .or_else(|| self.relay.iter().find_map(submit::config::Relay::out_of_range))
    }

    /// What holds and is yet worth a word: one sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.chain.inexact().into_iter().collect()
    }

    /// As TOML, every key with the value it has, without a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        // Serialising to a string fails on maps with keys that are no strings, and there is none.
        toml::to_string(self).unwrap_or_default()
    }
}
