//! Balances and allowances that the EVM needs of whoever pays and is paid, and maths does not: a bundle that is signed on the
//! swap of somebody of whom they are not known cannot be confirmed at once.
//!
//! # What is taken for known
//! - What the EVM has been asked about on this thread: what it missed then was fetched, and is kept. Where it could not be
//!   fetched the next bundle is withdrawn, and nothing worse.
//! - What the state holds, of tokens whose mappings have been found: by looking, behind a run, which of the first [`BASES`]
//!   slots they could hang on holds what the run has read.
//!
//! # Limits
//! [`ROOM`] are remembered. A newer one takes the place of an older one, of which the EVM is then asked anew.
//!
//! # Cost
//! Fifteen multiplications and a read each; a keccak of a balance not remembered, two of an allowance. Nothing allocates once
//! warm. A token's first runs, up to [`TRIES`] of them, cost two keccaks for each of the [`BASES`].

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use alloy_primitives::map::HashMap;
use revm::context::TxEnv;

use crate::chain::{Contracts, Dialect};
use crate::hot::evm::db::Db;
use crate::hot::state::pools::Pools;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::calldata::Plan;
use crate::protocols::calldata::RouterHop;

/// Half a megabyte a thread.
const ROOM: usize = 1 << 16;
/// Contracts keep their mappings near the beginning. Of those that do not, only who was met is known.
const BASES: u64 = 32;
/// Runs after which a mapping is not looked for any more: not every one reads what it could.
const TRIES: u8 = 8;

/// A balance, or what a spender may take of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FundsKey {
    token: Address,
    owner: Address,
    spender: Option<Address>,
}

/// Where a token's mapping hangs.
#[derive(Clone, Copy, Debug)]
enum Base {
    At(u64),
    /// Not found, so many times.
    Sought(u8),
}

/// The ledger, and what the last transaction asks of it.
#[derive(Debug)]
pub(super) struct SenderFunds {
    /// By the highest bits of their marks. Zero: none.
    met: Vec<u64>,
    /// Of a token: of balances, and (`true`) of allowances.
    bases: HashMap<(Address, bool), Base>,
    /// The last transaction's.
    here: Vec<FundsKey>,
    /// Whose calldata is read.
    contracts: Contracts,
}

impl SenderFunds {
    pub(super) fn new(contracts: Contracts) -> Self {
        Self { met: vec![0; ROOM], bases: HashMap::default(), here: Vec::new(), contracts }
    }

    pub(super) fn clear(&mut self) {
        self.here.clear();
    }

    /// Notes what `plan`, sent by `tx` to `router`, takes and gives.
    pub(super) fn note(&mut self, pools: &Pools<AnyPool>, plan: &Plan, tx: &TxEnv, router: Address) {
        for trade in plan.trades() {
            let hops = plan.hops(trade);
            let ends = hops.first().and_then(|hop| ends(pools, hop)).zip(hops.last().and_then(|hop| ends(pools, hop)));
            let Some(([paid, _], [_, got])) = ends else { continue };
            // Anyone can name a token: of those that no pool here has nothing will be signed.
            if [paid, got].iter().any(|token| pools.find_token(*token).is_none()) {
                continue;
            }
            let of = |token, owner, spender| FundsKey { token, owner, spender };
            // Ether that is sent along is wrapped by the router itself.
            if paid != self.contracts.wrapped_native || tx.value.is_zero() {
                self.here.extend([None, Some(router)].map(|spender| of(paid, tx.caller, spender)));
            }
            self.here.push(of(got, trade.recipient, None));
        }
    }

    /// All that the last transaction asks for is taken for known.
    pub(super) fn are_known(&self, db: &Db) -> bool {
        let is_met = |funds_key: &FundsKey| self.met[place(funds_key.mark())] == funds_key.mark();
        let is_held = |funds_key: &FundsKey| match self.bases.get(&funds_key.mapping()) {
            Some(Base::At(base)) => funds_key.is_known(db, *base),
            Some(Base::Sought(_)) | None => false,
        };
        self.here.iter().all(|funds_key| is_met(funds_key) || is_held(funds_key))
    }

    /// The EVM has been asked about it now; `ended`: and has read all that it needed.
    pub(super) fn meet(&mut self, db: &Db, ended: bool) {
        for funds_key in &self.here {
            self.met[place(funds_key.mark())] = funds_key.mark();
            if funds_key.is_permitted(&self.contracts) {
                continue;
            }
            let base = self.bases.entry(funds_key.mapping()).or_insert(Base::Sought(0));
            if let Base::Sought(tries) = base
                && ended
                && *tries < TRIES
            {
                let found = (0..BASES).find(|base| funds_key.is_known(db, *base));
                *base = found.map_or(Base::Sought(*tries + 1), Base::At);
            }
        }
    }
}

impl FundsKey {
    const fn mapping(&self) -> (Address, bool) {
        (self.token, self.spender.is_some())
    }

    /// Itself in one number, never zero. Who makes two that are alike gains a bundle that is withdrawn. No seed is in it: a
    /// replay takes the same for known.
    fn mark(&self) -> u64 {
        let addresses = [self.token, self.owner, self.spender.unwrap_or_default()];
        let words = addresses.iter().flat_map(|address| address.as_chunks::<4>().0);
        let mixed = words.fold(0xcbf2_9ce4_8422_2325, |mixed: u64, word| {
            (mixed ^ u64::from(u32::from_le_bytes(*word))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        mixed | 1
    }

    /// What goes through a `UniversalRouter` is taken by `Permit2`, which keeps a ledger of its own: the token has no
    /// allowance to that router, and is not to be blamed for it.
    fn is_permitted(&self, contracts: &Contracts) -> bool {
        self.spender.is_some_and(|spender| {
            contracts.routers.iter().any(|row| row.address == spender && row.dialect == Dialect::Universal)
        })
    }

    /// The state holds it, if the mapping hangs there.
    fn is_known(&self, db: &Db, base: u64) -> bool {
        let of_owner = mapped(self.owner, U256::from(base).into());
        let slot = self.spender.map_or(of_owner, |spender| mapped(spender, of_owner));
        db.known_slot(self.token, slot.into()).is_some()
    }
}

/// Where a mapping at `at` keeps the value of `key`, as Solidity has it.
fn mapped(key: Address, at: B256) -> B256 {
    let mut bytes = [0; 64];
    bytes[12..32].copy_from_slice(key.as_slice());
    bytes[32..].copy_from_slice(at.as_slice());
    keccak256(bytes)
}

/// What goes into a hop, and what comes out.
fn ends(pools: &Pools<AnyPool>, hop: &RouterHop) -> Option<[Address; 2]> {
    match *hop {
        RouterHop::Made { token_in, token_out, .. } => Some([token_in, token_out]),
        RouterHop::At { pool, first_in, .. } => {
            let [a, b] = <[_; 2]>::try_from(pools.pool(pools.find(pool)?).tokens()).ok()?;
            Some(if first_in { [a, b] } else { [b, a] })
        }
    }
}

/// A mark's place in the ledger.
const fn place(mark: u64) -> usize {
    (mark >> (u64::BITS - ROOM.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use alloy_primitives::U256;
    use revm::state::AccountInfo;

    use super::FundsKey;
    use super::ROOM;
    use super::SenderFunds;
    use super::TRIES;
    use super::mapped;
    use super::place;
    use crate::chain::MAINNET;
    use crate::hot::evm::db::Db;

    fn at(index: u64) -> Address {
        Address::from_word(U256::from(index).into())
    }

    fn funds_key(owner: u64, spender: Option<u64>) -> FundsKey {
        FundsKey { token: at(1), owner: at(owner), spender: spender.map(at) }
    }

    #[test]
    fn who_was_met_is_known_until_somebody_takes_his_place() {
        let (mut funds, db) = (SenderFunds::new(MAINNET.contracts()), Db::default());
        assert!(funds.are_known(&db), "a transaction that concerns nobody");
        for owner in 2..1_002 {
            funds.here = vec![funds_key(owner, None)];
            assert!(!funds.are_known(&db));
            funds.meet(&db, false);
            assert!(funds.are_known(&db));
        }
        let is_kept = |owner: &u64| funds.met[place(funds_key(*owner, None).mark())] == funds_key(*owner, None).mark();
        let kept = (2..1_002).filter(is_kept).count();
        assert!(kept > 980, "{kept} of 1000 have a place of their own");
        assert!(place(u64::MAX) == ROOM - 1 && place(1) == 0);
    }

    #[test]
    fn owner_spender_and_token_are_told_apart() {
        let (a, b) = (funds_key(2, Some(3)), funds_key(3, Some(2)));
        let all = [
            a,
            b,
            funds_key(2, None),
            funds_key(2, Some(2)),
            FundsKey { token: at(2), ..a },
            FundsKey { token: at(3), ..b },
        ];
        let apart: std::collections::BTreeSet<u64> = all.iter().map(FundsKey::mark).collect();
        assert_eq!(apart.len(), all.len());
    }

    #[test]
    fn where_a_token_keeps_allowances_is_found_behind_a_run_and_what_the_state_holds_of_others_is_known() {
        let (mut funds, mut db) = (SenderFunds::new(MAINNET.contracts()), Db::default());
        db.tell_account(at(1), AccountInfo::default());
        let mut tell = |owner: u64, spender: u64| {
            let slot = mapped(at(spender), mapped(at(owner), U256::from(9).into()));
            db.tell_slot(at(1), slot.into(), U256::ZERO);
        };
        tell(2, 3);
        tell(4, 3);
        funds.here = vec![funds_key(2, Some(3))];
        funds.meet(&db, true);
        for (owner, spender, due) in [(4, 3, true), (4, 5, false), (5, 3, false)] {
            funds.here = vec![funds_key(owner, Some(spender))];
            assert_eq!(funds.are_known(&db), due, "{owner} {spender}");
        }
        funds.here = vec![funds_key(4, None)];
        assert!(!funds.are_known(&db), "balances are another mapping");
    }

    #[test]
    fn a_mapping_that_is_not_found_is_looked_for_a_few_times() {
        let (mut funds, mut db) = (SenderFunds::new(MAINNET.contracts()), Db::default());
        db.tell_account(at(1), AccountInfo::default());
        funds.here = vec![funds_key(2, None)];
        for _ in 0..TRIES {
            funds.meet(&db, true);
        }
        db.tell_slot(at(1), mapped(at(2), U256::ZERO.into()).into(), U256::ZERO);
        db.tell_slot(at(1), mapped(at(3), U256::ZERO.into()).into(), U256::ZERO);
        funds.meet(&db, true);
        funds.here = vec![funds_key(3, None)];
        assert!(!funds.are_known(&db));
    }
}
