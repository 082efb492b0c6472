//! Values of `[ingest]` and of `[[node]]` rows that make no sense.

use crate::edge::ingest::Config;
use crate::edge::ingest::Node;

/// Key, value, what is due.
type Range = (&'static str, String, &'static str);

/// An hour, in ms: whoever waits longer for a node waits for nobody.
const HOUR_MS: u64 = 3_600_000;
/// A day, in ms.
const DAY_MS: u64 = 24 * HOUR_MS;
/// More pending transactions than any mempool holds.
const MOST_PENDING: usize = 1_000_000;
/// More accounts and slots than any block can read.
const MOST_FETCHED: u64 = 1_000_000;

impl Config {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<Range> {
        let times = [
            ("ingest.ping_ms", self.ping_ms),
            ("ingest.silence_ms", self.silence_ms),
            ("ingest.head_silence_ms", self.head_silence_ms),
            ("ingest.timeout_ms", self.timeout_ms),
            ("ingest.retry_least_ms", self.retry_least_ms),
            ("ingest.retry_most_ms", self.retry_most_ms),
        ];
        if let Some((key, ms)) = times.into_iter().find(|(_, ms)| !(1..=HOUR_MS).contains(ms)) {
            return Some((key, ms.to_string(), "1 to 3600000"));
        }
        if !(1..=DAY_MS).contains(&self.remember_ms) {
            return Some(("ingest.remember_ms", self.remember_ms.to_string(), "1 to 86400000"));
        }
        if !(1..=MOST_PENDING).contains(&self.pending_room) {
            return Some(("ingest.pending_room", self.pending_room.to_string(), "1 to 1000000"));
        }
        self.fetches_out_of_range().or_else(|| self.times_out_of_order())
    }

    fn fetches_out_of_range(&self) -> Option<Range> {
        let most = [
            ("ingest.fetch_per_tx", self.fetch_per_tx),
            ("ingest.fetch_per_sender", self.fetch_per_sender),
            ("ingest.fetch_per_block", self.fetch_per_block),
        ];
        if let Some((key, most)) = most.into_iter().find(|(_, most)| !(1..=MOST_FETCHED).contains(most)) {
            return Some((key, most.to_string(), "1 to 1000000"));
        }
        if self.fetch_per_sender < self.fetch_per_tx {
            let found = format!("{}, and ingest.fetch_per_tx {}", self.fetch_per_sender, self.fetch_per_tx);
            return Some(("ingest.fetch_per_sender", found, "at least ingest.fetch_per_tx"));
        }
        if self.fetch_per_block < self.fetch_per_sender {
            let found = format!("{}, and ingest.fetch_per_sender {}", self.fetch_per_block, self.fetch_per_sender);
            return Some(("ingest.fetch_per_block", found, "at least ingest.fetch_per_sender"));
        }
        None
    }

    fn times_out_of_order(&self) -> Option<Range> {
        if self.silence_ms <= self.ping_ms {
            let found = format!("{}, and ingest.ping_ms {}", self.silence_ms, self.ping_ms);
            return Some(("ingest.silence_ms", found, "more than ingest.ping_ms, or every quiet connection is cut,"));
        }
        if self.retry_most_ms < self.retry_least_ms {
            let found = format!("{}, and ingest.retry_least_ms {}", self.retry_most_ms, self.retry_least_ms);
            return Some(("ingest.retry_most_ms", found, "at least ingest.retry_least_ms"));
        }
        None
    }
}

impl Node {
    /// The first value that makes no sense. A URL is not shown: it may hold a key.
    #[must_use]
    pub fn out_of_range(&self) -> Option<Range> {
        if self.name.is_empty() || self.name.chars().any(char::is_control) {
            return Some(("node.name", format!("{:?}", self.name), "a printable name"));
        }
        let not = |what: &str| format!("of {} {what}", self.name);
        if self.ws.as_deref().is_some_and(|url| !is_url(url, ["ws://", "wss://"])) {
            return Some(("node.ws", not("not a URL of a websocket"), "ws:// or wss://, and a host"));
        }
        if self.http.as_deref().is_some_and(|url| !is_url(url, ["http://", "https://"])) {
            return Some(("node.http", not("not a URL for requests"), "http:// or https://, and a host"));
        }
        if self.ipc.as_deref().is_some_and(|path| path.is_empty() || path.contains("://")) {
            return Some(("node.ipc", not("not a path"), "the path of a unix socket"));
        }
        let nothing = self.ws.is_none() && self.http.is_none() && self.ipc.is_none();
        nothing.then(|| ("node.ws", not("unset, and so are ipc and http"), "one of them"))
    }

    /// The first two rows of one name, or of one socket: whatever is counted could not be told apart, or would be counted twice.
    #[must_use]
    pub fn twice(rows: &[Self]) -> Option<(usize, Range)> {
        rows.iter().enumerate().find_map(|(at, row)| {
            let mut before = rows.iter().take(at);
            if before.clone().any(|other| other.name == row.name) {
                return Some((at, ("node.name", format!("{:?} twice", row.name), "a name of its own for each row")));
            }
            let same =
                |other: &&Self| (row.ws.is_some() && other.ws == row.ws) || (row.ipc.is_some() && other.ipc == row.ipc);
            let other = before.find(same)?;
            let (key, found) =
                if row.ws == other.ws && row.ws.is_some() { ("node.ws", "ws") } else { ("node.ipc", "ipc") };
            let found = format!("of {} the {found} of {}, too", row.name, other.name);
            Some((at, (key, found, "each node in one row")))
        })
    }
}

/// Written as it is dialled: what reads it does not all forgive a space, or a scheme in capitals.
fn is_url(text: &str, schemes: [&str; 2]) -> bool {
    let begins = schemes.iter().any(|scheme| text.starts_with(scheme));
    let plain = !text.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    begins && plain && reqwest::Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_its_schemes_with_a_host() {
        for good in ["ws://127.0.0.1:8546", "wss://user:word@node.example/v3/key?a=b", "ws://[::1]:1"] {
            assert!(is_url(good, ["ws://", "wss://"]), "{good}");
        }
        for bad in [
            "",
            "ws://",
            "WS://a",
            "http://a",
            "127.0.0.1:8546",
            " ws://a",
            "ws://a ",
            "ws://a b",
            "ws://a:99999",
            "/ws",
        ] {
            assert!(!is_url(bad, ["ws://", "wss://"]), "{bad}");
        }
    }
}
