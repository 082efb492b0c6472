//! A file as it was written: each value with the line where it stands. What is wrong is said of that line.
//!
//! # Invariants
//! - Every address of a file is looked at, whatever key it stands under: a key that comes later need not think of it.
//! - Of a value that may be a key nothing is shown; addresses are none.

use alloy_primitives::Address;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// A key's own row and the chain's whole table, where the file has several chains.
const CHAIN: &str = "chain";

/// A whole file, or what a `[[chain]]` row makes of it.
#[derive(Clone)]
pub(super) struct Written<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

/// What is wrong, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

impl<'a> Written<'a> {
    /// # Errors
    /// It is not TOML.
    pub(super) fn parse(text: &'a str) -> Result<Self, Wrong> {
        let root = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            // The line itself is not shown: what stands there may be a key.
            let key = text.lines().nth(line - 1).unwrap_or_default().split('=').next().unwrap_or_default().trim();
            Wrong { line: Some(line), what: format!("`{key}`: {}", first_line(&error)) }
        })?;
        Ok(Self { text, root })
    }

    /// One a `[[chain]]` row, in order: `below` are tables that take the place of the file's where they stand below a row. None,
    /// where the file has one chain.
    pub(super) fn rows(&self, below: &[&str]) -> Option<Vec<Self>> {
        let DeValue::Array(rows) = self.root.get_ref().get(CHAIN)?.get_ref() else { return None };
        let one = |row: &Spanned<DeValue<'a>>| {
            let (mut whole, mut chain) = (self.root.clone(), row.clone());
            // A row that is no table is left as it is: the reader of the row says so.
            if let DeValue::Table(chain) = chain.get_mut() {
                let own = below.iter().filter_map(|name| chain.remove_entry(*name)).collect::<Vec<_>>();
                for (name, table) in own {
                    whole.get_mut().remove(name.get_ref().as_ref());
                    whole.get_mut().insert(name, table);
                }
            }
            if let Some((name, _)) = whole.get_mut().remove_entry(CHAIN) {
                whole.get_mut().insert(name, chain);
            }
            Self { text: self.text, root: whole }
        };
        Some(rows.iter().map(one).collect())
    }

    /// Whether a key is written.
    pub(super) fn has(&self, table: &str, key: &str) -> bool {
        let table = self.root.get_ref().get(table).map(Spanned::get_ref);
        matches!(table, Some(DeValue::Table(table)) if table.contains_key(key))
    }

    /// As what it is.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong kind.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        T::deserialize(Deserializer::from(self.root.clone())).map_err(|error| {
            let Some(span) = error.span() else { return Wrong { line: None, what: first_line(&error) } };
            let what = match key_at(self.root.get_ref(), span.start, "") {
                Some(key) => format!("`{key}`: {}", first_line(&error)),
                None => first_line(&error),
            };
            Wrong { line: Some(line_at(self.text, span.start)), what }
        })
    }

    /// The line of a key: `bid.cap_wei`, or, of the row of that number, `relay.url`. None, where it is not written.
    pub(super) fn line_of(&self, key: &str, row: usize) -> Option<usize> {
        let (table, key) = key.split_once('.').map_or((key, None), |(table, key)| (table, Some(key)));
        let (name, value) = self.root.get_ref().get_key_value(table)?;
        let span = match (value.get_ref(), key) {
            (DeValue::Table(table), Some(key)) => table.get_key_value(key)?.0.span(),
            (DeValue::Array(rows), Some(key)) => {
                let row = rows.get(row)?;
                let own = row.get_ref().as_table().and_then(|row| row.get_key_value(key));
                own.map_or_else(|| row.span(), |(key, _)| key.span())
            }
            _ => name.span(),
        };
        Some(line_at(self.text, span.start))
    }

    /// The first address whose letters are not its checksum. A digit of it may be wrong, and money would go where nobody is.
    pub(super) fn wrong_address(&self) -> Option<Wrong> {
        let mut found = None;
        each_text(self.root.get_ref(), "", &mut |key, text, at| {
            if found.is_none() && !is_checked(text) {
                let what = format!(
                    "{key} is {text}, whose capital letters are not its checksum (EIP-55): a digit is wrong, or a \
                     capital; the address as its owner gives it due"
                );
                found = Some(Wrong { line: Some(line_at(self.text, at)), what });
            }
        });
        found
    }
}

/// False: an address in capital and small letters, which are not those of its checksum. Behind it may stand an id (`contract/id`).
fn is_checked(text: &str) -> bool {
    let contract = text.split_once('/').map_or(text, |(contract, _)| contract);
    let digits = contract.strip_prefix("0x").or_else(|| contract.strip_prefix("0X")).unwrap_or(contract);
    let is_address = digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has = |is: fn(&u8) -> bool| digits.as_bytes().iter().any(is);
    if !is_address || !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) {
        return true;
    }
    Address::parse_checksummed(format!("0x{digits}"), None).is_ok()
}

fn first_line(error: &Error) -> String {
    // What follows may repeat the file, where a key may stand.
    error.message().lines().next().unwrap_or_default().to_owned()
}

/// Counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// The key that stands at this place of the text, or whose value does.
fn key_at(table: &DeTable<'_>, offset: usize, above: &str) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let path = format!("{above}{}", name.get_ref());
        let below = format!("{path}.");
        let inner = match value.get_ref() {
            DeValue::Table(table) => key_at(table, offset, &below),
            DeValue::Array(rows) => {
                rows.iter().filter_map(|row| row.get_ref().as_table()).find_map(|row| key_at(row, offset, &below))
            }
            _ => None,
        };
        let here = name.span().contains(&offset) || value.span().contains(&offset);
        inner.or_else(|| here.then_some(path))
    })
}

/// Every text of a table: its key, itself, its place.
fn each_text(table: &DeTable<'_>, above: &str, tell: &mut dyn FnMut(&str, &str, usize)) {
    for (name, value) in table {
        each_text_of(value, &format!("{above}{}", name.get_ref()), tell);
    }
}

fn each_text_of(value: &Spanned<DeValue<'_>>, key: &str, tell: &mut dyn FnMut(&str, &str, usize)) {
    match value.get_ref() {
        DeValue::String(text) => tell(key, text, value.span().start),
        DeValue::Table(table) => each_text(table, &format!("{key}."), tell),
        DeValue::Array(values) => values.iter().for_each(|value| each_text_of(value, key, tell)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
