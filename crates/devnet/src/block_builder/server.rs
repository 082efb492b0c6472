//! The builder's door: JSON-RPC over HTTP on loopback.
//!
//! # Invariants
//! - The signature is checked over the bytes of the body before anything in it is believed.
//! - Whatever comes in, an answer goes out, and the bundle that was refused stands in the list.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Json;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use peregrine_rpc::RpcError;
use serde_json::{Value, json};

use crate::block_builder::Shared;
use crate::block_builder::order::Tx;
use crate::block_builder::pool::Entry;
use crate::block_builder::rules::public;
use crate::block_builder::rules::verdict::LeftOut;
use crate::block_builder::signature;
use crate::block_builder::signature::SignatureError;
use crate::block_builder::wire;
use crate::block_builder::wire::Asked;
use crate::block_builder::wire::Call;
use crate::block_builder::wire::CallBundle;
use crate::block_builder::wire::CancelBundle;
use crate::block_builder::wire::Refusal;
use crate::block_builder::wire::SendBundle;

/// Largest body, as at BuilderNet.
const MOST_BODY: usize = 10 << 20;

/// `POST /` for JSON-RPC, `GET /bundles` for the list.
pub(in crate::block_builder) fn router(shared: Arc<Shared>) -> Router {
    let limit = DefaultBodyLimit::max(MOST_BODY);
    Router::new().route("/", post(call)).route("/bundles", get(list)).layer(limit).with_state(shared)
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Vec<Entry>> {
    Json(shared.bundles().entries().cloned().collect())
}

async fn call(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: axum::body::Bytes) -> Response {
    let parsed: Result<Call, _> = serde_json::from_slice(&body);
    let (id, answer) = match parsed {
        Err(error) => (Value::Null, Err(Refusal { code: -32700, status: 400, message: error.to_string() })),
        Ok(call) => {
            let header = headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
            let signer = signature::verify(header, &body);
            let answer = answer(&shared, &call, signer).await;
            (call.id, answer)
        }
    };
    match answer {
        Ok(result) => Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response(),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let error = json!({"code": refusal.code, "message": refusal.message});
            (status, Json(json!({"jsonrpc": "2.0", "id": id, "error": error}))).into_response()
        }
    }
}

async fn answer(shared: &Shared, call: &Call, signer: Result<Address, SignatureError>) -> Result<Value, Refusal> {
    match call.method.as_str() {
        "eth_sendBundle" => match signer {
            Ok(signer) => send_bundle(shared, &call.params, signer),
            Err(error) => Err(unsigned(shared, &call.params, &error)),
        },
        "eth_callBundle" => {
            signer.map_err(|error| invalid(&error))?;
            call_bundle(shared, &call.params).await
        }
        "eth_cancelBundle" => {
            let signer = signer.map_err(|error| invalid(&error))?;
            let uuid = CancelBundle::parse(&call.params)?;
            Ok(json!({"bundleHashes": shared.bundles().cancel(signer, &uuid).into_iter().collect::<Vec<_>>()}))
        }
        "eth_sendRawTransaction" => send_raw(shared, &call.params).await,
        "peregrine_bundles" => bundles(shared, &call.params),
        other => Err(Refusal { code: -32601, status: 404, message: format!("method {other} does not exist") }),
    }
}

fn send_bundle(shared: &Shared, params: &[Value], signer: Address) -> Result<Value, Refusal> {
    let head = shared.head();
    match SendBundle::parse(params)?.open(signer, head)? {
        Asked::Hold(bundle, uuid) => {
            let hash = bundle.hash;
            shared.bundles().add(bundle, uuid, head);
            Ok(json!({"bundleHash": hash}))
        }
        Asked::Cancel(uuid) => Ok(json!({"bundleHash": shared.bundles().cancel(signer, &uuid)})),
    }
}

fn invalid(error: &SignatureError) -> Refusal {
    let code = if *error == SignatureError::Missing { -32600 } else { -32025 };
    Refusal { code, status: 400, message: error.to_string() }
}

/// Lists what came unsigned, as far as it can be read.
fn unsigned(shared: &Shared, params: &[Value], error: &SignatureError) -> Refusal {
    let opened = SendBundle::parse(params).and_then(|asked| asked.open(Address::ZERO, shared.head()));
    let why = LeftOut::Signature { message: error.to_string() };
    match opened {
        Ok(Asked::Hold(bundle, _)) => {
            let txs: Vec<B256> = bundle.txs.iter().map(|tx| tx.hash).collect();
            shared.bundles().refuse(Some(bundle.hash), Some(bundle.target), txs, why);
        }
        Ok(Asked::Cancel(_)) | Err(_) => shared.bundles().refuse(None, None, Vec::new(), why),
    }
    invalid(error)
}

async fn call_bundle(shared: &Shared, params: &[Value]) -> Result<Value, Refusal> {
    let asked = CallBundle::parse(params)?;
    let head = shared.node.head(&asked.state).await.map_err(of_node)?;
    let mut env = head.next(shared.step, shared.coinbase);
    env.number = asked.number;
    env.timestamp = asked.timestamp.unwrap_or(env.timestamp);
    let txs: Vec<&Tx> = asked.txs.iter().collect();
    let nonces = shared.node.nonces(&txs, &asked.state).await.map_err(of_node)?;
    let checked = public::check_nonces(&asked.txs, &nonces).and_then(|()| public::check_fees(&asked.txs, env.base_fee));
    if let Err(why) = checked {
        return Err(Refusal { code: -32000, status: 200, message: json!(why).to_string() });
    }
    let ran = shared.node.simulate(&env, &asked.state, &txs).await.map_err(of_node)?;
    Ok(wire::simulated(&asked.txs, &ran, env.base_fee, head.number()))
}

/// Into the public mempool, but never while a block is put together.
async fn send_raw(shared: &Shared, params: &[Value]) -> Result<Value, Refusal> {
    let [raw] = params else { return Err(Refusal::params(format!("{} parameters, 1 due", params.len()))) };
    let raw: Bytes = serde_json::from_value(raw.clone()).map_err(Refusal::params)?;
    shared.send_public(&raw).await.map(|hash| json!(hash)).map_err(of_node)
}

/// The list, or those of it that match `bundleHash` and `blockNumber`.
fn bundles(shared: &Shared, params: &[Value]) -> Result<Value, Refusal> {
    let wanted = wire::Wanted::parse(params)?;
    let held = shared.bundles();
    let found: Vec<&Entry> = held.entries().filter(|entry| wanted.takes(entry.hash, entry.target)).collect();
    Ok(json!(found))
}

/// The node's own no goes through as it is; that it cannot be reached is our failure.
fn of_node(error: RpcError) -> Refusal {
    match error {
        RpcError::Refused { code, message, .. } => Refusal { code, status: 200, message },
        error @ (RpcError::Transport { .. } | RpcError::Busy { .. } | RpcError::Shape { .. }) => {
            Refusal::internal(error)
        }
    }
}
