//! Who was caught doing something else than it quotes: remembered, so that it costs one simulation and not one a cycle.
//!
//! A cycle that reverts or ends with another profit has a culprit on its path. Tokens are asked first: each is moved, in
//! the EVM, from the pool that would pay it to where it would be paid, and what arrives is weighed. If all arrive whole,
//! the pool is the culprit, and it can be named when it is the only one on the path that never took part in a proof.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::AddressSet;

use crate::hot::evm::db::Unknown;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::hot::refused::Refused;
use crate::protocols::executor::Hop;

alloy::sol! {
    /// What a pool does to pay.
    function transfer(address to, uint256 amount) external returns (bool);
}

/// The memory.
#[derive(Debug, Default)]
pub struct Suspicion {
    /// Tokens that do not deliver what is sent.
    taxed: AddressSet,
    /// Pools that do not do what they quote.
    deviant: AddressSet,
    /// Pools that took part in a proof.
    proven: AddressSet,
}

impl Suspicion {
    /// A token or pool on the path was caught before.
    #[must_use]
    pub fn on(&self, hops: &[Hop]) -> bool {
        hops.iter().any(|hop| self.taxed.contains(&hop.token_in) || self.deviant.contains(&hop.pool))
    }

    /// Every pool of the path did what it quoted.
    pub fn clear(&mut self, hops: &[Hop]) {
        self.proven.extend(hops.iter().map(|hop| hop.pool));
    }

    /// Finds and remembers the culprit of a path that failed with `symptom`; returns the reason to report.
    pub fn investigate(&mut self, machine: &mut Machine, hops: &[Hop], symptom: Refused) -> Refused {
        // On what is known alone: an assumed balance of zero would make any token look taxed.
        let unknown = machine.db().unknown();
        machine.db_mut().set_unknown(Unknown::Refuse);
        let mut legs = hops.iter().zip(hops.iter().skip(1));
        let taxed = legs.find(|(paying, paid)| delivers(machine, paid.token_in, paying, paid.pool) == Some(false));
        machine.db_mut().set_unknown(unknown);
        if let Some((_, paid)) = taxed {
            self.taxed.insert(paid.token_in);
            return Refused::TransferTax;
        }
        let mut strangers = hops.iter().map(|hop| hop.pool).filter(|pool| !self.proven.contains(pool));
        if let (Some(culprit), None) = (strangers.next(), strangers.next()) {
            self.deviant.insert(culprit);
        }
        symptom
    }
}

/// Whether `to` receives exactly what `from`'s pool sends of `token`. `None` when that cannot be told on this state.
fn delivers(machine: &mut Machine, token: Address, from: &Hop, to: Address) -> Option<bool> {
    let amount = U256::from(from.amount_out);
    let data = transferCall { to, amount }.abi_encode().into();
    let send = machine.look(from.pool, token, data);
    let look = machine.look(to, token, own::balance_of(to));
    let between = machine.look_between(send, &look).ok()?;
    let before = own::number(between.before.output())?;
    let after = own::number(between.after.output())?;
    Some(between.executed.is_success() && after.checked_sub(before) == Some(amount))
}
