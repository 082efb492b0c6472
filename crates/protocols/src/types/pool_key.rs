//! Which pool: the contract that is called, and the pool's id there where the contract holds many.
//!
//! # Invariants
//! - Written down, a key without an id is the contract's address and nothing else: the form that journals, snapshots and reports
//!   have always had. One with an id is `address/id`.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::hex::FromHexError;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

/// The identity of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolKey {
    /// The contract that holds it.
    pub contract: Address,
    /// Which of the contract's pools. `None`: the contract is the pool.
    pub id: Option<B256>,
}

impl PoolKey {
    /// The pools that a log of a contract may speak of: the one that is the contract, and those whose id the log bears. An indexed
    /// word of another meaning names a pool that there is none of.
    pub fn named_by(at: Address, topics: &[B256]) -> impl Iterator<Item = Self> + '_ {
        let by_id = topics.iter().skip(1).map(move |id| Self { contract: at, id: Some(*id) });
        std::iter::once(Self::from(at)).chain(by_id)
    }
}

impl From<Address> for PoolKey {
    fn from(contract: Address) -> Self {
        Self { contract, id: None }
    }
}

impl fmt::Display for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            None => write!(f, "{}", self.contract),
            Some(id) => write!(f, "{}/{id}", self.contract),
        }
    }
}

impl FromStr for PoolKey {
    type Err = FromHexError;

    fn from_str(text: &str) -> Result<Self, FromHexError> {
        match text.split_once('/') {
            None => text.parse::<Address>().map(Self::from),
            Some((contract, id)) => Ok(Self { contract: contract.parse()?, id: Some(id.parse()?) }),
        }
    }
}

impl Serialize for PoolKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.id {
            // In the contract's own form, which is lower case.
            None => self.contract.serialize(to),
            Some(id) => to.collect_str(&format_args!("{:?}/{id:?}", self.contract)),
        }
    }
}

impl<'de> Deserialize<'de> for PoolKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use alloy_primitives::B256;

    use crate::types::pool_key::PoolKey;

    #[test]
    fn a_key_without_an_id_is_written_as_its_address() {
        let address = Address::repeat_byte(0xab);
        let key = PoolKey::from(address);
        assert_eq!(serde_json::to_string(&key).unwrap(), serde_json::to_string(&address).unwrap());
        assert_eq!(key.to_string(), address.to_string());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let contract = Address::repeat_byte(0xab);
        for id in [None, Some(B256::repeat_byte(0xcd))] {
            let key = PoolKey { contract, id };
            let text = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<PoolKey>(&text).unwrap(), key);
            assert_eq!(key.to_string().parse::<PoolKey>().unwrap(), key);
        }
        assert!("0xab/".parse::<PoolKey>().is_err());
    }

    #[test]
    fn pools_of_one_contract_are_told_apart_by_their_id() {
        let contract = Address::repeat_byte(1);
        let of = |byte| PoolKey { contract, id: Some(B256::repeat_byte(byte)) };
        assert!(of(1) < of(2) && PoolKey::from(contract) < of(1));
    }
}
