//! The toy on a local chain, through the whole searcher: found at the start and while it runs, followed, searched, sent, landed.

use alloy::consensus::TxEip1559;
use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, TxKind, U256, keccak256};
use peregrine::edge::bootstrap::Factory;
use peregrine::edge::ledger::row::{Outcome, Row};
use peregrine::live::Searcher;
use peregrine::protocols::toy_pool::{exchangeCall, fillCall, makeCall, setFeeCall};
use peregrine::types::pool_key::PoolKey;
use peregrine_devnet::Wallet;
use serde_json::json;

use crate::bank::{approveCall, creation_code, id};
use crate::rig::{Rig, landed_through};
use crate::truth;

/// Dollars of each token in a pool, and of one swap.
const DEPTH: u64 = 600_000;
const SWAP: u64 = 15_000;
/// Millionths.
const FEE: u64 = 3_000;
/// WETH, USDC, and one of the others: places in the devnet's list.
const FIRST: [usize; 3] = [0, 1, 7];
/// WETH, and two of the others.
const SECOND: [usize; 3] = [0, 6, 8];
/// Swaps through a pool, and blocks until one of them must have earned.
const SWAPS: usize = 4;
const LONG: usize = 40;

/// A bank, and who owns it, fills its pools and trades with them.
struct Teller {
    wallet: Wallet,
    nonce: u64,
    bank: Address,
    /// Pools made so far.
    made: u64,
}

impl Teller {
    /// Opens a bank, in the next block.
    async fn open(rig: &Rig) -> Self {
        let wallet = rig.net.maker().unwrap();
        let nonce = rig.ask("eth_getTransactionCount", json!([wallet.address(), "latest"])).await;
        let nonce: u64 = serde_json::from_value::<U256>(nonce).unwrap().to();
        let mut teller = Self { bank: wallet.address().create(nonce), wallet, nonce, made: 0 };
        teller.send(rig, TxKind::Create, creation_code()).await;
        rig.block(0).await;
        teller
    }

    /// At the builder's door; dearer than the traffic, so that it is in the next block.
    async fn send(&mut self, rig: &Rig, to: TxKind, input: Vec<u8>) {
        let signed = self.wallet.sign(TxEip1559 {
            chain_id: 1,
            nonce: self.nonce,
            gas_limit: 6_000_000,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 50_000_000_000,
            to,
            input: input.into(),
            ..TxEip1559::default()
        });
        self.nonce += 1;
        rig.tell("eth_sendRawTransaction", json!([signed.raw])).await;
    }

    async fn call(&mut self, rig: &Rig, to: Address, call: &impl SolCall) {
        self.send(rig, TxKind::Call(to), call.abi_encode()).await;
    }

    /// Makes a pool and fills it at the devnet's opening prices, in the next block.
    async fn pool(&mut self, rig: &Rig, places: [usize; 3]) -> Pool {
        let mut sides = places.map(|place| rig.net.tokens[place]);
        sides.sort_unstable_by_key(|token| token.address);
        let (tokens, fee) = (sides.map(|token| token.address), U256::from(FEE));
        let id = keccak256((tokens, fee, U256::from(self.made)).abi_encode());
        self.made += 1;
        for token in tokens {
            self.call(rig, token, &approveCall { spender: self.bank, amount: U256::MAX }).await;
        }
        self.call(rig, self.bank, &makeCall { tokens, fee }).await;
        let amounts = sides.map(|token| token.worth(DEPTH));
        self.call(rig, self.bank, &fillCall { id, amounts }).await;
        rig.block(0).await;
        Pool { key: PoolKey { contract: self.bank, id: Some(id) }, swapped: sides.map(|token| token.worth(SWAP)) }
    }

    /// Swaps so many dollars of one of the pool's tokens for the next.
    async fn swap(&mut self, rig: &Rig, pool: &Pool, i: usize) {
        let [place, next] = [i, (i + 1) % 3].map(U256::from);
        let dx = pool.swapped[i];
        self.call(rig, self.bank, &exchangeCall { id: id(pool.key), i: place, j: next, dx, least: U256::ZERO }).await;
    }
}

struct Pool {
    key: PoolKey,
    /// What a swap puts in, by the token.
    swapped: [U256; 3],
}

/// The pool is held, lives through swaps of each of its tokens, and earns.
async fn earns(rig: &Rig, searcher: &Searcher, teller: &mut Teller, pool: &Pool) {
    rig.held(searcher, pool.key).await;
    for swap in 0..SWAPS {
        teller.swap(rig, pool, swap % 3).await;
        rig.block_with_ours(searcher).await;
    }
    let mut blocks = 0;
    while landed_through(searcher, pool.key).is_empty() {
        assert!(blocks < LONG, "nothing earned through {}: {:?}", pool.key, searcher.status());
        rig.block_with_ours(searcher).await;
        blocks += 1;
    }
    println!("{} bundles landed through {}", landed_through(searcher, pool.key).len(), pool.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_s_pools_are_found_at_the_start_and_when_made_followed_at_both_contracts_and_earn_to_the_wei() {
    let mut rig = Rig::start(401).await;
    let mut teller = Teller::open(&rig).await;
    let protocol = "toy_pool".to_owned();
    rig.factories.push(Factory { name: "toy".to_owned(), protocol, address: teller.bank, from_block: 0 });
    let first = teller.pool(&rig, FIRST).await;
    let searcher = rig.search().await;
    earns(&rig, &searcher, &mut teller, &first).await;
    // The bank's own part of the state, and then another pool of the same bank.
    let fee = setFeeCall { id: id(first.key), fee: U256::from(2 * FEE) };
    teller.call(&rig, teller.bank, &fee).await;
    rig.block_with_ours(&searcher).await;
    let second = teller.pool(&rig, SECOND).await;
    earns(&rig, &searcher, &mut teller, &second).await;
    truth::whole(&rig, &searcher).await;
    let rows: Vec<Row> = [first.key, second.key].iter().flat_map(|key| landed_through(&searcher, *key)).collect();
    for row in &rows {
        let lends = row.bundle.pools.iter().any(|pool| pool.id.is_none());
        assert!(lends, "the toy pays nothing before it is paid, and another pool on the path does");
        let Some(Outcome::Landed { realised, .. }) = &row.outcome else { continue };
        assert_eq!(*realised, row.bundle.predicted);
    }
    // What it says of itself: nothing was out, nothing was read twice, nothing was loaded anew. `close` demands that nothing that
    // landed earned another amount than was predicted.
    let status = rig.close(searcher).await;
    assert_eq!(status.counters["peregrine_pools_quarantined_total"], 0);
    assert_eq!(status.counters["peregrine_reloads_total"], 0);
    assert_eq!(status.counters["peregrine_pools_reseeded_total"], 1, "the second is read once");
}
