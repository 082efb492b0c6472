//! What lies in no contract's state of a record: which token stands for ether, and how pools were announced that cannot be asked for
//! their terms.
//!
//! # Invariants
//! - The terms are the file's, as the log of the pool's creation would say them; price and tick are those before the block. Whether they
//!   are the pool's is discovery's to say: their hash is its id.

use std::collections::BTreeMap;
use std::path::Path;

use alloy::sol_types::SolEvent;
use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, B256, U160, address};
use serde::Deserialize;

use crate::chain;
use crate::protocols::discover::{Announced, Announcement};
use crate::replay::record::RecordError;
use crate::replay::record::read as unpack;
use crate::types::pool_key::PoolKey;

/// Beside the folder of records: pools of Uniswap V4, by block.
const FILE: &str = "v4.json.zst";
/// The manager of mainnet, which the file does not name.
const MANAGER: Address = address!("000000000004444c5dc75cB358380D2e3dE08A90");

alloy::sol! {
    event Initialize(bytes32 indexed id, address indexed currency0, address indexed currency1, uint24 fee,
        int24 tickSpacing, address hooks, uint160 sqrtPriceX96, int24 tick);
}

#[derive(Deserialize)]
struct Block {
    pools: BTreeMap<B256, Pool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pool {
    key: Terms,
    sqrt_price_x96: U160,
    tick: I24,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
    currency0: Address,
    currency1: Address,
    fee: U24,
    hooks: Address,
    tick_spacing: I24,
}

impl Pool {
    fn announcement(&self, id: B256) -> Announcement {
        let Terms { currency0, currency1, fee, hooks, tick_spacing } = self.key;
        let said = Initialize {
            id,
            currency0,
            currency1,
            fee,
            tickSpacing: tick_spacing,
            hooks,
            sqrtPriceX96: self.sqrt_price_x96,
            tick: self.tick,
        };
        let log = said.encode_log_data();
        Announcement { topics: log.topics().to_vec(), data: log.data }
    }
}

/// What is known beside the state of the record in `dir`.
pub(super) fn read(dir: &Path, number: u64) -> Result<Announced, RecordError> {
    let wrapped_native = Some(chain::RECORDED.wrapped_native);
    // The parent of `.` or `x/..` is not in its name.
    let real = dir.canonicalize().ok();
    let path = real.as_deref().and_then(Path::parent).and_then(Path::parent).map(|folder| folder.join(FILE));
    let Some(path) = path.filter(|path| path.is_file()) else {
        return Ok(Announced { wrapped_native, ..Announced::default() });
    };
    let mut blocks: BTreeMap<String, Block> = unpack(&path)?;
    let pools = blocks.remove(&number.to_string()).map_or_else(BTreeMap::new, |block| block.pools);
    let key = |id: &B256| PoolKey { contract: MANAGER, id: Some(*id) };
    let pools = pools.iter().map(|(id, pool)| (key(id), pool.announcement(*id))).collect();
    Ok(Announced { wrapped_native, pools, ..Announced::default() })
}
