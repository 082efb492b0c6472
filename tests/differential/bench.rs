//! A pool's own code on the bench: its tokens are plain ones, so what is seen is the pool's doing alone, and whoever
//! swaps on it is an address of ours.
//!
//! Slots that are not known read as zero, and [`Bench::assumed`] lists them: the records hold no slot that only feeds a
//! pool's statistics (cumulative prices, observations), and a swap touches those, too.

use std::collections::BTreeSet;

use alloy_primitives::{Address, Bytes, U256, address, hex};
use peregrine::hot::evm::db::{Cold, Replaced, Unknown};
use peregrine::hot::evm::machine::{Executed, Machine};
use peregrine::protocols::discover::PLAIN_TOKEN;
use revm::state::{AccountInfo, Bytecode};

/// Who swaps and who is paid. It holds [`CALLBACK`].
pub const SWAPPER: Address = address!("0x7065726567726e650000000000000000000000d1");

/// What a V3 pool calls back, under whichever name: ends the swap at once and reports, as the revert's data, both deltas
/// and where the pool stands, which it has written down by then.
const CALLBACK: [u8; 58] = hex!(
    "6040 6004 6000 37" // memory 00..40: amount0Delta and amount1Delta, the first two arguments
    "63 3850c7bd 60e0 1b 60a0 52" // memory a0: the selector of slot0()
    "6040 6040 6004 60a0 33 5a fa 50" // staticcall to the caller, the pool; memory 40..80: price and tick
    "63 1a686502 60e0 1b 60a0 52" // memory a0: the selector of liquidity()
    "6020 6080 6004 60a0 33 5a fa 50" // memory 80..a0: liquidity
    "60a0 6000 fd" // revert with memory 00..a0
);

/// The opcode that ends a call well.
const STOP: u8 = 0;

/// A slot somewhere, and a value to put there.
pub type Override = (Address, U256, U256);

/// The machine with one pool's tokens replaced.
pub struct Bench<'a> {
    machine: &'a mut Machine,
    aside: Vec<Replaced>,
    unknown: Unknown,
    /// Slots assumed in every call.
    pub standing: Vec<Override>,
}

impl<'a> Bench<'a> {
    /// Puts plain tokens in the place of `tokens`.
    pub fn new(machine: &'a mut Machine, tokens: &[Address]) -> Self {
        let (plain, callback) = (contract(&PLAIN_TOKEN), contract(&CALLBACK));
        let db = machine.db_mut();
        db.tell_whole_account(SWAPPER, callback);
        let unknown = db.unknown();
        db.set_unknown(Unknown::AssumeEmpty);
        let aside = tokens.iter().map(|token| db.replace_account(*token, plain.clone())).collect();
        Self { machine, aside, unknown, standing: Vec::new() }
    }

    /// Brings the tokens back.
    pub fn clear(self) {
        let db = self.machine.db_mut();
        for replaced in self.aside.into_iter().rev() {
            db.restore_account(replaced);
        }
        db.set_unknown(self.unknown);
    }

    /// Calls the pool. Nothing is kept.
    pub fn call(&mut self, pool: Address, data: Vec<u8>, overrides: &[Override]) -> Executed {
        let db = self.machine.db_mut();
        db.clear_notes();
        let standing = db.override_slots(&self.standing);
        let under = db.override_slots(overrides);
        let outcome = self.machine.call(SWAPPER, pool, Bytes::from(data));
        let db = self.machine.db_mut();
        db.restore_slots(under);
        db.restore_slots(standing);
        outcome.unwrap_or_else(|error| panic!("{pool}: nothing is refused on the bench, yet {error}"))
    }

    /// Slots of `pool` that the last call assumed to be zero.
    pub fn assumed(&self, pool: Address) -> Vec<U256> {
        self.assumed_slots().filter(|(at, _)| *at == pool).map(|(_, slot)| slot).collect()
    }

    /// Contracts other than `pool` of which the last call assumed a slot to be zero.
    pub fn assumed_beside(&self, pool: Address) -> BTreeSet<Address> {
        self.assumed_slots().map(|(at, _)| at).filter(|at| *at != pool).collect()
    }

    /// Puts a contract that accepts every call and does nothing in the place of one that cannot do its work.
    pub fn hush(&mut self, at: Address) {
        let replaced = self.machine.db_mut().replace_account(at, contract(&[STOP]));
        self.aside.push(replaced);
    }

    fn assumed_slots(&self) -> impl Iterator<Item = (Address, U256)> {
        let slot = |cold: &Cold| match cold {
            Cold::Slot(at, slot) => Some((*at, *slot)),
            Cold::Account(_) | Cold::BlockHash(_) | Cold::Code(_) => None,
        };
        self.machine.db().assumed().iter().filter_map(slot)
    }
}

fn contract(code: &[u8]) -> AccountInfo {
    let code = Bytecode::new_legacy(Bytes::copy_from_slice(code));
    AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() }
}
