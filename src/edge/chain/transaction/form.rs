//! Which kind of transaction it is, on which chain, and with which parity of its signature: as it says, or every way it could be.

use alloy::consensus::EthereumTypedTransaction as Typed;
use alloy::consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxLegacy};
use alloy_primitives::U256;

use crate::edge::chain::transaction::Unreadable;
use crate::edge::chain::transaction::fields::Fields;

/// The last that is known here.
const LAST: u64 = 4;

/// As far as it is said, or guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    kind: Option<u64>,
    /// None: not said; of a legacy transaction, that it is valid on every chain.
    chain_id: Option<u64>,
}

type Tx = Typed<TxEip4844Variant>;

impl Form {
    /// What the transaction says of it.
    pub(super) fn of(fields: &Fields<'_>) -> Result<Self, Unreadable> {
        let kind = fields.number::<u64>("type")?;
        match kind {
            Some(kind) if kind > LAST => Err(Unreadable::Type(kind)),
            _ => Ok(Self { kind, chain_id: fields.number("chainId")? }),
        }
    }

    /// Every form that it may have, the likeliest first. `chain_id`: the configuration's.
    pub(super) fn guesses(self, fields: &Fields<'_>, chain_id: Option<u64>) -> Vec<Self> {
        let kinds = self.kind.map_or_else(|| kinds(fields), |kind| vec![kind]);
        let forms = |kind| {
            let home = self.chain_id.or(chain_id);
            // Of a legacy transaction `v` says it; where that is a mere parity it may be valid anywhere.
            let chains = match (kind, fields.number::<u64>("v")) {
                (0, Ok(Some(v @ 35..))) => vec![Some((v - 35) / 2)],
                (0, Ok(Some(27 | 28))) => vec![None],
                (0, _) => vec![home, None],
                _ => vec![home],
            };
            chains.into_iter().map(move |chain_id| Self { kind: Some(kind), chain_id })
        };
        kinds.into_iter().flat_map(forms).collect()
    }

    /// Whether the signature's `y` is odd: as it is said, or either.
    pub(super) fn parities(self, fields: &Fields<'_>) -> Result<Vec<bool>, Unreadable> {
        let odd = |parity: u64| vec![parity == 1];
        if let Some(parity) = fields.number::<u64>("yParity")?.filter(|parity| *parity <= 1) {
            return Ok(odd(parity));
        }
        Ok(match fields.number::<u64>("v")? {
            Some(v @ 0..=1) => odd(v),
            Some(v @ 27..=28) => odd(v - 27),
            Some(v @ 35..) => odd((v - 35) % 2),
            _ => vec![false, true],
        })
    }

    /// The transaction, not yet signed.
    pub(super) fn build(self, fields: &Fields<'_>) -> Result<Tx, Unreadable> {
        let (nonce, gas_limit, input) = (fields.due("nonce")?, fields.gas()?, fields.input()?);
        let value = fields.number::<U256>("value")?.unwrap_or_default();
        let (to, chain) = (fields.to()?, self.chain_id.ok_or(Unreadable::Field("chainId")));
        let called = to.ok_or(Unreadable::Field("to"));
        let (fee, tip) = (|| fields.due("maxFeePerGas"), || fields.due("maxPriorityFeePerGas"));
        let to = to.into();
        Ok(match self.kind {
            Some(1) => Typed::Eip2930(TxEip2930 {
                chain_id: chain?,
                nonce,
                gas_price: fields.due("gasPrice")?,
                gas_limit,
                to,
                value,
                access_list: fields.access_list()?,
                input,
            }),
            Some(2) => Typed::Eip1559(TxEip1559 {
                chain_id: chain?,
                nonce,
                gas_limit,
                max_fee_per_gas: fee()?,
                max_priority_fee_per_gas: tip()?,
                to,
                value,
                access_list: fields.access_list()?,
                input,
            }),
            Some(3) => Typed::Eip4844(TxEip4844Variant::TxEip4844(TxEip4844 {
                chain_id: chain?,
                nonce,
                gas_limit,
                max_fee_per_gas: fee()?,
                max_priority_fee_per_gas: tip()?,
                to: called?,
                value,
                access_list: fields.access_list()?,
                blob_versioned_hashes: fields.whole("blobVersionedHashes")?,
                max_fee_per_blob_gas: fields.due("maxFeePerBlobGas")?,
                input,
            })),
            Some(4) => Typed::Eip7702(TxEip7702 {
                chain_id: chain?,
                nonce,
                gas_limit,
                max_fee_per_gas: fee()?,
                max_priority_fee_per_gas: tip()?,
                to: called?,
                value,
                access_list: fields.access_list()?,
                authorization_list: fields.whole("authorizationList")?,
                input,
            }),
            _ => {
                let gas_price = fields.due("gasPrice")?;
                Typed::Legacy(TxLegacy { chain_id: self.chain_id, nonce, gas_price, gas_limit, to, value, input })
            }
        })
    }
}

/// The kinds that a transaction of these fields may be of. Nodes show a price for every kind.
fn kinds(fields: &Fields<'_>) -> Vec<u64> {
    // Some show such a list, empty, with every kind.
    if fields.has("authorizationList") {
        vec![4, 2, 0, 1]
    } else if fields.has("blobVersionedHashes") {
        vec![3, 2, 0, 1]
    } else if fields.has("maxFeePerGas") {
        vec![2, 0, 1]
    } else if fields.has("accessList") {
        vec![1, 0]
    } else {
        vec![0, 1]
    }
}
