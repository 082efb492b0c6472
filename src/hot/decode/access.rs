//! An access list in two flat lists, read without a list for every address.

use std::fmt;

use alloy_primitives::{Address, B256};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::hot::decode::json::Hex;

/// Addresses, each with the number of its keys, and all keys behind each other.
#[derive(Clone, Debug, Default)]
pub(in crate::hot::decode) struct List {
    addresses: Vec<(Address, usize)>,
    keys: Vec<B256>,
}

impl List {
    pub(in crate::hot::decode) fn clear(&mut self) {
        self.addresses.clear();
        self.keys.clear();
    }

    /// Each address with its keys.
    pub(in crate::hot::decode) fn iter(&self) -> impl Iterator<Item = (Address, &[B256])> {
        let mut rest = &self.keys[..];
        self.addresses.iter().map(move |(address, count)| {
            let (keys, others) = rest.split_at(*count);
            rest = others;
            (*address, keys)
        })
    }

    /// Reads the JSON of one.
    pub(in crate::hot::decode) fn read(&mut self, text: &str) -> Result<(), serde_json::Error> {
        self.clear();
        let mut from = serde_json::Deserializer::from_str(text);
        from.deserialize_seq(Items(self))?;
        from.end()
    }
}

/// Items, one after the other.
struct Items<'a>(&'a mut List);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an access list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Item(self.0))?.is_some() {}
        Ok(())
    }
}

/// An address and its keys, in either order.
struct Item<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Address,
    StorageKeys,
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an address with its storage keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let (mut address, before) = (None, self.0.keys.len());
        let mut keyed = false;
        while let Some(field) = fields.next_key()? {
            match field {
                Field::Address => address = Some(fields.next_value::<Hex<20>>()?.0),
                Field::StorageKeys => {
                    // Twice would be two stories.
                    if std::mem::replace(&mut keyed, true) {
                        return Err(serde::de::Error::duplicate_field("storageKeys"));
                    }
                    fields.next_value_seed(Keys(&mut self.0.keys))?;
                }
            }
        }
        let address = address.ok_or_else(|| serde::de::Error::missing_field("address"))?;
        self.0.addresses.push((Address::new(address), self.0.keys.len() - before));
        Ok(())
    }
}

/// Keys, one after the other.
struct Keys<'a>(&'a mut Vec<B256>);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("storage keys")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut keys: A) -> Result<(), A::Error> {
        while let Some(key) = keys.next_element::<Hex<32>>()? {
            self.0.push(B256::new(key.0));
        }
        Ok(())
    }
}
