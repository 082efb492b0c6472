//! The same in the EVM: amounts and ways of every pair as real runs, by the executor's calldata through the real liquidator, lender,
//! oracles and pools.
//!
//! At each amount the [`WAYS`] are run that maths says leave most of all sales and purchases of up to two hops. More are not
//! needed: a run is a proof only if the liquidator then holds what maths said, to the wei, so that whatever maths ranks below those
//! would leave less in the EVM too, if maths is right of it; and that it is right of pools in general is what `differential` and
//! the pools' own tests hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::Address;
use alloy_primitives::U256;
use peregrine::chain::MAINNET;
use peregrine::hot::engine::Engine;
use peregrine::hot::refused::Refused;
use peregrine::hot::search::Search;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::strategy::liquidations::choice;
use peregrine::hot::strategy::liquidations::choice::Leg;
use peregrine::hot::strategy::liquidations::plan::Liquidation;
use peregrine::hot::strategy::liquidations::route::Route;
use peregrine::protocols::AnyLending;
use peregrine::protocols::AnyPool;
use peregrine::protocols::lending::choice::WHOLE;
use peregrine::protocols::lending::{Call, Lending, Size};
use peregrine::types::amount::Wei;
use peregrine::types::update::StateKey;
use revm::context::TxEnv;

use crate::liquidations::Rig;
use crate::{SCENES, Way, are_apart, search, sold, taken, ways};

/// Amounts of a pair: so many parts of what the rules allow, and around the one that leaves most by maths so many parts of a step.
const GRID: u32 = 100;
const FINE: u32 = 10;
/// Ways at each.
const WAYS: usize = 3;
/// Sales and purchases that these are made of: as many of each.
const SIDES: usize = 6;

/// What was run.
#[derive(Debug, Default)]
struct Seen {
    positions: BTreeMap<&'static str, usize>,
    runs: usize,
    /// Amounts at which no way leaves anything.
    nothing: usize,
    /// The most by which any run leaves more than the one chosen, in parts of a billion.
    over_ppb: u64,
    refused: BTreeMap<&'static str, usize>,
}

/// The best few ways for these amounts that leave anything.
fn few(pools: &Pools<AnyPool>, tokens: [Address; 2], [seized, repaid]: [U256; 2]) -> Vec<Route> {
    let token = pools.find_token(MAINNET.wrapped_native).unwrap();
    let [Some(from), Some(to)] = tokens.map(|token| pools.find_token(token)) else { return Vec::new() };
    let (sales, purchases) = (ways(pools, from, token), ways(pools, token, to));
    let taken = taken(pools, &purchases, repaid);
    let mut all = Vec::new();
    for (brought, sale) in sold(pools, &sales, seized).into_iter().take(SIDES) {
        let apart = taken.iter().filter(|(need, purchase)| are_apart(sale, purchase) && *need < brought);
        all.extend(apart.take(SIDES).map(|(need, purchase)| (brought - need, sale, *purchase)));
    }
    all.sort_by_key(|(gain, ..)| std::cmp::Reverse(*gain));
    let route =
        |(_, sale, purchase): (U256, &Way, &Way)| Route { token, sale: sale.clone(), purchase: purchase.clone() };
    all.into_iter().take(WAYS).map(route).collect()
}

/// A position, and what is known of the way out.
struct Case<'a> {
    engine: &'a Engine,
    search: &'a Search,
    market: &'a AnyLending,
    account: Address,
    at: u64,
}

impl Case<'_> {
    /// All that is to be run.
    fn legs(&self, seen: &mut Seen) -> Vec<Leg> {
        let pairs = self.market.pairs(self.account).into_iter().filter(|(debt, collateral)| debt != collateral);
        pairs.flat_map(|pair| self.of_pair(pair, seen)).collect()
    }

    fn of_pair(&self, pair: (Address, Address), seen: &mut Seen) -> Vec<Leg> {
        let (step, mut best) = (WHOLE / GRID, (0, 0));
        let mut all = Vec::new();
        for part in (1..=GRID).map(|part| step * part) {
            let legs = self.of_part(pair, part);
            seen.nothing += usize::from(legs.is_empty());
            best = best.max((legs.first().map_or(0, Leg::gross), part));
            all.extend(legs);
        }
        let near = (best.1.saturating_sub(step)..=WHOLE.min(best.1 + step)).step_by((step / FINE) as usize);
        all.extend(near.filter(|part| part % step != 0).flat_map(|part| self.of_part(pair, part)));
        all
    }

    /// Along the best few ways at this amount.
    fn of_part(&self, (debt, collateral): (Address, Address), part: u32) -> Vec<Leg> {
        let Self { engine, search, market, account, at } = *self;
        let call = Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt: false };
        let Ok(size) = market.size(&call, part, at) else { return Vec::new() };
        let call = Call { size, ..call };
        let Ok(seizure) = market.quote(&call, at) else { return Vec::new() };
        let few = few(engine.pools(), [collateral, debt], [seizure.seized, seizure.repaid]);
        let leg = |route: &Route| choice::sized(engine.pools(), search.cycles(), market, &call, route, at);
        few.iter().map(|route| leg(route).expect("what leaves something can be made")).collect()
    }
}

/// What a run leaves in the EVM: the prover says `Ok` only of what maths foretold, to the wei.
fn run(engine: &mut Engine, leg: &Leg) -> Result<U256, Refused> {
    let opportunity = Arc::new(Liquidation::of(leg.clone())).opportunity(true);
    engine.prove_again(&opportunity, Wei(U256::ONE)).map(|_| U256::from(leg.gross()))
}

/// The most that any of these leaves, behind the pending transaction; what was missed is fetched, and all that missed is run again.
async fn most(rig: &Rig, engine: &mut Engine, tx: &TxEnv, legs: Vec<Leg>, seen: &mut Seen) -> U256 {
    let (mut most, mut left) = (U256::ZERO, legs);
    while !left.is_empty() {
        let mut cold = Vec::new();
        for leg in left {
            match run(engine, &leg) {
                Ok(gain) => {
                    most = most.max(gain);
                    seen.runs += 1;
                }
                Err(Refused::Cold) => cold.push(leg),
                Err(reason) => *seen.refused.entry(reason.name()).or_default() += 1,
            }
        }
        left = cold;
        let mut wants: Vec<StateKey> = engine.missed().to_vec();
        if !left.is_empty() {
            wants.sort_unstable();
            wants.dedup();
            rig.tell(engine, &wants).await;
            rig.offer(engine, tx).await;
        }
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_in_the_evm_leaves_more_than_the_one_chosen_by_more_than_a_ten_thousandth() {
    let rig = Rig::new(62).await;
    let (mut engine, search) = (rig.engine(), search(&rig));
    let feeds = rig.world.net.lending.as_ref().unwrap().feeds.clone();
    let (mut seen, at) = (Seen::default(), rig.next());
    for (feed, per_mille) in SCENES {
        let tx = rig.answer(&feeds[feed], feeds[feed].opening / 1_000 * per_mille).await;
        rig.offer(&mut engine, &tx).await;
        for liquidatable in engine.markets().liquidatable(false, at) {
            let market = engine.markets().market(liquidatable.market).unwrap().clone();
            let chosen = choice::best(engine.pools(), search.cycles(), &market, liquidatable.account, at);
            let case = Case { engine: &engine, search: &search, market: &market, account: liquidatable.account, at };
            let all = case.legs(&mut seen);
            let chosen = most(&rig, &mut engine, &tx, chosen.into_iter().collect(), &mut seen).await;
            let others = most(&rig, &mut engine, &tx, all, &mut seen).await;
            let (who, allowed) = (liquidatable.account, chosen + chosen / U256::from(10_000));
            assert!(others <= allowed, "{who} of {}: {others} is left, {chosen} was chosen", market.protocol());
            let over = others.saturating_sub(chosen) * U256::from(1_000_000_000) / chosen.max(U256::ONE);
            seen.over_ppb = seen.over_ppb.max(over.to());
            *seen.positions.entry(market.protocol()).or_default() += 1;
        }
    }
    println!("{seen:?}");
    assert!(seen.refused.is_empty(), "what maths foretold and the EVM refused: {:?}", seen.refused);
    assert!(seen.positions.len() == 3 && seen.positions.values().all(|count| *count >= 10), "{:?}", seen.positions);
    assert!(seen.runs > 50_000, "{} runs", seen.runs);
}
