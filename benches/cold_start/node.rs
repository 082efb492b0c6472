//! A node of a made state: what an account holds follows from its address, so that there is no limit to how many there are. It
//! answers what a start asks for, in batches too, and runs calls in revm.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm::database_interface::DBErrorMarker;
use revm::primitives::{TxKind, hardfork::SpecId};
use revm::state::{AccountInfo, Bytecode};
use revm::{Context, Database, ExecuteEvm, MainBuilder, MainContext};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::v3_evm::{self, Kind, World};

/// Of V2 and of V3.
pub const FACTORIES: [Address; 2] =
    [address!("5000000000000000000000000000000000000002"), address!("5000000000000000000000000000000000000003")];
const WETH: Address = address!("1000000000000000000000000000000000000000");
/// The latest block.
const HEAD: u64 = 20_000_000;
const TIMESTAMP: u64 = 1_750_000_000;
/// More of each token than any pool says that it holds.
const BALANCE: U256 = U256::from_limbs([0, 0, 1 << 20, 0]);

/// What stands at an address: the first byte says, the last eight which.
#[derive(Clone, Copy)]
enum Place {
    Token,
    Pair(u64),
    Pool(u64),
    Factory,
    Nothing,
}

/// How a factory says that it has made a pool.
fn created(protocol: &str) -> B256 {
    peregrine::protocols::creation(protocol).expect("a protocol").topic
}

fn token(index: u64) -> Address {
    made(0x20, index)
}

fn made(tag: u8, index: u64) -> Address {
    let mut bytes = [0; 20];
    bytes[0] = tag;
    bytes[12..].copy_from_slice(&index.to_be_bytes());
    Address::from(bytes)
}

/// The state.
struct Made {
    v2: u64,
    v3: u64,
    /// As its EVM takes them: a node holds codes with their hashes.
    token: Bytecode,
    pair: Bytecode,
    pool: Bytes,
    /// Where in the pool's code its own address and its tokens' stand.
    named: [Vec<usize>; 3],
    pool_slots: BTreeMap<U256, U256>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Made {
    fn new(v2: u64, v3: u64) -> Self {
        let mut world = World::new(Kind::Uniswap, 3_000, 60);
        let initialize = [hex!("f637731d").as_slice(), &(U256::ONE << 96usize).to_be_bytes::<32>()].concat();
        assert!(world.send(world.pool, initialize).ok);
        let words = [
            v3_evm::CALLER.into_word().into(),
            // Two's complement of the lowest tick, and the highest.
            U256::MAX - U256::from(887_220 - 1),
            U256::from(887_220),
            U256::from(10u64).pow(U256::from(21)),
            U256::from(160),
            U256::ZERO,
        ];
        let mint = words.iter().fold(hex!("3c8a7d8d").to_vec(), |mut data, word| {
            data.extend_from_slice(&word.to_be_bytes::<32>());
            data
        });
        assert!(world.through_caller(&mint).ok, "a position over all prices");
        let pool = world.code(world.pool);
        let places = |of: Address| -> Vec<usize> {
            pool.windows(20).enumerate().filter(|(_, bytes)| *bytes == of.as_slice()).map(|(at, _)| at).collect()
        };
        let named = [world.pool, world.tokens[0], world.tokens[1]].map(places);
        assert!(named.iter().all(|places| !places.is_empty()), "immutables stand in the code");
        let pair = runtime("@uniswap/v2-core/build/UniswapV2Pair.json");
        let [pair, token] = [pair, world.code(world.tokens[0])].map(Bytecode::new_legacy);
        let pool_slots = world.storage(world.pool).into_iter().collect();
        Self { v2, v3, token, pair, pool, named, pool_slots, counts: Mutex::default() }
    }

    fn place(&self, at: Address) -> Place {
        let index = u64::from_be_bytes(at[12..].try_into().unwrap_or_default());
        match at[0] {
            0x10 | 0x20 => Place::Token,
            0x30 if index < self.v2 => Place::Pair(index),
            0x40 if index < self.v3 => Place::Pool(index),
            0x50 => Place::Factory,
            _ => Place::Nothing,
        }
    }

    fn code(&self, at: Address) -> Bytes {
        match self.place(at) {
            Place::Token => self.token.original_bytes(),
            Place::Pair(_) => self.pair.original_bytes(),
            Place::Pool(index) => {
                let mut code = self.pool.to_vec();
                for (places, name) in self.named.iter().zip([at, WETH, token(index)]) {
                    places.iter().for_each(|place| code[*place..*place + 20].copy_from_slice(name.as_slice()));
                }
                code.into()
            }
            // It only has to be there.
            Place::Factory => Bytes::from_static(&[0]),
            Place::Nothing => Bytes::new(),
        }
    }

    fn slot(&self, at: Address, slot: U256) -> U256 {
        let small = u64::try_from(slot).ok();
        match (self.place(at), small) {
            // Anything that is far out is a balance.
            (Place::Token, None) => BALANCE,
            (Place::Pair(_), Some(5)) => FACTORIES[0].into_word().into(),
            (Place::Pair(_), Some(6)) => WETH.into_word().into(),
            (Place::Pair(index), Some(7)) => token(index).into_word().into(),
            (Place::Pair(index), Some(8)) => {
                // Between one and a thousand ether, and another token a pair.
                let ether = U256::from(1 + index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000);
                let unit = U256::from(10u64.pow(18));
                let (weth, other) = (ether * unit, ether * unit * U256::from(1_000 + index % 7));
                weth | other << 112usize | U256::from(TIMESTAMP % (1 << 32)) << 224usize
            }
            (Place::Pair(_), Some(12)) => U256::ONE,
            (Place::Pool(_), _) => self.pool_slots.get(&slot).copied().unwrap_or_default(),
            _ => U256::ZERO,
        }
    }

    /// What an `eth_call` gives: the output, or the words of the revert.
    fn call(&self, to: Option<Address>, data: Bytes) -> Result<Bytes, Bytes> {
        let mut evm = Context::mainnet()
            .with_db(Over(self))
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
                (cfg.disable_nonce_check, cfg.disable_base_fee) = (true, true);
                cfg.tx_gas_limit_cap = Some(u64::MAX);
            })
            .modify_block_chained(|block| {
                (block.number, block.timestamp) = (U256::from(HEAD), U256::from(TIMESTAMP));
                block.gas_limit = u64::MAX;
            })
            .build_mainnet();
        let kind = to.map_or(TxKind::Create, TxKind::Call);
        let mut tx = TxEnv { kind, data, ..TxEnv::default() };
        // What geth allows a call.
        (tx.gas_limit, tx.gas_price, tx.chain_id) = (50_000_000, 0, None);
        match evm.transact(tx).map(|done| done.result) {
            Ok(ExecutionResult::Success { output, .. }) => Ok(output.into_data()),
            Ok(other) => Err(other.output().cloned().unwrap_or_default()),
            Err(_) => Err(Bytes::new()),
        }
    }

    /// One a block, the pairs first.
    fn logs(&self, from: u64, to: u64, of: Address) -> Vec<Value> {
        let (all, first) = if of == FACTORIES[0] { (self.v2, 0) } else { (self.v3, self.v2) };
        let padded = |address: Address| address.into_word();
        let log = |index: u64| {
            let block = first + index;
            let other = token(index);
            let (topics, data) = if of == FACTORIES[0] {
                let words = [padded(made(0x30, index)), B256::from(U256::from(index + 1))].concat();
                (vec![created("uniswap_v2"), padded(WETH), padded(other)], words)
            } else {
                let words = [B256::from(U256::from(60)), padded(made(0x40, index))].concat();
                (vec![created("uniswap_v3"), padded(WETH), padded(other), B256::from(U256::from(3_000))], words)
            };
            json!({
                "address": of, "topics": topics, "data": Bytes::from(data), "blockHash": hash(block),
                "blockNumber": format!("{block:#x}"), "transactionHash": hash(block), "transactionIndex": "0x0",
                "logIndex": "0x0", "removed": false,
            })
        };
        (0..all).filter(|index| (from..=to).contains(&(first + index))).map(log).collect()
    }

    fn answer(&self, call: &Call) -> Result<Value, (i64, String, Option<Bytes>)> {
        let address = |place: usize| call.params.get(place).and_then(|value| Address::deserialize(value).ok());
        let at = address(0).unwrap_or_default();
        Ok(match call.method.as_str() {
            "eth_chainId" | "net_version" => json!("0x1"),
            "eth_blockNumber" => json!(format!("{HEAD:#x}")),
            "eth_getBlockByNumber" => {
                block(call.params.first().and_then(Value::as_str).map_or(HEAD, |at| number(at).unwrap_or(HEAD)))
            }
            "eth_getBlockByHash" => {
                let hash: Option<B256> = call.params.first().and_then(|value| B256::deserialize(value).ok());
                hash.map_or(Value::Null, |hash| block(U256::from_be_bytes(hash.0).saturating_to()))
            }
            "eth_getBalance" => json!("0x0"),
            "eth_getTransactionCount" => json!("0x1"),
            "eth_getCode" => json!(self.code(at)),
            "eth_getStorageAt" => {
                let slot = call.params.get(1).and_then(|value| U256::deserialize(value).ok()).unwrap_or_default();
                json!(B256::from(self.slot(at, slot)))
            }
            "eth_getLogs" => {
                let filter = &call.params[0];
                let span = |key: &str| filter[key].as_str().and_then(number).unwrap_or(HEAD);
                let of = Address::deserialize(&filter["address"])
                    .or_else(|_| Address::deserialize(&filter["address"][0]))
                    .unwrap_or_default();
                Value::Array(self.logs(span("fromBlock"), span("toBlock"), of))
            }
            "eth_call" => {
                let asked = &call.params[0];
                let data = asked.get("data").or(asked.get("input")).and_then(|data| Bytes::deserialize(data).ok());
                let to = asked.get("to").and_then(|to| Address::deserialize(to).ok());
                match self.call(to, data.unwrap_or_default()) {
                    Ok(output) => json!(output),
                    Err(output) => return Err((3, "execution reverted".to_owned(), Some(output))),
                }
            }
            "counts" => json!(*self.counts.lock().expect("whole")),
            other => return Err((-32_601, format!("the method {other} does not exist"), None)),
        })
    }
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn hash(number: u64) -> B256 {
    B256::from(U256::from(number))
}

fn block(number: u64) -> Value {
    let zero = B256::ZERO;
    json!({
        "number": format!("{number:#x}"), "hash": hash(number), "parentHash": hash(number.saturating_sub(1)),
        "timestamp": format!("{TIMESTAMP:#x}"), "baseFeePerGas": "0x3b9aca00", "gasUsed": "0xf4240",
        "gasLimit": "0x2255100", "miner": Address::ZERO, "mixHash": zero, "excessBlobGas": "0x0", "blobGasUsed": "0x0",
        "stateRoot": zero, "receiptsRoot": zero, "transactionsRoot": zero, "sha3Uncles": zero,
        "logsBloom": Bytes::from(vec![0; 256]), "difficulty": "0x0", "nonce": "0x0000000000000000",
        "extraData": "0x", "size": "0x200", "transactions": [], "uncles": [],
    })
}

/// The made state as the EVM asks for it.
struct Over<'a>(&'a Made);

#[derive(Debug)]
struct Never(Infallible);

impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for Never {}
impl DBErrorMarker for Never {}

impl Database for Over<'_> {
    type Error = Never;

    fn basic(&mut self, at: Address) -> Result<Option<AccountInfo>, Never> {
        let code = match self.0.place(at) {
            Place::Nothing => return Ok(None),
            Place::Token => self.0.token.clone(),
            Place::Pair(_) => self.0.pair.clone(),
            Place::Pool(_) | Place::Factory => Bytecode::new_legacy(self.0.code(at)),
        };
        Ok(Some(AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() }))
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Never> {
        Ok(Bytecode::default())
    }

    fn storage(&mut self, at: Address, slot: U256) -> Result<U256, Never> {
        Ok(self.0.slot(at, slot))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Never> {
        Ok(hash(number))
    }
}

/// One call of JSON-RPC.
#[derive(Deserialize)]
struct Call {
    id: Value,
    method: String,
    #[serde(default)]
    params: Vec<Value>,
}

async fn answer(State(made): State<Arc<Made>>, body: axum::body::Bytes) -> Vec<u8> {
    let reply = |call: &Call| {
        *made.counts.lock().expect("whole").entry(call.method.clone()).or_default() += 1;
        match made.answer(call) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call.id, "result": result}),
            Err((code, message, data)) => {
                json!({"jsonrpc": "2.0", "id": call.id, "error": {"code": code, "message": message, "data": data}})
            }
        }
    };
    let answer = if body.first() == Some(&b'[') {
        let calls: Vec<Call> = serde_json::from_slice(&body).expect("a batch");
        Value::Array(calls.iter().map(reply).collect())
    } else {
        reply(&serde_json::from_slice(&body).expect("a call"))
    };
    serde_json::to_vec(&answer).expect("JSON")
}

/// Runtime code as the build tools of its time wrote it down.
fn runtime(artifact: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/node_modules").join(artifact);
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}: run scripts/setup", path.display()));
    let json: Value = serde_json::from_str(&text).expect("an artifact is JSON");
    let code = json["deployedBytecode"].as_str().or(json["evm"]["deployedBytecode"]["object"].as_str());
    hex::decode(code.expect("bytecode")).expect("bytecode is hex").into()
}

/// Serves until it is killed; the first line of output says where.
pub fn serve(v2: u64, v3: u64) {
    let made = Arc::new(Made::new(v2, v3));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(made);
        axum::serve(listener, router).await.expect("served");
    });
}
