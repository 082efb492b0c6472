//! The `[forecast]` table.

use serde::{Deserialize, Serialize};

/// Whether pending transactions are resolved by maths before the EVM runs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// They are. What was built on it is confirmed or withdrawn by the EVM right behind.
    pub enabled: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Config {
    /// As it was before there was such a table: what a journal of that time means.
    #[must_use]
    pub const fn off() -> Self {
        Self { enabled: false }
    }
}
