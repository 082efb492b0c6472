//! One transaction on a state in memory: what the small chains of these tests run.

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
