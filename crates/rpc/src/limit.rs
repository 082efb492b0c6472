//! A server's limits, told apart by its words: of how fast it is asked, which passes, and of how much at once, which does not.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// What providers say where the rate is meant.
const RATE: [&str; 12] = [
    "rate limit",
    "ratelimit",
    "rate exceeded",
    "request rate",
    "too many requests",
    "throttl",
    "per second",
    "compute units",
    "capacity",
    "quota",
    "credits",
    "slow down",
];
/// ... and where the size is.
const SIZE: [&str; 7] = ["batch", "size", "too large", "too big", "results", "range", "length"];
/// "Limit exceeded" (EIP-1474): of which kind its words say.
const LIMIT: i64 = -32005;
/// Some put HTTP's status into the error.
const TOO_MANY: i64 = 429;

/// Whether a refusal is of the rate.
pub(crate) fn is_of_rate(code: i64, message: &str) -> bool {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    code == TOO_MANY || has(&RATE) || (code == LIMIT && !has(&SIZE))
}

/// Whether a status says that the server is asked too fast; and how long it wants to be left alone.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap) -> Option<Option<Duration>> {
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map(Duration::from_secs);
    let is_busy =
        status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::SERVICE_UNAVAILABLE && after.is_some());
    is_busy.then_some(after)
}

#[cfg(test)]
mod tests {
    use super::is_of_rate;

    #[test]
    fn a_limit_of_the_rate_is_told_from_one_of_the_size() {
        for (code, message) in [
            (-32005, "limit exceeded"),
            (-32005, "daily request count exceeded, request rate limited"),
            (-32005, "project ID request rate exceeded"),
            (429, "Your app has exceeded its compute units per second capacity"),
            (-32029, "Too Many Requests"),
            (-32000, "request was throttled"),
            (0, "You have run out of credits"),
        ] {
            assert!(is_of_rate(code, message), "{code} {message}");
        }
        for (code, message) in [
            (-32005, "query returned more than 10000 results"),
            (-32005, "batch limit exceeded"),
            (-32005, "response size should not be greater than 10485760"),
            (-32600, "batch too large"),
            (-32602, "block range is too wide"),
            (3, "execution reverted"),
            (-32601, "the method does not exist"),
        ] {
            assert!(!is_of_rate(code, message), "{code} {message}");
        }
    }
}
