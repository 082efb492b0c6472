//! Who was caught doing something else than it quotes: remembered, so that it costs one simulation and not one a cycle.
//!
//! A cycle that reverts or ends with another profit has a culprit on its path. Tokens are asked first: each is moved, in
//! the EVM, from the pool that would pay it to where it would be paid, and what arrives is weighed. If none is short,
//! the pool is the culprit, and it can be named when it is the only one on the path that never took part in a proof.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::HashSet;

use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::hot::refused::Refused;
use crate::protocols::execution::Hop;
use crate::types::pool_key::PoolKey;

alloy::sol! {
    /// What a pool does to pay.
    function transfer(address to, uint256 amount) external returns (bool);
}

/// The memory. What is seen behind a pending transaction, which may never happen, is held against nobody after it.
#[derive(Debug, Default)]
pub struct Suspicion {
    /// Tokens and pools caught in the base state.
    lasting: HashSet<Culprit>,
    /// Caught behind the present pending transaction.
    passing: HashSet<Culprit>,
    /// The present event is the base state itself.
    base: bool,
    /// Pools that took part in a proof.
    proven: HashSet<PoolKey>,
    /// What the present event added to those caught in the base state.
    caught: Vec<Culprit>,
    /// ... to those that took part.
    cleared: Vec<PoolKey>,
}

/// Who was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Culprit {
    Token(Address),
    Pool(PoolKey),
}

impl Suspicion {
    /// Another event: on the base state, or behind a pending transaction.
    pub fn begin(&mut self, base: bool) {
        self.base = base;
        self.passing.clear();
        self.caught.clear();
        self.cleared.clear();
    }

    /// Forgets what the present event taught: it was called off, at a moment that no replay knows.
    pub fn take_back(&mut self) {
        self.lasting.retain(|culprit| !self.caught.contains(culprit));
        self.proven.retain(|pool| !self.cleared.contains(pool));
        self.caught.clear();
        self.cleared.clear();
        self.passing.clear();
    }

    /// A token or pool on the path was caught before.
    #[must_use]
    pub fn on(&self, hops: &[Hop]) -> bool {
        let caught = |culprit| self.lasting.contains(&culprit) || self.passing.contains(&culprit);
        hops.iter().any(|hop| caught(Culprit::Token(hop.token_in)) || caught(Culprit::Pool(hop.pool)))
    }

    fn catch(&mut self, culprit: Culprit) {
        if !self.base {
            self.passing.insert(culprit);
        } else if self.lasting.insert(culprit) {
            self.caught.push(culprit);
        }
    }

    /// Every pool of the path did what it quoted.
    pub fn clear(&mut self, hops: &[Hop]) {
        let new = hops.iter().map(|hop| hop.pool).filter(|pool| self.proven.insert(*pool));
        self.cleared.extend(new);
    }

    /// Finds and remembers the culprit of a path that failed with `symptom`; returns the reason to report.
    pub fn investigate(&mut self, machine: &mut Machine, hops: &[Hop], symptom: Refused) -> Refused {
        // On what is known alone: an assumed balance of zero would make any token look taxed.
        let unknown = machine.db().unknown();
        machine.db_mut().set_unknown(Unknown::Refuse);
        let mut legs = hops.iter().zip(hops.iter().skip(1));
        let taxed =
            legs.find(|(paying, paid)| delivers(machine, paid.token_in, paying, paid.pool.contract) == Some(false));
        machine.db_mut().set_unknown(unknown);
        if let Some((_, paid)) = taxed {
            self.catch(Culprit::Token(paid.token_in));
            return Refused::TransferTax;
        }
        let mut strangers = hops.iter().map(|hop| hop.pool).filter(|pool| !self.proven.contains(pool));
        if let (Some(culprit), None) = (strangers.next(), strangers.next()) {
            self.catch(Culprit::Pool(culprit));
        }
        symptom
    }
}

/// Whether `to` receives exactly what `from`'s pool sends of `token`. `None` when that cannot be told: something is not
/// known, or the token refuses the transfer, as one that limits amounts may refuse this one and take the next.
fn delivers(machine: &mut Machine, token: Address, from: &Hop, to: Address) -> Option<bool> {
    let amount = U256::from(from.amount_out);
    let data = transferCall { to, amount }.abi_encode().into();
    let send = machine.look(from.pool.contract, token, data);
    let look = machine.look(to, token, own::balance_of(to));
    let between = machine.look_between(send, &look).ok()?;
    let before = own::number(between.before.output())?;
    let after = own::number(between.after.output())?;
    between.executed.is_success().then(|| after.checked_sub(before) == Some(amount))
}
