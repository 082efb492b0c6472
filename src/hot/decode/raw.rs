//! A transaction back into the bytes that were signed and hashed: RLP, by its type.

use alloy::rlp::{Encodable, Header};
use alloy_primitives::{Address, B256};

use crate::hot::decode::PendingTx;
use crate::hot::decode::TxType;

/// What a list of RLP holds, item by item: measured first, then written.
macro_rules! items {
    ($tx:expr, $do:ident) => {{
        let tx = $tx;
        if tx.kind != TxType::Legacy {
            $do!(tx.chain_id.unwrap_or_default());
        }
        $do!(tx.nonce);
        if tx.kind == TxType::Dynamic {
            $do!(tx.tip);
        }
        $do!(tx.price);
        $do!(tx.gas);
        match tx.to {
            Some(to) => $do!(to),
            None => $do!([0u8; 0].as_slice()),
        }
        $do!(tx.value);
        $do!(&*tx.input);
        if tx.kind != TxType::Legacy {
            $do!(List(tx));
        }
        $do!(tx.v);
        $do!(tx.r);
        $do!(tx.s);
    }};
}

impl PendingTx {
    /// Its raw bytes, EIP-2718, in the place of what `out` holds. They are the transaction's if they hash to its hash.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut payload_length = 0;
        macro_rules! measure {
            ($item:expr) => {
                payload_length += $item.length()
            };
        }
        items!(self, measure);
        out.clear();
        out.reserve(payload_length + 10);
        if self.kind != TxType::Legacy {
            out.push(self.kind as u8);
        }
        Header { list: true, payload_length }.encode(out);
        macro_rules! write {
            ($item:expr) => {
                $item.encode(out)
            };
        }
        items!(self, write);
    }
}

/// The access list as RLP has it.
struct List<'a>(&'a PendingTx);

/// A list of so many bytes within.
fn list(payload_length: usize) -> Header {
    Header { list: true, payload_length }
}

/// A key with its length before it.
const KEY: usize = 33;
/// An address with its length before it.
const ADDRESS: usize = 21;

fn item(keys: &[B256]) -> usize {
    let within = keys.len() * KEY;
    ADDRESS + list(within).length() + within
}

impl List<'_> {
    fn within(&self) -> usize {
        self.0.access.iter().map(|(_, keys): (Address, _)| list(item(keys)).length() + item(keys)).sum()
    }
}

impl Encodable for List<'_> {
    fn encode(&self, out: &mut dyn alloy::rlp::BufMut) {
        list(self.within()).encode(out);
        for (address, keys) in self.0.access.iter() {
            list(item(keys)).encode(out);
            address.encode(out);
            list(keys.len() * KEY).encode(out);
            keys.iter().for_each(|key| key.encode(out));
        }
    }

    fn length(&self) -> usize {
        list(self.within()).length() + self.within()
    }
}
