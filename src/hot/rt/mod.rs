//! Threads and the ways into them. What runs on them, and where, is decided in `live`.

pub mod bins;
pub mod inbox;
pub mod port;
pub mod sink;
pub mod thread;
pub mod worth;

use serde::{Deserialize, Serialize};

/// The `[threads]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Hot threads: each with a state of its own, pending transactions spread over them.
    pub hot: usize,
    /// Hot threads poll their inbox and never sleep: each takes a core whole.
    pub spin: bool,
    /// Cores of the hot threads, in order, by number. Empty: the host's last ones, one each.
    pub cores: Vec<usize>,
    /// Signature nonces that each hot thread has ready for the identity key; 0: none, signatures are then made whole
    /// on the path.
    pub nonces: usize,
    /// The same for the owner's key. Only where the host's source of randomness is trusted with the funds: a nonce that
    /// somebody can guess gives the key away.
    pub owner_nonces: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { hot: 1, spin: false, cores: Vec::new(), nonces: 256, owner_nonces: 0 }
    }
}

/// More hot threads than any host has use for.
const MOST: usize = 64;
/// More nonces than any burst of bundles uses up.
const MOST_NONCES: usize = 65_536;

impl Config {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if !(1..=MOST).contains(&self.hot) {
            return Some(("threads.hot", self.hot.to_string(), "1 to 64"));
        }
        for (key, nonces) in [("threads.nonces", self.nonces), ("threads.owner_nonces", self.owner_nonces)] {
            if nonces > MOST_NONCES {
                return Some((key, nonces.to_string(), "0 to 65536"));
            }
        }
        if !self.cores.is_empty() && self.cores.len() < self.hot {
            return Some((
                "threads.cores",
                format!("{} long", self.cores.len()),
                "a core for each hot thread, or none",
            ));
        }
        let twice = self.cores.iter().enumerate().find(|(i, core)| self.cores[..*i].contains(core));
        twice.map(|(_, core)| ("threads.cores", format!("{core} twice"), "a core once"))
    }
}
