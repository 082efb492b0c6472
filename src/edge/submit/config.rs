//! A `[[relay]]` row, and what a submitter is made of.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::edge::submit::DialectName;
use crate::types::secret;
use crate::types::secret::Key;

/// One relay or builder.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Name in logs, metrics and the ledger.
    pub name: String,
    /// Where it listens. May hold a secret (an account's key in the path): never printed whole.
    #[serde(serialize_with = "secret::shown_url")]
    pub url: String,
    /// How it is spoken to.
    pub dialect: DialectName,
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

    /// The first two rows of one name, or of one URL: a relay would be sent each bundle twice.
    #[must_use]
    pub fn twice(rows: &[Self]) -> Option<(usize, (&'static str, String, &'static str))> {
        let key = |row: &Self| {
            // Written in another way it is the same place: a port that is the scheme's own, a host in capitals.
            let mut url = reqwest::Url::parse(&row.url).ok()?;
            url.set_fragment(None);
            Some(url)
        };
        rows.iter().enumerate().find_map(|(at, row)| {
            let mut before = rows.iter().take(at);
            if before.clone().any(|other| other.name == row.name) {
                return Some((at, ("relay.name", format!("{:?} twice", row.name), "a name of its own for each row")));
            }
            let other = before.find(|other| key(other).is_some() && key(other) == key(row))?;
            // Not shown: it may hold a key.
            let found = format!("of {} the one of {}, too", row.name, other.name);
            Some((at, ("relay.url", found, "each relay in one row")))
        })
    }

    /// By its row, or by its dialect.
    #[must_use]
    pub fn needs_signature(&self) -> bool {
        self.sign || self.dialect.dialect().must_sign()
    }

    /// The host is an address, and of this machine. A name could lead anywhere.
    pub(in crate::edge::submit) fn is_loopback(&self) -> bool {
        let Ok(url) = reqwest::Url::parse(&self.url) else { return false };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// What a submitter is made of.
#[derive(Debug)]
pub struct Setup {
    /// The `[[relay]]` rows.
    pub relays: Vec<Relay>,
    /// The identity key. Needed when a relay wants signatures.
    pub identity: Option<Key>,
    /// Whose transactions are sent.
    pub owner: Address,
}

/// Why there is no submitter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The key that signs transactions must not sign headers: a header's key is shown to every relay, and may be lost.
    #[error("executor.identity is the owner's key, another one due")]
    IdentityIsOwner,
    /// A relay wants signatures, and there is no key.
    #[error("relay {0} wants signatures, executor.identity due")]
    NoIdentity(String),
    /// A value of a row makes no sense.
    #[error("{key} is {found}, {due} due")]
    Row {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        due: &'static str,
    },
    /// Two rows of one name.
    #[error("relay.name {0} stands twice")]
    Twice(String),
    /// Only relays on this host may be sent to without [`crate::edge::submit::Armed`].
    #[error("relay {0} is not on a loopback address")]
    NotLoopback(String),
    /// No HTTP client could be made.
    #[error("http client: {0}")]
    Client(String),
}

impl Setup {
    pub(in crate::edge::submit) fn check(&self) -> Result<(), SetupError> {
        if self.identity.as_ref().is_some_and(|key| key.address() == self.owner) {
            return Err(SetupError::IdentityIsOwner);
        }
        let mut names = HashSet::new();
        for relay in &self.relays {
            if let Some((key, found, due)) = relay.out_of_range() {
                return Err(SetupError::Row { key, found, due });
            }
            if !names.insert(relay.name.as_str()) {
                return Err(SetupError::Twice(relay.name.clone()));
            }
            if relay.needs_signature() && self.identity.is_none() {
                return Err(SetupError::NoIdentity(relay.name.clone()));
            }
        }
        Ok(())
    }
}
