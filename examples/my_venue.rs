//! Question: what does a venue say of its pools, so that they are followed, quoted, searched and swapped in?
//!
//! A changer of two tokens, written here, outside of the house. Inside it would be a folder of `crates/protocols/src` and a line of
//! the registry in its `lib.rs`, with a `Venue` besides, which recognises its pools: `tests/toy_pool` is such a folder, with its
//! contracts, and `tests/toy_venue.rs` runs it up to a bundle that lands.
//!
//!     cargo run --example my_venue

use std::fmt::Write as _;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256};
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols::amm::{Amm, Applied, ApplyError, Exact, Leg, QuoteError, Segment, Traded};
use peregrine::protocols::discover::View;
use peregrine::protocols::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps};
use peregrine::protocols::site::StateSite;

alloy::sol! {
    /// What our contract calls: takes `dx` by an allowance, and pays its caller.
    function change(bool first, uint256 dx, uint256 least) external returns (uint256);
    /// What the changer holds.
    function held() external view returns (uint256, uint256);
}

/// So much of so much is left after the fee.
const KEPT: u32 = 998;
const WHOLE: u32 = 1_000;
/// The largest reserve that its contract takes.
const MOST: u128 = (1 << 112) - 1;

/// A pool: all that its quotes depend on, and where that is kept. Its two reserves are its contract's slots 0 and 1.
#[derive(Clone, Debug)]
struct Changer {
    address: Address,
    tokens: [Address; 2],
    reserves: [u128; 2],
}

impl Changer {
    /// What stands on both sides of a swap.
    const fn side(&self, leg: Leg) -> [u128; 2] {
        [self.reserves[leg.token_in()], self.reserves[leg.token_out()]]
    }
}

impl Amm for Changer {
    fn protocol(&self) -> &'static str {
        "my_venue"
    }

    // How it is paid: by an allowance, before it pays. So it cannot be the last pool of a cycle, and the search knows.
    fn execution(&self) -> Execution {
        Execution::Pull
    }

    // Its own step of our contract's path. Nobody else knows this call.
    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let [dx, least] = [swap.amount_in, swap.amount_out].map(U256::from);
        let data = changeCall { first: swap.leg.zero_for_one(), dx, least }.abi_encode();
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data: &data, input: Input::Allowed, output: Output::Here });
    }

    // What happens where more comes than was planned: it takes what it is told, and no more.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.address
    }

    // A contract that holds many pools gives `key` an id, and lists here which of its slots and logs are this one's.
    fn sites(&self) -> Vec<StateSite> {
        vec![StateSite::whole(self.address, self.log_fed())]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    // The contract's own division, to the unit.
    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        let [reserve_in, reserve_out] = self.side(leg).map(U256::from);
        if amount_in > U256::from(MOST) - reserve_in {
            return Err(QuoteError::TooLarge);
        }
        let kept = amount_in * U256::from(KEPT);
        let out = (reserve_out * kept).checked_div(reserve_in * U256::from(WHOLE) + kept).unwrap_or_default();
        if out.is_zero() { Err(QuoteError::TooSmall) } else { Ok(out) }
    }

    // ... and its inverse: the least that pays so much.
    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        let [reserve_in, reserve_out] = self.side(leg).map(U256::from);
        if amount_out.is_zero() || amount_out >= reserve_out {
            return Err(if amount_out.is_zero() { QuoteError::TooSmall } else { QuoteError::TooLarge });
        }
        let into =
            (amount_out * reserve_in * U256::from(WHOLE)).div_ceil((reserve_out - amount_out) * U256::from(KEPT));
        if into > U256::from(MOST) - reserve_in { Err(QuoteError::TooLarge) } else { Ok(into) }
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        let amount_in = match (exact, limit) {
            (_, Some(_)) => return Err(QuoteError::TooLarge),
            (Exact::In(amount), None) => amount,
            (Exact::Out(amount), None) => self.asks(leg, amount)?,
        };
        let amount_out = self.quote_in(leg, amount_in)?;
        self.reserves[leg.token_in()] += amount_in.saturating_to::<u128>();
        self.reserves[leg.token_out()] -= amount_out.saturating_to::<u128>();
        Ok(Traded { amount_in, amount_out })
    }

    // What the contract must answer if the state is right. The start asks a sample of pools, and a test may ask all.
    fn views(&self) -> Vec<View> {
        let due = self.reserves.map(U256::from).into_iter().enumerate().collect();
        vec![View { data: heldCall {}.abi_encode(), due }]
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    // Floats steer the search and reject; no amount is taken from them.
    fn marginal_rate(&self, leg: Leg) -> f64 {
        let [reserve_in, reserve_out] = self.side(leg);
        if reserve_in == 0 { 0.0 } else { reserve_out as f64 / reserve_in as f64 * gamma() }
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.side(leg)[0] as f64 / gamma()
    }

    fn segments(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        let [reserve_in, reserve_out] = self.side(leg);
        let stretch =
            |in_max| Segment { in_max, reserve_in: reserve_in as f64, reserve_out: reserve_out as f64, gamma: gamma() };
        if reserve_in > 0 && reserve_in < MOST && reserve_out > 0 {
            visit(stretch(U256::from(MOST - reserve_in)));
        }
    }

    // It says nothing in logs that its storage does not tell.
    fn apply_log(&mut self, _at: Address, _topics: &[B256], _data: &[u8]) -> Result<Applied, ApplyError> {
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let mut reserves = self.reserves;
        for (slot, value) in changes.iter().filter(|_| at == self.address) {
            if let Some(reserve) = reserves.get_mut(slot.saturating_to::<usize>()) {
                *reserve = u128::try_from(*value).map_err(|_| ApplyError::Contradiction)?;
            }
        }
        let changed = std::mem::replace(&mut self.reserves, reserves) != reserves;
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    fn agrees(&self, other: &Self) -> bool {
        self.reserves == other.reserves
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        60_000
    }
}

fn gamma() -> f64 {
    f64::from(KEPT) / f64::from(WHOLE)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", my_venue()?);
    Ok(())
}

/// A changer quotes, is followed, and writes its step; and what the search makes of two of them.
pub fn my_venue() -> Result<String, Box<dyn std::error::Error>> {
    let [here, there, gold, silver] = [1, 2, 3, 4].map(Address::with_last_byte);
    let changer = |address, reserves| Changer { address, tokens: [gold, silver], reserves };
    let mut pools = Pools::default();
    let id = pools.add(changer(here, [1_000_000, 5_000_000]))?;
    pools.add(changer(there, [1_000_000, 5_000_000]))?;
    let leg = pools.pool(id).leg(gold, silver).ok_or("no such way")?;
    let mut text = format!("1000 of gold pay {} of silver\n", pools.pool(id).quote_in(leg, U256::from(1_000))?);
    // As a block tells it: its contract's slot 1 holds another number now. The table's rates follow.
    pools.edit(id, |pool| pool.apply_slots(here, &[(U256::ONE, U256::from(6_000_000))]))?;
    writeln!(text, "after a block they pay {}", pools.pool(id).quote_in(leg, U256::from(1_000))?)?;
    let edge = pools.edges_of(id).map(|edge| pools.edge(edge)).find(|edge| edge.leg == leg).ok_or("no edge")?;
    let mut steps = Steps::of(Address::with_last_byte(9));
    steps.begin();
    pools.write_step(&edge, [1_000, 5_982], None, &mut steps);
    writeln!(text, "its step has {} bytes, and is made by {:?}", steps.bytes().len(), pools.pool(id).execution())?;
    // Gold is cheap at one of them. But each takes before it pays, and somebody must pay first: a cycle needs another kind of pool.
    let bases = [pools.intern(gold)];
    let mut search = Search::new(&bases, 4, Effort::USUAL);
    search.extend(&pools);
    writeln!(text, "{} cycles of these alone", search.cycles().len())?;
    Ok(text)
}
