//! The frame itself, as the common nodes send it; of others see `loose`.

use alloy_primitives::{Address, B256, U256, hex};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hot::decode::PendingTx;
use crate::hot::decode::TxType;
use crate::hot::decode::input::Input;
use crate::hot::decode::loose;

/// Why a frame is not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// No notice of a full transaction, or a field of it is not what is due.
    #[error("not a notice of a full pending transaction")]
    Form,
    /// A kind that is left to the edge.
    #[error("a transaction of type {0}, 0 to 2 due")]
    Type(u64),
    /// A field is missing that its type has, or does not fit.
    #[error("{0} is missing or not what its type has")]
    Field(&'static str),
}

/// So many bytes in hexadecimal, `0x` before them.
pub(in crate::hot::decode) struct Hex<const N: usize>(pub(in crate::hot::decode) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        let mut bytes = [0; N];
        let digits = text.strip_prefix("0x").unwrap_or_default();
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| serde::de::Error::custom("not hexadecimal"))?;
        Ok(Self(bytes))
    }
}

/// A number in hexadecimal, `0x` before it.
pub(in crate::hot::decode) struct Number<T>(pub(in crate::hot::decode) T);

macro_rules! number {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for Number<$type> {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let digits = <&str>::deserialize(from)?.strip_prefix("0x").unwrap_or_default();
                // The standard library takes a sign as well.
                if digits.starts_with('+') {
                    return Err(serde::de::Error::custom("not a number"));
                }
                <$type>::from_str_radix(digits, 16).map(Self).map_err(|_| serde::de::Error::custom("not a number"))
            }
        }
    };
}

number!(u64);
number!(u128);

impl<'de> Deserialize<'de> for Number<U256> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let digits = <&str>::deserialize(from)?.strip_prefix("0x").unwrap_or_default();
        let wrong = || serde::de::Error::custom("not a number of 256 bits");
        // Ruint skips underscores and takes nothing at all for zero.
        let sound = (1..=64).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !sound {
            return Err(wrong());
        }
        U256::from_str_radix(digits, 16).map(Self).map_err(|_| wrong())
    }
}

#[derive(Deserialize)]
struct Notice<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    result: Tx<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tx<'a> {
    #[serde(rename = "type", default)]
    kind: Option<Number<u64>>,
    hash: Hex<32>,
    from: Hex<20>,
    to: Option<Hex<20>>,
    #[serde(default)]
    chain_id: Option<Number<u64>>,
    nonce: Number<u64>,
    gas: Number<u64>,
    gas_price: Option<Number<u128>>,
    max_fee_per_gas: Option<Number<u128>>,
    max_priority_fee_per_gas: Option<Number<u128>>,
    value: Number<U256>,
    input: &'a str,
    #[serde(borrow, default)]
    access_list: Option<&'a RawValue>,
    y_parity: Option<Number<u64>>,
    v: Option<Number<u64>>,
    r: Number<U256>,
    s: Number<U256>,
    /// Somebody else's inclusion: no pending one.
    block_hash: Option<&'a RawValue>,
}

/// Reads a notice into `to`. `chain_id`: of the chain that the node is on, where that is known.
pub(in crate::hot::decode) fn read(frame: &str, to: &mut PendingTx, chain_id: Option<u64>) -> Result<(), Unread> {
    match whole(frame, to) {
        Err(why @ (Unread::Form | Unread::Field(_))) => loose::read(frame, to, chain_id).ok_or(why),
        read => read,
    }
}

/// One of which nothing is left out.
fn whole(frame: &str, to: &mut PendingTx) -> Result<(), Unread> {
    let Notice { params: Params { result: tx } } = serde_json::from_str(frame).map_err(|_| Unread::Form)?;
    if tx.block_hash.is_some_and(|hash| hash.get() != "null") {
        return Err(Unread::Form);
    }
    to.kind = match tx.kind.as_ref().ok_or(Unread::Field("type"))?.0 {
        0 => TxType::Legacy,
        1 => TxType::Listed,
        2 => TxType::Dynamic,
        other => return Err(Unread::Type(other)),
    };
    to.hash = B256::new(tx.hash.0);
    to.sender = Address::new(tx.from.0);
    to.to = tx.to.as_ref().map(|to| Address::new(to.0));
    (to.nonce, to.gas, to.value) = (tx.nonce.0, tx.gas.0, tx.value.0);
    (to.r, to.s) = (tx.r.0, tx.s.0);
    fees(&tx, to)?;
    signed(&tx, to)?;
    bytes(tx.input, &mut to.input)?;
    match tx.access_list.filter(|list| to.kind != TxType::Legacy && list.get() != "null") {
        Some(list) => to.access.read(list.get()).map_err(|_| Unread::Field("accessList"))?,
        None => to.access.clear(),
    }
    Ok(())
}

fn fees(tx: &Tx<'_>, to: &mut PendingTx) -> Result<(), Unread> {
    (to.price, to.tip) = match to.kind {
        TxType::Legacy | TxType::Listed => (number(&tx.gas_price, "gasPrice")?, 0),
        TxType::Dynamic => (
            number(&tx.max_fee_per_gas, "maxFeePerGas")?,
            number(&tx.max_priority_fee_per_gas, "maxPriorityFeePerGas")?,
        ),
    };
    Ok(())
}

/// The chain and the signature's `v`: EIP-155 has the one in the other.
fn signed(tx: &Tx<'_>, to: &mut PendingTx) -> Result<(), Unread> {
    let v = tx.v.as_ref().map(|v| v.0);
    if to.kind == TxType::Legacy {
        to.v = v.ok_or(Unread::Field("v"))?;
        to.chain_id = match to.v {
            27 | 28 => None,
            35.. => Some((to.v - 35) / 2),
            _ => return Err(Unread::Field("v")),
        };
        return Ok(());
    }
    to.v = tx.y_parity.as_ref().map(|parity| parity.0).or(v).filter(|v| *v <= 1).ok_or(Unread::Field("yParity"))?;
    to.chain_id = Some(tx.chain_id.as_ref().ok_or(Unread::Field("chainId"))?.0);
    Ok(())
}

fn number(from: &Option<Number<u128>>, name: &'static str) -> Result<u128, Unread> {
    from.as_ref().map(|number| number.0).ok_or(Unread::Field(name))
}

pub(in crate::hot::decode) fn bytes(text: &str, to: &mut Input) -> Result<(), Unread> {
    let digits = text.strip_prefix("0x").ok_or(Unread::Field("input"))?;
    to.write(digits.len() / 2, |bytes| hex::decode_to_slice(digits, bytes)).map_err(|_| Unread::Field("input"))
}
