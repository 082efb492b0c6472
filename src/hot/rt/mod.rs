//! Threads and the ways into them. What runs on them, and where, is decided in `live`.

pub mod bins;
pub mod inbox;
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
}

impl Default for Config {
    fn default() -> Self {
        Self { hot: 1, spin: false, cores: Vec::new() }
    }
}

/// More hot threads than any host has use for.
const MOST: usize = 64;

impl Config {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if !(1..=MOST).contains(&self.hot) {
            return Some(("threads.hot", self.hot.to_string(), "1 to 64"));
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
