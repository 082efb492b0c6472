//! A small chain of our own machine, with real protocols from npm on it.

use std::path::PathBuf;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, TxKind, U256, address};
use peregrine::hot::evm::db::{Cold, Db};
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::{ExecuteError, Executed, Machine};
use revm::context::{BlockEnv, TxEnv};
use revm::state::AccountInfo;

alloy::sol! {
    function createPair(address a, address b) external returns (address pair);
    function transfer(address to, uint256 amount) external returns (bool);
    function mint(address to) external returns (uint256);
    function deposit() external payable;
    function swap(uint256 amount0, uint256 amount1, address to, bytes data) external;
}

/// Who sends everything.
pub const USER: Address = address!("0x00000000000000000000000000000000000e0001");
const BUILDER: Address = address!("0x00000000000000000000000000000000000b0001");

/// Creation code of a package's published contract.
pub fn creation_code(artifact: &str) -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contracts/node_modules");
    let roots = [Some(here), std::env::var_os("PEREGRINE_NODE_MODULES").map(PathBuf::from)];
    let path = roots.into_iter().flatten().map(|root| root.join(artifact)).find(|path| path.is_file());
    let path = path.unwrap_or_else(|| panic!("{artifact} is not installed: run scripts/setup"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("json");
    let places = [&json["bytecode"], &json["evm"]["bytecode"]["object"], &json["creationCode"]];
    let code = places.into_iter().find_map(serde_json::Value::as_str).expect("bytecode");
    alloy_primitives::hex::decode(code).expect("hex")
}

/// The chain: everything on it was put there, so nothing is unknown.
pub struct Chain {
    pub machine: Machine,
    nonce: u64,
}

impl Chain {
    pub fn new() -> Self {
        let block = BlockEnv {
            number: U256::from(20_000_000),
            timestamp: U256::from(1_717_000_000u64),
            gas_limit: 30_000_000,
            basefee: 7,
            beneficiary: BUILDER,
            prevrandao: Some(alloy_primitives::B256::ZERO),
            ..BlockEnv::default()
        };
        let fork = Fork::of(&peregrine::chain::MAINNET, 20_000_000, 1_717_000_000).expect("cancun");
        let mut machine = Machine::new(1, fork, block, Db::default());
        let rich = AccountInfo { balance: U256::from(10).pow(U256::from(30)), ..AccountInfo::default() };
        machine.db_mut().tell_whole_account(USER, rich);
        machine.db_mut().tell_whole_account(BUILDER, AccountInfo::default());
        Self { machine, nonce: 0 }
    }

    /// The sender's next nonce.
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Sends a transaction and keeps what it did.
    pub fn send(&mut self, kind: TxKind, data: Vec<u8>, value: U256) -> Executed {
        let tx = TxEnv {
            caller: USER,
            gas_limit: 12_000_000,
            gas_price: 7,
            kind,
            data: Bytes::from(data),
            value,
            nonce: self.nonce,
            ..TxEnv::default()
        };
        self.nonce += 1;
        let executed = self.machine.execute(tx).expect("runs");
        assert!(executed.is_success(), "{:?}", executed.result);
        self.machine.commit(executed.diff.clone());
        executed
    }

    pub fn call(&mut self, to: Address, call: &impl SolCall) -> Executed {
        self.send(TxKind::Call(to), call.abi_encode(), U256::ZERO)
    }

    /// Deploys a package's contract with its encoded arguments.
    pub fn deploy(&mut self, artifact: &str, arguments: &[u8]) -> Address {
        self.create([creation_code(artifact), arguments.to_vec()].concat())
    }

    /// Creates a contract by its creation code; it may create one itself.
    pub fn create(&mut self, code: Vec<u8>) -> Address {
        let place = USER.create(self.nonce);
        for vacant in [place, place.create(1)] {
            self.machine.db_mut().tell_whole_account(vacant, AccountInfo::default());
        }
        self.send(TxKind::Create, code, U256::ZERO);
        place
    }

    /// A new pair of a factory's, funded.
    pub fn pair(&mut self, factory: Address, tokens: [Address; 2], reserves: [U256; 2]) -> Address {
        let pair = loop {
            let data = createPairCall { a: tokens[0], b: tokens[1] }.abi_encode();
            let tx = TxEnv {
                caller: USER,
                gas_limit: 12_000_000,
                gas_price: 7,
                kind: TxKind::Call(factory),
                data: data.clone().into(),
                nonce: self.nonce,
                ..TxEnv::default()
            };
            match self.machine.execute(tx) {
                Ok(executed) => break Address::from_slice(&executed.result.output().expect("an address")[12..32]),
                Err(ExecuteError::Cold(Cold::Account(vacant))) => {
                    self.machine.db_mut().tell_whole_account(vacant, AccountInfo::default());
                }
                Err(error) => panic!("{error}"),
            }
        };
        self.call(factory, &createPairCall { a: tokens[0], b: tokens[1] });
        for (token, amount) in tokens.into_iter().zip(reserves) {
            self.call(token, &transferCall { to: pair, amount });
        }
        self.call(pair, &mintCall { to: USER });
        pair
    }
}
