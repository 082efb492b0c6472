//! Which rules a block runs under, by its number and timestamp: a chain's schedule as the EVM takes it.
//!
//! # Limits
//! Istanbul to Osaka with its blob-parameter forks. A block of another fork is refused by name where its chain's schedule
//! holds the fork; a fork that no schedule holds yet shows itself by header fields we do not know, which is for the reader
//! of the header to see.

use revm::primitives::hardfork::SpecId;

use crate::chain;
use crate::chain::{Activation, BaseFee, ChainSpec, Hardfork};

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
pub enum UnknownFork {
    /// Older than the schedule.
    #[error("block {number} is older than {first}, the first fork peregrine knows of its chain")]
    Older {
        /// The block's number.
        number: u64,
        /// The first fork.
        first: &'static str,
    },
    /// Of a fork that the EVM here does not run.
    #[error("block {number} runs under {rules}, whose rules peregrine does not hold")]
    NotHeld {
        /// The block's number.
        number: u64,
        /// The fork.
        rules: &'static str,
    },
}

impl Fork {
    /// Prague, with the blobs it began with.
    pub const PRAGUE: Self = Self { spec: SpecId::PRAGUE, blob_update_fraction: chain::PRAGUE_BLOBS };

    /// The fork of a chain's block `number` at `timestamp` (seconds).
    pub fn of(chain: &ChainSpec, number: u64, timestamp: u64) -> Result<Self, UnknownFork> {
        Self::on(chain.forks, number, timestamp)
    }

    fn on(forks: &[Activation], number: u64, timestamp: u64) -> Result<Self, UnknownFork> {
        let older = || UnknownFork::Older { number, first: forks.first().map_or("any fork", |row| row.rules.name()) };
        let row = chain::active(forks, number, timestamp).ok_or_else(older)?;
        let spec = held(row.rules).ok_or(UnknownFork::NotHeld { number, rules: row.rules.name() })?;
        Ok(Self { spec, blob_update_fraction: row.blob_update_fraction })
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

/// As the EVM names it. `None`: it could run it, and what else the fork changed is not held here.
const fn held(rules: Hardfork) -> Option<SpecId> {
    Some(match rules {
        Hardfork::Istanbul => SpecId::ISTANBUL,
        Hardfork::Berlin => SpecId::BERLIN,
        Hardfork::London => SpecId::LONDON,
        Hardfork::Paris => SpecId::MERGE,
        Hardfork::Shanghai => SpecId::SHANGHAI,
        Hardfork::Cancun => SpecId::CANCUN,
        Hardfork::Prague => SpecId::PRAGUE,
        Hardfork::Osaka => SpecId::OSAKA,
        Hardfork::Amsterdam => return None,
    })
}

/// Which rules hold when, and what moves the base fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    forks: Forks,
    base_fee: BaseFee,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forks {
    /// By number and time.
    Schedule(&'static [Activation]),
    /// One fork from the first block on, as a devnet has it.
    Always(Fork),
}

impl Rules {
    /// One fork from the first block on, with EIP-1559 as it came.
    #[must_use]
    pub const fn always(fork: Fork) -> Self {
        Self { forks: Forks::Always(fork), base_fee: BaseFee::LONDON }
    }

    /// A configured chain's.
    #[must_use]
    pub fn of(config: &chain::Config) -> Self {
        let forks = match config.fixed().and_then(|rules| Some((rules, held(rules)?))) {
            Some((rules, spec)) => {
                let old = rules < Hardfork::Prague;
                let blob_update_fraction = if old { chain::CANCUN_BLOBS } else { chain::PRAGUE_BLOBS };
                Forks::Always(Fork { spec, blob_update_fraction })
            }
            None => Forks::Schedule(config.spec().map_or(&[], |spec| spec.forks)),
        };
        Self { forks, base_fee: config.base_fee() }
    }

    /// The fork of a block to come. Blocks older than any fork we know do not come any more, and a start behind a fork that
    /// is not held is refused.
    #[must_use]
    pub fn at(&self, number: u64, timestamp: u64) -> Fork {
        self.fork(number, timestamp).unwrap_or(Fork::PRAGUE)
    }

    /// The fork of any block.
    ///
    /// # Errors
    /// Its rules are not held.
    pub fn fork(&self, number: u64, timestamp: u64) -> Result<Fork, UnknownFork> {
        match self.forks {
            Forks::Schedule(forks) => Fork::on(forks, number, timestamp),
            Forks::Always(fork) => Ok(fork),
        }
    }

    /// What moves the base fee.
    #[must_use]
    pub const fn base_fee(&self) -> BaseFee {
        self.base_fee
    }
}

#[cfg(test)]
mod tests {
    use alloy::eips::eip7892::{BPO1_BASE_UPDATE_FRACTION, BPO2_BASE_UPDATE_FRACTION};
    use revm::primitives::eip4844::{BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE};
    use revm::primitives::hardfork::SpecId;

    use super::{Fork, UnknownFork};
    use crate::chain::{MAINNET, SEPOLIA};

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
            assert_eq!(Fork::of(&MAINNET, number, timestamp).map(|f| f.spec), Ok(spec), "block {number}");
        }
    }

    #[test]
    fn a_block_before_the_schedule_is_refused_by_number() {
        let older = UnknownFork::Older { number: 9_068_999, first: "istanbul" };
        assert_eq!(Fork::of(&MAINNET, 9_068_999, 1_575_764_700), Err(older));
    }

    #[test]
    fn a_fork_that_is_not_held_is_refused_by_name() {
        let before = Fork::of(&SEPOLIA, 11_856_336, 1_791_294_815).map(|f| f.spec);
        assert_eq!(before, Ok(SpecId::OSAKA));
        let not_held = UnknownFork::NotHeld { number: 11_856_337, rules: "amsterdam" };
        assert_eq!(Fork::of(&SEPOLIA, 11_856_337, 1_791_294_816), Err(not_held));
    }

    #[test]
    fn blob_parameters_are_those_of_the_crates() {
        for (timestamp, fraction) in [
            (1_710_338_135, BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN),
            (1_746_612_311, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE),
            (1_764_798_551, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE),
            (1_765_290_071, BPO1_BASE_UPDATE_FRACTION),
            (1_767_747_671, BPO2_BASE_UPDATE_FRACTION),
        ] {
            let fork = Fork::of(&MAINNET, 25_000_000, timestamp).map(|f| f.blob_update_fraction);
            assert_eq!(fork, Ok(fraction), "at {timestamp}");
        }
    }
}
