//! Every recorded answer of a real contract, held against ours to the unit.
//!
//! The records are facts of the chain and stay outside the repository: `PEREGRINE_QUOTES`, or `../shared/quotes`.
//! To add a protocol: one line in [`check`] that turns a case into a pool and its answers into quotes.

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::I256;
use alloy_primitives::U256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::balancer_v2;
use peregrine::protocols::curve_crypto;
use peregrine::protocols::curve_stable;
use peregrine::protocols::curve_stable::meta::{Base, Metapool, Remembered};
use peregrine::protocols::math::concentrated::grid::Grid;
use peregrine::protocols::math::concentrated::ticks::Liquidity;
use peregrine::protocols::solidly;
use peregrine::protocols::uniswap_v3;
use peregrine::protocols::uniswap_v4;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Case {
    protocol: String,
    /// An address, or a pool id where pools have none of their own.
    pool: String,
    tokens: Vec<Token>,
    #[serde(default)]
    timestamp: Option<u64>,
    state: serde_json::Value,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Token {
    address: Address,
    #[serde(default)]
    decimals: u32,
}

/// Some protocols name the tokens by their addresses, some by their places.
#[derive(Deserialize)]
struct Answer {
    call: String,
    /// Places of the tokens in the case's list.
    i: Option<usize>,
    j: Option<usize>,
    token_in: Option<Address>,
    token_out: Option<Address>,
    amount: U256,
    result: Option<U256>,
}

#[derive(Deserialize)]
struct V3State {
    sqrt_price_x96: U256,
    tick: i32,
    liquidity: String,
    tick_spacing: i32,
    fee: String,
    sqrt_price_limit_x96_zero_for_one: U256,
    sqrt_price_limit_x96_one_for_zero: U256,
    ticks: Vec<V3Tick>,
}

#[derive(Deserialize)]
struct V3Tick {
    tick: i32,
    liquidity_net: String,
    liquidity_gross: String,
}

/// Differences found in a case, or `None` when the protocol is not built yet.
fn check(case: &Case) -> Option<Vec<String>> {
    match case.protocol.as_str() {
        "aerodrome_v2_stable" => Some(check_solidly(case)),
        "aerodrome_v3" | "uniswap_v3" => Some(check_v3(case)),
        "curve_crypto" => Some(check_curve_crypto(case)),
        "curve_meta" => Some(check_curve_meta(case)),
        "uniswap_v4" => Some(check_v4(case)),
        "balancer_v2_stable" => Some(check_balancer_v2_stable(case)),
        "balancer_v2_weighted" => Some(check_balancer_v2_weighted(case)),
        "curve_stable" => Some(check_curve_stable(case)),
        _ => None,
    }
}

fn v3_pool(case: &Case, state: &V3State) -> uniswap_v3::Pool {
    let mut pool = uniswap_v3::Pool::new(uniswap_v3::Immutables {
        address: case.pool.parse().expect("address of a pool"),
        tokens: [case.tokens[0].address, case.tokens[1].address],
        fee_pips: state.fee.parse().expect("fee"),
        tick_spacing: state.tick_spacing,
        flavour: if case.protocol == "aerodrome_v3" {
            uniswap_v3::Flavour::Slipstream
        } else {
            uniswap_v3::Flavour::Uniswap
        },
    })
    .expect("a recorded pool is sane");
    pool.set_price(state.sqrt_price_x96, state.tick, state.liquidity.parse().expect("liquidity"));
    let (words, ticks) = state.known();
    for (position, bits) in words {
        pool.set_word(position, bits);
    }
    for (tick, liquidity) in ticks {
        assert!(pool.set_tick(tick, liquidity), "tick {tick} is listed");
    }
    pool
}

impl V3State {
    /// Every word of the spacing, and the ticks that are set in them: the record has all.
    fn known(&self) -> (BTreeMap<i16, U256>, Vec<(i32, Liquidity)>) {
        let grid = Grid::of(self.tick_spacing).expect("a spacing");
        let mut words: BTreeMap<i16, U256> = grid.positions().map(|position| (position, U256::ZERO)).collect();
        let mut ticks = Vec::new();
        for tick in &self.ticks {
            let compressed = tick.tick / self.tick_spacing;
            assert_eq!(compressed * self.tick_spacing, tick.tick, "ticks lie on the spacing");
            let word = words.get_mut(&((compressed >> 8) as i16)).expect("a word in range");
            word.set_bit((compressed & 255) as usize, true);
            let net = tick.liquidity_net.parse().expect("net");
            ticks.push((tick.tick, Liquidity { gross: tick.liquidity_gross.parse().expect("gross"), net }));
        }
        (words, ticks)
    }
}

/// What the manager keeps besides.
#[derive(Deserialize)]
struct V4Terms {
    lp_fee: String,
    protocol_fee_zero_for_one: String,
    protocol_fee_one_for_zero: String,
    pool_manager: Address,
    hooks: Address,
}

/// Stands for ether: no answer depends on which token does.
const WRAPPED: Address = Address::repeat_byte(0xee);

fn v4_pool(case: &Case, state: &V3State, terms: &V4Terms) -> uniswap_v4::Pool {
    let number = |text: &String| text.parse::<u32>().expect("a fee");
    let key = uniswap_v4::Key {
        currencies: [case.tokens[0].address, case.tokens[1].address],
        fee: number(&state.fee),
        tick_spacing: state.tick_spacing,
        hooks: terms.hooks,
    };
    assert_eq!(key.id().to_string(), case.pool, "the id is the hash of the key");
    let mut pool = uniswap_v4::Pool::new(terms.pool_manager, key, Some(WRAPPED)).expect("a native pool");
    let (words, ticks) = state.known();
    for (position, bits) in words {
        pool.set_word(position, bits);
    }
    for (tick, liquidity) in ticks {
        assert!(pool.set_tick(tick, liquidity), "tick {tick} is listed");
    }
    // From the low bits on: price, tick, protocol fee of each direction, providers' fee.
    let tick = U256::from(state.tick as u32 & 0xff_ffff) << 160;
    let fees = [&terms.protocol_fee_zero_for_one, &terms.protocol_fee_one_for_zero, &terms.lp_fee].map(number);
    let fees = [184, 196, 208].into_iter().zip(fees).fold(U256::ZERO, |all, (at, fee)| all | U256::from(fee) << at);
    let (home, liquidity) = (pool.home(), state.liquidity.parse().expect("liquidity"));
    let first = [(home.slot0(), state.sqrt_price_x96 | tick | fees), (home.liquidity(), liquidity)];
    pool.apply_slots(terms.pool_manager, &first).expect("a first slot as it was");
    pool
}

#[derive(Deserialize)]
struct CurveState {
    balances: Vec<String>,
    #[serde(rename = "A")]
    amp: String,
    a_precision: String,
    fee: String,
    admin_fee: String,
}

impl CurveState {
    fn state(&self) -> curve_stable::State {
        let number = |text: &String| text.parse::<u64>().expect("a number");
        let mut state = curve_stable::State {
            amp: number(&self.amp) * number(&self.a_precision),
            fee: number(&self.fee),
            admin_fee: number(&self.admin_fee),
            ..curve_stable::State::default()
        };
        for (held, balance) in state.held.iter_mut().zip(&self.balances) {
            *held = balance.parse().expect("a balance");
        }
        state
    }

    /// A pool that multiplies coin by coin and leaves one unit; its rates follow from decimals.
    fn terms(&self, tokens: &[Token], in_units: bool) -> curve_stable::Terms {
        let mut terms = curve_stable::Terms {
            coins: tokens.len(),
            rates: Default::default(),
            product: curve_stable::Product::Each,
            precision: self.a_precision.parse().expect("a precision"),
            less_one: true,
            settle: curve_stable::Settle::Units,
            said: Some(curve_stable::Said { less_one: true, in_units }),
        };
        for (rate, token) in terms.rates.iter_mut().zip(tokens) {
            *rate = U256::from(10).pow(U256::from(36 - token.decimals));
        }
        terms
    }
}

/// What the coins of a metapool are worth, and which of the base pool's prices it remembers.
#[derive(Deserialize)]
struct CurveMetaState {
    redemption_price: U256,
    base_virtual_price: U256,
    base_cache_updated: u64,
    base_cache_expires: u64,
    base_pool: CurveBase,
}

#[derive(Deserialize)]
struct CurveBase {
    tokens: Vec<Token>,
    virtual_price: U256,
    lp_total_supply: String,
    #[serde(flatten)]
    state: CurveState,
}

/// The fee is taken in the token's units.
fn check_curve_stable(case: &Case) -> Vec<String> {
    let recorded: CurveState = serde_json::from_value(case.state.clone()).expect("state of a pool of Curve's");
    let (state, terms) = (recorded.state(), recorded.terms(&case.tokens, true));
    let now = terms.standing(&state).expect("a pool that swaps");
    let said = terms.said.expect("known");
    differences_of(case, |call, way, amount| {
        assert_eq!(call, "get_dy");
        terms.get_dy(said, &state, &now, way, amount)
    })
}

/// Its own two coins, at the rates in force, and the base pool's behind the second of them.
fn check_curve_meta(case: &Case) -> Vec<String> {
    let own: CurveState = serde_json::from_value(case.state.clone()).expect("state of a pool of Curve's");
    let state: CurveMetaState = serde_json::from_value(case.state.clone()).expect("state of a curve_meta case");
    let CurveMetaState { redemption_price, base_virtual_price, base_pool, .. } = state;
    let supply = base_pool.lp_total_supply.parse().expect("a supply");
    let base = Base::new(base_pool.state.terms(&base_pool.tokens, true), base_pool.state.state(), supply);
    let base = base.expect("a base pool that swaps");
    assert_eq!(base.virtual_price(), Some(base_pool.virtual_price));
    let remembered =
        Remembered { price: base_virtual_price, updated: state.base_cache_updated, lasts: state.base_cache_expires };
    let remembered = remembered.at(&base, case.timestamp.expect("a time")).expect("a price");
    let mut terms = own.terms(&case.tokens, false);
    terms.rates[0] = redemption_price;
    let pool = Metapool::new(terms, own.state(), base, remembered.price).expect("a metapool that swaps");
    differences_of(case, |call, way, amount| match call {
        "get_dy" => pool.get_dy(way, amount),
        "get_dy_underlying" => pool.get_dy_underlying(way, amount),
        other => panic!("unknown call {other}"),
    })
}

/// Where what a pool says of two places and an amount is not what its contract answered.
fn differences_of(case: &Case, says: impl Fn(&str, (usize, usize), U256) -> Result<U256, QuoteError>) -> Vec<String> {
    let mut differences = Vec::new();
    for answer in &case.answers {
        let way = (answer.i.expect("i"), answer.j.expect("j"));
        let quote = says(&answer.call, way, answer.amount);
        if quote.ok() != answer.result {
            let (call, amount, due) = (&answer.call, answer.amount, answer.result);
            differences.push(format!("{call} {way:?} {amount}: {quote:?}, contract {due:?}"));
        }
    }
    differences
}

#[derive(Deserialize)]
struct CurveCryptoState {
    balances: [U256; 3],
    #[serde(rename = "A")]
    amp: U256,
    gamma: U256,
    #[serde(rename = "D")]
    d: U256,
    price_scale: [U256; 2],
    mid_fee: U256,
    out_fee: U256,
    fee_gamma: U256,
}

/// The first tricrypto, whose `A` enters the step as it is.
fn check_curve_crypto(case: &Case) -> Vec<String> {
    let recorded: CurveCryptoState = serde_json::from_value(case.state.clone()).expect("state of a curve_crypto case");
    let state = curve_crypto::State {
        balances: recorded.balances,
        prices: recorded.price_scale,
        d: recorded.d,
        fees: [recorded.mid_fee, recorded.out_fee, recorded.fee_gamma],
    };
    let precision = |place: usize| U256::from(10).pow(U256::from(18 - case.tokens[place].decimals));
    let precisions = std::array::from_fn(precision);
    let version = curve_crypto::Version::Three;
    let (ann, gamma) = (recorded.amp, recorded.gamma);
    let terms = curve_crypto::Terms { version, precisions, ann, multiplier: U256::ONE, gamma };
    let mut differences = Vec::new();
    for answer in &case.answers {
        assert_eq!(answer.call, "get_dy");
        let way = [answer.i.expect("i"), answer.j.expect("j")];
        let quote = state.paid(&terms, way, answer.amount);
        if quote != answer.result {
            differences.push(format!("{way:?} {}: {quote:?}, contract {:?}", answer.amount, answer.result));
        }
    }
    differences
}

/// The periphery's quoter fills whole or reverts, as our quotes do.
fn check_v4(case: &Case) -> Vec<String> {
    let state: V3State = serde_json::from_value(case.state.clone()).expect("state of a uniswap_v4 case");
    let terms: V4Terms = serde_json::from_value(case.state.clone()).expect("terms of a uniswap_v4 case");
    let pool = v4_pool(case, &state, &terms);
    let mut differences = Vec::new();
    for answer in &case.answers {
        let (token_in, token_out) = (answer.token_in.expect("token_in"), answer.token_out.expect("token_out"));
        // Ether is shown as the token that stands for it.
        let shown = |token: Address| if token.is_zero() { WRAPPED } else { token };
        let leg = pool.leg(shown(token_in), shown(token_out)).expect("currencies of the pool");
        let exact_in = answer.call == "exact_input_single";
        assert!(exact_in || answer.call == "exact_output_single", "unknown call {}", answer.call);
        let quote = if exact_in { pool.quote_in(leg, answer.amount) } else { pool.quote_out(leg, answer.amount) };
        if quote.ok() != answer.result {
            let (call, amount, due) = (&answer.call, answer.amount, answer.result);
            differences.push(format!("{call} {token_in} {amount}: {quote:?}, contract {due:?}"));
        }
    }
    let refused = case.answers.iter().filter(|answer| answer.result.is_none()).count();
    println!("    {refused} answers are reverts");
    differences
}

#[derive(Deserialize)]
struct SolidlyState {
    reserve0: String,
    reserve1: String,
    stable: bool,
    fee: String,
    fee_denominator: String,
}

/// What `getAmountOut` answers; and what the pool itself pays, which is that or more, is quoted back.
fn check_solidly(case: &Case) -> Vec<String> {
    let state: SolidlyState = serde_json::from_value(case.state.clone()).expect("state of a pool of Solidly's");
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let [r0, r1] = [&state.reserve0, &state.reserve1].map(|reserve| reserve.parse().expect("a reserve"));
    assert!(state.stable);
    let terms = solidly::Terms {
        address: case.pool.parse().expect("an address"),
        tokens: [case.tokens[0].address, case.tokens[1].address],
        curve: solidly::Curve::Stable { units: [0, 1].map(|place: usize| 10u128.pow(case.tokens[place].decimals)) },
        fee: solidly::Fee::new(number(&state.fee), number(&state.fee_denominator)).expect("a fee"),
        // Where it keeps them is not recorded, and no quote depends on that.
        slots: [U256::ZERO, U256::ONE],
        terms: Vec::new(),
        quoter: true,
    };
    let pool = solidly::Pool::new(terms, [r0, r1]).expect("a recorded pool is sane");
    let mut differences = Vec::new();
    for answer in &case.answers {
        assert_eq!(answer.call, "get_amount_out");
        let (token_in, token_out) = (answer.token_in.expect("token_in"), answer.token_out.expect("token_out"));
        let leg = pool.leg(token_in, token_out).expect("tokens of the pool");
        let (ours, due) = (pool.amount_out(leg, answer.amount), answer.result);
        if ours.ok() != due {
            differences.push(format!("{token_in} {}: {ours:?}, contract {due:?}", answer.amount));
        }
        let paid = pool.quote_in(leg, answer.amount).unwrap_or_default();
        let least = pool.quote_out(leg, paid).unwrap_or_default();
        if Some(paid) < due || least > answer.amount {
            differences.push(format!("{token_in} {}: pays {paid} and asks {least}, contract {due:?}", answer.amount));
        }
    }
    differences
}

#[derive(Deserialize)]
struct StableState {
    balances: Vec<U256>,
    scaling_factors: Vec<U256>,
    swap_fee_percentage: String,
    amp: String,
    amp_precision: String,
    bpt_index: Option<usize>,
    recorded_invariant_version: u8,
}

/// Arithmetic alone: the pool's own token is left out, and no recorded answer swaps it.
fn check_balancer_v2_stable(case: &Case) -> Vec<String> {
    let state: StableState = serde_json::from_value(case.state.clone()).expect("state of a balancer_v2_stable case");
    assert_eq!(state.amp_precision, "1000");
    let without = |all: &[U256]| -> Vec<U256> {
        all.iter().enumerate().filter(|(place, _)| Some(*place) != state.bpt_index).map(|(_, value)| *value).collect()
    };
    let (balances, scaling) = (without(&state.balances), without(&state.scaling_factors));
    let pool = balancer_v2::stable::Stable {
        amplification: state.amp.parse().expect("a number"),
        balances: &balances,
        scaling: &scaling,
        fee: state.swap_fee_percentage.parse().expect("a fee"),
        invariant: match state.recorded_invariant_version {
            1 => balancer_v2::stable::Invariant::Truncated,
            2 => balancer_v2::stable::Invariant::RoundedUp,
            other => panic!("unknown version {other}"),
        },
    };
    let place = |of: Option<usize>| {
        let of = of.expect("a place");
        assert_ne!(Some(of), state.bpt_index);
        of - usize::from(state.bpt_index.is_some_and(|own| own < of))
    };
    let mut differences = Vec::new();
    for answer in &case.answers {
        let (from, to) = (place(answer.i), place(answer.j));
        let ours = match answer.call.as_str() {
            "given_in" => pool.given_in(from, to, answer.amount),
            "given_out" => pool.given_out(from, to, answer.amount),
            other => panic!("unknown call {other}"),
        };
        if ours.ok() != answer.result {
            let (call, amount, due) = (&answer.call, answer.amount, answer.result);
            differences.push(format!("{call} {from} to {to}, {amount}: {ours:?}, contract {due:?}"));
        }
    }
    differences
}

#[derive(Deserialize)]
struct WeightedState {
    pool_id: B256,
    vault: Address,
    balances: Vec<String>,
    swap_fee_percentage: U256,
    normalized_weights: Vec<String>,
    recorded_pow_version: String,
}

/// Where the vault keeps it is not recorded, and no quote depends on that.
fn weighted_pool(case: &Case, state: &WeightedState) -> balancer_v2::Pool {
    let powers = match state.recorded_pow_version.as_str() {
        "v1" => balancer_v2::Powers::General,
        "v2" => balancer_v2::Powers::Products,
        other => panic!("unknown version {other}"),
    };
    let held = state.balances.iter().map(|balance| balance.parse().expect("a balance"));
    let held = held.map(|cash| balancer_v2::Balance::new(cash, 0).expect("of 112 bits")).collect();
    let somewhere = balancer_v2::Field { at: state.vault, slot: U256::ZERO, shift: 0, width: 64 };
    let terms = balancer_v2::Terms {
        vault: state.vault,
        id: state.pool_id,
        tokens: case.tokens.iter().map(|token| token.address).collect(),
        weights: state.normalized_weights.iter().map(|weight| weight.parse().expect("a weight")).collect(),
        powers,
        layout: balancer_v2::Layout::Own((0..case.tokens.len()).map(U256::from).collect()),
        fee: somewhere,
        pauses: [None, None],
    };
    balancer_v2::Pool::new(terms, held, state.swap_fee_percentage).expect("a weighted pool")
}

/// Both are the vault's own answers; the smallest input that pays as much is a search of ours over the first.
fn check_balancer_v2_weighted(case: &Case) -> Vec<String> {
    let state: WeightedState =
        serde_json::from_value(case.state.clone()).expect("state of a balancer_v2_weighted case");
    let pool = weighted_pool(case, &state);
    assert_eq!(pool.contract(), case.pool.parse::<Address>().expect("an address"));
    let mut differences = Vec::new();
    for answer in &case.answers {
        let token = |place: Option<usize>| case.tokens[place.expect("a place")].address;
        let leg = pool.leg(token(answer.i), token(answer.j)).expect("tokens of the pool");
        let ours = match answer.call.as_str() {
            "given_in" => pool.quote_in(leg, answer.amount),
            "given_out" => pool.asks(leg, answer.amount),
            other => panic!("unknown call {other}"),
        };
        if ours.ok() != answer.result {
            let (call, amount, due) = (&answer.call, answer.amount, answer.result);
            differences.push(format!("{call} {leg:?} {amount}: {ours:?}, contract {due:?}"));
        }
        let (Some(paid), "given_in") = (answer.result.filter(|paid| !paid.is_zero()), answer.call.as_str()) else {
            continue;
        };
        let least = pool.quote_out(leg, paid).expect("it pays so much");
        let pays = |amount| pool.quote_in(leg, amount).unwrap_or_default();
        if least > answer.amount || pays(least) < paid || pays(least - U256::ONE) >= paid {
            differences.push(format!("quote_out {leg:?} {paid}: {least}, contract pays it for {}", answer.amount));
        }
    }
    differences
}

fn check_v3(case: &Case) -> Vec<String> {
    let state: V3State = serde_json::from_value(case.state.clone()).expect("state of a uniswap_v3 case");
    let pool = v3_pool(case, &state);
    let mut differences = Vec::new();
    let (mut partial, mut most_crossed) = (0, 0);
    for answer in &case.answers {
        let (token_in, token_out) = (answer.token_in.expect("token_in"), answer.token_out.expect("token_out"));
        let leg = pool.leg(token_in, token_out).expect("tokens of the pool");
        let exact_in = answer.call == "exact_input_single";
        assert!(exact_in || answer.call == "exact_output_single", "unknown call {}", answer.call);
        let limit = if leg.zero_for_one() {
            state.sqrt_price_limit_x96_zero_for_one
        } else {
            state.sqrt_price_limit_x96_one_for_zero
        };
        let amount = answer.amount.min(I256::MAX.into_raw());
        let swap = pool.swap(leg, exact_in, amount, limit);
        let ours = swap.map(|s| if exact_in { s.amount_out } else { s.amount_in });
        if ours.ok() != answer.result {
            differences
                .push(format!("{} {token_in} {}: {ours:?}, contract {:?}", answer.call, answer.amount, answer.result));
        }
        let complete = swap.is_ok_and(|s| s.complete);
        partial += usize::from(swap.is_ok() && !complete);
        most_crossed = most_crossed.max(swap.map_or(0, |s| s.crossed));
        // The quotes a strategy asks for never fill in part.
        let quote = if exact_in { pool.quote_in(leg, amount) } else { pool.quote_out(leg, amount) };
        let due = if complete { answer.result.ok_or(QuoteError::TooLarge) } else { Err(QuoteError::TooLarge) };
        if quote != due {
            differences.push(format!("quote {} {token_in} {}: {quote:?}, due {due:?}", answer.call, answer.amount));
        }
    }
    println!("    {partial} partial fills; the largest swap crosses {most_crossed} initialised ticks");
    differences
}

#[test]
fn every_recorded_answer_is_ours_to_the_unit() {
    let folder = std::env::var_os("PEREGRINE_QUOTES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/quotes"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let told = format!("SKIPPED: no recorded quotes at {} (set PEREGRINE_QUOTES)", folder.display());
        println!("{told}");
        eprintln!("{told}");
        return;
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    assert!(!files.is_empty(), "{} holds no case", folder.display());

    let (mut matched, mut missing, mut failures) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a readable case");
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let Some(differences) = check(&case) else {
            println!("{name} {} {} missing", case.protocol, case.answers.len());
            *missing.entry(case.protocol).or_default() += case.answers.len();
            continue;
        };
        let verdict = if differences.is_empty() { "matched" } else { "DIFFERS" };
        println!("{name} {} {} {verdict}", case.protocol, case.answers.len());
        matched += if differences.is_empty() { case.answers.len() } else { 0 };
        failures.extend(differences.into_iter().map(|d| format!("{name}: {d}")));
    }
    println!("{matched} answers matched; missing protocols: {missing:?}");
    assert!(missing.is_empty(), "answers that nothing is held against: {missing:?}");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}
