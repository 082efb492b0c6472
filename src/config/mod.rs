//! Settings: each room's own `Config`, put together as nested tables. An unknown key is an error.
//!
//! # Invariants
//! - What is shown of it holds no secret: keys are places, URLs are cut down to their host.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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

/// The whole file.
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
    /// Who makes pools.
    pub factory: Vec<bootstrap::Factory>,
    /// Pools by address.
    pub pool: Vec<bootstrap::PoolRow>,
    /// Lending contracts whose borrowers are followed.
    pub lending: Vec<bootstrap::LendingRow>,
    /// Who takes bundles.
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
        what: &'static str,
    },
}

impl Config {
    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Open { path: path.to_path_buf(), cause })?;
        let mut config: Self = toml::from_str(&text).map_err(|cause| {
            let start = cause.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or(&text).matches('\n').count();
            // The line itself is not shown: what stands there may be a key.
            let key = text.lines().nth(line).unwrap_or_default().split('=').next().unwrap_or_default().trim();
            let what = format!("`{key}`: {}", cause.message());
            ConfigError::Toml { path: path.to_path_buf(), line: line + 1, what }
        })?;
        // A list that is not written is the chain's own.
        if !is_written(&text, "search", "base_tokens") {
            config.search.base_tokens = config.chain.base_tokens();
        }
        if let Some(what) = config.chain.fault().or_else(|| config.chain.wrong_tokens(&config.search.base_tokens)) {
            return Err(ConfigError::Chain { path: path.to_path_buf(), what });
        }
        match config.out_of_range() {
            None => Ok(config),
            Some((key, found, due)) => Err(ConfigError::Range { path: path.to_path_buf(), key, found, due }),
        }
    }

    /// Reads `path` for a searcher: what it cannot do without must be there.
    pub fn read_for_run(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::read(path)?;
        let missing = |what| Err(ConfigError::Missing { path: path.to_path_buf(), what });
        if config.node.is_empty() {
            return missing("no [[node]], at least one with ws or ipc due");
        }
        if config.executor.is_none() {
            return missing("no [executor], its address and owner due");
        }
        if config.factory.is_empty() && config.pool.is_empty() {
            return missing("neither [[factory]] nor [[pool]], at least one due");
        }
        if config.relay.is_empty() {
            return missing("no [[relay]], at least one due");
        }
        Ok(config)
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
        let liquidator = self.executor.as_ref().and_then(|executor| executor.liquidator);
        let idle = !self.lending.is_empty() && liquidator.is_none();
        let note = "no executor.liquidator: positions of [[lending]] are watched, and none is liquidated";
        idle.then(|| note.to_owned()).into_iter().chain(self.chain.inexact()).collect()
    }

    /// As TOML, every key with the value it has, without a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        // Serialising to a string fails on maps with keys that are no strings, and there is none.
        toml::to_string(self).unwrap_or_default()
    }
}

/// The file, which is TOML, says something of this key.
fn is_written(text: &str, table: &str, key: &str) -> bool {
    let file = text.parse::<toml::Table>().unwrap_or_default();
    file.get(table).and_then(toml::Value::as_table).is_some_and(|table| table.contains_key(key))
}
