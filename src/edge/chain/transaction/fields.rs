//! A transaction's fields, each in the forms that nodes have for it: numbers in hexadecimal, in digits, or bare.

use alloy::eips::eip2930::AccessList;
use alloy::eips::eip2930::AccessListItem;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

use crate::edge::chain::transaction::Unreadable;

/// The fields; those that are null are not there.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn read<T>(&self, name: &'static str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Unreadable> {
        self.get(name).map(|value| read(value).ok_or(Unreadable::Field(name))).transpose()
    }

    pub(super) fn number<T: TryFrom<U256>>(&self, name: &'static str) -> Result<Option<T>, Unreadable> {
        self.read(name, |value| T::try_from(quantity(value)?).ok())
    }

    pub(super) fn due<T: TryFrom<U256>>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.number(name)?.ok_or(Unreadable::Field(name))
    }

    pub(super) fn word(&self, name: &'static str) -> Result<Option<B256>, Unreadable> {
        self.read(name, |value| B256::try_from(bytes(value)?.as_slice()).ok())
    }

    pub(super) fn address(&self, name: &'static str) -> Result<Option<Address>, Unreadable> {
        self.read(name, |value| Address::try_from(bytes(value)?.as_slice()).ok())
    }

    /// `gasLimit` is what some call it.
    pub(super) fn gas(&self) -> Result<u64, Unreadable> {
        self.number("gas")?.or(self.number("gasLimit")?).ok_or(Unreadable::Field("gas"))
    }

    /// `data` is what some call it. One that is absent is empty.
    pub(super) fn input(&self) -> Result<Bytes, Unreadable> {
        let input = self.read("input", bytes)?.or(self.read("data", bytes)?);
        Ok(input.unwrap_or_default().into())
    }

    /// `None`: it makes a contract. Some write that as no address at all.
    pub(super) fn to(&self) -> Result<Option<Address>, Unreadable> {
        if self.get("to").is_some_and(|to| to == "" || to == "0x") {
            return Ok(None);
        }
        self.address("to")
    }

    /// One that is absent is empty, and so are an item's keys.
    pub(super) fn access_list(&self) -> Result<AccessList, Unreadable> {
        let list = |value: &Value| value.as_array()?.iter().map(item).collect::<Option<Vec<_>>>().map(AccessList);
        Ok(self.read("accessList", list)?.unwrap_or_default())
    }

    /// As alloy reads it.
    pub(super) fn whole<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.read(name, |value| T::deserialize(value).ok())?.ok_or(Unreadable::Field(name))
    }
}

fn item(value: &Value) -> Option<AccessListItem> {
    let fields = Fields(value.as_object()?);
    let keys = fields.get("storageKeys").map_or(Some(Vec::new()), |keys| Vec::<B256>::deserialize(keys).ok());
    Some(AccessListItem { address: fields.address("address").ok()??, storage_keys: keys? })
}

/// A number. `0x` alone is nothing, hence zero.
pub(super) fn quantity(value: &Value) -> Option<U256> {
    let Some(text) = value.as_str() else { return value.as_u64().map(U256::from) };
    let (digits, radix) = text.strip_prefix("0x").or(text.strip_prefix("0X")).map_or((text, 10), |digits| (digits, 16));
    let sound = if radix == 16 {
        digits.len() <= 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    } else {
        (1..=78).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    // Ruint skips underscores.
    if sound { U256::from_str_radix(digits, radix).ok() } else { None }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    hex::decode(value.as_str()?).ok()
}
