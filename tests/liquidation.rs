//! The choice of a liquidation against a look at everything: by maths at many amounts, and in the EVM at fewer.

#[path = "liquidation/in_the_evm.rs"]
mod in_the_evm;
#[path = "common/liquidations.rs"]
mod liquidations;
#[path = "bootstrap/world.rs"]
mod world;

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use liquidations::Rig;
use peregrine::chain::MAINNET;
use peregrine::hot::event::{Event, StateKey};
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::state::pools::{Edge, EdgeId, Pools};
use peregrine::hot::strategy::liquidations::{PROFILE, choice};
use peregrine::protocols::amm::Amm;
use peregrine::protocols::lending::choice::WHOLE;
use peregrine::protocols::lending::{Call, Lending, Size};
use peregrine::protocols::{AnyLending, AnyPool, LENDING_PROTOCOLS};
use peregrine::types::id::TokenId;
use peregrine_devnet::lending::Feed;

/// Amounts of a pair that are tried: so many parts of what the rules allow.
const GRID: u32 = 400;

/// Feeds, and in thousandths of its opening what each answers.
const SCENES: [(usize, u64); 7] = [(0, 970), (0, 930), (0, 900), (4, 960), (4, 900), (5, 950), (5, 900)];

/// The ways between tokens, as an engine's search has them.
fn search(rig: &Rig) -> Search {
    let mut pools: Pools<AnyPool> = Pools::default();
    for pool in &rig.loaded.pools {
        pools.add(pool.clone()).unwrap();
    }
    let bases: Vec<TokenId> = Rig::search().base_tokens.iter().map(|token| pools.intern(*token)).collect();
    let mut search = Search::new(&bases, 4, Effort::QUICK);
    search.extend(&pools);
    search
}

/// All ways of one or two hops between two tokens; the empty one where they are one.
fn ways(pools: &Pools<AnyPool>, from: TokenId, to: TokenId) -> Vec<Vec<Edge>> {
    if from == to {
        return vec![Vec::new()];
    }
    let edges: Vec<Edge> = pools
        .iter()
        .flat_map(|pool| pools.edges_of(pools.find(pool.address()).unwrap()).collect::<Vec<EdgeId>>())
        .map(|id| pools.edge(id))
        .collect();
    let mut all = Vec::new();
    for first in edges.iter().filter(|edge| edge.token_in == from) {
        if first.token_out == to {
            all.push(vec![*first]);
            continue;
        }
        let seconds = edges.iter().filter(|edge| edge.token_in == first.token_out && edge.token_out == to);
        all.extend(seconds.filter(|second| second.pool != first.pool).map(|second| vec![*first, *second]));
    }
    all
}

type Way = Vec<Edge>;

/// What each way brings for what is seized, or takes for what is repaid: the best first, those that refuse left out.
fn sold<'a>(pools: &Pools<AnyPool>, sales: &'a [Way], seized: U256) -> Vec<(U256, &'a Way)> {
    let sell = |way: &Way| way.iter().try_fold(seized, |amount, edge| pools.pool(edge.pool).quote_in(edge.leg, amount));
    let mut sold: Vec<(U256, &Way)> = sales.iter().filter_map(|way| Some((sell(way).ok()?, way))).collect();
    sold.sort_by_key(|(amount, _)| std::cmp::Reverse(*amount));
    sold
}

fn taken<'a>(pools: &Pools<AnyPool>, purchases: &'a [Way], repaid: U256) -> Vec<(U256, &'a Way)> {
    let buy =
        |way: &Way| way.iter().rev().try_fold(repaid, |amount, edge| pools.pool(edge.pool).quote_out(edge.leg, amount));
    let mut taken: Vec<(U256, &Way)> = purchases.iter().filter_map(|way| Some((buy(way).ok()?, way))).collect();
    taken.sort_by_key(|(amount, _)| *amount);
    taken
}

/// The two ways share no pool.
fn are_apart(sale: &Way, purchase: &Way) -> bool {
    purchase.iter().all(|edge| sale.iter().all(|other| other.pool != edge.pool))
}

/// What the best sale and the best purchase leave, of those that share no pool.
fn apart(pools: &Pools<AnyPool>, [sales, purchases]: [&[Way]; 2], [seized, repaid]: [U256; 2]) -> U256 {
    let (sold, taken) = (sold(pools, sales, seized), taken(pools, purchases, repaid));
    let mut most = U256::ZERO;
    for (brought, sale) in sold {
        let need = taken.iter().find(|(_, way)| are_apart(sale, way)).map(|(need, _)| *need);
        most = most.max(need.and_then(|need| brought.checked_sub(need)).unwrap_or_default());
        if taken.first().is_none_or(|(least, _)| brought.saturating_sub(*least) <= most) {
            break;
        }
    }
    most
}

/// The most wrapped ether that any pair, amount and way of up to two hops a side leaves.
fn brute(pools: &Pools<AnyPool>, market: &AnyLending, account: Address, at: u64) -> U256 {
    let weth = pools.find_token(MAINNET.wrapped_native).unwrap();
    let mut most = U256::ZERO;
    for (debt, collateral) in market.pairs(account).into_iter().filter(|(debt, collateral)| debt != collateral) {
        let (Some(from), Some(to)) = (pools.find_token(collateral), pools.find_token(debt)) else { continue };
        let call = Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt: false };
        let (sales, purchases) = (ways(pools, from, weth), ways(pools, weth, to));
        for part in 1..=GRID {
            let Ok(size) = market.size(&call, WHOLE / GRID * part, at) else { continue };
            let Ok(seizure) = market.quote(&Call { size, ..call }, at) else { continue };
            most = most.max(apart(pools, [&sales, &purchases], [seizure.seized, seizure.repaid]));
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_rehearsals_nothing_that_a_lender_asks_is_missing_when_the_first_sinks() {
    let rig = Rig::new(62).await;
    let mut engine = rig.engine();
    let pairs = engine.markets().waiting();
    while engine.markets().waiting() > 0 {
        rig.until_known(&mut engine, || Event::Head).await;
    }
    let feeds = &rig.world.net.lending.as_ref().unwrap().feeds;
    let (mut proven, mut late, mut markets) = (0, 0, BTreeSet::new());
    for feed in [&feeds[0], &feeds[4], &feeds[5]] {
        // What the answer itself reads is known behind this one, which sinks nobody.
        rig.offer(&mut engine, &rig.answer(feed, feed.opening).await).await;
        for per_mille in [985, 930, 1_030, 1_150] {
            let tx = rig.answer(feed, feed.opening / 1_000 * per_mille).await;
            let outcome = engine.on_event(Event::Pending(Box::new(tx.clone())));
            // A pool may be crossed to where no prewarm run has been.
            let of_pools =
                |want: &StateKey| matches!(want, StateKey::Slot(at, _) if engine.pools().find(*at).is_some());
            assert!(outcome.wanted.iter().all(of_pools), "{per_mille} of {feed:?}: {:?}", outcome.wanted);
            late += outcome.wanted.len();
            for proof in &rig.offer(&mut engine, &tx).await.proven {
                let run = proof.opportunity();
                if run.strategy() != PROFILE.behind {
                    continue;
                }
                proven += 1;
                let hops = run.path(engine.pools()).hops.into_iter().map(|hop| hop.protocol);
                markets.extend(hops.filter(|protocol| LENDING_PROTOCOLS.contains(&protocol.as_ref())));
            }
        }
    }
    println!("{pairs} pairs rehearsed, {proven} runs proven, of {markets:?}; {late} slots of pools came late");
    assert!(proven > 8 && markets.len() == 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pair_amount_or_way_beats_the_choice_by_more_than_a_ten_thousandth() {
    let rig = Rig::new(61).await;
    let (mut engine, search) = (rig.engine(), search(&rig));
    let feeds = &rig.world.net.lending.as_ref().unwrap().feeds;
    let (mut looked, mut proven, mut together) = (0, 0, 0);
    for (feed, per_mille) in SCENES {
        let feed: &Feed = &feeds[feed];
        let tx = rig.answer(feed, feed.opening / 1_000 * per_mille).await;
        let outcome = rig.offer(&mut engine, &tx).await;
        for liquidatable in engine.markets().liquidatable(false, rig.next()) {
            let market = engine.markets().market(liquidatable.market).unwrap();
            let chosen = choice::best(engine.pools(), search.cycles(), market, liquidatable.account, rig.next());
            let chosen = chosen.map(|leg| leg.value().0).unwrap_or_default();
            let brute = brute(engine.pools(), market, liquidatable.account, rig.next());
            let allowed = chosen + chosen / U256::from(10_000);
            assert!(
                brute <= allowed,
                "{} of {}: {brute} is to be had, {chosen} was chosen",
                liquidatable.account,
                market.protocol()
            );
            looked += 1;
        }
        for proof in &outcome.proven {
            let positions = proof.opportunity().positions().len();
            proven += usize::from(positions > 0);
            together = together.max(positions);
        }
        let ours: Vec<_> =
            outcome.rejected.iter().filter(|(opportunity, _)| opportunity.strategy() == PROFILE.behind).collect();
        assert!(ours.is_empty(), "what maths foretold and the EVM refused: {ours:?}");
    }
    println!("{looked} positions looked at, {proven} runs proven, up to {together} positions in one");
    assert!(looked > 50 && proven > 3 && together > 1, "{looked} {proven} {together}");
}
