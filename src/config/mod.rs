//! Settings: each room's own `Config`, put together as nested tables. An unknown key is an error.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::hot::search;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How far and from where to look for cycles.
    pub search: search::config::Config,
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
}

impl Config {
    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Open { path: path.to_path_buf(), cause })?;
        let config: Self = toml::from_str(&text).map_err(|cause| {
            let start = cause.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or(&text).matches('\n').count();
            let what = format!("`{}`: {}", text.lines().nth(line).unwrap_or_default().trim(), cause.message());
            ConfigError::Toml { path: path.to_path_buf(), line: line + 1, what }
        })?;
        match config.search.out_of_range() {
            None => Ok(config),
            Some((key, found, due)) => Err(ConfigError::Range { path: path.to_path_buf(), key, found, due }),
        }
    }
}
