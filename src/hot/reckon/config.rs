//! The `[reckon]` table.

use serde::{Deserialize, Serialize};

/// Whether pending transactions are resolved by maths before the EVM runs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// They are. What was built on it is confirmed or withdrawn by the EVM right behind.
    pub enabled: bool,
}
