//! Pools of every venue on a local chain, among those of Uniswap V2 and V3, through the whole searcher: found by their factories'
//! logs, followed, searched, sent, landed. What each bundle earned is what was predicted, to the wei.
//!
//! Each pool has a token of its own, which beside it only a pair of Uniswap V2 with USDC has: so a cycle through that token is of
//! three hops or more, and goes over V2.

mod balancer_v1;
mod balancer_v2;
mod begun;
mod curve;
mod deployer;
mod erc4626;
mod five_hops;
mod records;
mod sampled;
mod solidly;
mod uniswap_v4;
mod v3_forks;

use std::ops::RangeInclusive;

use alloy_primitives::{Address, U160, U256};
use peregrine::edge::bootstrap::Factory;
use peregrine::edge::ledger::row::{Outcome, Row};
use peregrine::live::Searcher;
use peregrine::types::pool_key::PoolKey;
use peregrine_devnet::{Token, Venue};

use crate::rig::{Rig, landed_through};
use crate::truth;

use deployer::Deployer;

/// Dollars on each side of a pool, and of one swap.
pub const DEPTH: u64 = 600_000;
pub const SWAP: u64 = 15_000;
/// Places in the devnet's list of tokens.
pub const WETH: usize = 0;
pub const USDC: usize = 1;
pub const USDT: usize = 2;
pub const DAI: usize = 3;
pub const WBTC: usize = 4;
pub const AAVE: usize = 7;
/// Hops of a path that mixes venues.
pub const HOPS: RangeInclusive<usize> = 3..=5;
/// Swaps, a block each, until a path has landed.
const LONG: usize = 40;

/// A pool of a venue's.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub key: PoolKey,
    /// As the registry names the venue.
    pub protocol: &'static str,
}

/// A row of configuration.
pub fn factory(protocol: &str, address: Address) -> Factory {
    Factory { name: protocol.to_owned(), protocol: protocol.to_owned(), address, from_block: 0 }
}

/// The price of a pool of these tokens, in its order, at which neither side gains: as a square root, in 96 bits of fraction.
pub fn sqrt_price(sides: [Token; 2]) -> U160 {
    let [zero, one] = sides.map(|token| token.worth(DEPTH));
    let ratio: U256 = (one << 128) / zero;
    let root: U256 = ratio.root(2) << 32;
    root.to()
}

/// A token that has a pair of Uniswap V2 with USDC and no other pool.
pub async fn listed(rig: &Rig, deployer: &mut Deployer, token: (&'static str, u8, u64)) -> Token {
    let token = deployer.token(rig, token.0, token.1, token.2).await;
    deployer.pair(rig, [token, rig.net.tokens[USDC]], DEPTH).await;
    token
}

/// These two, or the other way round: one after the other, so that a pool does not run dry.
pub fn turned([from, to]: [Token; 2], swaps: usize) -> [Token; 2] {
    if swaps.is_multiple_of(2) { [from, to] } else { [to, from] }
}

/// Whether a row is of a path of so many hops that has a pool of Uniswap V2 on it, and one of Uniswap's own V3.
fn is_mixed(rig: &Rig, row: &Row, hops: &RangeInclusive<usize>) -> bool {
    let pools = &row.bundle.pools;
    let v3 = rig.net.pools.iter().filter(|pool| pool.venue == Venue::UniswapV3);
    let v2 = row.bundle.protocols.iter().any(|protocol| protocol == "uniswap_v2");
    hops.contains(&pools.len()) && v2 && v3.map(|pool| PoolKey::from(pool.address)).any(|key| pools.contains(&key))
}

/// The pool is held by every thread, and a mixed path of so many hops through it lands. Nobody else trades meanwhile, so what there is
/// to earn was made by `swap`, which moves the pool and knows how often it has.
async fn lands(
    rig: &Rig,
    searcher: &Searcher,
    deployer: &mut Deployer,
    (made, hops): (Made, RangeInclusive<usize>),
    swap: impl AsyncFnMut(&Rig, &mut Deployer, usize),
) {
    lands_such(rig, searcher, deployer, (made, &|row| is_mixed(rig, row, &hops)), swap).await;
}

/// As [`lands`], until such a path has landed.
async fn lands_such(
    rig: &Rig,
    searcher: &Searcher,
    deployer: &mut Deployer,
    (made, is_such): (Made, &dyn Fn(&Row) -> bool),
    mut swap: impl AsyncFnMut(&Rig, &mut Deployer, usize),
) {
    let _quiet = rig.quiet().await;
    rig.held(searcher, made.key).await;
    let such = || -> Vec<Row> { landed_through(searcher, made.key).into_iter().filter(|row| is_such(row)).collect() };
    let mut swaps = 0;
    while such().is_empty() {
        assert!(swaps < LONG, "nothing landed through {made:?}: {:?}", searcher.status());
        swap(rig, deployer, swaps).await;
        rig.chance_behind(deployer.last()).await;
        rig.block(0).await;
        rig.followed(searcher).await;
        swaps += 1;
    }
    deployer.mined(rig).await;
    rig.followed(searcher).await;
    let rows = such();
    for row in &rows {
        let Some(Outcome::Landed { realised, .. }) = &row.outcome else { continue };
        assert_eq!(*realised, row.bundle.predicted);
        assert!(row.bundle.protocols.iter().any(|protocol| protocol == made.protocol), "{row:?}");
    }
    let (paths, backruns) = (rows.len(), rows.iter().filter(|row| row.bundle.trigger.is_some()).count());
    let over = &rows[0].bundle;
    println!(
        "{swaps} swaps: {paths} paths, {backruns} of them backruns; {} hops over {:?}",
        over.pools.len(),
        over.protocols
    );
}

/// What it holds is the chain's, and nothing was out, loaded anew or earned another amount than was predicted (`Rig::close`).
async fn ends(rig: Rig, searcher: Searcher) {
    truth::whole(&rig, &searcher).await;
    let status = rig.close(searcher).await;
    assert_eq!(status.counters["peregrine_pools_quarantined_total"], 0);
    assert_eq!(status.counters["peregrine_reloads_total"], 0);
    assert_eq!(status.profit_predicted_wei, status.profit_realised_wei);
}
