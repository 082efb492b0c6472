//! A pool between plain tokens, which are moved in full: its own `exchange` runs on whatever state is written into it.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U256, address};
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::machine::{Executed, Machine};
use peregrine::protocols::amm::{Amm, Leg};
use peregrine::protocols::curve_stable::{Layout, Pool, State, abi};
use peregrine::protocols::discover::{PLAIN_TOKEN, plain_balance_slot};
use revm::state::{AccountInfo, Bytecode};

/// Who swaps.
pub const SWAPPER: Address = address!("0x7065726567726e650000000000000000000000c5");
/// What he has of each token, and what the pool has beyond what it counts.
pub const PLENTY: U256 = U256::from_limbs([u64::MAX, u64::MAX, 0, 0]);

/// What an exchange did.
pub struct Done {
    pub paid: U256,
    pub gas: u64,
    /// The pool's slots that it changed.
    pub changes: Vec<(U256, U256)>,
}

/// The machine, its tokens replaced for good.
pub struct Bench {
    machine: Machine,
}

/// The slots of a state.
pub fn written(layout: &Layout, state: &State) -> Vec<(U256, U256)> {
    let held = layout.held.iter().copied().zip(state.held.map(U256::from));
    let admin_held = layout.admin_held.iter().copied().zip(state.admin_held.map(U256::from));
    let fees = [(Some(layout.fee), state.fee), (layout.admin_fee, state.admin_fee), (layout.offpeg, state.offpeg)];
    let fees = fees.into_iter().filter_map(|(slot, fee)| Some((slot?, U256::from(fee))));
    held.chain(admin_held).chain(fees).chain([(layout.amp, U256::from(state.amp))]).collect()
}

impl Bench {
    pub fn new(mut machine: Machine, tokens: &[Address]) -> Self {
        let code = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
        let plain = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
        let db = machine.db_mut();
        db.set_unknown(Unknown::AssumeEmpty);
        db.tell_whole_account(SWAPPER, AccountInfo { balance: PLENTY, ..AccountInfo::default() });
        for token in tokens {
            let _aside = db.replace_account(*token, plain.clone());
        }
        Self { machine }
    }

    /// Writes slots for good.
    pub fn put(&mut self, slots: &[(Address, U256, U256)]) {
        let _under = self.machine.db_mut().override_slots(slots);
    }

    pub const fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Calls the pool in the state of `pool`. Nothing is kept.
    pub fn call(&mut self, pool: &Pool, data: Vec<u8>) -> Executed {
        self.call_paying(pool, data, U256::ZERO)
    }

    /// The same, with ether, of which the pool has plenty.
    fn call_paying(&mut self, pool: &Pool, data: Vec<u8>, value: U256) -> Executed {
        let at = pool.address();
        let poor = self.machine.db_mut().endow(at, PLENTY);
        let mut overrides: Vec<_> =
            written(pool.layout(), pool.state()).into_iter().map(|(slot, value)| (at, slot, value)).collect();
        for token in pool.tokens() {
            overrides.extend([SWAPPER, at].map(|owner| (*token, plain_balance_slot(owner), PLENTY)));
        }
        let under = self.machine.db_mut().override_slots(&overrides);
        let outcome = self.machine.call_paying(SWAPPER, at, Bytes::from(data), value);
        self.machine.db_mut().restore_slots(under);
        self.machine.db_mut().restore_account(poor);
        outcome.unwrap_or_else(|error| panic!("{at}: nothing is refused on the bench, yet {error}"))
    }

    /// `None`: it reverted.
    pub fn exchange(&mut self, pool: &Pool, leg: Leg, dx: U256) -> Option<Done> {
        let (i, j) = pool.places(leg);
        let data = abi::exchangeCall { i: i as i128, j: j as i128, dx, min_dy: U256::ZERO }.abi_encode();
        let done = self.call_paying(pool, data, if pool.ether() == Some(i) { dx } else { U256::ZERO });
        if !done.is_success() {
            return None;
        }
        let has = |place: usize, token: usize| {
            if pool.ether() == Some(place) {
                return done.diff.get(&SWAPPER).map(|swapper| swapper.info.balance);
            }
            let slot = done.diff.get(&pool.tokens()[token])?.storage.get(&plain_balance_slot(SWAPPER))?;
            Some(slot.present_value)
        };
        assert_eq!(has(i, leg.token_in()), Some(PLENTY - dx), "it takes what it was told to");
        let changes = changes(&done, pool.address());
        let paid = has(j, leg.token_out()).unwrap_or(PLENTY) - PLENTY;
        Some(Done { paid, gas: done.gas_used(), changes })
    }

    /// What `get_dy` answers. `None`: it reverted.
    pub fn get_dy(&mut self, pool: &Pool, leg: Leg, dx: U256) -> Option<U256> {
        let (i, j) = pool.places(leg);
        let done = self.call(pool, abi::get_dyCall { i: i as i128, j: j as i128, dx }.abi_encode());
        word(&done)
    }
}

/// What a call answers in one word. `None`: it reverted.
pub fn word(done: &Executed) -> Option<U256> {
    let output = done.result.output().filter(|_| done.is_success())?;
    (output.len() == 32).then(|| U256::from_be_slice(output))
}

/// The slots of a contract that a call changed.
pub fn changes(done: &Executed, at: Address) -> Vec<(U256, U256)> {
    let account = done.diff.get(&at).into_iter();
    account
        .flat_map(|account| account.changed_storage_slots())
        .map(|(slot, value)| (*slot, value.present_value))
        .collect()
}
