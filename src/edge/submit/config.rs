//! A `[[relay]]` row.

use std::fmt;

use serde::Deserialize;

use crate::edge::submit::Kind;

/// One relay or builder.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Name in logs, metrics and the ledger.
    pub name: String,
    /// Where it listens. May hold a secret (an account's key in the path): never printed whole.
    pub url: String,
    /// How it is spoken to.
    pub dialect: Kind,
    /// Send `X-Flashbots-Signature`. A dialect may demand it.
    #[serde(default)]
    pub sign: bool,
    /// Longest wait for an answer, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

const fn default_timeout_ms() -> u64 {
    1_000
}

/// `None`, `host` or `host:port` as it is safe to show.
pub(in crate::edge::submit) fn host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("name", &self.name)
            .field("url", &host(&self.url).unwrap_or_else(|| "***".to_owned()))
            .field("dialect", &self.dialect)
            .field("sign", &self.sign)
            .field("timeout_ms", &self.timeout_ms)
            .finish()
    }
}

impl Relay {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Some(("relay.name", format!("{:?}", self.name), "a printable name"));
        }
        if host(&self.url).is_none() {
            // The value is not shown: it may be a secret in the wrong place.
            return Some(("relay.url", format!("of {} not a URL", self.name), "http:// or https://"));
        }
        if !(10..=12_000).contains(&self.timeout_ms) {
            return Some(("relay.timeout_ms", self.timeout_ms.to_string(), "10 to 12000"));
        }
        None
    }
}
