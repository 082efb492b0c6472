//! Real contracts at mainnet's addresses.
//!
//! # How
//! The creation code is set as the code of the address and called twice there: once by `eth_call`, which returns the
//! runtime code with its immutables (`address(this)` among them), once by a transaction, whose storage stays. Then the
//! runtime code is set. The account's nonce is set to 1 first, so what it creates gets mainnet's addresses too.
//!
//! # Limits
//! Bytecode is read from npm's packages at run time and never kept: some of it is BUSL-1.1.

use alloy_primitives::Address;
use alloy_primitives::Bytes;
use alloy_primitives::hex;
use alloy_primitives::keccak256;
use serde_json::Value;
use serde_json::json;

use crate::DevnetError;
use crate::anvil;
use crate::chain::Chain;
use crate::chain::Step;

/// Enough for every constructor here.
const CALL_GAS: &str = "0xf42400";

/// A contract to be put somewhere.
pub(crate) struct Placement {
    pub(crate) at: Address,
    pub(crate) name: String,
    /// Creation code with its arguments.
    pub(crate) creation: Vec<u8>,
}

impl Placement {
    /// `artifact` is a path below `node_modules`; `arguments` are ABI-encoded.
    pub(crate) fn new(at: Address, artifact: &str, arguments: &[u8]) -> Result<Self, DevnetError> {
        Self::linked(at, artifact, &[], arguments)
    }

    /// The same, with libraries: by qualified name (`path:Name`), and where each is.
    pub(crate) fn linked(
        at: Address,
        artifact: &str,
        libraries: &[(String, Address)],
        arguments: &[u8],
    ) -> Result<Self, DevnetError> {
        let mut creation = creation(artifact, libraries)?;
        creation.extend_from_slice(arguments);
        let name = artifact.rsplit('/').next().unwrap_or(artifact).to_owned();
        Ok(Self { at, name, creation })
    }

    /// One of our own, of the text of an artifact in `contracts/artifacts`.
    pub(crate) fn ours(at: Address, artifact: &str, arguments: &[u8]) -> Result<Self, DevnetError> {
        let bad = |cause: String| DevnetError::Ours(cause);
        let json: Value = serde_json::from_str(artifact).map_err(|error| bad(error.to_string()))?;
        let code = json.pointer("/cancun/creation").and_then(Value::as_str);
        let code = code.ok_or_else(|| bad("it has no bytecode".to_owned()))?;
        let mut creation = hex::decode(code).map_err(|error| bad(error.to_string()))?;
        creation.extend_from_slice(arguments);
        Ok(Self { at, name: "a contract of ours".to_owned(), creation })
    }
}

/// Creation code as a package publishes it, for whoever deploys a contract while the chain runs. `artifact`: below `node_modules`.
///
/// # Errors
/// The package is not installed, or the file is no artifact.
pub fn creation_code(artifact: &str) -> Result<Vec<u8>, DevnetError> {
    creation(artifact, &[])
}

/// The same with libraries: of Truffle's, Hardhat's, Waffle's, Foundry's or Balancer's artifact.
fn creation(artifact: &str, libraries: &[(String, Address)]) -> Result<Vec<u8>, DevnetError> {
    let path = anvil::node_modules().map(|root| root.join(artifact)).find(|path| path.is_file());
    let path = path.ok_or_else(|| DevnetError::NoArtifact(artifact.to_owned()))?;
    let bad = |cause: String| DevnetError::Artifact { path: path.clone(), cause };
    let file = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
    let json: Value = serde_json::from_slice(&file).map_err(|error| bad(error.to_string()))?;
    let places = ["/bytecode", "/bytecode/object", "/evm/bytecode/object", "/creationCode"];
    let code = places.iter().find_map(|place| json.pointer(place).and_then(Value::as_str));
    let code = code.ok_or_else(|| bad("it has no bytecode".to_owned()))?;
    let mut code = code.to_owned();
    for (name, at) in libraries {
        code = code.replace(&mark(name), &hex::encode(at));
    }
    hex::decode(code).map_err(|error| bad(error.to_string()))
}

/// What solc leaves where a library's address is due: the first 34 digits of the hash of its qualified name.
fn mark(name: &str) -> String {
    let digits = hex::encode(keccak256(name));
    format!("__${}$__", digits.get(..34).unwrap_or_default())
}

/// Puts all of them in place. Their constructors must not call each other.
pub(crate) async fn place(chain: &mut Chain, placements: &[Placement]) -> Result<(), DevnetError> {
    let me = chain.me();
    let codes: Vec<Value> = placements.iter().map(|p| json!([p.at, hex::encode_prefixed(&p.creation)])).collect();
    let nonces: Vec<Value> = placements.iter().map(|p| json!([p.at, "0x1"])).collect();
    let calls: Vec<Value> = placements.iter().map(|p| json!([{"from": me, "to": p.at, "gas": CALL_GAS}])).collect();
    chain.rpc.batch::<Value>("anvil_setCode", &codes).await?;
    chain.rpc.batch::<Value>("anvil_setNonce", &nonces).await?;
    let runtimes: Vec<Bytes> = chain.rpc.batch("eth_call", &calls).await?;
    let construct = |p: &Placement| Step::call(format!("constructor of {}", p.name), p.at, Vec::new());
    chain.run(placements.iter().map(construct).collect()).await?;
    if let Some((empty, _)) = placements.iter().zip(&runtimes).find(|(_, runtime)| runtime.is_empty()) {
        return Err(DevnetError::Reverted(format!("constructor of {}", empty.name)));
    }
    let codes: Vec<Value> = placements.iter().zip(&runtimes).map(|(p, runtime)| json!([p.at, runtime])).collect();
    chain.rpc.batch::<Value>("anvil_setCode", &codes).await?;
    Ok(())
}
