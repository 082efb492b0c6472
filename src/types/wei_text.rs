//! Wei as a person writes and reads them: decimal digits in quotes. For serde, on a field: `#[serde(with = "wei_text")]`.
//!
//! # Invariants
//! - What holds no digit (`""`, `"_"`, `"0x"`) is an error and never zero: a limit that was left empty must not be one of nothing.
//! - What is written comes out of the reader again, to the wei. Hex is read, since older journals have it, and not written.

use std::fmt;

use alloy_primitives::U256;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Decimal digits.
///
/// # Errors
/// The serialiser's own.
pub fn serialize<S: Serializer>(wei: &U256, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(wei)
}

/// Decimal digits, in groups by `_` if that helps; or `0x` and hex.
///
/// # Errors
/// Anything else, in a sentence.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<U256, D::Error> {
    from.deserialize_any(Text)
}

/// The same of an argument.
///
/// # Errors
/// Anything else, in a sentence.
pub fn parse(text: &str) -> Result<U256, String> {
    read(text).ok_or_else(|| "an amount in wei, decimal digits due".to_owned())
}

/// The number that a text says.
fn read(text: &str) -> Option<U256> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = digits.replace('_', "");
    let grouped = digits.split('_').all(|group| !group.is_empty());
    let all = plain.bytes().all(|byte| char::from(byte).is_digit(radix));
    (grouped && all && !plain.is_empty()).then(|| U256::from_str_radix(&plain, u64::from(radix)).ok()).flatten()
}

struct Text;

impl Text {
    fn unquoted<E: Error>(number: impl fmt::Display) -> E {
        // The file's own integers end at 64 bits, some 9.2 ether.
        E::custom(format!("the integer {number}, its digits in quotes due: \"{number}\""))
    }
}

impl Visitor<'_> for Text {
    type Value = U256;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wei: decimal digits in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<U256, E> {
        read(text).ok_or_else(|| E::custom(format!("{text:?} is no amount in wei, decimal digits in quotes due")))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<U256, E> {
        Err(Self::unquoted(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<U256, E> {
        Err(Self::unquoted(number))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<U256, E> {
        Err(Self::unquoted(number))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<U256, E> {
        Err(Self::unquoted(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_digits_and_what_has_none_is_no_number() {
        for (text, due) in [("0", 0), ("1000", 1_000), ("1_000", 1_000), ("0x10", 16), ("0xFf", 255), ("007", 7)] {
            assert_eq!(read(text), Some(U256::from(due)), "{text}");
        }
        assert_eq!(read(&U256::MAX.to_string()), Some(U256::MAX));
        let over = format!("{}0", U256::MAX);
        for text in [
            "", "_", "__", "0x", "0x_", "_1", "1_", "1__0", "x", "0xg", "1e18", "1.0", "-1", "+1", " 1", "1 ", "0b1",
            "0o7", "१", &over,
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
