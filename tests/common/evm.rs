//! One transaction on a state in memory, and the published code: what the small chains of these tests run.

use alloy_primitives::Address;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use revm::Context;
use revm::ExecuteEvm;
use revm::MainBuilder;
use revm::MainContext;
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm::database::CacheDB;
use revm::database::EmptyDB;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use std::path::PathBuf;

/// In a block of this timestamp, for nothing. The state is left as it was.
pub fn transact(
    db: &mut CacheDB<EmptyDB>,
    now: u64,
    (from, to): (Address, TxKind),
    data: Vec<u8>,
) -> (ExecutionResult, EvmState) {
    let mut evm = Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN);
            cfg.disable_nonce_check = true;
        })
        .modify_block_chained(|block| {
            block.timestamp = U256::from(now);
            block.gas_limit = u64::MAX;
        })
        .build_mainnet();
    let mut tx = TxEnv { caller: from, kind: to, data: data.into(), ..TxEnv::default() };
    (tx.gas_limit, tx.gas_price, tx.chain_id) = (1_000_000_000, 0, None);
    let done = evm.transact(tx).expect("a valid transaction");
    (done.result, done.state)
}

/// Creation code of a published contract, as the build tools of its time wrote it down.
pub fn creation_code(artifact: &str) -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contracts/node_modules");
    let roots = std::iter::once(here).chain(std::env::var_os("PEREGRINE_NODE_MODULES").map(PathBuf::from));
    let Some(path) = roots.map(|root| root.join(artifact)).find(|path| path.is_file()) else {
        panic!(
            "{artifact} is not installed: run scripts/setup, or point PEREGRINE_NODE_MODULES at a node_modules that has it"
        );
    };
    let text = std::fs::read_to_string(&path).expect("a readable artifact");
    let json: serde_json::Value = serde_json::from_str(&text).expect("an artifact is JSON");
    let places = [&json["bytecode"], &json["bytecode"]["object"], &json["evm"]["bytecode"]["object"]];
    let code = places.into_iter().find_map(serde_json::Value::as_str).expect("bytecode");
    alloy_primitives::hex::decode(code).expect("bytecode is hex")
}
