//! What the ledger holds of a bundle. Rows are JSON inside the database, so that a field can be added without rewriting
//! what is there; unknown keys are ignored, new ones need a default.

use alloy_primitives::{Address, B256, I256, U256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::edge::ledger::landed::Landed;
use crate::edge::ledger::landed::Reason;
use crate::protocols::lending::taken::Position;
use crate::types::pool_key::PoolKey;

/// A bundle as it was decided, before anything was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Its name here and at the relays.
    #[serde(with = "text")]
    pub uuid: Uuid,
    /// The block it is for.
    pub target: u64,
    /// The hash of the block below it.
    #[serde(default)]
    pub parent: B256,
    /// What it takes: the caller's fingerprint of trigger and cycle. One bundle per block and opportunity.
    pub opportunity: B256,
    /// The earlier bundle for the same block and opportunity that this one takes the place of.
    #[serde(with = "text::optional")]
    pub replaces: Option<Uuid>,
    /// The pending transaction it follows; `None` for one of its own accord.
    pub trigger: Option<B256>,
    /// Hashes of its transactions, in order, the trigger's among them.
    pub txs: Vec<B256>,
    /// Ours among them.
    pub ours: B256,
    /// The pools it goes through.
    pub pools: Vec<PoolKey>,
    /// Positions of others that it closes, in order.
    #[serde(default)]
    pub positions: Vec<Position>,
    /// The strategy's name.
    pub strategy: String,
    /// The protocols it goes through, each once.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// The token that the profit is held in.
    #[serde(default)]
    pub token: Address,
    /// What is to be left of it before gas and bid, in its units.
    #[serde(default)]
    pub gross: U256,
    /// The same in ether, in wei.
    #[serde(default)]
    pub value: U256,
    /// Amounts along the path: what goes in, then what comes out of each pool.
    #[serde(default)]
    pub amounts: Vec<U256>,
    /// Whether it is sent; without it, it is what would have been.
    pub live: bool,
    /// What is to remain for us, in wei, after gas and bid.
    pub predicted: I256,
    /// What the builder is to be paid on top of the base fee, in wei.
    pub bid: U256,
    /// When it was decided, in unix milliseconds.
    pub decided_ms: u64,
}

/// What came of one request to one relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name in the config.
    pub relay: String,
    /// When it was sent, in unix milliseconds.
    pub sent_ms: u64,
    /// How long the answer took, in microseconds.
    pub took_us: u64,
    /// What it was.
    pub reply: RelayReply,
}

/// What a relay said. Whether a bundle landed only the chain says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayReply {
    /// Took it, and may have named its hash.
    Accepted {
        /// As it was returned: not every relay hashes alike.
        hash: Option<String>,
    },
    /// Said no.
    Refused {
        /// JSON-RPC's code, or HTTP's status.
        code: i64,
        /// Its words.
        message: String,
    },
    /// Said something that cannot be read. It may have taken it.
    Unknown {
        /// The first bytes.
        text: String,
    },
    /// Said nothing in time, or could not be reached. It may have taken it.
    Silent {
        /// What happened.
        cause: String,
    },
}

/// How a bundle ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the chain.
    Landed {
        /// Where, and what it cost.
        at: Landed,
        /// What remained for us, in wei, by balances.
        realised: I256,
    },
    /// It is not.
    Lost {
        /// Why, as far as the chain shows.
        reason: Reason,
    },
    /// It was never sent: decided without `--live`, or given up before.
    Unsent,
}

/// Where a bundle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Decided, and nothing is known of a request. After a crash: it may have been sent.
    Decided,
    /// A relay was asked.
    Sent,
    /// A later one took its place. The chain may still take this one.
    Replaced,
    /// It has an outcome.
    Settled,
}

/// All that is known of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As it was decided.
    pub bundle: Bundle,
    /// Where it stands.
    pub state: State,
    /// What the relays said, in the order it was written down.
    pub answers: Vec<Answer>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Profit and loss of everything the ledger holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Bundles decided.
    pub decided: u64,
    /// Requests to relays.
    pub requests: u64,
    /// Bundles at least one relay was asked to take.
    pub sent: u64,
    /// Those that landed.
    pub landed: u64,
    /// Those that did not, by reason.
    pub lost: LostCounts,
    /// Those that were never sent.
    pub unsent: u64,
    /// Those that landed with another profit than predicted.
    pub mismatched: u64,
    /// Predicted profit of those that landed, in wei.
    pub predicted: I256,
    /// Realised profit of those that landed, in wei.
    pub realised: I256,
    /// What builders were paid by those that landed, in wei, as it was bid.
    pub bid: U256,
}

/// How many were lost to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LostCounts {
    /// The trigger was not in the block.
    #[serde(rename = "victim_not_included")]
    pub target_not_included: u64,
    /// Another took it.
    pub outbid: u64,
    /// It came after the block was made.
    pub late: u64,
    /// The trigger or ours reverted.
    pub reverted: u64,
    /// Another bundle of ours took the nonce that they share.
    pub superseded: u64,
    /// The chain does not show why.
    pub unknown: u64,
}

impl LostCounts {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.explained() + self.unknown
    }

    /// Those with a reason.
    #[must_use]
    pub const fn explained(&self) -> u64 {
        self.target_not_included + self.outbid + self.late + self.reverted + self.superseded
    }
}

impl Totals {
    /// Counts an outcome.
    pub fn settle(&mut self, bundle: &Bundle, outcome: &Outcome) {
        match outcome {
            Outcome::Landed { realised, .. } => {
                self.landed += 1;
                self.mismatched += u64::from(*realised != bundle.predicted);
                self.predicted = self.predicted.saturating_add(bundle.predicted);
                self.realised = self.realised.saturating_add(*realised);
                self.bid = self.bid.saturating_add(bundle.bid);
            }
            Outcome::Lost { reason } => *self.lost.of(reason) += 1,
            Outcome::Unsent => self.unsent += 1,
        }
    }
}

impl LostCounts {
    const fn of(&mut self, reason: &Reason) -> &mut u64 {
        match reason {
            Reason::TargetNotIncluded => &mut self.target_not_included,
            Reason::Outbid { .. } => &mut self.outbid,
            Reason::Late => &mut self.late,
            Reason::Reverted => &mut self.reverted,
            Reason::Superseded { .. } => &mut self.superseded,
            Reason::Unknown => &mut self.unknown,
        }
    }
}

/// One stage's latencies over a run, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half were faster.
    pub p50_ns: u64,
    /// 99 of 100 were faster.
    pub p99_ns: u64,
    /// 999 of 1000 were faster.
    pub p999_ns: u64,
    /// How many were measured.
    pub n: u64,
}

/// A uuid as relays read it, hyphens and all.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(uuid: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(uuid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        Uuid::parse_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }

    pub(super) mod optional {
        use serde::de::Error;
        use serde::{Deserialize, Deserializer, Serialize, Serializer};
        use uuid::Uuid;

        pub(in crate::edge::ledger::row) fn serialize<S: Serializer>(
            uuid: &Option<Uuid>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            uuid.map(|uuid| uuid.to_string()).serialize(to)
        }

        pub(in crate::edge::ledger::row) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Uuid>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            text.map(|text| Uuid::parse_str(&text).map_err(D::Error::custom)).transpose()
        }
    }
}
