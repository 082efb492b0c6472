//! The arithmetic's invariants in any state, and what a vault takes of what it hears.

use alloy_primitives::{Address, U256};
use proptest::prelude::*;

use crate::amm::{Amm, Applied, ApplyError, Exact, QuoteError};
use crate::erc4626::{Limit, Place, Pool, Rate, State, Terms};
use crate::site::{Slots, Term};

const ASSET: Address = Address::with_last_byte(1);
const VAULT: Address = Address::with_last_byte(2);
const BEACON: Address = Address::with_last_byte(3);

fn place(at: Address, slot: u64) -> Place {
    Place { at, slot: U256::from(slot) }
}

fn terms(rate: Rate, limit: Limit) -> Terms {
    Terms {
        tokens: [ASSET, VAULT],
        rate,
        limit,
        supply: place(VAULT, 2),
        assets: place(ASSET, 9),
        others: vec![Term { at: BEACON, slot: U256::from(5), value: U256::from(77) }],
    }
}

fn vault(rate: Rate, state: State) -> Pool {
    Pool::new(terms(rate, Limit::None), state).expect("a vault")
}

/// Of any size up to so many bits.
fn sized(bits: u32) -> impl Strategy<Value = u128> {
    (0..=bits, any::<u128>()).prop_map(|(bits, low)| low.checked_shr(128 - bits).unwrap_or_default())
}

fn vaults() -> impl Strategy<Value = Pool> {
    let rate = prop_oneof![Just(Rate::Plain), (0..20u8).prop_map(Rate::Virtual)];
    (rate, sized(120), sized(120)).prop_map(|(rate, supply, assets)| vault(rate, State { supply, assets }))
}

/// Is what a share is worth at least what it was?
fn is_worth_no_less(before: &Pool, after: &Pool) -> bool {
    let ratio = |pool: &Pool| pool.terms().rate.ratio(pool.state()).expect("a state");
    let (one, other) = (ratio(before), ratio(after));
    U256::from(other.assets) * U256::from(one.shares) >= U256::from(one.assets) * U256::from(other.shares)
}

proptest! {
    #[test]
    fn more_in_never_pays_less_and_the_least_input_is_the_least(
        pool in vaults(), deposits in any::<bool>(), one in sized(120), more in sized(100),
    ) {
        let [token_in, token_out] = if deposits { [ASSET, VAULT] } else { [VAULT, ASSET] };
        let leg = pool.leg(token_in, token_out).expect("its tokens");
        let [one, more] = [U256::from(one), U256::from(one) + U256::from(more)];
        if let (Ok(first), Ok(second)) = (pool.quote_in(leg, one), pool.quote_in(leg, more)) {
            prop_assert!(first <= second);
        }
        let Ok(out) = pool.quote_in(leg, one) else { return Ok(()) };
        let least = pool.quote_out(leg, out).expect("it was paid");
        prop_assert!(least <= one && pool.quote_in(leg, least).is_ok_and(|got| got >= out));
        prop_assert!(pool.quote_in(leg, least - U256::ONE).is_ok_and(|got| got < out)
            || pool.quote_in(leg, least - U256::ONE) == Err(QuoteError::TooSmall));
    }

    #[test]
    fn whoever_goes_in_and_out_has_gained_nothing_and_the_others_lose_nothing(pool in vaults(), into in sized(120)) {
        let leg = pool.leg(ASSET, VAULT).expect("its tokens");
        let mut after = pool.clone();
        let Ok(traded) = after.trade(leg, Exact::In(U256::from(into)), None) else { return Ok(()) };
        // Before there are shares a gift is nobody's: whoever comes first has it, and that is solmate's own rule.
        let is_first = pool.terms().rate == Rate::Plain && pool.state().supply == 0 && pool.state().assets > 0;
        prop_assert!(is_first || is_worth_no_less(&pool, &after));
        let back = after.leg(VAULT, ASSET).expect("its tokens");
        let mut again = after.clone();
        let Ok(redeemed) = again.trade(back, Exact::In(traded.amount_out), None) else { return Ok(()) };
        prop_assert!(is_first || redeemed.amount_out <= traded.amount_in);
        prop_assert!(again.state().supply == 0 || is_worth_no_less(&after, &again));
    }

    #[test]
    fn stretches_lie_nowhere_below_what_is_paid(pool in vaults(), deposits in any::<bool>(), part in 1..1_000_000u64) {
        let [token_in, token_out] = if deposits { [ASSET, VAULT] } else { [VAULT, ASSET] };
        let leg = pool.leg(token_in, token_out).expect("its tokens");
        let mut stretch = None;
        pool.segments(leg, |segment| {
            stretch = Some(segment);
            true
        });
        let Some(stretch) = stretch else { return Ok(()) };
        let into = stretch.in_max * U256::from(part) / U256::from(1_000_000);
        let x = f64::from(into);
        let most = stretch.reserve_out * x / (stretch.reserve_in + x);
        match pool.quote_in(leg, into) {
            Ok(out) => prop_assert!(f64::from(out) <= most, "{out} of {most}"),
            Err(error) => prop_assert_eq!(error, QuoteError::TooSmall),
        }
    }

    #[test]
    fn what_is_applied_and_taken_back_leaves_the_vault_as_it_was(pool in vaults(), supply in sized(120), assets in sized(120)) {
        let mut moved = pool.clone();
        let State { supply: supply_before, assets: assets_before } = pool.state();
        let [of_supply, of_assets] = [U256::from(2), U256::from(9)];
        moved.apply_slots(VAULT, &[(of_supply, U256::from(supply))]).expect("a supply");
        moved.apply_slots(ASSET, &[(of_assets, U256::from(assets))]).expect("assets");
        prop_assert_eq!(moved.state(), State { supply, assets });
        moved.apply_slots(ASSET, &[(of_assets, U256::from(assets_before))]).expect("assets");
        moved.apply_slots(VAULT, &[(of_supply, U256::from(supply_before))]).expect("a supply");
        prop_assert!(moved.agrees(&pool));
        let text = serde_json::to_string(&pool).expect("text");
        let back: Pool = serde_json::from_str(&text).expect("a vault");
        prop_assert!(back.agrees(&pool) && back.terms() == pool.terms());
    }
}

#[test]
fn slots_of_others_are_no_matter_and_a_change_of_a_term_or_past_128_bits_is_refused() {
    let state = State { supply: 10, assets: 20 };
    let mut pool = vault(Rate::Virtual(0), state);
    let word = U256::from(30);
    for (at, slot) in [(VAULT, 9), (ASSET, 2), (BEACON, 6)] {
        assert_eq!(pool.apply_slots(at, &[(U256::from(slot), word)]), Ok(Applied::Irrelevant));
    }
    assert_eq!(pool.apply_slots(BEACON, &[(U256::from(5), U256::from(77))]), Ok(Applied::Irrelevant));
    assert_eq!(pool.apply_slots(BEACON, &[(U256::from(5), word)]), Err(ApplyError::Contradiction));
    for word in [U256::MAX, U256::from(u128::MAX)] {
        assert_eq!(pool.apply_slots(ASSET, &[(U256::from(9), word)]), Err(ApplyError::Contradiction));
        assert_eq!(pool.apply_slots(VAULT, &[(U256::from(2), word)]), Err(ApplyError::Contradiction));
    }
    assert_eq!(pool.state(), state);
    assert_eq!(pool.apply_slots(ASSET, &[(U256::from(9), word)]), Ok(Applied::Changed));
    assert_eq!(pool.state().assets, 30);
    let sites = pool.sites();
    assert_eq!(sites.len(), 3);
    assert_eq!((sites[1].at, &sites[1].slots), (ASSET, &Slots::Only(vec![U256::from(9)])));
}

#[test]
fn a_limit_is_obeyed_to_the_unit() {
    let state = State { supply: 1_000, assets: 1_000 };
    for (limit, most) in [(Limit::Each(300), 300u64), (Limit::Total(1_250), 250), (Limit::Total(900), 0)] {
        let pool = Pool::new(terms(Rate::Plain, limit), state).expect("a vault");
        let [into, back] = [(ASSET, VAULT), (VAULT, ASSET)].map(|(a, b)| pool.leg(a, b).expect("its tokens"));
        assert_eq!(pool.quote_in(into, U256::from(most)).ok(), (most > 0).then(|| U256::from(most)));
        assert_eq!(pool.quote_in(into, U256::from(most + 1)), Err(QuoteError::TooLarge));
        assert_eq!(pool.quote_out(into, U256::from(most + 1)), Err(QuoteError::TooLarge));
        assert_eq!(pool.marginal_rate(into) > 0.0, most > 0);
        assert_eq!(pool.quote_in(back, U256::from(1_000)), Ok(U256::from(1_000)));
        assert_eq!(pool.quote_in(back, U256::from(1_001)), Err(QuoteError::TooLarge));
    }
}

#[test]
fn shares_that_nothing_backs_have_no_price_and_no_file_makes_a_vault_that_cannot_be() {
    let bare = vault(Rate::Plain, State { supply: 5, assets: 0 });
    let [into, back] = [(ASSET, VAULT), (VAULT, ASSET)].map(|(a, b)| bare.leg(a, b).expect("its tokens"));
    assert_eq!(bare.quote_in(into, U256::from(7)), Err(QuoteError::TooLarge));
    assert_eq!(bare.quote_out(into, U256::from(7)), Err(QuoteError::TooLarge));
    assert_eq!(bare.quote_in(back, U256::from(5)), Err(QuoteError::TooSmall));
    assert_eq!(bare.quote_out(back, U256::ONE), Err(QuoteError::TooLarge));
    assert!(bare.marginal_rate(into) == 0.0 && bare.marginal_rate(back) == 0.0);
    let text = serde_json::to_string(&bare).expect("text");
    for (from, to) in [("\"supply\":5", "\"supply\":-1"), ("\"plain\"", "{\"virtual\":39}"), ("\"plain\"", "\"free\"")]
    {
        assert!(text.contains(from), "{text}");
        assert!(serde_json::from_str::<Pool>(&text.replace(from, to)).is_err(), "{to}");
    }
}
