//! Small exact pools to test search on: a constant product, ranges of constant liquidity, and one that shows no curve.
//!
//! Written for clarity, not speed: quoting backwards bisects quoting forwards, so it is the smallest input by definition.
#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::Applied;
use peregrine::protocols::amm::ApplyError;
use peregrine::protocols::amm::Exact;
use peregrine::protocols::amm::Leg;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::amm::Segment;
use peregrine::protocols::amm::Traded;
use peregrine::protocols::discover::View;
use peregrine::protocols::execution::{Execution, Hop, PlannedSwap, Steps};
use peregrine::protocols::site::StateSite;
use proptest::test_runner::Config as ProptestConfig;

const PPM: u64 = 1_000_000;

/// Proptest's configuration for so many cases, unless `PROPTEST_CASES` asks for another number.
pub fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

/// A token by number.
pub fn token(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

/// A pool's address by number.
pub fn place(n: u64) -> Address {
    Address::left_padding_from(&(n + (1 << 40)).to_be_bytes())
}

#[derive(Clone, Debug)]
pub enum Curve {
    /// Constant product over reserves in 112 bits. With more than two tokens, each pair of reserves is one.
    Product(Vec<U256>),
    /// Liquidity between square-root prices (X96), ascending, and the price now. `sure` when the world ends with the
    /// last of them, rather than what is known of it.
    Ranges { bounds: Vec<U256>, liquidity: Vec<U256>, price: U256, sure: bool },
}

#[derive(Clone, Debug)]
pub struct Pool {
    pub address: Address,
    pub tokens: Vec<Address>,
    pub fee_ppm: u64,
    pub curve: Curve,
    /// Shows its stretches.
    pub open: bool,
    /// By what share they lie above what it pays; with any, they only bound it.
    pub loose: f64,
    pub execution: Execution,
}

impl Pool {
    pub fn product(number: u64, tokens: &[u64], reserves: &[u128], fee_ppm: u64) -> Self {
        let curve = Curve::Product(reserves.iter().copied().map(U256::from).collect());
        let tokens = tokens.iter().copied().map(token).collect();
        Self { address: place(number), tokens, fee_ppm, curve, open: true, loose: 0.0, execution: Execution::Callback }
    }

    /// Ranges round the price that two virtual reserves have. `steps`: each range's width as a share of the square-root
    /// price, and its liquidity as a share of that of the reserves; the price lies in the middle one.
    pub fn ranges(number: u64, tokens: [u64; 2], reserves: [f64; 2], fee_ppm: u64, steps: &[(f64, f64)]) -> Self {
        let price = x96((reserves[1] / reserves[0]).sqrt());
        let base = (reserves[0] * reserves[1]).sqrt();
        let (middle, mut low) = (steps.len() / 2, 1.0);
        for (width, _) in &steps[..middle] {
            low /= 1.0 + width;
        }
        low /= 1.0 + steps[middle].0 / 2.0;
        let mut at = low * (reserves[1] / reserves[0]).sqrt();
        let mut bounds = vec![x96(at)];
        for (width, _) in steps {
            at *= 1.0 + width;
            bounds.push(x96(at));
        }
        let liquidity = steps.iter().map(|(_, share)| U256::from((base * share).max(1.0) as u128)).collect();
        let curve = Curve::Ranges { bounds, liquidity, price, sure: true };
        Self {
            address: place(number),
            tokens: tokens.map(token).to_vec(),
            fee_ppm,
            curve,
            open: true,
            loose: 0.0,
            execution: Execution::Callback,
        }
    }

    fn net(&self, amount: U256) -> U256 {
        amount * U256::from(PPM - self.fee_ppm) / U256::from(PPM)
    }

    fn quote_product(&self, reserves: &[U256], leg: Leg, amount: U256) -> Result<U256, QuoteError> {
        let (r_in, r_out) = (reserves[leg.token_in()], reserves[leg.token_out()]);
        if amount > (U256::ONE << 112) - U256::ONE - r_in {
            return Err(QuoteError::TooLarge);
        }
        let net = amount * U256::from(PPM - self.fee_ppm);
        let out = net * r_out / (r_in * U256::from(PPM) + net);
        if out.is_zero() { Err(QuoteError::TooSmall) } else { Ok(out) }
    }

    fn quote_ranges(&self, leg: Leg, amount: U256) -> Result<U256, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let (mut left, mut out) = (amount, U256::ZERO);
        for range in self.walk(leg) {
            if self.net(left) < range.net_in {
                return Ok(out + range.part(self.net(left)));
            }
            left -= range.gross_in(self.fee_ppm);
            out += range.out;
            if left.is_zero() {
                return Ok(out);
            }
        }
        match &self.curve {
            Curve::Ranges { sure: false, .. } => Err(QuoteError::UnknownTick),
            _ => Err(QuoteError::TooLarge),
        }
    }

    /// The ranges ahead of the price, nearest first.
    fn walk(&self, leg: Leg) -> Vec<Range> {
        let Curve::Ranges { bounds, liquidity, price, .. } = &self.curve else { return Vec::new() };
        let down = leg.zero_for_one();
        let each = (0..liquidity.len()).filter_map(|i| {
            let (low, high) =
                if down { (bounds[i], bounds[i + 1].min(*price)) } else { (bounds[i].max(*price), bounds[i + 1]) };
            (low < high).then(|| Range::new(low, high, liquidity[i], down))
        });
        let mut ranges: Vec<_> = each.collect();
        if down {
            ranges.reverse();
        }
        ranges
    }
}

struct Range {
    low: U256,
    high: U256,
    liquidity: U256,
    down: bool,
    net_in: U256,
    out: U256,
}

impl Range {
    fn new(low: U256, high: U256, liquidity: U256, down: bool) -> Self {
        let (one, zero) = (one_between(low, high, liquidity, !down), zero_between(low, high, liquidity, down));
        let (net_in, out) = if down { (zero, one) } else { (one, zero) };
        Self { low, high, liquidity, down, net_in, out }
    }

    fn gross_in(&self, fee_ppm: u64) -> U256 {
        self.net_in + (self.net_in * U256::from(fee_ppm)).div_ceil(U256::from(PPM - fee_ppm))
    }

    /// Output for less than the whole range.
    fn part(&self, net: U256) -> U256 {
        if self.down {
            let l: U256 = self.liquidity << 96usize;
            let to = wide_div_ceil(l, self.high, l + net * self.high).max(self.low);
            one_between(to, self.high, self.liquidity, false)
        } else {
            let step: U256 = (net << 96usize) / self.liquidity;
            let to = (self.low + step).min(self.high);
            zero_between(self.low, to, self.liquidity, false)
        }
    }
}

/// `a * b / c`, rounded up, for products past 256 bits.
fn wide_div_ceil(a: U256, b: U256, c: U256) -> U256 {
    use alloy_primitives::U512;
    let product = U512::from(a) * U512::from(b);
    U256::from(product.div_ceil(U512::from(c)))
}

fn one_between(low: U256, high: U256, liquidity: U256, up: bool) -> U256 {
    let product = liquidity * (high - low);
    let scale = U256::ONE << 96;
    if up { product.div_ceil(scale) } else { product / scale }
}

fn zero_between(low: U256, high: U256, liquidity: U256, up: bool) -> U256 {
    use alloy_primitives::U512;
    let top = U512::from(liquidity << 96) * U512::from(high - low);
    let bottom = U512::from(low) * U512::from(high);
    U256::from(if up { top.div_ceil(bottom) } else { top / bottom })
}

fn x96(price: f64) -> U256 {
    U256::from((price * 2f64.powi(48)) as u128) << 48
}

fn real(price: U256) -> f64 {
    f64::from(price) / 2f64.powi(96)
}

impl Amm for Pool {
    fn protocol(&self) -> &'static str {
        "test"
    }

    fn execution(&self) -> Execution {
        self.execution
    }

    fn write_step(&self, swap: &PlannedSwap, steps: &mut Steps) {
        let hop = Hop { pool: self.address.into(), token_in: swap.token_in, amount_out: swap.amount_out };
        steps.exact_out(hop, swap.leg.zero_for_one());
    }

    fn logged(&self, _: Leg, [_, out]: [u128; 2], came: u128) -> Result<[U256; 2], QuoteError> {
        Ok([came, out].map(U256::from))
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sites(&self) -> Vec<StateSite> {
        vec![StateSite::whole(self.address, true)]
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_in(&self, leg: Leg, amount_in: U256) -> Result<U256, QuoteError> {
        match &self.curve {
            Curve::Product(reserves) => self.quote_product(reserves, leg, amount_in),
            Curve::Ranges { .. } => self.quote_ranges(leg, amount_in),
        }
    }

    fn quote_out(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        if amount_out.is_zero() {
            return Err(QuoteError::TooSmall);
        }
        let reaches = |amount| match self.quote_in(leg, amount) {
            Ok(out) => out >= amount_out,
            Err(QuoteError::TooSmall) => false,
            Err(_) => true,
        };
        let (mut low, mut high) = (U256::ZERO, U256::ONE);
        while !reaches(high) {
            (low, high) = (high, high << 1);
        }
        while high - low > U256::ONE {
            let middle = (low + high) >> 1;
            if reaches(middle) { high = middle } else { low = middle }
        }
        self.quote_in(leg, high).map(|_| high)
    }

    fn asks(&self, leg: Leg, amount_out: U256) -> Result<U256, QuoteError> {
        self.quote_out(leg, amount_out)
    }

    /// Nothing here is traded with: whoever would, finds that it cannot be.
    fn trade(&mut self, _: Leg, _: Exact, _: Option<U256>) -> Result<Traded, QuoteError> {
        Err(QuoteError::TooLarge)
    }

    fn views(&self) -> Vec<View> {
        Vec::new()
    }

    fn factory_fee(&self) -> Option<u32> {
        None
    }

    fn keeps(&self, _leg: Leg) -> Option<u32> {
        None
    }

    fn marginal_rate(&self, leg: Leg) -> f64 {
        let mut rate = 0.0;
        let shown = Self { open: true, ..self.clone() };
        shown.segments(leg, |s| {
            rate = s.gamma * s.reserve_out / s.reserve_in;
            false
        });
        rate
    }

    fn depth(&self, leg: Leg) -> f64 {
        let mut depth = 0.0;
        self.segments(leg, |segment| {
            depth = segment.reserve_in / segment.gamma;
            false
        });
        depth
    }

    fn follows_stretches(&self) -> bool {
        self.loose == 0.0
    }

    fn segments(&self, leg: Leg, mut visit: impl FnMut(Segment) -> bool) {
        let gamma = 1.0 - self.fee_ppm as f64 / PPM as f64;
        let mut visit = |s: Segment| visit(Segment { reserve_out: s.reserve_out * (1.0 + self.loose), ..s });
        if !self.open {
            return;
        }
        if let Curve::Product(reserves) = &self.curve {
            let (r_in, r_out) = (reserves[leg.token_in()], reserves[leg.token_out()]);
            let in_max = (U256::ONE << 112) - U256::ONE - r_in;
            visit(Segment { in_max, reserve_in: f64::from(r_in), reserve_out: f64::from(r_out), gamma });
        }
        for range in self.walk(leg) {
            let l = f64::from(range.liquidity);
            let (reserve_in, reserve_out) = if range.down {
                (l / real(range.high), l * real(range.high))
            } else {
                (l * real(range.low), l / real(range.low))
            };
            if !visit(Segment { in_max: range.gross_in(self.fee_ppm), reserve_in, reserve_out, gamma }) {
                return;
            }
        }
    }

    fn apply_log(&mut self, _: Address, _: &[B256], _: &[u8]) -> Result<Applied, ApplyError> {
        Ok(Applied::Irrelevant)
    }

    fn apply_slots(&mut self, _: Address, _: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        Ok(Applied::Irrelevant)
    }

    fn agrees(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }

    fn log_fed(&self) -> bool {
        true
    }

    fn gas(&self, _: Leg) -> u64 {
        100_000
    }
}
