//! The records that hold a pool, each found once, and the stage on which pools swap.

use std::path::PathBuf;
use std::sync::OnceLock;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U256, address};
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Leg};
use peregrine::protocols::curve_crypto::{Pool, Version};
use peregrine::protocols::discover::{PLAIN_TOKEN, Venue, plain_balance_slot};
use peregrine::replay::execute;
use peregrine::replay::record::{self, Codes, Record};
use revm::state::{AccountInfo, Bytecode};

use crate::common;

alloy::sol! {
    function exchange(uint256 i, uint256 j, uint256 dx, uint256 min_dy) external;
}

pub const SWAPPER: Address = address!("0x000000000000000000000000000000005ca1ab1e");

/// A record that holds a pool.
pub struct World {
    dir: PathBuf,
    codes: &'static Codes,
    pools: Vec<Address>,
}

impl World {
    /// The block.
    pub fn name(&self) -> String {
        self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The record, its machine at the start of the block, and the pools there.
    pub fn start(&self) -> (Record, Machine, Vec<Pool>) {
        let record = Record::read(&self.dir, self.codes).unwrap_or_else(|error| panic!("{error}"));
        let mut machine = execute::machine(&record);
        let find = |contract: &Address| {
            let found = Pool::discover(&mut EvmProbe::new(&mut machine), &mut (), (*contract).into(), true);
            found.expect("usable").expect("a pool")
        };
        let pools = self.pools.iter().map(find).collect();
        (record, machine, pools)
    }
}

/// All records with a pool, of both folders.
pub fn worlds() -> &'static [World] {
    static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
    WORLDS.get_or_init(|| {
        let folders = [common::mainnet("blocks"), common::newer_mainnet("blocks")];
        folders.into_iter().flatten().flat_map(of_folder).collect()
    })
}

fn of_folder(folder: PathBuf) -> Vec<World> {
    let dirs = record::find(&[folder]).expect("records");
    let Some(first) = dirs.first() else { return Vec::new() };
    let codes: &'static Codes = Box::leak(Box::new(Codes::of(first).expect("codes")));
    let mut all = Vec::new();
    for dir in dirs {
        let record = Record::read(&dir, codes).unwrap_or_else(|error| panic!("{error}"));
        let mut machine = execute::machine(&record);
        let mut pools = Vec::new();
        for contract in machine.db().contracts() {
            match Pool::discover(&mut EvmProbe::new(&mut machine), &mut (), contract.into(), true) {
                Ok(found) => pools.extend(found.map(|pool| pool.address())),
                // What looks like a pool because what it would say is not known is none that a record holds.
                Err(reason) if reason.contains("not known") => {}
                Err(reason) => println!("{}: {contract} cannot be used: {reason}", dir.display()),
            }
        }
        if !pools.is_empty() {
            all.push(World { dir, codes, pools });
        }
    }
    all
}

/// Each coin into each.
pub fn legs(pool: &Pool) -> Vec<Leg> {
    let pairs = pool.tokens().iter().flat_map(|one| pool.tokens().iter().map(move |other| (*one, *other)));
    pairs.filter_map(|(one, other)| pool.leg(one, other)).collect()
}

/// The contract's places of a leg: those of the tokens that are known are found by asking.
pub fn call(pool: &Pool, leg: Leg, dx: U256, min_dy: U256) -> Vec<u8> {
    let [i, j] = [leg.token_in(), leg.token_out()].map(|place| U256::from(pool.index(place)));
    exchangeCall { i, j, dx, min_dy }.abi_encode()
}

/// In the place of its tokens plain ones, of which the swapper and the pool have enough, as the pool has of ether: it turns wrapped ether
/// that comes in into that, which a plain token does not give. A pool of two coins has just what it says: it takes in what it has beyond.
pub fn with_plain_tokens(machine: &mut Machine, pool: &Pool) {
    let code = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
    let plain = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
    machine.db_mut().tell_whole_account(SWAPPER, AccountInfo::default());
    let two = pool.terms().version == Version::Two;
    if !two {
        rich(machine, pool);
    }
    for (at, token) in pool.tokens().iter().enumerate() {
        let held = if two { pool.state().balances[pool.index(at)] } else { U256::MAX >> 1 };
        let _ = machine.db_mut().replace_account(*token, plain.clone());
        machine.db_mut().override_slots(&[
            (*token, plain_balance_slot(SWAPPER), U256::MAX >> 1),
            (*token, plain_balance_slot(pool.address()), held),
        ]);
    }
}

/// Gives the pool ether without end.
pub fn rich(machine: &mut Machine, pool: &Pool) {
    let info = machine.db().known_account(pool.address()).expect("a pool").clone();
    machine.db_mut().tell_account(pool.address(), AccountInfo { balance: U256::MAX >> 1, ..info });
}
