//! The usual pipeline: an alloy provider's subscription, tokio broadcast channels from collector to strategy to executor, a
//! clone of a `CacheDB` and a new EVM for each simulation, alloy's signer, `json!`, reqwest. It searches the same cycles with
//! the same code as the product, as what is compared is the pipeline.

use std::sync::Arc;

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::providers::{Provider, ProviderBuilder, WsConnect};
use alloy::signers::local::PrivateKeySigner;
use alloy::signers::{Signer, SignerSync};
use alloy_primitives::{Bytes, TxKind, U256, hex, keccak256};
use peregrine::hot::engine::tip::Tip;
use peregrine::hot::evm::block;
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::whatif::Touched;
use peregrine::hot::search::{Candidate, Search};
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::execution::Steps;
use peregrine::protocols::executor::{Bid, Run};
use peregrine::types::amount::Wei;
use peregrine::types::secret::Place;
use revm::context::{BlockEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::state::{AccountInfo, Bytecode};
use revm::{DatabaseCommit, ExecuteEvm, MainBuilder, MainContext};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::world::{State, World};

type Db = CacheDB<EmptyDB>;
type Incoming = Arc<Recovered<TxEnvelope>>;

/// The three tasks.
pub struct Peer(Vec<JoinHandle<()>>);

pub struct Strategy {
    db: Db,
    block: BlockEnv,
    spec: revm::primitives::hardfork::SpecId,
    chain_id: u64,
    pools: Pools<AnyPool>,
    search: Search,
    overlay: Overlay<AnyPool>,
    touched: Touched,
    owner: PrivateKeySigner,
    nonce: u64,
    executor: alloy_primitives::Address,
    share_bps: u16,
}

#[derive(Clone)]
struct Action {
    block: u64,
    txs: Vec<Bytes>,
}

impl Peer {
    pub async fn start(world: &World, state: &State) -> Self {
        let url = world.config.node[0].ws.clone().expect("a socket");
        let provider = ProviderBuilder::new().connect_ws(WsConnect::new(url)).await.expect("a provider");
        let mut stream = provider.subscribe_full_pending_transactions().await.expect("subscribed");
        let (events, mut heard) = broadcast::channel::<Incoming>(512);
        let (actions, mut wanted) = broadcast::channel::<Action>(512);
        let collector = tokio::spawn(async move {
            // The connection lives as long as its provider.
            let _provider = provider;
            while let Ok(tx) = stream.recv().await {
                let _unheard = events.send(Arc::new(tx.inner));
            }
        });
        let mut strategy = Strategy::new(world, state);
        let strategy = tokio::spawn(async move {
            while let Ok(tx) = heard.recv().await {
                if let Some(action) = strategy.judge(&tx) {
                    let _unheard = actions.send(action);
                }
            }
        });
        let (client, url) = (reqwest::Client::new(), world.config.relay[0].url.clone());
        let identity = signer(world.config.executor.as_ref().and_then(|executor| executor.identity.as_ref()));
        let executor = tokio::spawn(async move {
            while let Ok(action) = wanted.recv().await {
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": [{
                    "txs": action.txs, "blockNumber": format!("{:#x}", action.block), "revertingTxHashes": [],
                    "replacementUuid": uuid::Uuid::new_v4().to_string(),
                }]})
                .to_string();
                let text = hex::encode_prefixed(keccak256(&body));
                let signature = identity.sign_message(text.as_bytes()).await.expect("signed");
                let header = format!("{:?}:{}", identity.address(), hex::encode_prefixed(signature.as_bytes()));
                let request = client.post(&url).header("Content-Type", "application/json");
                let sent = request.header("X-Flashbots-Signature", header).body(body).send();
                // As the frameworks do: the answer is awaited where the request is made.
                drop(sent.await.expect("an answer").bytes().await);
            }
        });
        Self(vec![collector, strategy, executor])
    }

    pub fn stop(self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

fn signer(place: Option<&Place>) -> PrivateKeySigner {
    let Some(Place::File(path)) = place else { panic!("a file") };
    std::fs::read_to_string(path).expect("a key").trim().parse().expect("a key")
}

impl Strategy {
    pub fn new(world: &World, state: &State) -> Self {
        let mut db = Db::default();
        for account in &state.loaded.accounts {
            let have = db.cache.accounts.get(&account.address).map(|known| known.info.clone()).unwrap_or_default();
            let code = account.code.as_ref().map(|code| Bytecode::new_raw(code.clone()));
            let info = AccountInfo {
                balance: account.balance.unwrap_or(have.balance),
                nonce: account.nonce.unwrap_or(have.nonce),
                code_hash: code.as_ref().map_or(have.code_hash, Bytecode::hash_slow),
                code: code.or(have.code),
                ..AccountInfo::default()
            };
            db.insert_account_info(account.address, info);
            for (slot, value) in &account.slots {
                db.insert_account_storage(account.address, *slot, *value).expect("an empty database");
            }
        }
        let plan = world.plan();
        let mut pools = Pools::default();
        for pool in &state.loaded.pools {
            let _known = pools.add(pool.clone());
        }
        let bases: Vec<_> = plan.search.base_tokens.iter().map(|token| pools.intern(*token)).collect();
        let mut search = Search::new(&bases, plan.search.max_hops, plan.search.effort());
        search.extend(&pools);
        let tip = Tip::new(state.loaded.head, plan.rules, plan.slot_seconds);
        let (fork, block) = tip.next();
        let owner = signer(world.config.executor.as_ref().map(|executor| &executor.owner));
        let nonce = db.cache.accounts.get(&owner.address()).map_or(0, |known| known.info.nonce);
        Self {
            db,
            block,
            spec: fork.spec,
            chain_id: plan.chain_id,
            pools,
            search,
            overlay: Overlay::default(),
            touched: Touched::default(),
            owner,
            nonce,
            executor: world.own.executor,
            share_bps: plan.bid.share_bps,
        }
    }

    /// Accounts and slots that judging a target reads.
    pub fn reads(&mut self, tx: &Incoming) -> Vec<(alloy_primitives::Address, Vec<U256>)> {
        // The product proves the next best as well.
        let Some((behind, executed, candidates)) = self.look(tx, 8) else { return Vec::new() };
        let proofs = candidates.iter().filter_map(|candidate| {
            let data = self.calldata(candidate, U256::from(1));
            self.run(behind.clone(), self.env(data)).map(|(_, proof)| proof)
        });
        let all = std::iter::once(executed).chain(proofs);
        let slots = |executed: Executed| {
            executed.diff.into_iter().map(|(address, account)| (address, account.storage.keys().copied().collect()))
        };
        all.flat_map(slots).collect()
    }

    /// Runs a target and searches behind it: the state there, the run, and so many of what pays, best first.
    fn look(&mut self, tx: &Incoming, most: usize) -> Option<(Db, Executed, Vec<Candidate>)> {
        let (behind, executed) = self.run(self.db.clone(), block::tx_env(tx))?;
        self.touched.apply(&self.pools, &mut self.overlay, &executed);
        let view = self.overlay.over(&self.pools);
        self.search.begin(&view, Some(&self.touched.moved), &|| true);
        let candidates = std::iter::from_fn(|| self.search.next(&view, None, &|| true)).take(most).collect();
        Some((behind, executed, candidates))
    }

    /// One simulation: a clone of the state, a new EVM.
    fn run(&self, db: Db, tx: TxEnv) -> Option<(Db, Executed)> {
        let mut context = Context::mainnet().with_db(db);
        context.cfg.spec = self.spec;
        context.cfg.chain_id = self.chain_id;
        context.block = self.block.clone();
        let mut evm = context.build_mainnet();
        let done = evm.transact(tx).ok()?;
        let mut db = evm.ctx.journaled_state.database;
        db.commit(done.state.clone());
        Some((db, Executed { result: done.result, diff: done.state }))
    }

    #[expect(
        clippy::redundant_clone,
        reason = "the pipeline clones a state for every simulation, the last one as well"
    )]
    fn judge(&mut self, tx: &Incoming) -> Option<Action> {
        let (behind, _, candidates) = self.look(tx, 1)?;
        let best = candidates.first().copied()?;
        let data = self.calldata(&best, U256::from(1));
        let (_, proof) = self.run(behind.clone(), self.env(data))?;
        if !proof.is_success() {
            return None;
        }
        let price = U256::from(self.block.basefee);
        let net = best.value()?.0.checked_sub(U256::from(proof.gas_used()) * price)?;
        let bid = net * U256::from(self.share_bps) / U256::from(10_000);
        let ours = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: proof.gas_used() * 11 / 8,
            max_fee_per_gas: u128::from(self.block.basefee),
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(self.executor),
            value: U256::ZERO,
            access_list: Default::default(),
            input: self.calldata(&best, bid),
        };
        let signature = self.owner.sign_hash_sync(&ours.signature_hash()).ok()?;
        let raw = ours.into_signed(signature).encoded_2718().into();
        Some(Action { block: self.block.number.to(), txs: vec![tx.inner().encoded_2718().into(), raw] })
    }

    fn env(&self, data: Bytes) -> TxEnv {
        TxEnv {
            caller: self.owner.address(),
            kind: TxKind::Call(self.executor),
            nonce: self.nonce,
            gas_limit: 3_000_000,
            gas_price: u128::from(self.block.basefee),
            chain_id: Some(self.chain_id),
            data,
            ..TxEnv::default()
        }
    }

    fn calldata(&self, candidate: &Candidate, bid: U256) -> Bytes {
        let amounts = candidate.amounts();
        let mut steps = Steps::default();
        let hops = candidate.hops();
        for (index, (edge, pair)) in hops.iter().zip(amounts.windows(2)).enumerate() {
            self.pools.write_step(edge, [pair[0], pair[1]], hops.get(index + 1), &mut steps);
        }
        let run = Run {
            block: self.block.number.to(),
            token: self.pools.token(candidate.start()),
            min_profit: candidate.gross(),
            bid: Bid::Wei(Wei(bid)),
            amount_in: amounts[0],
            steps: &steps,
        };
        run.encode().expect("it fits")
    }
}
