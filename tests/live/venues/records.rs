//! Contracts of recorded blocks, put onto the devnet: what no package has the bytecode of. Records lie outside the repository; where
//! they are absent that is said.

use std::collections::BTreeMap;
use std::fs::File;

use alloy_primitives::{Address, B256, Bytes, U256};
use peregrine::replay::record::{Codes, Record};
use serde::Deserialize;
use serde_json::json;

use crate::common;
use crate::rig::Rig;

/// A contract as a record has it: its code, and the slots that are known of it.
pub struct Recorded {
    pub code: Bytes,
    pub slots: BTreeMap<U256, U256>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

/// These contracts, as they were before this block. None, aloud, where there are no records.
pub fn recorded<const N: usize>(block: &str, at: [Address; N]) -> Option<[Recorded; N]> {
    let dir = common::mainnet(&format!("blocks/{block}"))?;
    let db = Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record").db();
    let packed = zstd::Decoder::new(File::open(dir.join("prestate.json.zst")).expect("a file")).expect("zstd");
    let accounts: BTreeMap<Address, Account> = serde_json::from_reader(packed).expect("accounts");
    Some(at.map(|at| {
        let code = db.known_account(at).and_then(|account| account.code.as_ref()).expect("a contract");
        Recorded { code: code.original_bytes(), slots: accounts[&at].storage.clone() }
    }))
}

/// Puts it there. Slots that are not known are zero.
pub async fn put(rig: &Rig, at: Address, contract: &Recorded) {
    rig.ask("anvil_setCode", json!([at, contract.code])).await;
    for (slot, value) in &contract.slots {
        rig.ask("anvil_setStorageAt", json!([at, B256::from(*slot), B256::from(*value)])).await;
    }
}
