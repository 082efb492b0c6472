//! The best liquidation of a position: every pair of debt and collateral, every way to sell, the amount that leaves most.
//!
//! # Invariants
//! - Only this makes a [`Leg`]: its amounts are the market's and the pools' own integers in the view it was found in.
//!
//! # Limits
//! - The profit is kept in wrapped ether where a way through it pays anything, so that the builder can be paid out of it; else
//!   in the base token that leaves most.
//! - Pairs and sizes that cannot leave more than what is found, by what their least part leaves, are not looked at.
//! - Ways are looked for at eight sizes; along the best four the best size is sought, and ways are looked for once more there. How
//!   near that comes is held against a look at everything (`tests/liquidation.rs`); see [`lending::choice`] for the size.
//!
//! [`lending::choice`]: crate::protocols::lending::choice

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U256;

use crate::hot::search::cycles::Cycles;
use crate::hot::search::value;
use crate::hot::state::pools::Edge;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::View;
use crate::hot::strategy::liquidations::route;
use crate::hot::strategy::liquidations::route::Fill;
use crate::hot::strategy::liquidations::route::Route;
use crate::protocols::AnyLending;
use crate::protocols::AnyPool;
use crate::protocols::AnyReady;
use crate::protocols::amm::Amm;
use crate::protocols::execution::Steps;
use crate::protocols::executor::Bid;
use crate::protocols::executor::EncodeError;
use crate::protocols::executor::Run;
use crate::protocols::lending::Call;
use crate::protocols::lending::Lending;
use crate::protocols::lending::PlannedSale;
use crate::protocols::lending::Ready;
use crate::protocols::lending::Seizure;
use crate::protocols::lending::Size;
use crate::protocols::lending::choice;
use crate::protocols::lending::choice::WHOLE;
use crate::types::amount::Wei;
use crate::types::id::TokenId;

/// Sizes at which ways are looked for, in millionths of what the rules allow: what is best for little is not for much.
const SIZES: [u32; 7] = [WHOLE, WHOLE / 2, WHOLE / 4, WHOLE / 8, WHOLE / 16, WHOLE / 32, WHOLE / 64];
const LEAST: u32 = WHOLE / 128;
/// Ways along which the best size is sought at first, and times that others are looked for at the best found.
const ROUTES: usize = 4;
const ROUNDS: usize = 4;

/// One position's liquidation with the way its collateral is sold.
#[derive(Clone, Debug)]
pub struct Leg {
    protocol: &'static str,
    market: Address,
    account: Address,
    /// What is repaid.
    debt: Address,
    repay: u128,
    /// The market's own step.
    asked: Steps,
    seized: u128,
    /// What is seized, as it is paid out: the collateral or its receipt token.
    paid_in: TokenId,
    /// Which of the contract's markets.
    id: Option<B256>,
    route: Route,
    /// What goes into each pool, and what must come out.
    swaps: Vec<[u128; 2]>,
    /// What each pool's log will say of that.
    logged: Vec<[u128; 2]>,
    /// What the sale brings, and what the purchase takes of it.
    turn: [u128; 2],
    value: Wei,
}

impl Leg {
    /// Whose position.
    #[must_use]
    pub const fn account(&self) -> Address {
        self.account
    }

    /// The contract that is called.
    #[must_use]
    pub const fn market(&self) -> Address {
        self.market
    }

    /// Which of the contract's markets, where it holds many.
    #[must_use]
    pub const fn id(&self) -> Option<B256> {
        self.id
    }

    /// The market's protocol.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// What is repaid: which token, and how much.
    #[must_use]
    pub const fn repaid(&self) -> (Address, u128) {
        (self.debt, self.repay)
    }

    /// What is seized, as it is paid out: which token, and how much.
    #[must_use]
    pub const fn seized(&self) -> (TokenId, u128) {
        (self.paid_in, self.seized)
    }

    /// The token that the profit is held in.
    #[must_use]
    pub const fn token(&self) -> TokenId {
        self.route.token
    }

    /// What is left of it, before gas and bid, in its units.
    #[must_use]
    pub const fn gross(&self) -> u128 {
        self.turn[0].saturating_sub(self.turn[1])
    }

    /// The same in ether.
    #[must_use]
    pub const fn value(&self) -> Wei {
        self.value
    }

    /// The pools in order, from what is seized to what is repaid, with what goes into each and what comes out. A pool of the V3
    /// family may pay a unit more than the next must be given, and that is given too.
    pub fn hops(&self) -> impl Iterator<Item = (&Edge, [u128; 2])> {
        self.edges().zip(self.logged.iter().copied())
    }

    fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.route.sale.iter().chain(&self.route.purchase)
    }

    /// The calldata of this one alone, for our contract at `own`.
    pub(in crate::hot::strategy::liquidations) fn payload(
        &self,
        pools: &Pools<AnyPool>,
        own: Address,
        block: u64,
        bid: Wei,
    ) -> Result<Bytes, EncodeError> {
        let (sold, token) = (self.route.sale.len(), pools.token(self.route.token));
        let mut steps = Steps::of(own);
        steps.begin_as(&self.asked);
        for (index, (edge, swap)) in self.edges().zip(&self.swaps).enumerate() {
            if index > 0 && index == sold {
                steps.stop(token, self.turn[1]);
            }
            // What a stop keeps of, it is paid itself.
            let next = self.edges().nth(index + 1).filter(|_| index + 1 != sold);
            pools.write_step(edge, *swap, next, &mut steps);
        }
        let run =
            Run { block, token, min_profit: self.gross(), bid: Bid::Wei(bid), amount_in: self.repay, steps: &steps };
        run.encode()
    }
}

/// The best liquidation of an account, at the time of the block that is being built. `None`: none pays.
#[must_use]
pub fn best<V: View<Pool = AnyPool>>(
    view: &V,
    cycles: &Cycles,
    market: &AnyLending,
    account: Address,
    at: u64,
) -> Option<Leg> {
    let search = Find { view, cycles, market, at };
    let pairs = market.pairs(account).into_iter().filter(|(debt, collateral)| debt != collateral);
    let calls = pairs.flat_map(|(debt, collateral)| {
        let call = move |receipt| Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt };
        [false, true].map(call)
    });
    let mut open: Vec<Open> = calls.filter_map(|call| search.open(call)).collect();
    open.sort_by_key(|open| std::cmp::Reverse(open.bound));
    let ether = cycles.bases().first();
    let in_ether = |leg: &Leg| Some(&leg.token()) == ether;
    let mut legs: Vec<Leg> = Vec::new();
    for open in open {
        if legs.iter().any(|leg| in_ether(leg) && leg.value.0 >= open.bound) {
            break;
        }
        legs.extend(search.pair(open));
    }
    let best = |keep: &dyn Fn(&Leg) -> bool| legs.iter().filter(|leg| keep(leg)).max_by_key(|leg| leg.value.0).cloned();
    best(&in_ether).or_else(|| best(&|_| true))
}

/// A liquidation of one pair, to be run and not to be sent: of a small part, and sold on any way. `None`: there is none.
#[must_use]
pub fn prewarm<V: View<Pool = AnyPool>>(
    view: &V,
    cycles: &Cycles,
    market: &AnyLending,
    (account, debt, collateral): (Address, Address, Address),
    at: u64,
) -> Option<Leg> {
    let search = Find { view, cycles, market, at };
    let call = Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt: false };
    let ready = market.ready(&call, at).ok()?;
    let size = ready.most().ok()?.part(WHOLE / 1_000);
    let seizure = ready.seize(size).ok()?;
    let route = route::any(view, cycles, search.ends(&call)?, [seizure.seized, seizure.repaid])?;
    let fill = route.fill(view, seizure.seized, seizure.repaid)?;
    // What it would leave means nothing: prices are made up.
    let fill = Fill { turn: [fill.turn[0].max(fill.turn[1] + U256::ONE), fill.turn[1]], ..fill };
    search.leg(&Call { size, ..call }, &seizure, route, &fill)
}

/// A liquidation of one size along one way, whatever it leaves: for whoever holds the best against others. `None`: the market or
/// a pool refuses, or nothing is left.
#[must_use]
pub fn sized<V: View<Pool = AnyPool>>(
    view: &V,
    cycles: &Cycles,
    market: &AnyLending,
    call: &Call,
    route: &Route,
    at: u64,
) -> Option<Leg> {
    let ready = market.ready(call, at).ok()?;
    let seizure = ready.seize(call.size).ok()?;
    Find { view, cycles, market, at }.sized(&ready, *call, seizure, route)
}

/// A liquidation of one pair, paid out in one kind.
struct Open {
    call: Call,
    ready: AnyReady,
    most: Size,
    ends: [TokenId; 2],
    /// Ways that are best at some size, with the most that each left at one, in ether.
    routes: Vec<(U256, Route)>,
    /// The most that any size can leave, in ether: each unit sells for less than the one before it, so that the least of it, times
    /// as much, leaves more. [`route::bounds`] of the least, rounding put on.
    bound: U256,
}

/// Units that a way's rounding can keep back, a few for each of its pools and for the seizure.
const ROUNDING: U256 = U256::from_limbs([8, 0, 0, 0]);

/// How many times the least a part is, rounded up.
fn times(part: u32) -> U256 {
    U256::from(part.div_ceil(LEAST))
}

/// What a search looks at.
struct Find<'a, V> {
    view: &'a V,
    cycles: &'a Cycles,
    market: &'a AnyLending,
    at: u64,
}

impl<V: View<Pool = AnyPool>> Find<'_, V> {
    /// A liquidation of one pair, paid out in one kind, with the ways that are best for the least of it.
    fn open(&self, call: Call) -> Option<Open> {
        let ends = self.ends(&call)?;
        let ready = self.market.ready(&call, self.at).ok()?;
        let most = ready.most().ok()?;
        let mut open = Open { call, ready, most, ends, routes: Vec::new(), bound: U256::MAX };
        // Where the least is dust, or leaves nothing, it says nothing of more.
        if let Some(amounts) = self.sample(&mut open, LEAST) {
            let bounds = route::bounds(self.view, self.cycles, ends, amounts);
            let bounds = bounds.map(|(token, gain)| self.in_ether(token, gain.saturating_add(ROUNDING)));
            open.bound = bounds.max().map_or(U256::MAX, |gain| gain.saturating_mul(times(WHOLE)));
        }
        Some(open)
    }

    /// The best along each of the ways of one pair, paid out in one kind.
    fn pair(&self, mut open: Open) -> Vec<Leg> {
        self.routes(&mut open);
        let Open { call, ready, ends, routes, .. } = open;
        let mut tried: Vec<Route> = Vec::new();
        let mut legs: Vec<Leg> = Vec::new();
        for (_, route) in routes {
            legs.extend(self.along(&ready, &call, &route));
            tried.push(route);
        }
        // Which way is best hangs on the amount: looked for again at the best one, until no other comes up.
        for _ in 0..ROUNDS {
            let best = legs.iter().max_by_key(|leg| leg.value.0);
            let Some(amounts) = best.map(|leg| [U256::from(leg.seized), U256::from(leg.repay)]) else { break };
            let routes = route::routes(self.view, self.cycles, ends, amounts);
            let routes = routes.into_iter().map(|(_, route)| route);
            let new: Vec<Route> = routes.filter(|route| !tried.contains(route)).collect();
            if new.is_empty() {
                break;
            }
            legs.extend(new.iter().filter_map(|route| self.along(&ready, &call, route)));
            tried.extend(new);
        }
        legs
    }

    fn ends(&self, call: &Call) -> Option<[TokenId; 2]> {
        let tables = self.view.tables();
        let from = if call.receipt { self.market.receipt(call.collateral)? } else { call.collateral };
        Some([tables.find_token(from)?, tables.find_token(call.debt)?])
    }

    /// The ways that are best at some size, as far as one that holds its profit in ether can be better there than the best so far:
    /// the best of them first.
    fn routes(&self, open: &mut Open) {
        let ether = self.cycles.bases().first();
        for part in SIZES {
            let best = open.routes.iter().filter(|(_, route)| Some(&route.token) == ether).map(|(gain, _)| *gain).max();
            if best.is_some_and(|best| open.bound / times(WHOLE) * times(part) <= best) {
                break;
            }
            self.sample(open, part);
        }
        open.routes.sort_by_key(|(gain, _)| std::cmp::Reverse(*gain));
        open.routes.truncate(ROUTES);
    }

    /// Adds the ways that are best at a size; what that seizes and repays.
    fn sample(&self, open: &mut Open, part: u32) -> Option<[U256; 2]> {
        let Seizure { seized, repaid, .. } = open.ready.seize(open.most.part(part)).ok()?;
        for (gain, route) in route::routes(self.view, self.cycles, open.ends, [seized, repaid]) {
            let gain = self.in_ether(route.token, gain);
            match open.routes.iter_mut().find(|(_, known)| *known == route) {
                Some((most, _)) => *most = gain.max(*most),
                None => open.routes.push((gain, route)),
            }
        }
        Some([seized, repaid])
    }

    /// Nothing, where the pools cannot value it.
    fn in_ether(&self, token: TokenId, gain: U256) -> U256 {
        let gain = u128::try_from(gain).ok();
        gain.and_then(|gain| value::in_ether(self.cycles, self.view, token, gain)).unwrap_or_default().0
    }

    /// The best amount along a way.
    fn along(&self, ready: &AnyReady, call: &Call, route: &Route) -> Option<Leg> {
        let worth = |_: &Call, seizure: &Seizure| route.gain(self.view, seizure.seized, seizure.repaid);
        let chosen = choice::best_size(ready, call, &worth)?;
        self.sized(ready, chosen.call, chosen.seizure, route)
    }

    /// One size along a way.
    fn sized(&self, ready: &AnyReady, mut call: Call, mut seizure: Seizure, route: &Route) -> Option<Leg> {
        if let Size::Repay(_) = call.size {
            // Asked for what it takes, and not for more: an allowance of more would be cut down by the lender, not by us.
            call.size = Size::Repay(seizure.repaid);
            seizure = ready.seize(call.size).ok()?;
        }
        let fill = route.fill(self.view, seizure.seized, seizure.repaid)?;
        self.leg(&call, &seizure, route.clone(), &fill)
    }

    fn leg(&self, call: &Call, seizure: &Seizure, route: Route, fill: &Fill) -> Option<Leg> {
        let small = |amount: U256| u128::try_from(amount).ok();
        let pair = |[into, out]: [U256; 2]| Some([small(into)?, small(out)?]);
        let turn = pair(fill.turn)?;
        let gross = turn[0].checked_sub(turn[1]).filter(|gross| *gross > 0)?;
        let value = value::in_ether(self.cycles, self.view, route.token, gross)?;
        let swaps = fill.sale.iter().chain(&fill.purchase).map(|swap| pair(*swap)).collect::<Option<_>>()?;
        let bought = self.bought(&route.purchase, &fill.purchase)?;
        let logged =
            fill.sale.iter().map(|swap| pair(*swap)).chain(bought.into_iter().map(Some)).collect::<Option<_>>()?;
        let (repay, seized) = (small(seizure.repaid)?, small(seizure.seized)?);
        // Without a sale the purchase takes of what is seized, and the rest stays.
        let amount_out = if route.sale.is_empty() { turn[1] } else { seized };
        let mut asked = Steps::default();
        asked.begin_with(call.debt);
        self.market.write_step(&PlannedSale { call: *call, repay, amount_out }, &mut asked).ok()?;
        let [paid_in, _] = self.ends(call)?;
        let id = self.market.id();
        let (protocol, market) = (self.market.protocol(), self.market.address());
        let (account, debt) = (call.account, call.debt);
        let leg = Leg {
            protocol,
            market,
            account,
            debt,
            repay,
            asked,
            seized,
            paid_in,
            id,
            route,
            swaps,
            logged,
            turn,
            value,
        };
        Some(leg)
    }

    /// What the pools of a purchase log: one may pay more than is asked of it, and the next may take that too.
    fn bought(&self, edges: &[Edge], swaps: &[[U256; 2]]) -> Option<Vec<[u128; 2]>> {
        let pair = |[into, out]: [U256; 2]| Some([u128::try_from(into).ok()?, u128::try_from(out).ok()?]);
        let mut logged: Vec<[u128; 2]> = Vec::new();
        for (edge, swap) in edges.iter().zip(swaps) {
            let due = pair(*swap)?;
            let came = logged.last().map_or(due[0], |[_, came]| *came);
            logged.push(pair(self.view.pool(edge.pool).logged(edge.leg, due, came).ok()?)?);
        }
        Some(logged)
    }
}
