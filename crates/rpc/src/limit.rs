//! A server's limits, told apart by its words: of how fast it is asked, which passes, and of how much at once, which does not.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// What providers say where the rate is meant.
const RATE: [&str; 20] = [
    "rate limit",
    "ratelimit",
    "rate exceeded",
    "request rate",
    "request limit",
    "rps limit",
    "too many requests",
    "throttl",
    "per second",
    "/second",
    "per minute",
    "/minute",
    "per hour",
    "compute units",
    "capacity",
    "quota",
    "credits",
    "slow down",
    "is busy",
    "server busy",
];
/// ... and where the size is.
const SIZE: [&str; 9] =
    ["batch", "size", "too large", "too big", "results", "range", "length", "too many logs", "query exceeds"];
/// "Limit exceeded" (EIP-1474): of which kind its words say.
const LIMIT: i64 = -32005;
/// Some put HTTP's status into the error, or have a code of their own.
const TOO_MANY: [i64; 3] = [429, -32029, -32090];
/// What servers say of a request that holds too many calls, or whose answers are too long together: an invalid request, a limit, a
/// response too large (geth's -32003), time that ran out (its -32002), and jsonrpsee's for both directions.
const TOO_LONG: [i64; 8] = [-32_600, LIMIT, -32_003, -32_002, -32_007, -32_008, -32_010, -32_011];
/// A call that the chain itself refused: its words are the contract's.
const REVERTED: i64 = 3;

/// As it is compared: servers differ in what stands between words.
fn plain(message: &str) -> String {
    message.to_lowercase().replace(['-', '_'], " ")
}

/// What a contract says is no word of the server's.
fn is_of_chain(code: i64, message: &str) -> bool {
    code == REVERTED || message.contains("revert")
}

fn has(message: &str, words: &[&str]) -> bool {
    words.iter().any(|word| message.contains(word))
}

/// Whether a refusal is of the rate.
#[must_use]
pub fn is_of_rate(code: i64, message: &str) -> bool {
    let message = plain(message);
    // "Too many requests in batch" is no rate.
    if is_of_chain(code, &message) || (message.contains("batch") && !has(&message, &["rate", "per second", "/second"]))
    {
        return false;
    }
    TOO_MANY.contains(&code) || has(&message, &RATE) || (code == LIMIT && !has(&message, &SIZE))
}

/// Whether a refusal of many calls in one request may be of there being so many: fewer are worth a try.
#[must_use]
pub fn is_of_size(code: i64, message: &str) -> bool {
    let message = plain(message);
    !is_of_chain(code, &message)
        && (TOO_LONG.contains(&code) || has(&message, &SIZE) || has(&message, &["timed out", "timeout", "too many"]))
}

/// That a server is asked too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// So long it wants to be left alone, where it says that.
    pub after: Option<Duration>,
}

/// As [`of_status`], of an answer's headers.
pub(crate) fn of_headers(status: StatusCode, headers: &HeaderMap) -> Option<Busy> {
    of_status(status.as_u16(), headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()))
}

/// Whether a status says that the server is asked too fast, by the words of its Retry-After as well (RFC 9110, 10.2.3: seconds, or
/// a date).
#[must_use]
pub fn of_status(status: u16, retry_after: Option<&str>) -> Option<Busy> {
    let after = retry_after.map(str::trim).and_then(|text| {
        let until = |date: SystemTime| date.duration_since(SystemTime::now()).unwrap_or_default();
        text.parse().map(Duration::from_secs).ok().or_else(|| httpdate::parse_http_date(text).ok().map(until))
    });
    let is_busy =
        status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::SERVICE_UNAVAILABLE && after.is_some());
    is_busy.then_some(Busy { after })
}

#[cfg(test)]
mod tests {
    use super::{Busy, is_of_rate, is_of_size, of_status};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_server_says_for_how_long_in_seconds_or_until_when_and_503_alone_says_nothing() {
        let busy = |secs| Some(Busy { after: Some(Duration::from_secs(secs)) });
        assert_eq!(of_status(429, None), Some(Busy { after: None }));
        assert_eq!((of_status(429, Some(" 7 ")), of_status(503, Some("7"))), (busy(7), busy(7)));
        assert_eq!(of_status(429, Some("Sun, 06 Nov 1994 08:49:37 GMT")), busy(0), "it has passed");
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let said = of_status(503, Some(&soon)).and_then(|busy| busy.after).expect("a date");
        assert!(said > Duration::from_secs(80) && said <= Duration::from_secs(90), "{said:?}");
        assert_eq!((of_status(503, None), of_status(503, Some("soon")), of_status(500, Some("7"))), (None, None, None));
        assert_eq!(of_status(429, Some("-1")), Some(Busy { after: None }));
    }

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
            (-32000, "you are rate-limited"),
            (-32007, "25/second request limit reached - reduce calls per second or upgrade"),
            (-32090, "too much, see our plans"),
            (-32009, "Server is busy, try again later"),
            (0, "RATE_LIMIT_EXCEEDED"),
            (-32000, "batch rate limit: 100 calls per second"),
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
            (3, "rate limit exceeded"),
            (-32000, "execution reverted: capacity of the vault"),
            (-32010, "Too many requests in batch"),
            (-32601, "the method does not exist"),
        ] {
            assert!(!is_of_rate(code, message), "{code} {message}");
        }
    }

    #[test]
    fn a_request_that_may_be_too_long_is_told_from_one_that_is_refused_for_what_it_asks() {
        for (code, message) in [
            (-32600, "batch too large"),
            (-32003, "response too large"),
            (-32002, "request timed out"),
            (-32000, "batch limit 100 exceeded (can increase by --rpc.batch.limit)"),
            (-32005, "Batched requests are not supported by this server"),
            (-32601, "batching is not available"),
            (-32010, "Too many requests in batch"),
            (-32008, "Response is too big"),
        ] {
            assert!(is_of_size(code, message), "{code} {message}");
        }
        for (code, message) in [
            (3, "execution reverted: batch size"),
            (-32000, "missing trie node"),
            (-32601, "the method does not exist"),
            (-32602, "invalid argument 1: hex string without 0x prefix"),
        ] {
            assert!(!is_of_size(code, message), "{code} {message}");
        }
    }
}
