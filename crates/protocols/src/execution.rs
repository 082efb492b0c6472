//! How our contract makes a swap or a liquidation, and the steps of a path as it reads them: each venue writes its own, and so does
//! each lending market. A pool of Uniswap's families is called by our contract itself, a manager too; whoever else is called says with
//! what.
//!
//! # Invariants
//! - A step is written by the venue that it swaps in: nobody else knows its form, and there is no form by default.
//! - The layout is the one that the header of `contracts/src/Executor.sol` describes.
//! - A path ends at a venue that pays before it is paid, and what that pays is what the path begins with; or it begins with what our
//!   contract holds, or with what a lender lends who stands behind its last step.
//!
//! # Cost
//! [`Steps`] is used again: no allocation once its buffers have grown.

use alloy_primitives::{Address, U256};

use crate::amm::Leg;
use crate::flash::{Funding, LoanRequest, Repaid};
use crate::types::pool_key::PoolKey;

/// How a venue is paid for what it pays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// It pays first, calls back, and is paid before the callback ends, by whoever: pairs and pools of Uniswap V2 and V3.
    Callback,
    /// One contract holds all pools: it is unlocked, swaps are debts in its books, and these are settled before it locks:
    /// Uniswap V4, Balancer V3.
    Unlock,
    /// It takes what goes in from its caller, by an allowance or because it keeps it itself: Curve, Balancer V2, ERC-4626.
    Pull,
    /// It is sent what goes in, then called, and pays out of what has come.
    Prepaid,
}

impl Execution {
    /// It pays before it is paid: as the last venue of a path it lends what the first one is paid.
    #[must_use]
    pub const fn lends(self) -> bool {
        match self {
            Self::Callback | Self::Unlock => true,
            Self::Pull | Self::Prepaid => false,
        }
    }

    /// Who is to be given what goes in: the venue at `venue`, or our contract `own`, which it takes it from.
    #[must_use]
    pub const fn payee(self, venue: Address, own: Address) -> Address {
        match self {
            Self::Callback | Self::Prepaid => venue,
            Self::Unlock | Self::Pull => own,
        }
    }
}

/// How a call gets what it spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Our contract has it, and allows the target to take just so much of it.
    Allowed,
    /// Our contract has it, and the target needs no allowance: it burns what it issued itself.
    Held,
    /// The step before pays the target.
    Sent,
    /// Our contract has it as WETH, and calls with the ether that this stands for.
    Ether,
}

/// Where what a call gives goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To our contract, which measures it and sends on as much as is due.
    Here,
    /// To whoever the data name, which must be the step's `recipient`. Nothing is measured: the next step cannot be made without it.
    Direct,
    /// It is ether, to our contract, which measures it, has it as WETH from then on, and sends on as much as is due.
    Ether,
}

/// A call that a venue or a lending market has written itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStep<'a> {
    /// The calldata. Never a token's `transfer`, `approve` or `transferFrom`: our contract refuses them.
    pub data: &'a [u8],
    /// How it gets what it spends.
    pub input: Input,
    /// Where what it gives goes.
    pub output: Output,
}

/// The calldata of a function all of whose arguments are words. A step is written while a bundle waits: nothing here allocates.
#[must_use]
pub fn call_data<const SIZE: usize, const WORDS: usize>(selector: [u8; 4], words: [U256; WORDS]) -> [u8; SIZE] {
    const { assert!(SIZE == 4 + 32 * WORDS, "a selector and the words") };
    let mut data = [0; SIZE];
    data[..4].copy_from_slice(&selector);
    for (to, word) in data[4..].chunks_exact_mut(32).zip(words) {
        to.copy_from_slice(&word.to_be_bytes::<32>());
    }
    data
}

/// A swap in a pool of a manager, which our contract unlocks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedStep<'a> {
    /// The pool's terms, as our contract reads them: both currencies, then what else makes its id.
    pub terms: &'a [u8; TERMS],
    /// The first currency goes in.
    pub first_in: bool,
}

impl ManagedStep<'_> {
    /// What goes in or comes out, as the manager calls it: zero is ether.
    fn currency(&self, goes_in: bool) -> Address {
        let (zero, one) = (Address::from_slice(&self.terms[..20]), Address::from_slice(&self.terms[20..40]));
        if goes_in == self.first_in { zero } else { one }
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
    /// Who is to be given it: the next venue, or our contract. Whoever asks the venue to pay somebody else names this one.
    pub recipient: Address,
}

/// One step as it is remembered of a path: what a proof that fails is investigated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The pool.
    pub pool: PoolKey,
    /// What goes in.
    pub token_in: Address,
    /// What comes out, in its smallest unit.
    pub amount_out: u128,
}

/// Nothing on a path lends what it begins with, and none of its fundings goes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfunded;

/// Bytes of a callback's step.
pub const STEP: usize = 1 + 20 + 20 + 16;
/// Bytes of a managed pool's terms: two currencies, fee, tick spacing, hooks.
pub const TERMS: usize = 20 + 20 + 3 + 3 + 20;

/// Bit of a step's kind: the venue is told what goes in, and asks for it. Without it, it is told what comes out.
const EXACT_IN: u8 = 1;
/// Bit of a step's kind: the pool's first token goes in.
const FIRST_IN: u8 = 2;
/// Bit of a step's kind: what it spends is paid to our contract. Alone: a stop.
const HELD: u8 = 4;
const STOP: u8 = HELD;
/// Bit of a call's kind, beside [`HELD`]: the target may take what it spends.
const ALLOWED: u8 = 8;
/// Bit of a call's kind: the target pays the next step, or, behind the last one, our contract.
pub(crate) const DIRECT: u8 = 16;
/// Bit of a call's kind: it gives ether. And beside [`HELD`]: it is called with ether.
const ETHER_OUT: u8 = 2;
const ETHER_IN: u8 = 32;
/// Bit of a step's kind: a call.
const CALL: u8 = 128;
/// Bit of a step's kind: a swap in a pool of a manager.
const MANAGED: u8 = 64;
/// A loan, the last step, and what else of it: the lender takes what it is due; it hears what ERC-3156 has it hear.
const LOAN: u8 = CALL | MANAGED | HELD;
const TAKEN: u8 = 8;
const HASHED: u8 = 16;
/// Bit of a managed swap's kind: what it spends has been left in the manager's books by the step before.
const NETTED: u8 = 8;
/// Bit of a managed swap's kind: a later step has unlocked its manager.
const INSIDE: u8 = 16;

/// Where a record's token lies in it.
const TOKEN: std::ops::Range<usize> = 21..41;

/// The steps of a path, written one after another.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    own: Address,
    bytes: Vec<u8>,
    hops: Vec<Hop>,
    last: Option<Execution>,
    stop: Option<usize>,
    start: Option<Address>,
    calls: usize,
    /// The last step is a call whose output is measured: the next one names its token.
    measured: bool,
    /// Managers of the managed swaps so far, and where the kind of each lies.
    managed: Vec<(Address, usize)>,
    /// The last step is a managed swap: its manager, and the currency that it gives.
    left: Option<(Address, Address)>,
    /// The last step is a call that pays the next one itself.
    direct: bool,
    /// Bytes of data that do not fit their size.
    oversize: Option<usize>,
    /// A venue was called for a contract of ours that nobody has named.
    nobodys: bool,
    /// Out of what a path can begin that nothing on it lends for, the cheapest first.
    fundings: Vec<Funding>,
}

impl Steps {
    /// A buffer for paths of our contract at `own`. Without: of none that must be named, which is any of callbacks alone.
    #[must_use]
    pub fn of(own: Address) -> Self {
        Self { own, ..Self::default() }
    }

    /// Paths that nothing on them lends for begin out of these, the first that can, or not at all. Without any of these: with what our
    /// contract has.
    #[must_use]
    pub fn funded(mut self, fundings: Vec<Funding>) -> Self {
        self.fundings = fundings;
        self
    }

    /// Out of what the path begins with so much. `None`: a venue on it lends that, or our contract has it and nothing bounds what it spends.
    ///
    /// # Errors
    /// None of its fundings goes so far.
    pub fn funding(&self, token: Address, amount: u128) -> Result<Option<&Funding>, Unfunded> {
        if self.lends() || self.fundings.is_empty() {
            return Ok(None);
        }
        let is_on = |at| self.hops.iter().any(|hop| hop.pool.contract == at);
        let can = |of: &&Funding| of.token == token && of.most >= amount && of.is_free(is_on);
        self.fundings.iter().find(can).map(Some).ok_or(Unfunded)
    }

    /// Writes the loan of `amount` that stands behind the last step.
    pub(crate) fn write_loan(&self, funding: &Funding, amount: u128, data: &mut Vec<u8>) -> Result<(), usize> {
        let Some((lender, at)) = funding.lender else { return Ok(()) };
        let before = data.len();
        (lender.ask)(&LoanRequest { lender: at, own: self.own, token: funding.token, amount }, data);
        let size = data.len() - before;
        data.extend_from_slice(&u16::try_from(size).map_err(|_| size)?.to_be_bytes());
        let kind = match lender.repaid {
            Repaid::Sent => LOAN,
            Repaid::Taken => LOAN | TAKEN,
            Repaid::Hashed => LOAN | TAKEN | HASHED,
        };
        // Nothing before it is measured for it, so its token is not read.
        let loan = Hop { pool: at.into(), token_in: Address::ZERO, amount_out: amount };
        data.extend_from_slice(&record(kind, loan, false));
        Ok(())
    }

    /// Our contract.
    #[must_use]
    pub const fn own(&self) -> Address {
        self.own
    }

    /// Another path, that begins with the token that it ends with. All its steps name theirs.
    pub fn begin(&mut self) {
        self.bytes.clear();
        self.hops.clear();
        (self.last, self.stop, self.start) = (None, None, None);
        (self.calls, self.measured, self.oversize, self.nobodys) = (0, false, None, false);
        self.managed.clear();
        (self.left, self.direct) = (None, false);
    }

    /// Another path, that begins with `start` and holds its profit in whatever token. Tokens are named where they are read: zeros are
    /// cheapest.
    pub fn begin_with(&mut self, start: Address) {
        self.begin();
        self.start = Some(start);
    }

    /// Another path, that begins with the steps of `begun`.
    pub fn begin_as(&mut self, begun: &Self) {
        let (own, fundings) = (self.own, std::mem::take(&mut self.fundings));
        self.clone_from(begun);
        (self.own, self.fundings) = (own, fundings);
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
        self.record(kind, hop, self.start.is_none() || self.measured);
        self.hops.push(hop);
        self.last = Some(Execution::Callback);
    }

    /// [`Execution::Unlock`]: a pool of the manager `hop.pool.contract`. How the manager is paid, and which step unlocks it, follows from
    /// the steps before: by the step before itself, where nothing else is settled in between; out of its own books, where that step has
    /// left there what goes in; else out of what our contract has, as ether always is.
    pub fn managed(&mut self, hop: Hop, swap: &ManagedStep<'_>) {
        let manager = hop.pool.contract;
        let spends = swap.currency(true);
        let paid = if self.left == Some((manager, spends)) {
            NETTED
        } else if !self.bytes.is_empty() && (spends.is_zero() || self.direct || !self.managed.is_empty()) {
            HELD
        } else {
            0
        };
        for (_, kind) in self.managed.iter().filter(|(other, _)| *other == manager) {
            if let Some(kind) = self.bytes.get_mut(*kind) {
                *kind |= INSIDE;
            }
        }
        self.bytes.extend_from_slice(swap.terms);
        self.managed.push((manager, self.bytes.len()));
        self.record(MANAGED | paid | if swap.first_in { FIRST_IN } else { 0 }, hop, self.measured);
        self.left = Some((manager, swap.currency(false)));
        self.hops.push(hop);
        self.last = Some(Execution::Unlock);
    }

    /// [`Execution::Pull`] or [`Execution::Prepaid`]: a venue is called with what it says.
    pub fn call(&mut self, hop: Hop, call: &CallStep<'_>) {
        self.ask(hop, call);
        self.hops.push(hop);
        self.nobodys |= self.own.is_zero();
    }

    /// Somebody who is no venue is called: a lending market. `asked.pool` is who, and nobody is suspected if it fails.
    pub fn ask(&mut self, asked: Hop, call: &CallStep<'_>) {
        let held = match call.input {
            Input::Allowed => HELD | ALLOWED,
            Input::Held => HELD,
            Input::Sent => 0,
            Input::Ether => HELD | ETHER_IN,
        };
        let paid = match call.output {
            Output::Here => 0,
            Output::Direct => DIRECT,
            Output::Ether => ETHER_OUT,
        };
        let first = self.bytes.is_empty();
        match u16::try_from(call.data.len()) {
            Ok(size) => {
                self.bytes.extend_from_slice(call.data);
                self.bytes.extend_from_slice(&size.to_be_bytes());
            }
            Err(_) => self.oversize = Some(call.data.len()),
        }
        let named = self.start.is_none() || self.measured || (held != 0 && !first);
        self.record(CALL | held | paid, asked, named);
        self.measured = call.output == Output::Here;
        self.direct = call.output == Output::Direct;
        self.last = Some(if held == 0 { Execution::Prepaid } else { Execution::Pull });
        self.calls += 1;
    }

    /// The profit token is kept here, between two venues, and so much of it goes on.
    pub fn stop(&mut self, token: Address, amount_out: u128) {
        self.record(STOP, Hop { pool: PoolKey::default(), token_in: token, amount_out }, self.measured);
        self.stop = Some(self.hops.len());
    }

    fn record(&mut self, kind: u8, hop: Hop, named: bool) {
        self.bytes.extend_from_slice(&record(kind, hop, named));
        // Of the step that was the last until now.
        (self.measured, self.left, self.direct) = (false, None, false);
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

    /// The last venue lends what the path begins with. Else our contract has it.
    #[must_use]
    pub fn lends(&self) -> bool {
        self.last.is_some_and(Execution::lends)
    }

    /// The hop that what was stopped goes on to.
    #[must_use]
    pub const fn stopped_before(&self) -> Option<usize> {
        self.stop
    }

    /// What the path begins with, if that was said.
    #[must_use]
    pub const fn start(&self) -> Option<Address> {
        self.start
    }

    /// There is more to it than callbacks from a token and back to it.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.start.is_some() || self.stop.is_some() || self.calls > 0 || !self.managed.is_empty()
    }

    /// Bytes of a call's data that are more than its step can hold.
    #[must_use]
    pub const fn oversize(&self) -> Option<usize> {
        self.oversize
    }

    /// A venue may have been told to pay our contract, which was not said: [`Steps::of`].
    #[must_use]
    pub const fn nobodys(&self) -> bool {
        self.nobodys
    }

    /// All steps, as the contract reads them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A step's record. A token that is not read is zeros, which are cheapest.
fn record(kind: u8, hop: Hop, named: bool) -> [u8; STEP] {
    let mut record = [0; STEP];
    record[0] = kind;
    record[1..TOKEN.start].copy_from_slice(hop.pool.contract.as_slice());
    if named {
        record[TOKEN].copy_from_slice(hop.token_in.as_slice());
    }
    record[TOKEN.end..].copy_from_slice(&hop.amount_out.to_be_bytes());
    record
}
