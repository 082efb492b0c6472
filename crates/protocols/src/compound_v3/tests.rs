//! Examples worked by hand, from the documentation's sentences and the published source; not the contract's own answers.
//!
//! A market of USDC at a dollar: WETH counts by 0.895 and is credited by 0.95, WBTC by 0.77 and 0.93; half of the penalty is
//! the buyer's.

use super::*;
use crate::LENDING_PROTOCOLS;
use crate::lending::Refusal;
use alloy_primitives::Address;
use alloy_primitives::U256;
use std::path::Path;

const USDC: u64 = 1_000_000;
const ETHER: u64 = 1_000_000_000_000_000_000;
const BTC: u64 = 100_000_000;
/// Prices have 8 decimals.
const DOLLAR: u64 = 100_000_000;
const INDEX: u64 = 1_000_000_000_000_000;

fn wide(n: u64) -> U256 {
    U256::from(n)
}

fn terms() -> MarketConfig {
    let asset = |scale, liquidate, liquidation| Asset {
        token: Address::ZERO,
        scale,
        liquidate_collateral: liquidate * (ETHER / 1_000),
        liquidation: liquidation * (ETHER / 1_000),
    };
    MarketConfig {
        base_scale: USDC,
        supply: Curve { kink: ETHER / 10 * 8, base: 0, low: 500_000_000, high: 1_000_000_000 },
        borrow: Curve { kink: ETHER / 10 * 8, base: 5, low: 1_000_000_000, high: 2_000_000_000 },
        store_front: ETHER / 2,
        target_reserves: wide(100 * USDC),
        assets: vec![asset(ETHER, 895, 950), asset(BTC, 770, 930)],
    }
}

/// 2000 supplied and 1600 borrowed, with nothing accrued yet.
fn totals() -> Totals {
    Totals {
        supply_index: wide(INDEX),
        borrow_index: wide(INDEX),
        supplied: wide(2_000 * USDC),
        borrowed: wide(1_600 * USDC),
        updated: 1_000,
        paused: 0,
    }
}

/// Owes 1600 dollars, and has an ether.
fn account() -> Account {
    Account { principal: -1_600 * i128::from(USDC), assets_in: 1, held: vec![wide(ETHER), U256::ZERO] }
}

fn prices(ether: u64) -> Prices {
    Prices { base: wide(DOLLAR), assets: vec![wide(ether), wide(30_000 * DOLLAR)] }
}

#[test]
fn it_is_in_the_registry_if_it_is_proven_on_bytecode_and_not_before() {
    let test = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compound_v3_bytecode.rs");
    assert_eq!(PROVEN, test.is_file());
    assert_eq!(PROVEN, LENDING_PROTOCOLS.contains(&"compound_v3"));
}

#[test]
fn a_position_sinks_where_the_weighted_collateral_is_less_than_the_debt() {
    let at = |price| terms().health(&totals(), &account(), &prices(price)).expect("a health");
    // 1775 * 0.895 = 1588.625.
    let health = at(1_775 * DOLLAR);
    assert_eq!(health.collateral, wide(1_775 * DOLLAR));
    assert_eq!(health.debt, wide(1_600 * DOLLAR));
    assert_eq!(health.limit, wide(158_862_500_000));
    assert!(health.is_liquidatable());
    // 1787.70949721 * 0.895 = 1600.00000000295, and a unit of the price less is 1599.999999994.
    assert_eq!(at(178_770_949_721).limit, wide(1_600 * DOLLAR));
    assert!(!at(178_770_949_721).is_liquidatable());
    assert!(at(178_770_949_720).is_liquidatable());
}

#[test]
fn every_collateral_counts_by_its_own_factor_and_one_without_its_bit_does_not() {
    let mut account = account();
    account.held[1] = wide(BTC / 100);
    let limit =
        |account: &Account| terms().health(&totals(), account, &prices(1_775 * DOLLAR)).expect("a health").limit;
    assert_eq!(limit(&account), wide(158_862_500_000));
    // A hundredth of 30000 by 0.77: 231.
    account.assets_in = 0b11;
    assert_eq!(limit(&account), wide(158_862_500_000 + 231 * DOLLAR));
    account.assets_in = 0b100;
    assert_eq!(terms().health(&totals(), &account, &prices(DOLLAR)), Err(Refusal::Stranger));
}

#[test]
fn who_owes_nothing_does_not_sink() {
    for principal in [0, 5] {
        let account = Account { principal, ..account() };
        let health = terms().health(&totals(), &account, &prices(DOLLAR)).expect("a health");
        assert_eq!((health.debt, health.factor), (U256::ZERO, U256::MAX));
        assert_eq!(terms().absorb(&totals(), &account, &prices(DOLLAR)), Err(Refusal::Healthy));
    }
}

#[test]
fn interest_is_simple_at_the_rate_of_the_utilisation_that_was_left() {
    // At the kink: 5 + 1e9 * 0.8 a second for 1000 seconds, and half of the slope for suppliers.
    let then = totals().at(&terms(), 2_000).expect("accrued");
    assert_eq!(then.borrow_index, wide(INDEX + 800_000_005));
    assert_eq!(then.supply_index, wide(INDEX + 400_000_000));
    assert_eq!(then.updated, 2_000);
    // Above it, at 0.9: 5 + 1e9 * 0.8 + 2e9 * 0.1.
    let full = Totals { borrowed: wide(1_800 * USDC), ..totals() };
    assert_eq!(full.at(&terms(), 2_000).expect("accrued").borrow_index, wide(INDEX + 1_000_000_005));
    // Below it, at 0.4.
    let idle = Totals { borrowed: wide(800 * USDC), ..totals() };
    assert_eq!(idle.at(&terms(), 2_000).expect("accrued").borrow_index, wide(INDEX + 400_000_005));
    // Nobody supplies: the base rate.
    let empty = Totals { supplied: U256::ZERO, ..totals() };
    assert_eq!(empty.at(&terms(), 2_000).expect("accrued").borrow_index, wide(INDEX + 5));
    assert_eq!(totals().at(&terms(), 1_000), Ok(totals()));
    assert_eq!(totals().at(&terms(), 999), Err(Refusal::Arithmetic));
}

#[test]
fn interest_sinks_a_position_that_no_price_has_moved() {
    let price = prices(178_770_949_721);
    let then = totals().at(&terms(), 2_000).expect("accrued");
    let health = terms().health(&then, &account(), &price).expect("a health");
    // 1600 by 1.000000800000005, rounded down to a unit of USDC.
    assert_eq!(health.debt, wide(160_000_128_000));
    assert!(health.is_liquidatable());
    assert!(terms().absorb(&then, &account(), &price).is_ok());
}

#[test]
fn absorbing_credits_the_collateral_less_its_penalty_and_pays_the_rest_out_as_supply() {
    let absorbed = terms().absorb(&totals(), &account(), &prices(1_775 * DOLLAR)).expect("absorbed");
    // 1775 * 0.95 = 1686.25, of which 1600 was owed.
    assert_eq!(absorbed.paid, wide(1_686_250_000));
    assert_eq!(absorbed.principal, wide(86_250_000));
    assert_eq!(absorbed.seized, vec![(0, wide(ETHER))]);
    assert_eq!(absorbed.totals.supplied, wide(2_086_250_000));
    assert_eq!(absorbed.totals.borrowed, U256::ZERO);
    // With a supply index of 1.0000004 the same is 86.2499655, rounded down.
    let then = Totals { supply_index: wide(INDEX + 400_000_000), ..totals() };
    let absorbed = terms().absorb(&then, &account(), &prices(1_775 * DOLLAR)).expect("absorbed");
    assert_eq!(absorbed.principal, wide(86_249_965));
}

#[test]
fn a_debt_that_the_collateral_does_not_cover_is_the_reserves_loss() {
    let absorbed = terms().absorb(&totals(), &account(), &prices(1_000 * DOLLAR)).expect("absorbed");
    assert_eq!(absorbed.paid, wide(1_600 * USDC));
    assert_eq!(absorbed.principal, U256::ZERO);
    assert_eq!(absorbed.totals.supplied, wide(2_000 * USDC));
}

#[test]
fn what_is_paused_healthy_or_without_a_price_is_refused() {
    let low = prices(1_775 * DOLLAR);
    let paused = |bit: u8| Totals { paused: 1 << bit, ..totals() };
    assert_eq!(terms().absorb(&paused(3), &account(), &low), Err(Refusal::Paused));
    assert!(terms().absorb(&paused(4), &account(), &low).is_ok());
    assert_eq!(terms().absorb(&totals(), &account(), &prices(1_800 * DOLLAR)), Err(Refusal::Healthy));
    assert_eq!(terms().health(&totals(), &account(), &prices(0)), Err(Refusal::Arithmetic));
    let unknown = Prices { assets: Vec::new(), ..low };
    assert_eq!(terms().health(&totals(), &account(), &unknown), Err(Refusal::Unpriced(Address::ZERO)));
    let unread = Account { held: Vec::new(), ..account() };
    assert_eq!(terms().health(&totals(), &unread, &prices(DOLLAR)), Err(Refusal::Cold));
}

#[test]
fn collateral_is_sold_below_its_price_by_a_part_of_the_penalty() {
    // Half of 5 % off 1775: 1730.625.
    let price = prices(1_775 * DOLLAR);
    assert_eq!(terms().quote(0, wide(1_730_625_000), &price), Ok(wide(ETHER)));
    // Half of 7 % off 30000: 28950, and a unit of USDC less buys a unit of BTC less.
    assert_eq!(terms().quote(1, wide(28_950 * USDC), &price), Ok(wide(BTC)));
    assert_eq!(terms().quote(1, wide(28_950 * USDC - 1), &price), Ok(wide(BTC - 1)));
    // USDC at 0.99 buys so much less.
    let cheap = Prices { base: wide(99 * DOLLAR / 100), ..price };
    assert_eq!(terms().quote(1, wide(28_950 * USDC), &cheap), Ok(wide(BTC / 100 * 99)));
    assert_eq!(terms().quote(2, wide(USDC), &cheap), Err(Refusal::Stranger));
}

#[test]
fn the_market_sells_what_it_has_while_its_reserves_are_below_their_target() {
    let price = prices(1_775 * DOLLAR);
    let cost = wide(1_730_625_000);
    let buy = |cash: u64, stock: u64, totals: &Totals| {
        let shelf = Shelf { asset: 0, stock: wide(stock), cash: wide(cash) };
        terms().buy(totals, &shelf, cost, &price)
    };
    // Reserves: cash, less 2000 of suppliers, and 1600 that is owed. 500 makes the target of 100.
    assert_eq!(buy(500 * USDC, ETHER, &totals()), Err(Refusal::Illiquid));
    assert_eq!(buy(500 * USDC - 1, ETHER, &totals()), Ok(wide(ETHER)));
    // Negative reserves.
    assert_eq!(buy(0, ETHER, &totals()), Ok(wide(ETHER)));
    assert_eq!(buy(0, ETHER - 1, &totals()), Err(Refusal::Illiquid));
    assert_eq!(buy(0, ETHER, &Totals { paused: 1 << 4, ..totals() }), Err(Refusal::Paused));
}

#[test]
fn absorbing_and_buying_earns_the_discount() {
    let price = prices(1_775 * DOLLAR);
    let absorbed = terms().absorb(&totals(), &account(), &price).expect("absorbed");
    let (asset, stock) = absorbed.seized[0];
    // All that suppliers have not lent out; the reserves are 400 + 0 - 2086.25.
    let shelf = Shelf { asset, stock, cash: wide(400 * USDC) };
    assert_eq!(terms().buy(&absorbed.totals, &shelf, wide(1_730_625_000), &price), Ok(stock));
}

#[test]
fn the_words_of_storage_are_read_by_their_fields() {
    let word = |parts: &[(u64, usize)]| parts.iter().fold(U256::ZERO, |word, (n, at)| word | (wide(*n) << *at));
    let words = [
        word(&[(INDEX, 0), (INDEX + 7, 64), (1, 128), (2, 192)]),
        word(&[(2_000 * USDC, 0), (1_600 * USDC, 104), (1_000, 208), (0b1_1000, 248)]),
    ];
    let due = Totals { borrow_index: wide(INDEX + 7), paused: 0b1_1000, ..totals() };
    assert_eq!(Totals::of(words), due);
    let top = (U256::ONE << 104_usize) - U256::ONE;
    assert_eq!(Totals::of([U256::MAX; 2]).supplied, top);

    // -1600 dollars in 104 bits of two's complement, and whatever comes above them.
    let owes = (U256::ONE << 104_usize) - wide(1_600 * USDC);
    let account = Account::of(owes | word(&[(u64::MAX, 104), (u64::MAX, 168), (0b101, 232), (0b1, 248)]));
    assert_eq!(account.principal, -1_600 * i128::from(USDC));
    assert_eq!(account.assets_in, 1 << 16 | 0b101);
    assert_eq!(Account::of(top >> 1_usize).principal, (1 << 103) - 1);
    assert_eq!(Account::of(wide(9)).principal, 9);
}

#[test]
fn what_leaves_the_contract_s_integers_is_refused() {
    let huge = Totals { supplied: wide(1), borrowed: U256::ONE << 100_usize, ..totals() };
    // A utilisation of 2^100, and a rate that is no uint64.
    assert_eq!(huge.at(&terms(), 2_000), Err(Refusal::Arithmetic));
    let mut account = account();
    account.held[0] = U256::MAX;
    assert_eq!(terms().health(&totals(), &account, &prices(DOLLAR)), Err(Refusal::Arithmetic));
    let other = Totals { borrowed: wide(1), ..totals() };
    let low = prices(1_775 * DOLLAR);
    account.held[0] = wide(ETHER);
    assert_eq!(terms().absorb(&other, &account, &low), Err(Refusal::Arithmetic));
}
