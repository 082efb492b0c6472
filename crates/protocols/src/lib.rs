//! Sans-IO knowledge of protocols: one folder a protocol, and THE registry of them.
//!
//! To add a DEX: its folder, and here a `pub mod` and a line in `each!`. Its pool type is an [`Amm`] and a [`Venue`]: the compiler
//! asks for what is due. To add a lending protocol: its folder, and here a `pub mod` and a line in `lenders!`. Who lends for the length
//! of a run: a line in [`FLASH_LENDERS`].
//!
//! # Invariants
//! - No I/O, no clock, no lock and no sleep; neither tokio nor revm is among what it is built from. Discovery describes what to
//!   ask, and the edge, which can dial, asks it.
//! - The searcher has this crate as `crate::protocols`.
//! - The feature `toy` adds a venue that the tests own (its folder is a link to `tests/toy_pool`, and is held to the rules of
//!   this one), and with which they hold that a line here is all that one needs.

#![deny(clippy::disallowed_types, clippy::disallowed_methods)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod aave_v2;
pub mod aave_v3;
pub mod amm;
pub mod balancer_v1;
pub mod balancer_v2;
pub mod calldata;
pub mod compound_v3;
pub mod curve_crypto;
pub mod curve_stable;
pub mod discover;
pub mod erc3156;
pub mod erc4626;
pub mod execution;
pub mod executor;
pub mod flash;
pub mod lending;
pub mod math;
pub mod morpho_blue;
pub mod sampled;
pub mod site;
pub mod solidly;
#[cfg(feature = "toy")]
pub mod toy_pool;
pub mod types;
pub mod uniswap_v2;
pub mod uniswap_v3;
pub mod uniswap_v4;

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Asked;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::Creation;
use crate::discover::Described;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{Execution, PlannedSwap, Steps};
use crate::flash::FlashLender;
use crate::lending::Call;
use crate::lending::Health;
use crate::lending::Holding;
use crate::lending::Lending;
use crate::lending::PlannedSale;
use crate::lending::Priced;
use crate::lending::Question;
use crate::lending::Ready;
use crate::lending::Refusal;
use crate::lending::Seizure;
use crate::lending::Size;
use crate::lending::discover::Lender;
use crate::lending::market_spec::MarketSpec;
use crate::lending::market_spec::Pair;
use crate::site::StateSite;
use crate::types::pool_key::PoolKey;

/// Makes the registry from one line a protocol: `Variant(folder)`, whose `Pool` is a [`Venue`]. A closed enum, so every call is a
/// jump, not a vtable.
macro_rules! each {
    ($($(#[$when:meta])* $variant:ident($venue:ident)),+ $(,)?) => {
        /// A pool of any protocol. As it stands it can be written down, and read back as the same pool.
        #[derive(Debug, Deserialize, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum AnyPool {
            $(
                #[doc = concat!("A pool of [`", stringify!($venue), "`].")]
                $(#[$when])*
                $variant($venue::Pool),
            )+
        }

        impl Clone for AnyPool {
            fn clone(&self) -> Self {
                match self { $($(#[$when])* Self::$variant(pool) => Self::$variant(pool.clone()),)+ }
            }

            /// Keeps the buffers where both are of one protocol.
            fn clone_from(&mut self, source: &Self) {
                match (self, source) {
                    $($(#[$when])* (Self::$variant(pool), Self::$variant(source)) => pool.clone_from(source),)+
                    (pool, source) => *pool = source.clone(),
                }
            }
        }

        /// Names of all protocols. `tests/completeness.rs` demands a test on real bytecode for each.
        pub const PROTOCOLS: &[&str] = &[$($(#[$when])* <$venue::Pool as Venue>::PROTOCOL),+];

        /// How the factories of a protocol say that they have made a pool. `None`: no such protocol.
        #[must_use]
        pub fn creation(protocol: &str) -> Option<Creation> {
            let all = [$($(#[$when])* (<$venue::Pool as Venue>::PROTOCOL, <$venue::Pool as Venue>::CREATION)),+];
            all.into_iter().find(|(name, _)| *name == protocol).map(|(_, creation)| creation)
        }

        /// The signatures of all logs that [`creation`] reads a pool out of. None: no such protocol.
        #[must_use]
        pub fn creation_topics(protocol: &str) -> Vec<B256> {
            let all = [$($(#[$when])* (<$venue::Pool as Venue>::PROTOCOL, <$venue::Pool as Venue>::OTHER_CREATIONS)),+];
            let others = all.into_iter().find(|(name, _)| *name == protocol).map_or(&[][..], |(_, others)| others);
            creation(protocol).into_iter().map(|creation| creation.topic).chain(others.iter().copied()).collect()
        }

        /// What is learnt of codes and storage layouts while asking, and serves the next question too: of each protocol.
        #[derive(Default)]
        pub struct DiscoveryCache {
            $($(#[$when])* $venue: <$venue::Pool as Venue>::Cache,)+
        }

        /// The pools that a contract may be, hold or reckon for: itself, and those that any protocol finds named there.
        #[must_use]
        pub fn keys(probe: &mut impl Probe, contract: Address) -> Vec<PoolKey> {
            let mut keys = vec![PoolKey::from(contract)];
            $(
                $(#[$when])*
                keys.extend(<$venue::Pool as Venue>::keys(probe, contract));
            )+
            keys
        }

        /// Asks for a pool of any protocol by its key, one protocol after the other, in the order of the registry.
        /// `assume_empty`: see [`Venue::discover`].
        ///
        /// # Errors
        /// It is a pool, or looks like one, and cannot be used: why.
        pub fn discover(
            probe: &mut impl Probe,
            discovery_cache: &mut DiscoveryCache,
            key: PoolKey,
            assume_empty: bool,
        ) -> Result<Option<AnyPool>, String> {
            $(
                $(#[$when])*
                match <$venue::Pool as Venue>::discover(probe, &mut discovery_cache.$venue, key, assume_empty) {
                    Ok(Some(pool)) => return Ok(Some(pool.into())),
                    Ok(None) => (),
                    Err(reason) if <$venue::Pool as Venue>::PROTOCOL == sampled::Pool::PROTOCOL => return Err(reason),
                    // What a protocol's own maths cannot use its contract can be asked for.
                    Err(reason) => return sampled::instead(probe, key, reason).map(|pool| Some(pool.into())),
                }
            )+
            Ok(None)
        }

        $(
            $(#[$when])*
            impl From<$venue::Pool> for AnyPool {
                fn from(pool: $venue::Pool) -> Self {
                    Self::$variant(pool)
                }
            }
        )+

        impl Amm for AnyPool {
            fn protocol(&self) -> &'static str {
                match self { $($(#[$when])* Self::$variant(pool) => pool.protocol(),)+ }
            }

            fn execution(&self) -> Execution {
                match self { $($(#[$when])* Self::$variant(pool) => pool.execution(),)+ }
            }

            fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
                match self { $($(#[$when])* Self::$variant(pool) => pool.write_step(swap, steps),)+ }
            }

            fn logged(&self, leg: Leg, due: [u128; 2], came: u128) -> Result<[U256; 2], QuoteError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.logged(leg, due, came),)+ }
            }

            fn address(&self) -> Address {
                match self { $($(#[$when])* Self::$variant(pool) => pool.address(),)+ }
            }

            fn key(&self) -> PoolKey {
                match self { $($(#[$when])* Self::$variant(pool) => pool.key(),)+ }
            }

            fn sites(&self) -> Vec<StateSite> {
                match self { $($(#[$when])* Self::$variant(pool) => Amm::sites(pool),)+ }
            }

            fn sites_seen(&self) -> usize {
                match self { $($(#[$when])* Self::$variant(pool) => pool.sites_seen(),)+ }
            }

            fn tokens(&self) -> &[Address] {
                match self { $($(#[$when])* Self::$variant(pool) => pool.tokens(),)+ }
            }

            fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.quote_in(leg, amount_in),)+ }
            }

            fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.quote_out(leg, amount_out),)+ }
            }

            fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.asks(leg, amount_out),)+ }
            }

            fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.trade(leg, exact, limit),)+ }
            }

            fn crossed(&self, leg: Leg, amount_in: u128) -> u32 {
                match self { $($(#[$when])* Self::$variant(pool) => pool.crossed(leg, amount_in),)+ }
            }

            fn views(&self) -> Vec<View> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.views(),)+ }
            }

            fn factory_fee(&self) -> Option<u32> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.factory_fee(),)+ }
            }

            fn keeps(&self, leg: Leg) -> Option<u32> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.keeps(leg),)+ }
            }

            fn marginal_rate(&self, leg: Leg) -> f64 {
                match self { $($(#[$when])* Self::$variant(pool) => pool.marginal_rate(leg),)+ }
            }

            fn depth(&self, leg: Leg) -> f64 {
                match self { $($(#[$when])* Self::$variant(pool) => pool.depth(leg),)+ }
            }

            fn follows_stretches(&self) -> bool {
                match self { $($(#[$when])* Self::$variant(pool) => pool.follows_stretches(),)+ }
            }

            fn segments(&self, leg: Leg, visit: impl FnMut(Segment) -> bool) {
                match self { $($(#[$when])* Self::$variant(pool) => pool.segments(leg, visit),)+ }
            }

            fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.apply_log(at, topics, data),)+ }
            }

            fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.apply_slots(at, changes),)+ }
            }

            fn agrees(&self, other: &Self) -> bool {
                match (self, other) {
                    $($(#[$when])* (Self::$variant(pool), Self::$variant(other)) => pool.agrees(other),)+
                    _ => false,
                }
            }

            fn log_fed(&self) -> bool {
                match self { $($(#[$when])* Self::$variant(pool) => pool.log_fed(),)+ }
            }

            fn logs_state(&self) -> bool {
                match self { $($(#[$when])* Self::$variant(pool) => pool.logs_state(),)+ }
            }

            fn gas(&self, leg: Leg) -> u64 {
                match self { $($(#[$when])* Self::$variant(pool) => pool.gas(leg),)+ }
            }

            fn asked(&self) -> Asked {
                match self { $($(#[$when])* Self::$variant(pool) => pool.asked(),)+ }
            }

            fn question(&self, leg: Leg, amount_in: u128) -> Option<amm::Question> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.question(leg, amount_in),)+ }
            }

            fn doubt(&mut self) {
                match self { $($(#[$when])* Self::$variant(pool) => pool.doubt(),)+ }
            }

            fn sample(&mut self, probe: &mut impl Probe) -> Result<(), String> {
                match self { $($(#[$when])* Self::$variant(pool) => pool.sample(probe),)+ }
            }
        }
    };
}

// A contract is asked in this order: a V3 pool answers some of a pair's getters too, and a pool of Solidly's all of them.
each! {
    UniswapV3(uniswap_v3),
    Solidly(solidly),
    UniswapV2(uniswap_v2),
    BalancerV1(balancer_v1),
    BalancerV2(balancer_v2),
    CurveCrypto(curve_crypto),
    CurveStable(curve_stable),
    UniswapV4(uniswap_v4),
    Erc4626(erc4626),
    Sampled(sampled),
    #[cfg(feature = "toy")]
    Toy(toy_pool),
}

/// Whether a row describes a pool that its contract can be asked for.
///
/// # Errors
/// What of it makes no sense.
pub fn is_described(key: PoolKey, row: &Described) -> Result<(), String> {
    // Which token stands for ether is the chain's: any of the row's may, and if ether itself is among them none need.
    let is_named = row.ether.is_none_or(|ether| row.tokens.contains(&ether));
    let wrapped = row.tokens.first().filter(|_| !is_named).copied().unwrap_or(Address::repeat_byte(0xee));
    sampled::Terms::new(key, row, Some(wrapped)).map(drop)
}

/// The same for lending protocols: `Variant(type)`.
macro_rules! lenders {
    ($($variant:ident($market:ty)),+ $(,)?) => {
        /// A market of any lending protocol.
        #[derive(Clone, Debug)]
        pub enum AnyLending {
            $(
                #[doc = concat!("A market of [`", stringify!($market), "`].")]
                $variant($market),
            )+
        }

        /// Names of all lending protocols. `tests/completeness.rs` demands a test on real bytecode for each.
        pub const LENDING_PROTOCOLS: &[&str] = &[$(<$market>::PROTOCOL),+];

        $(
            impl From<$market> for AnyLending {
                fn from(market: $market) -> Self {
                    Self::$variant(market)
                }
            }
        )+

        /// How a lending protocol's markets and borrowers are found. `None`: no such protocol.
        #[must_use]
        pub fn lender(protocol: &str) -> Option<Lender> {
            let all = [$((<$market>::PROTOCOL, <$market>::LENDER)),+];
            all.into_iter().find(|(name, _)| *name == protocol).map(|(_, lender)| lender)
        }

        /// A liquidation of any lending protocol, all but its size worked out.
        #[derive(Clone, Copy, Debug)]
        pub enum AnyReady {
            $(
                #[doc = concat!("One of [`", stringify!($market), "`].")]
                $variant(<$market as Lending>::Ready),
            )+
        }

        impl Ready for AnyReady {
            fn most(&self) -> Result<Size, Refusal> {
                match self { $(Self::$variant(ready) => ready.most(),)+ }
            }

            fn seize(&self, size: Size) -> Result<Seizure, Refusal> {
                match self { $(Self::$variant(ready) => ready.seize(size),)+ }
            }
        }

        impl Lending for AnyLending {
            type Ready = AnyReady;

            fn protocol(&self) -> &'static str {
                match self { $(Self::$variant(market) => market.protocol(),)+ }
            }

            fn address(&self) -> Address {
                match self { $(Self::$variant(market) => market.address(),)+ }
            }

            fn from_spec(spec: &MarketSpec) -> Option<Self> {
                let mut market = match spec.protocol.as_str() {
                    $(<$market>::PROTOCOL => Self::from(<$market>::from_spec(spec)?),)+
                    _ => return None,
                };
                spec.accounts.iter().for_each(|account| market.watch(*account));
                Some(market)
            }

            fn holdings(&self, account: Address, at: u64) -> Result<Vec<Holding>, Refusal> {
                match self { $(Self::$variant(market) => market.holdings(account, at),)+ }
            }

            fn worth(&self, asset: Address, units: U256) -> Option<U256> {
                match self { $(Self::$variant(market) => market.worth(asset, units),)+ }
            }

            fn views(&self, account: Address, at: u64) -> Result<Vec<(Address, View)>, Refusal> {
                match self { $(Self::$variant(market) => market.views(account, at),)+ }
            }

            fn watch(&mut self, account: Address) {
                match self { $(Self::$variant(market) => market.watch(account),)+ }
            }

            fn account(&self, place: usize) -> Option<Address> {
                match self { $(Self::$variant(market) => market.account(place),)+ }
            }

            fn missing_of(&self, accounts: &[Address]) -> Vec<(Address, U256)> {
                match self { $(Self::$variant(market) => market.missing_of(accounts),)+ }
            }

            fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
                match self { $(Self::$variant(market) => market.apply_slots(at, changes),)+ }
            }

            fn owner(&self, slot: U256) -> Option<Address> {
                match self { $(Self::$variant(market) => market.owner(slot),)+ }
            }

            fn is_term(&self, at: Address, slot: U256) -> bool {
                match self { $(Self::$variant(market) => market.is_term(at, slot),)+ }
            }

            fn apply_log(
                &mut self,
                at: Address,
                topics: &[B256],
                data: &[u8],
            ) -> Result<Option<Address>, ApplyError> {
                match self { $(Self::$variant(market) => market.apply_log(at, topics, data),)+ }
            }

            fn sites(&self) -> Vec<StateSite> {
                match self { $(Self::$variant(market) => Lending::sites(market),)+ }
            }

            fn questions(&self) -> Vec<Question> {
                match self { $(Self::$variant(market) => market.questions(),)+ }
            }

            fn receipt(&self, asset: Address) -> Option<Address> {
                match self { $(Self::$variant(market) => market.receipt(asset),)+ }
            }

            fn id(&self) -> Option<B256> {
                match self { $(Self::$variant(market) => Lending::id(market),)+ }
            }

            fn asks_with_state(&self) -> bool {
                match self { $(Self::$variant(market) => market.asks_with_state(),)+ }
            }

            fn pair(&self) -> Option<Pair> {
                match self { $(Self::$variant(market) => market.pair(),)+ }
            }

            fn is_anybodys(&self) -> bool {
                match self { $(Self::$variant(market) => market.is_anybodys(),)+ }
            }

            fn counted_in(&self) -> Option<Address> {
                match self { $(Self::$variant(market) => market.counted_in(),)+ }
            }

            fn tokens(&self) -> Vec<Address> {
                match self { $(Self::$variant(market) => market.tokens(),)+ }
            }

            fn priced(&self, feed: Address) -> Priced {
                match self { $(Self::$variant(market) => market.priced(feed),)+ }
            }

            fn feeds(&self) -> Vec<Address> {
                match self { $(Self::$variant(market) => market.feeds(),)+ }
            }

            fn feeds_of(&self, account: Address) -> Vec<Address> {
                match self { $(Self::$variant(market) => market.feeds_of(account),)+ }
            }

            fn price(&self, feed: Address) -> Option<U256> {
                match self { $(Self::$variant(market) => market.price(feed),)+ }
            }

            fn set_price(&mut self, feed: Address, price: U256) {
                match self { $(Self::$variant(market) => market.set_price(feed, price),)+ }
            }

            fn set_cash(&mut self, asset: Address, units: U256) {
                match self { $(Self::$variant(market) => market.set_cash(asset, units),)+ }
            }

            fn health_if(&self, account: Address, at: u64, feed: Option<(Address, U256)>) -> Result<Health, Refusal> {
                match self { $(Self::$variant(market) => market.health_if(account, at, feed),)+ }
            }

            fn pairs(&self, account: Address) -> Vec<(Address, Address)> {
                match self { $(Self::$variant(market) => market.pairs(account),)+ }
            }

            fn ready(&self, call: &Call, at: u64) -> Result<AnyReady, Refusal> {
                match self { $(Self::$variant(market) => market.ready(call, at).map(AnyReady::$variant),)+ }
            }

            fn encode(&self, call: &Call) -> Result<Vec<u8>, Refusal> {
                match self { $(Self::$variant(market) => market.encode(call),)+ }
            }

            fn write_step(&self, sale: &PlannedSale, steps: &mut Steps) -> Result<(), Refusal> {
                match self { $(Self::$variant(market) => market.write_step(sale, steps),)+ }
            }
        }
    };
}

lenders! {
    AaveV2(aave_v2::Market),
    AaveV3(aave_v3::Market),
    MorphoBlue(morpho_blue::Market),
}

/// Who lends what a path begins with, and asks nothing for it: a line a protocol.
pub const FLASH_LENDERS: &[FlashLender] = &[balancer_v2::FLASH, erc3156::FLASH, morpho_blue::FLASH];

/// Their names, for a sentence.
pub const FLASH_LENDER_NAMES: &str = "balancer_v2, erc3156 or morpho_blue";

/// The one of this name.
#[must_use]
pub fn flash_lender(protocol: &str) -> Option<&'static FlashLender> {
    FLASH_LENDERS.iter().find(|lender| lender.protocol == protocol)
}
