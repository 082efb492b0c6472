//! Which rules of mainnet a block runs under, by its number and timestamp.
//!
//! # Limits
//! Istanbul (block 9,069,000) to Osaka with its blob-parameter forks. An older block is refused by name; a newer fork
//! than Osaka shows itself by header fields we do not know, which is for the reader of the header to see.

use alloy::eips::eip7892::{BPO1_BASE_UPDATE_FRACTION, BPO2_BASE_UPDATE_FRACTION};
use revm::primitives::eip4844::{BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE};
use revm::primitives::hardfork::SpecId;

use serde::{Deserialize, Serialize};

/// Mainnet's chain id.
pub const MAINNET: u64 = 1;

// Activation points: ethereum/execution-specs, README's table of network upgrades.
const ISTANBUL: u64 = 9_069_000;
const BERLIN: u64 = 12_244_000;
const LONDON: u64 = 12_965_000;
const PARIS: u64 = 15_537_394;
const SHANGHAI_TIME: u64 = 1_681_338_455;
const CANCUN_TIME: u64 = 1_710_338_135;
const PRAGUE_TIME: u64 = 1_746_612_311;
const OSAKA_TIME: u64 = 1_764_798_551;
// EIP-7892's blob-parameter-only forks of mainnet.
const BPO1_TIME: u64 = 1_765_290_071;
const BPO2_TIME: u64 = 1_767_747_671;

/// A block's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Opcodes, gas and precompiles.
    pub spec: SpecId,
    /// Blob base fee update fraction (EIP-4844, 7691, 7892). Before Cancun there are no blobs, and it means nothing.
    pub blob_update_fraction: u64,
}

/// The block is of a fork whose rules we do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {number} is older than istanbul (block {ISTANBUL}), the first fork peregrine knows")]
pub struct UnknownFork {
    /// The block's number.
    pub number: u64,
}

impl Fork {
    /// Prague, with the blobs it began with.
    pub const PRAGUE: Self = Self { spec: SpecId::PRAGUE, blob_update_fraction: BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE };

    /// The fork of mainnet's block `number` at `timestamp` (seconds).
    pub const fn mainnet(number: u64, timestamp: u64) -> Result<Self, UnknownFork> {
        let spec = if timestamp >= OSAKA_TIME {
            SpecId::OSAKA
        } else if timestamp >= PRAGUE_TIME {
            SpecId::PRAGUE
        } else if timestamp >= CANCUN_TIME {
            SpecId::CANCUN
        } else if timestamp >= SHANGHAI_TIME {
            SpecId::SHANGHAI
        } else if number >= PARIS {
            SpecId::MERGE
        } else if number >= LONDON {
            SpecId::LONDON
        } else if number >= BERLIN {
            SpecId::BERLIN
        } else if number >= ISTANBUL {
            SpecId::ISTANBUL
        } else {
            return Err(UnknownFork { number });
        };
        if number < ISTANBUL {
            return Err(UnknownFork { number });
        }
        let blob_update_fraction = if timestamp >= BPO2_TIME {
            BPO2_BASE_UPDATE_FRACTION
        } else if timestamp >= BPO1_TIME {
            BPO1_BASE_UPDATE_FRACTION
        } else if timestamp >= PRAGUE_TIME {
            BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE
        } else {
            BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN
        };
        Ok(Self { spec, blob_update_fraction })
    }

    /// `block.difficulty` holds the beacon chain's randomness.
    #[must_use]
    pub const fn has_randao(self) -> bool {
        self.spec.is_enabled_in(SpecId::MERGE)
    }

    /// The opcodes that a contract built for Cancun needs are there.
    #[must_use]
    pub const fn has_cancun_opcodes(self) -> bool {
        self.spec.is_enabled_in(SpecId::CANCUN)
    }
}

/// The `[chain]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The chain's id; a node of another chain is refused.
    pub id: u64,
    /// `mainnet`, or the name of the fork whose rules always hold, as on a devnet.
    pub hardfork: String,
    /// Seconds between two blocks.
    pub slot_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { id: MAINNET, hardfork: "mainnet".to_owned(), slot_seconds: 12 }
    }
}

impl Config {
    /// The first value that makes no sense: key, value, what is due.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String, &'static str)> {
        if Rules::named(&self.hardfork).is_none() {
            return Some(("chain.hardfork", self.hardfork.clone(), "mainnet, shanghai, cancun, prague or osaka"));
        }
        if !(1..=3600).contains(&self.slot_seconds) {
            return Some(("chain.slot_seconds", self.slot_seconds.to_string(), "1 to 3600"));
        }
        None
    }

    /// The rules; mainnet's where [`Config::out_of_range`] complains of the name.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::named(&self.hardfork).unwrap_or(Rules::Mainnet)
    }
}

/// Which rules hold when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// As on mainnet, by number and time.
    Mainnet,
    /// One fork from the first block on, as a devnet has it.
    Always(Fork),
}

impl Rules {
    /// The fork of a block to come. Blocks older than any fork we know do not come any more.
    #[must_use]
    pub fn at(&self, number: u64, timestamp: u64) -> Fork {
        match self {
            Self::Mainnet => Fork::mainnet(number, timestamp).unwrap_or(Fork::PRAGUE),
            Self::Always(fork) => *fork,
        }
    }

    /// The one fork, if one always holds.
    #[must_use]
    pub const fn fixed(&self) -> Option<Fork> {
        match self {
            Self::Mainnet => None,
            Self::Always(fork) => Some(*fork),
        }
    }

    /// By name: `mainnet`, or a fork that always holds.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let always = |spec, blob_update_fraction| Some(Self::Always(Fork { spec, blob_update_fraction }));
        match name {
            "mainnet" => Some(Self::Mainnet),
            "shanghai" => always(SpecId::SHANGHAI, BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN),
            "cancun" => always(SpecId::CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN),
            "prague" => Some(Self::Always(Fork::PRAGUE)),
            "osaka" => always(SpecId::OSAKA, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fork, UnknownFork};
    use revm::primitives::hardfork::SpecId;

    #[test]
    fn each_fork_starts_at_its_own_block_or_second() {
        for (number, timestamp, spec) in [
            (9_069_000, 1_575_764_709, SpecId::ISTANBUL),
            (12_243_999, 1_618_481_222, SpecId::ISTANBUL),
            (12_244_000, 1_618_481_223, SpecId::BERLIN),
            (12_964_999, 1_628_166_800, SpecId::BERLIN),
            (12_965_000, 1_628_166_822, SpecId::LONDON),
            (15_537_393, 1_663_224_162, SpecId::LONDON),
            (15_537_394, 1_663_224_179, SpecId::MERGE),
            (17_034_869, 1_681_338_443, SpecId::MERGE),
            (17_034_870, 1_681_338_455, SpecId::SHANGHAI),
            (19_426_586, 1_710_338_123, SpecId::SHANGHAI),
            (19_426_587, 1_710_338_135, SpecId::CANCUN),
            (22_431_083, 1_746_612_299, SpecId::CANCUN),
            (22_431_084, 1_746_612_311, SpecId::PRAGUE),
            (23_935_693, 1_764_798_539, SpecId::PRAGUE),
            (23_935_694, 1_764_798_551, SpecId::OSAKA),
        ] {
            assert_eq!(Fork::mainnet(number, timestamp).map(|f| f.spec), Ok(spec), "block {number}");
        }
    }

    #[test]
    fn a_block_before_istanbul_is_refused_by_number() {
        assert_eq!(Fork::mainnet(9_068_999, 1_575_764_700), Err(UnknownFork { number: 9_068_999 }));
    }

    #[test]
    fn blob_parameter_forks_change_the_update_fraction_alone() {
        let osaka = Fork::mainnet(23_935_694, 1_764_798_551).map(|f| f.blob_update_fraction);
        let bpo1 = Fork::mainnet(23_975_778, 1_765_290_071).map(|f| f.blob_update_fraction);
        let bpo2 = Fork::mainnet(24_179_383, 1_767_747_671).map(|f| f.blob_update_fraction);
        assert_eq!((osaka, bpo1, bpo2), (Ok(5_007_716), Ok(8_346_193), Ok(11_684_671)));
    }
}
