//! What a hot thread was fed and what it decided, as frames of the journal. A replay feeds the same, and decides again.
//!
//! ```text
//! Plan    = zstd( JSON of Setup )                    once a run, before any thread's
//! Fed     = number u64, little-endian | zstd( JSON of Fed )
//! Decided = number u64, little-endian | zstd( JSON of Decided )
//! ```
//! The frame's source is the hot thread's index. Its frames are numbered from 0 on, both kinds together, and those that
//! found the writer's queue full have a number, too: where one is missing, a gap is seen.
//!
//! # Invariants
//! - No key is in it. Of our own transactions it holds the fields and the digest, not the signature.
//! - Fields may be added with a default; none is changed or taken away.

use std::borrow::Cow;
use std::io;
use std::io::Read;

use alloy_primitives::{Address, B256, Bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chain;
use crate::hot::bundle::config::Bid;
use crate::hot::bundle::config::Limits;
use crate::hot::forecast::config::Config as Forecast;
use crate::hot::search::config::Config as Search;
use crate::protocols::AnyPool;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::decision::Decision;
use crate::types::update::AccountUpdate;
use crate::types::update::BlockUpdate;
use crate::types::update::FetchedState;
use crate::types::update::Head;

/// Fast, and a sixth of the size.
const ZSTD_LEVEL: i32 = 1;
/// A small frame must not unpack to all the memory there is.
const MOST_BYTES: u64 = 1 << 32;

/// What the engines and the bundles were made with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// Which chain.
    pub chain: chain::Config,
    /// How far and from where cycles were looked for.
    pub search: Search,
    /// What builders were offered.
    pub bid: Bid,
    /// The last gate.
    pub limits: Limits,
    /// Who signs.
    pub owner: Address,
    /// Our contract.
    pub executor: Address,
    /// Our contract liquidates, too. It did not in runs that do not say so.
    pub liquidates: bool,
    /// A second contract that liquidated, in runs before the one did both.
    #[serde(skip_serializing)]
    pub liquidator: Option<Address>,
    /// Wrapped ether.
    pub weth: Address,
    /// Access lists were sent.
    pub access_list: bool,
    /// Gas limit above what was needed, in basis points.
    pub gas_margin_bps: u16,
    /// Whether pending transactions were resolved by maths first. They were not where nothing is said of it.
    #[serde(rename = "reckon", default = "Forecast::off")]
    pub forecast: Forecast,
}

/// The state that an engine began with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State<'a> {
    /// The block behind which it stands.
    pub head: Head,
    /// All that was known of accounts.
    pub accounts: Cow<'a, [AccountUpdate]>,
    /// Hashes of older blocks.
    pub hashes: Cow<'a, [(u64, B256)]>,
    /// Pools, in order of address.
    pub pools: Cow<'a, [AnyPool]>,
    /// Lending markets, in the order of the configuration.
    #[serde(default)]
    pub markets: Cow<'a, [MarketSpec]>,
}

/// What a hot thread was fed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fed<'a> {
    /// The state: the engine was made anew of it, and looked at all cycles.
    Load(State<'a>),
    /// The chain grew.
    Block(Cow<'a, BlockUpdate>),
    /// Blocks above this one were undone.
    Undo(B256),
    /// What was missed; `again`: and all cycles were looked at again.
    #[serde(rename = "told")]
    FetchedState {
        /// The state.
        #[serde(rename = "told")]
        fetched: Cow<'a, FetchedState>,
        /// Whether a decision followed.
        again: bool,
    },
    /// A pool, behind the block of a hash.
    Pool {
        /// The block.
        at: B256,
        /// The pool.
        pool: Cow<'a, AnyPool>,
    },
    /// A pending transaction.
    Pending {
        /// As it was announced.
        hash: B256,
        /// As the node said it.
        sender: Address,
        /// EIP-2718.
        raw: Bytes,
    },
    /// A lending market, new behind the block of a hash.
    Market {
        /// The block.
        at: B256,
        /// What makes it.
        seed: Cow<'a, MarketSpec>,
    },
}

impl Fed<'_> {
    /// A word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Load(_) => "load",
            Self::Block(_) => "block",
            Self::Undo(_) => "undo",
            Self::FetchedState { .. } => "told",
            Self::Pool { .. } => "pool",
            Self::Pending { .. } => "pending",
            Self::Market { .. } => "market",
        }
    }
}

/// What was decided about the item fed last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decided {
    /// All of it.
    pub decision: Decision,
    /// What the signed bundle is called: names follow from the signature, which a replay cannot make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
}

/// What a signed bundle is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Names {
    /// The bundle, as Flashbots forecasts it.
    pub bundle: B256,
    /// Our transaction.
    pub ours: B256,
}

/// A payload without a number.
pub fn pack(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    serde_json::to_writer(&mut packer, value)?;
    packer.finish()
}

/// A payload with its number.
pub fn pack_numbered(number: u64, value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(number.to_le_bytes().to_vec(), ZSTD_LEVEL)?;
    serde_json::to_writer(&mut packer, value)?;
    packer.finish()
}

/// What [`pack`] made.
pub fn unpack<T: DeserializeOwned>(payload: &[u8]) -> io::Result<T> {
    let mut text = Vec::new();
    zstd::Decoder::new(payload)?.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// What [`pack_numbered`] made.
pub fn unpack_numbered<T: DeserializeOwned>(payload: &[u8]) -> io::Result<(u64, T)> {
    let (number, rest) = payload.split_first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((u64::from_le_bytes(*number), unpack(rest)?))
}
