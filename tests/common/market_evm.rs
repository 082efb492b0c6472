//! A small chain in memory on which the published bytecode of a lending market is deployed, linked and called.
//!
//! Only the price feeds are hand-made: a feed answers every call with its slot 0, which the test sets.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "evm.rs"]
mod evm;

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::Log;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::hex;
use revm::DatabaseCommit;
use revm::context::result::ExecutionResult;
use revm::database::CacheDB;
use revm::database::EmptyDB;
use revm::state::AccountInfo;
use revm::state::Bytecode;
use std::path::PathBuf;

/// Deploys and owns everything.
pub const ADMIN: Address = address!("00000000000000000000000000000000000ad313");
/// Liquidates, with enough of every asset.
pub const LIQUIDATOR: Address = address!("0000000000000000000000000000000011901da7");
/// Supplies what others borrow.
pub const LENDER: Address = address!("0000000000000000000000000000000000001e3d");
/// `sload(0)`, whatever is asked.
const FEED: [u8; 11] = hex!("600054 600052 60206000f3");

alloy::sol! {
    function mint(address account, uint256 value) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// The `index`th account that the tests open positions with.
pub fn user(index: usize) -> Address {
    Address::left_padding_from(&(0x05e7_0000 + index as u64).to_be_bytes())
}

/// What a transaction did.
#[derive(Debug)]
pub struct Outcome {
    pub ok: bool,
    pub output: Bytes,
    pub logs: Vec<Log>,
    /// Changed slots, by account.
    pub changes: Vec<(Address, Vec<(U256, U256)>)>,
}

impl Outcome {
    /// The words of what was returned.
    pub fn word(&self, index: usize) -> U256 {
        U256::from_be_slice(&self.output[index * 32..index * 32 + 32])
    }

    /// The reason of a revert, where it is a string.
    pub fn reason(&self) -> String {
        self.output
            .get(68..)
            .map(|text| String::from_utf8_lossy(text).trim_matches('\0').to_owned())
            .unwrap_or_default()
    }

    /// Tokens moved, in order: token, from, to, units.
    pub fn transfers(&self) -> Vec<(Address, Address, Address, U256)> {
        use alloy::sol_types::SolEvent;
        let of = |log: &Log| {
            let event = Transfer::decode_log(log).ok()?;
            Some((log.address, event.from, event.to, event.value))
        };
        self.logs.iter().filter_map(of).collect()
    }

    /// Panics with the reason of a revert.
    #[track_caller]
    pub fn expect(self, what: &str) -> Self {
        assert!(self.ok, "{what}: {} {}", self.reason(), self.output);
        self
    }
}

/// The chain.
#[derive(Clone, Default)]
pub struct Chain {
    db: CacheDB<EmptyDB>,
    /// Timestamp of the block in which the next transaction lands.
    pub now: u64,
}

/// Creation code of a published artifact, its libraries linked.
pub fn creation_code(artifact: &str, links: &[(&str, Address)]) -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contracts/node_modules");
    let roots = std::iter::once(here).chain(std::env::var_os("PEREGRINE_NODE_MODULES").map(PathBuf::from));
    let path = roots.map(|root| root.join(artifact)).find(|path| path.is_file());
    let path = path.unwrap_or_else(|| {
        panic!(
            "{artifact} is not installed: run scripts/setup, or point PEREGRINE_NODE_MODULES at a node_modules with it"
        )
    });
    let text = std::fs::read_to_string(path).expect("a readable artifact");
    let json: serde_json::Value = serde_json::from_str(&text).expect("an artifact is JSON");
    let mut code = json["bytecode"].as_str().expect("bytecode").trim_start_matches("0x").to_owned();
    let libraries = json["linkReferences"].as_object().into_iter().flatten();
    for (name, places) in libraries.flat_map(|(_, names)| names.as_object().into_iter().flatten()) {
        let library =
            links.iter().find(|(link, _)| link == name).unwrap_or_else(|| panic!("{artifact} needs {name}")).1;
        for place in places.as_array().expect("places") {
            let at = place["start"].as_u64().expect("a start") as usize * 2;
            code.replace_range(at..at + 40, &hex::encode(library));
        }
    }
    hex::decode(code).expect("bytecode is hex, once linked")
}

impl Chain {
    pub fn new() -> Self {
        Self { now: 1_700_000_000, ..Self::default() }
    }

    /// A contract that answers every call with one word.
    pub fn feed(&mut self, at: Address, answer: U256) -> Address {
        let code = Bytecode::new_raw(FEED.to_vec().into());
        self.db.insert_account_info(at, AccountInfo::default().with_code(code));
        self.poke(at, U256::ZERO, answer);
        at
    }

    /// Writes a slot.
    pub fn poke(&mut self, at: Address, slot: U256, value: U256) {
        self.db.insert_account_storage(at, slot, value).expect("a database in memory");
    }

    /// A slot; never written means zero.
    pub fn slot(&self, at: Address, slot: U256) -> U256 {
        let account = self.db.cache.accounts.get(&at);
        account.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default()
    }

    /// Deploys creation code with its arguments appended.
    #[track_caller]
    pub fn create(&mut self, code: Vec<u8>, args: &[u8]) -> Address {
        let (result, state) = self.transact(ADMIN, TxKind::Create, [code, args.to_vec()].concat());
        let ExecutionResult::Success { output, .. } = result else { panic!("creation failed: {result:?}") };
        self.db.commit(state);
        *output.address().expect("a created contract")
    }

    /// A transaction, kept.
    pub fn send(&mut self, from: Address, to: Address, call: &impl SolCall) -> Outcome {
        self.send_raw(from, to, call.abi_encode())
    }

    /// A transaction with this calldata, kept.
    pub fn send_raw(&mut self, from: Address, to: Address, data: Vec<u8>) -> Outcome {
        let (result, state) = self.transact(from, TxKind::Call(to), data);
        let changes = state.iter().map(|(at, account)| {
            let changed = account.storage.iter().filter(|(_, slot)| slot.original_value != slot.present_value);
            (*at, changed.map(|(slot, value)| (*slot, value.present_value)).collect())
        });
        let outcome = Outcome {
            ok: result.is_success(),
            output: result.output().cloned().unwrap_or_default(),
            logs: result.logs().to_vec(),
            changes: changes.collect(),
        };
        self.db.commit(state);
        outcome
    }

    /// A call that changes nothing.
    pub fn look(&mut self, to: Address, call: &impl SolCall) -> Outcome {
        let (result, _) = self.transact(LENDER, TxKind::Call(to), call.abi_encode());
        Outcome {
            ok: result.is_success(),
            output: result.output().cloned().unwrap_or_default(),
            logs: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What an account holds of a token.
    pub fn balance(&mut self, token: Address, account: Address) -> U256 {
        self.look(token, &balanceOfCall { account }).expect("a balance").word(0)
    }

    /// Gives an account units of a token that anyone may mint, and lets `spender` take them.
    pub fn fund(&mut self, token: Address, account: Address, units: U256, spender: Address) {
        self.send(ADMIN, token, &mintCall { account, value: units }).expect("a token is minted");
        self.send(account, token, &approveCall { spender, amount: U256::MAX }).expect("a token is approved");
    }

    fn transact(&mut self, from: Address, to: TxKind, data: Vec<u8>) -> (ExecutionResult, revm::state::EvmState) {
        evm::transact(&mut self.db, self.now, (from, to), data)
    }
}
