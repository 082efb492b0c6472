//! A toy venue, as a stranger would write one: pools of three tokens in a bank that holds many, whose state lives at two contracts.
//! Its code is `Toy.sol`, beside it. It stands in the registry where the feature `toy` is on, and nowhere else.
//!
//! - `curve`: the arithmetic. `discover`: how a pool is recognised.
//!
//! # Invariants
//! - The fee is kept by the bank and the reserves by its vault: each contract's slots and logs tell its part, and a refused change
//!   leaves both as they were.
//!
//! # Cost
//! A quote is one division; nothing allocates or hashes.

mod curve;
mod discover;

use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::keccak256;
use serde::Deserialize;
use serde::Serialize;

use crate::amm::Amm;
use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::amm::Exact;
use crate::amm::Leg;
use crate::amm::QuoteError;
use crate::amm::Segment;
use crate::amm::Traded;
use crate::discover::Venue;
use crate::discover::View;
use crate::execution::{CallStep, Execution, Hop, Input, Output, PlannedSwap, Steps, call_data};
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;
use crate::toy_pool::curve::Side;
use crate::toy_pool::curve::WHOLE;
use crate::types::pool_key::PoolKey;

alloy::sol! {
    /// Tokens, fee in millionths, reserves.
    function pool(bytes32 id) external view returns (address[3] tokens, uint256 fee, uint256[3] reserves);
    /// How many pools the bank has.
    function count() external view returns (uint256);
    /// The id of one.
    function ids(uint256 place) external view returns (bytes32);
    /// Who holds what is in the pools.
    function VAULT() external view returns (address);
    /// Makes a pool, which is empty.
    function make(address[3] tokens, uint256 fee) external returns (bytes32 id);
    /// Puts so much of each token into it.
    function fill(bytes32 id, uint256[3] amounts) external;
    /// What the owner may do.
    function setFee(bytes32 id, uint256 fee) external;
    /// Swaps `dx` of token `i` for at least so much of token `j`, by the caller's allowance.
    function exchange(bytes32 id, uint256 i, uint256 j, uint256 dx, uint256 least) external returns (uint256 dy);

    /// The bank has made one.
    event PoolMade(bytes32 indexed id, address[3] tokens, uint256 fee);
    /// Somebody has filled it.
    event Filled(bytes32 indexed id, uint256[3] amounts);
    /// It charges this from now on.
    event FeeSet(bytes32 indexed id, uint256 fee);
    /// It holds this from now on; said by the vault.
    event Reserves(bytes32 indexed id, uint256[3] reserves);
}

/// Where the fee lies in the bank, behind the three tokens.
const FEE_PLACE: u64 = 3;

/// A pool of three tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Pool {
    reserves: [u128; 3],
    /// In millionths of the input.
    fee: u32,
    tokens: [Address; 3],
    bank: Address,
    vault: Address,
    id: B256,
    /// First slot of the pool's record in the bank, and of its reserves in the vault: both keep it in the mapping of slot zero.
    home: U256,
}

impl Pool {
    /// `None` when a reserve or the fee is more than the bank takes.
    #[must_use]
    pub fn new(
        (bank, vault, id): (Address, Address, B256),
        tokens: [Address; 3],
        fee: U256,
        reserves: [U256; 3],
    ) -> Option<Self> {
        let home = keccak256([id, B256::ZERO].concat()).into();
        let mut pool = Self { reserves: [0; 3], fee: 0, tokens, bank, vault, id, home };
        pool.reserves = pool.with_reserves(reserves.into_iter().enumerate()).ok()?;
        pool.fee = narrow_fee(fee).ok()?;
        Some(pool)
    }

    /// Fee, and reserves in the order of the tokens.
    #[must_use]
    pub const fn state(&self) -> (u32, [u128; 3]) {
        (self.fee, self.reserves)
    }

    const fn side(&self, leg: Leg) -> Side {
        let [reserve_in, reserve_out] = [self.reserves[leg.token_in()], self.reserves[leg.token_out()]];
        Side { reserve_in, reserve_out, fee: self.fee }
    }

    /// Share of the input left after the fee.
    fn gamma(&self) -> f64 {
        f64::from(WHOLE - self.fee) / f64::from(WHOLE)
    }

    fn with_reserves(&self, changes: impl Iterator<Item = (usize, U256)>) -> Result<[u128; 3], ApplyError> {
        let mut reserves = self.reserves;
        for (place, value) in changes {
            let value = u128::try_from(value).ok().filter(|value| *value <= curve::MOST);
            let to = reserves.get_mut(place).ok_or(ApplyError::Contradiction)?;
            *to = value.ok_or(ApplyError::Contradiction)?;
        }
        Ok(reserves)
    }

    /// Takes a new state and says whether it differs.
    fn set(&mut self, fee: u32, reserves: [u128; 3]) -> Applied {
        if (self.fee, self.reserves) == (fee, reserves) {
            return Applied::Irrelevant;
        }
        (self.fee, self.reserves) = (fee, reserves);
        Applied::Changed
    }
}

/// A fee, if it is one.
fn narrow_fee(fee: U256) -> Result<u32, ApplyError> {
    u32::try_from(fee).ok().filter(|fee| *fee < WHOLE).ok_or(ApplyError::Contradiction)
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        Self::PROTOCOL
    }

    fn execution(&self) -> Execution {
        Execution::Pull
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let [i, j] = [swap.leg.token_in(), swap.leg.token_out()].map(U256::from);
        let words = [self.id.into(), i, j, U256::from(swap.amount_in), U256::from(swap.amount_out)];
        let data: [u8; 4 + 5 * 32] = call_data(exchangeCall::SELECTOR, words);
        let hop = Hop { pool: self.key(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.call(hop, &CallStep { data: &data, input: Input::Allowed, output: Output::Here });
    }

    /// It is told what goes in, and takes exactly that.
    fn logged(&self, leg: Leg, [into, _]: [u128; 2], _came: u128) -> Result<[U256; 2], QuoteError> {
        let into = U256::from(into);
        Ok([into, self.quote_in(leg, into)?])
    }

    fn address(&self) -> Address {
        self.bank
    }

    fn key(&self) -> PoolKey {
        PoolKey { contract: self.bank, id: Some(self.id) }
    }

    fn sites(&self) -> Vec<StateSite> {
        let slot = |place| self.home.wrapping_add(U256::from(place));
        let site = |at, slots| StateSite { at, slots: Slots::Listed(slots), logs: Logs::Of(self.id) };
        vec![site(self.bank, vec![slot(FEE_PLACE)]), site(self.vault, (0..3).map(slot).collect())]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        curve::paid(self.side(leg), amount_in)
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        curve::cost(self.side(leg), amount_out)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    fn trade(&mut self, leg: Leg, exact: Exact, limit: Option<U256>) -> Result<Traded, QuoteError> {
        // The bank knows no price limit.
        if limit.is_some() {
            return Err(QuoteError::TooLarge);
        }
        let amount_in = match exact {
            Exact::In(amount) => amount,
            Exact::Out(amount) => self.asks(leg, amount)?,
        };
        // It is told what goes in, whatever was wanted out, and pays all that this is worth.
        let amount_out = self.quote_in(leg, amount_in)?;
        // Both are within the reserves: the quotes have refused what is not.
        self.reserves[leg.token_in()] += amount_in.saturating_to::<u128>();
        self.reserves[leg.token_out()] -= amount_out.saturating_to::<u128>();
        Ok(Traded { amount_in, amount_out })
    }

    fn views(&self) -> Vec<View> {
        let tokens = self.tokens.map(|token| token.into_word().into());
        let words = tokens.into_iter().chain([U256::from(self.fee)]).chain(self.reserves.map(U256::from));
        vec![View { data: poolCall { id: self.id }.abi_encode(), due: words.enumerate().collect() }]
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        let Side { reserve_in, reserve_out, .. } = self.side(leg);
        if reserve_in == 0 { 0.0 } else { reserve_out as f64 / reserve_in as f64 * self.gamma() }
    }

    fn depth(&self, leg: Leg) -> f64 {
        self.side(leg).reserve_in as f64 / self.gamma()
    }

    fn segments(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        let side = self.side(leg);
        if side.reserve_in == 0 || side.reserve_out == 0 || side.room() == 0 {
            return;
        }
        visit(Segment {
            in_max: U256::from(side.room()),
            reserve_in: side.reserve_in as f64,
            reserve_out: side.reserve_out as f64,
            gamma: self.gamma(),
        });
    }

    fn apply_log(&mut self, at: Address, topics: &[B256], data: &[u8]) -> Result<Applied, ApplyError> {
        let [signature, id] = topics else { return Ok(Applied::Irrelevant) };
        if *id != self.id {
            return Ok(Applied::Irrelevant);
        }
        let due = |due| ApplyError::Data { have: data.len(), due };
        if (at, *signature) == (self.vault, Reserves::SIGNATURE_HASH) {
            let said = Reserves::decode_raw_log([*signature, *id], data).map_err(|_| due(96))?;
            let reserves = self.with_reserves(said.reserves.into_iter().enumerate())?;
            return Ok(self.set(self.fee, reserves));
        }
        if (at, *signature) == (self.bank, FeeSet::SIGNATURE_HASH) {
            let said = FeeSet::decode_raw_log([*signature, *id], data).map_err(|_| due(32))?;
            return Ok(self.set(narrow_fee(said.fee)?, self.reserves));
        }
        // PoolMade comes before there is a pool, and Filled with Reserves.
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let place = |slot: U256| slot.wrapping_sub(self.home);
        if at == self.vault {
            let own = changes.iter().map(|(slot, value)| (place(*slot).saturating_to(), *value));
            let reserves = self.with_reserves(own.filter(|(place, _)| *place < 3))?;
            return Ok(self.set(self.fee, reserves));
        }
        let fee = |(slot, _): &&(U256, U256)| at == self.bank && place(*slot) == U256::from(FEE_PLACE);
        match changes.iter().find(fee) {
            Some((_, value)) => Ok(self.set(narrow_fee(*value)?, self.reserves)),
            None => Ok(Applied::Irrelevant),
        }
    }

    fn agrees(&self, other: &Self) -> bool {
        self.state() == other.state()
    }

    fn log_fed(&self) -> bool {
        false
    }

    fn gas(&self, _leg: Leg) -> u64 {
        // Three calls of the vault, two of the tokens, and two reserves written, between plain tokens.
        90_000
    }
}
