//! The `[chain]` table: which chain, and in what it differs from what is known of it.
//!
//! A key that is left out has the value of the chain's table; of a chain without one it is unset, and refused where it is
//! needed.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::chain::{BaseFee, ChainSpec, Contracts, DEFAULT, DataFee, FeeRule, Hardfork, KNOWN, find, named};

/// Forks that may be named in place of a schedule.
const FIXED: [Hardfork; 4] = [Hardfork::Shanghai, Hardfork::Cancun, Hardfork::Prague, Hardfork::Osaka];

/// The `[chain]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "Written")]
pub struct Config {
    /// The chain's id; a node of another chain is refused.
    pub id: u64,
    /// The chain's own name, for its schedule of forks, or the name of the fork whose rules always hold, as on a devnet.
    pub hardfork: String,
    /// Seconds between two blocks.
    pub slot_seconds: u64,
    /// The wrapped native token.
    pub wrapped_native: Address,
    /// The gas target is the limit divided by this (EIP-1559).
    pub base_fee_elasticity: u64,
    /// The base fee moves by at most its own amount divided by this, a block (EIP-1559).
    pub base_fee_denominator: u64,
    /// What a transaction pays beside its gas.
    pub data_fee: DataFee,
}

/// As it stands in the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    id: Option<u64>,
    hardfork: Option<String>,
    slot_seconds: Option<u64>,
    wrapped_native: Option<Address>,
    base_fee_elasticity: Option<u64>,
    base_fee_denominator: Option<u64>,
    data_fee: Option<DataFee>,
}

impl From<Written> for Config {
    fn from(written: Written) -> Self {
        let own = Self::of(written.id.unwrap_or(DEFAULT.id));
        Self {
            id: own.id,
            hardfork: written.hardfork.unwrap_or(own.hardfork),
            slot_seconds: written.slot_seconds.unwrap_or(own.slot_seconds),
            wrapped_native: written.wrapped_native.unwrap_or(own.wrapped_native),
            base_fee_elasticity: written.base_fee_elasticity.unwrap_or(own.base_fee_elasticity),
            base_fee_denominator: written.base_fee_denominator.unwrap_or(own.base_fee_denominator),
            data_fee: written.data_fee.unwrap_or(own.data_fee),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(DEFAULT.id)
    }
}

impl Config {
    /// As its table has it. Of a chain without one: EIP-1559 as it came, and all else unset.
    #[must_use]
    pub fn of(id: u64) -> Self {
        let spec = find(id);
        let fees = match spec.map(|spec| spec.fees) {
            Some(FeeRule::Eip1559(fees)) => fees,
            None => BaseFee::LONDON,
            Some(FeeRule::InHeader | FeeRule::Own) => BaseFee { elasticity: 0, denominator: 0 },
        };
        Self {
            id,
            hardfork: spec.map_or("", |spec| spec.name).to_owned(),
            slot_seconds: spec.and_then(|spec| spec.slot_seconds).unwrap_or(0),
            wrapped_native: spec.map_or(Address::ZERO, |spec| spec.wrapped_native),
            base_fee_elasticity: fees.elasticity,
            base_fee_denominator: fees.denominator,
            data_fee: spec.map_or(DataFee::Unsaid, |spec| spec.data_fee),
        }
    }

    /// What is known of the chain.
    #[must_use]
    pub fn spec(&self) -> Option<&'static ChainSpec> {
        find(self.id)
    }

    /// The fork that always holds, if one is named in place of a schedule.
    #[must_use]
    pub fn fixed(&self) -> Option<Hardfork> {
        FIXED.into_iter().find(|fork| fork.name() == self.hardfork)
    }

    /// EIP-1559's parameters.
    #[must_use]
    pub const fn base_fee(&self) -> BaseFee {
        BaseFee { elasticity: self.base_fee_elasticity, denominator: self.base_fee_denominator }
    }

    /// The contracts that calldata is read by.
    #[must_use]
    pub fn contracts(&self) -> Contracts {
        let known = self.spec().map(ChainSpec::contracts);
        let none = Contracts { wrapped_native: self.wrapped_native, routers: &[], factories: &[] };
        Contracts { wrapped_native: self.wrapped_native, ..known.unwrap_or(none) }
    }

    /// Tokens a cycle may start from where a configuration names none.
    #[must_use]
    pub fn base_tokens(&self) -> Vec<Address> {
        let rest = self.spec().map_or(&[][..], |spec| spec.base_tokens);
        [self.wrapped_native].into_iter().chain(rest.iter().copied().skip(1)).collect()
    }

    /// As a sentence names it.
    fn called(&self) -> String {
        self.spec().map_or_else(|| self.id.to_string(), |spec| format!("{} ({})", self.id, spec.name))
    }

    /// What is wrong with it, in one sentence that names key and value.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.wrong_fork().or_else(|| self.wrong_token()).or_else(|| self.wrong_number())
    }

    fn wrong_number(&self) -> Option<String> {
        if !(1..=3600).contains(&self.slot_seconds) {
            return Some(format!("chain.slot_seconds is {}, 1 to 3600 due", self.slot_seconds));
        }
        let fees = [
            ("chain.base_fee_elasticity", self.base_fee_elasticity),
            ("chain.base_fee_denominator", self.base_fee_denominator),
        ];
        let (key, _) = fees.into_iter().find(|(_, value)| *value == 0)?;
        Some(format!("{key} is 0 or unset, and chain.id {} has no EIP-1559 parameters of its own", self.called()))
    }

    fn wrong_fork(&self) -> Option<String> {
        let schedule = self.spec().filter(|spec| spec.name == self.hardfork);
        if schedule.is_some() || self.fixed().is_some() {
            return None;
        }
        let forks = FIXED.map(Hardfork::name).join(", ");
        let due = self.spec().map_or_else(|| forks.clone(), |spec| format!("{}, {forks}", spec.name));
        Some(match named(&self.hardfork) {
            Some(other) => format!(
                "chain.hardfork is {}, the schedule of chain {}, and chain.id is {}: one of {due} due",
                self.hardfork,
                other.id,
                self.called()
            ),
            None if self.hardfork.is_empty() => {
                format!("chain.hardfork is unset, and chain.id {} has no schedule: one of {due} due", self.called())
            }
            None => format!("chain.hardfork is {}, {due} due", self.hardfork),
        })
    }

    /// Of its own chain it may be another than the known one, since a devnet has what it likes: not another chain's.
    fn wrong_token(&self) -> Option<String> {
        let (token, chain) = (self.wrapped_native, self.called());
        if token.is_zero() {
            return Some(format!("chain.wrapped_native is unset, and chain.id {chain} has none that is known"));
        }
        if self.spec().is_some_and(|spec| spec.wrapped_native == token) {
            return None;
        }
        // Chains that are not known take the addresses of those that are: devnets do.
        let spec = self.spec()?;
        let other = KNOWN.into_iter().find(|other| other.wrapped_native == token)?;
        Some(format!(
            "chain.wrapped_native is {token}, that of {}, and chain.id is {chain}: {} due",
            other.name, spec.wrapped_native
        ))
    }

    /// What is wrong with these tokens as `search.base_tokens`, in one sentence.
    #[must_use]
    pub fn wrong_tokens(&self, tokens: &[Address]) -> Option<String> {
        let (due, chain) = (self.wrapped_native, self.called());
        let Some(first) = tokens.first() else {
            return Some("search.base_tokens is empty, at least one token due".to_owned());
        };
        if *first != due {
            let whose = KNOWN.into_iter().find(|other| other.wrapped_native == *first);
            let whose = whose.map_or_else(String::new, |other| format!(" (that of {})", other.name));
            return Some(format!(
                "search.base_tokens is {first} first{whose}, chain.wrapped_native of chain.id {chain} first due: {due}"
            ));
        }
        let own = self.spec()?.base_tokens;
        tokens.iter().find_map(|token| {
            let foreign = |other: &&ChainSpec| other.base_tokens.contains(token);
            let other = KNOWN.into_iter().find(foreign).filter(|_| !own.contains(token) && *token != due)?;
            Some(format!("search.base_tokens holds {token}, a token of {}, and chain.id is {chain}", other.name))
        })
    }

    /// Why what a transaction costs here cannot be told to the wei, so that nothing may be sent: one sentence.
    #[must_use]
    pub fn inexact(&self) -> Option<String> {
        self.inexact_by(self.data_fee)
    }

    /// The same, to relays beyond this host: of a chain that is known its table counts, whatever the file says. A devnet of that id
    /// charges what it likes.
    #[must_use]
    pub fn inexact_abroad(&self) -> Option<String> {
        self.inexact_by(self.spec().map_or(self.data_fee, |spec| spec.data_fee))
    }

    fn inexact_by(&self, data_fee: DataFee) -> Option<String> {
        let why = match data_fee {
            DataFee::None => return None,
            DataFee::OpStack => "the OP stack's fee for data is not computed exactly yet",
            DataFee::Arbitrum => "arbitrum's fee for data is not computed exactly yet",
            DataFee::Unsaid => {
                "it is not known whether its transactions pay for data; say chain.data_fee = \"none\" if not"
            }
        };
        Some(format!("nothing can be sent on chain.id {}: {why}", self.called()))
    }
}
