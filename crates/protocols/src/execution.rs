//! How our contract makes a swap or a liquidation, and the steps of a path as it reads them: each venue writes its own, and each
//! lending market says its own.
//!
//! # Invariants
//! - A step is written by the venue that it swaps in: nobody else knows its form, and there is no form by default.
//! - A path ends at a venue that pays before it is paid: what that pays is what the path begins with.
//!
//! # Cost
//! [`Steps`] is used again: no allocation once its buffers have grown.

use alloy_primitives::Address;

use crate::amm::Leg;

/// How a venue is paid for what it pays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// It pays first, calls back, and is paid before the callback ends, by whoever: pairs and pools of Uniswap V2 and V3.
    Callback,
    /// One contract holds all pools: it is unlocked, swaps are debts in its books, and these are settled before it locks:
    /// Uniswap V4, Balancer V3.
    Unlock,
    /// It takes what goes in from its caller by an allowance, and pays its caller: Curve, Balancer V2, ERC-4626.
    Pull,
    /// It is sent what goes in, then called, and pays out of what has come.
    Prepaid,
}

impl Execution {
    /// It pays before it is paid: the last venue of a path must.
    #[must_use]
    pub const fn lends(self) -> bool {
        match self {
            Self::Callback | Self::Unlock => true,
            Self::Pull | Self::Prepaid => false,
        }
    }
}

/// A swap that a venue is to write a step of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSwap {
    /// The way through the pool.
    pub leg: Leg,
    /// What goes in.
    pub token_in: Address,
    /// How much of it.
    pub amount_in: u128,
    /// What comes out, in its smallest unit.
    pub amount_out: u128,
}

/// One step as it is remembered of a path: what a proof that fails is investigated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The pool.
    pub pool: Address,
    /// What goes in.
    pub token_in: Address,
    /// What comes out, in its smallest unit.
    pub amount_out: u128,
}

/// Bytes of a callback's step.
pub const STEP: usize = 1 + 20 + 20 + 16;

/// Bit of a step's kind: the venue is told what goes in, and asks for it. Without it, it is told what comes out.
const EXACT_IN: u8 = 1;
/// Bit of a step's kind: the pool's first token goes in.
const FIRST_IN: u8 = 2;
/// Kind of a step that is no pool.
const STOP: u8 = 4;

/// The steps of a path, written one after another.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    bytes: Vec<u8>,
    hops: Vec<Hop>,
    last: Option<Execution>,
    stop: Option<usize>,
    unnamed: bool,
}

impl Steps {
    /// Another path, whose tokens are named in the steps: the executor reads the first.
    pub fn begin(&mut self) {
        self.bytes.clear();
        self.hops.clear();
        (self.last, self.stop, self.unnamed) = (None, None, false);
    }

    /// Another path, of the liquidator's: it reads no tokens of the steps, and zeros are cheapest.
    pub fn begin_unnamed(&mut self) {
        self.begin();
        self.unnamed = true;
    }

    /// [`Execution::Callback`], `swap(uint256,uint256,address,bytes)`: told what comes out, paid in advance or in the callback.
    pub fn exact_out(&mut self, hop: Hop, first_in: bool) {
        self.callback(hop, if first_in { FIRST_IN } else { 0 });
    }

    /// [`Execution::Callback`], `swap(address,bool,int256,uint160,bytes)`: told what goes in, paid in the callback.
    pub fn exact_in(&mut self, hop: Hop, first_in: bool) {
        self.callback(hop, EXACT_IN | if first_in { FIRST_IN } else { 0 });
    }

    fn callback(&mut self, hop: Hop, kind: u8) {
        let token = if self.unnamed { Address::ZERO } else { hop.token_in };
        self.bytes.push(kind);
        self.bytes.extend_from_slice(hop.pool.as_slice());
        self.bytes.extend_from_slice(token.as_slice());
        self.bytes.extend_from_slice(&hop.amount_out.to_be_bytes());
        self.hops.push(hop);
        self.last = Some(Execution::Callback);
    }

    /// The profit token is kept here, between two venues, and so much of it goes on.
    pub fn stop(&mut self, amount_out: u128) {
        self.bytes.push(STOP);
        self.bytes.extend_from_slice(&[0; 40]);
        self.bytes.extend_from_slice(&amount_out.to_be_bytes());
        self.stop = Some(self.hops.len());
    }

    /// The swaps, in order.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// How the last one is made.
    #[must_use]
    pub const fn last(&self) -> Option<Execution> {
        self.last
    }

    /// The hop that what was stopped goes on to.
    #[must_use]
    pub const fn stopped_before(&self) -> Option<usize> {
        self.stop
    }

    /// All steps, as the contract reads them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Who sells the collateral, and how it is asked: a lending market says it of itself. Each variant is a call that our contract can
/// make, and not a protocol: forks share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lender {
    /// Aave's pool, of V2, V3 or a fork.
    Aave {
        /// The pool.
        pool: Address,
        /// In what it pays.
        paid: Paid,
    },
    /// A market of Morpho Blue.
    Morpho {
        /// The one contract.
        morpho: Address,
        /// The market's oracle.
        oracle: Address,
        /// The market's interest rate model.
        irm: Address,
        /// The market's liquidation threshold, in wad.
        lltv: u128,
        /// What is asked for.
        asked: Asked,
    },
}

/// In what an Aave pool pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// The collateral itself.
    Collateral,
    /// Its receipt token, which the first pool buys.
    Receipt(Address),
    /// Its receipt token, of which the first hop's input is withdrawn to the first pool.
    Withdrawn(Address),
}

/// What Morpho is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Collateral to seize.
    Collateral(u128),
    /// Borrow shares to repay.
    Shares(u128),
}
