//! A chain's calendar: which of Ethereum's forks gives a block its rules.

/// A fork of Ethereum's, by the rules of its execution. Other chains' forks take these over under names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are names")]
pub enum Hardfork {
    Istanbul,
    Berlin,
    London,
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Amsterdam,
}

impl Hardfork {
    /// As a configuration has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Istanbul => "istanbul",
            Self::Berlin => "berlin",
            Self::London => "london",
            Self::Paris => "paris",
            Self::Shanghai => "shanghai",
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
            Self::Amsterdam => "amsterdam",
        }
    }
}

/// Where a fork begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the block of this number.
    Block(u64),
    /// With the first block at or after this unix second.
    Time(u64),
}

impl When {
    const fn is_reached(self, number: u64, timestamp: u64) -> bool {
        match self {
            Self::Block(first) => number >= first,
            Self::Time(first) => timestamp >= first,
        }
    }
}

/// From where on a chain has which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Where they begin.
    pub when: When,
    /// Opcodes, gas and precompiles.
    pub rules: Hardfork,
    /// Blob base fee update fraction (EIP-4844, 7691, 7892). Before Cancun there are no blobs, and it means nothing.
    pub blob_update_fraction: u64,
}

/// EIP-4844's fraction.
pub const CANCUN_BLOBS: u64 = 3_338_477;
/// EIP-7691's.
pub const PRAGUE_BLOBS: u64 = 5_007_716;
/// EIP-7892's, of the first two forks that changed nothing else (EIP-7892, "BPO1", "BPO2").
pub const BPO1_BLOBS: u64 = 8_346_193;
/// See [`BPO1_BLOBS`].
pub const BPO2_BLOBS: u64 = 11_684_671;

/// Which rules hold for a block. `None`: it is older than the first fork of the calendar.
#[must_use]
pub fn active(forks: &[Activation], number: u64, timestamp: u64) -> Option<Activation> {
    let first = forks.first()?;
    if !first.when.is_reached(number, timestamp) {
        return None;
    }
    forks.iter().rev().find(|fork| fork.when.is_reached(number, timestamp)).copied()
}
