//! What a transaction asks of pools, as its calldata says it: routers and aggregators of which the path stands in the call.
//!
//! Routers are of no one protocol (three of them take both V2's paths and V3's), so they live beside the protocols.
//!
//! # Invariants
//! - [`decode`] says yes only when every call that could move a pool is understood; all else is a reason to run the EVM.
//! - Which pool a hop goes through is told as the router finds it: by factory, tokens and fee, or by the pool's address.
//! - Nothing is hashed, and nothing is allocated once a [`Plan`] is warm.
//!
//! # Limits
//! What depends on the router's own balance ("all that I hold") is not resolved. Whether the sender holds and has approved
//! what he spends is not seen in calldata: the EVM alone says that.

mod aggregator;
mod contracts;
mod factory;
mod universal;
mod v2;
mod v3;
mod words;

pub use contracts::{Contracts, Dialect, Factory, Maker, Router};
pub use factory::made;

use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::calldata::words::Words;

/// Hops of one trade. More is possible on chain and not met; it goes to the EVM.
const MOST_HOPS: usize = 8;
/// Trades of one transaction.
const MOST_TRADES: usize = 16;

/// A call as its contract sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who sends it.
    pub from: Address,
    /// Wrapped ether, as the contract has it built in.
    pub wrapped_native: Address,
    /// Ether with it, in wei.
    pub value: U256,
    /// Selector and arguments.
    pub data: &'a [u8],
}

/// Why calldata does not tell what will happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unread {
    /// A function, or a command in it, that is not understood and could move a pool.
    #[error("calls something that is not understood")]
    Function,
    /// Not what the function's signature promises, or longer than is looked at.
    #[error("arguments are not of the function's shape")]
    Shape,
    /// An amount is "all that the contract holds".
    #[error("an amount is the contract's balance")]
    Balance,
    /// The router reverts: no deadline, limit or pool is needed to see it.
    #[error("the router refuses such arguments")]
    Refuses,
}

/// One pool on the way, as the router finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterHop {
    /// The pool that a factory made for two tokens and a fee.
    Made {
        /// The factory.
        by: Maker,
        /// In millionths at V3; a pair of V2 has none to choose.
        fee: u32,
        /// What goes in.
        token_in: Address,
        /// What comes out.
        token_out: Address,
    },
    /// A pool named by its address.
    At {
        /// The contract.
        pool: Address,
        /// Its first token goes in.
        first_in: bool,
        /// Billionths of the input that reach a pair's curve, where the caller says them.
        keeps: Option<u32>,
    },
}

/// What is fixed of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// What goes in; at least the limit must come out.
    In(U256),
    /// What comes out; at most the limit may go in.
    Out(U256),
    /// The same, but that the newer routers swap all that goes in for it: what comes out may be a little more.
    AtLeast(U256),
}

/// A swap along a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its hops: from here to the next trade's first.
    pub first_hop: usize,
    /// How many.
    pub hops: usize,
    /// What is fixed.
    pub amount: Amount,
    /// Least output or most input.
    pub limit: U256,
    /// Price at which a single V3 hop stops. `None`: as far as the pool goes.
    pub price_limit: Option<U256>,
    /// Who gets the output.
    pub recipient: Address,
}

/// At least this much of a token must have come to the router by the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The token; wrapped ether for ether.
    pub token: Address,
    /// In its units.
    pub least: U256,
    /// Basis points that were given away before.
    pub less_bps: u64,
}

/// All that a transaction asks of pools. Buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    trades: Vec<Trade>,
    hops: Vec<RouterHop>,
    floors: Vec<Floor>,
    /// Basis points of what the router holds that go to somebody else on the way.
    less_bps: u64,
    /// Latest timestamp at which it is valid. `None`: always.
    deadline: Option<U256>,
    /// Which functions or commands it is made of: selectors, and the commands' bytes, mixed into one number.
    shape: u64,
}

impl Plan {
    fn clear(&mut self) {
        self.trades.clear();
        self.hops.clear();
        self.floors.clear();
        (self.less_bps, self.deadline, self.shape) = (0, None, 0);
    }

    /// The trades, in order.
    #[must_use]
    pub fn trades(&self) -> &[Trade] {
        &self.trades
    }

    /// The hops of a trade, from what goes in to what comes out.
    #[must_use]
    pub fn hops(&self, trade: &Trade) -> &[RouterHop] {
        self.hops.get(trade.first_hop..trade.first_hop + trade.hops).unwrap_or_default()
    }

    /// What must have come to the router.
    #[must_use]
    pub fn floors(&self) -> &[Floor] {
        &self.floors
    }

    /// Latest timestamp at which it is valid.
    #[must_use]
    pub const fn deadline(&self) -> Option<U256> {
        self.deadline
    }

    /// The same for calldata of the same functions and commands, whatever their arguments.
    #[must_use]
    pub const fn shape(&self) -> u64 {
        self.shape
    }

    fn mix(&mut self, bytes: &[u8]) {
        // FNV-1a: no secret is kept, and a collision only sends more to the EVM.
        let mixed = bytes.iter().fold(self.shape ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.shape = mixed;
    }

    /// The earlier of two deadlines counts.
    fn due(&mut self, deadline: U256) {
        self.deadline = Some(self.deadline.map_or(deadline, |held| held.min(deadline)));
    }

    fn floor(&mut self, token: Address, least: U256) {
        let less_bps = self.less_bps;
        self.floors.push(Floor { token, least, less_bps });
    }

    /// Adds a trade over the hops pushed since `first_hop`.
    fn trade(&mut self, first_hop: usize, terms: TradeBounds) -> Result<(), Unread> {
        let hops = self.hops.len() - first_hop;
        if hops == 0 || hops > MOST_HOPS || self.trades.len() == MOST_TRADES {
            return Err(Unread::Shape);
        }
        let TradeBounds { amount, limit, price_limit, recipient } = terms;
        self.trades.push(Trade { first_hop, hops, amount, limit, price_limit, recipient });
        Ok(())
    }
}

/// A trade but for its hops.
struct TradeBounds {
    amount: Amount,
    limit: U256,
    price_limit: Option<U256>,
    recipient: Address,
}

/// Reads `call`, made to `router`, into `plan`. A plan without trades moves no pool.
///
/// # Errors
/// What it does to pools is not said by its calldata.
pub fn decode(router: &Router, call: &Call<'_>, plan: &mut Plan) -> Result<(), Unread> {
    plan.clear();
    let (selector, rest) = call.data.split_first_chunk::<4>().ok_or(Unread::Function)?;
    plan.mix(selector);
    let args = Words::new(rest);
    match router.dialect {
        Dialect::V2(factory) => v2::decode(factory, call, *selector, args, plan),
        Dialect::V3 => v3::decode(router, call, (*selector, args), plan),
        Dialect::Both => v3::decode_both(router, call, (*selector, args), plan),
        Dialect::Universal => universal::decode(router, call, *selector, args, plan),
        Dialect::OneInch => aggregator::one_inch(call, *selector, args, plan),
        Dialect::ZeroEx => aggregator::zero_ex(call, *selector, args, plan),
    }
}
