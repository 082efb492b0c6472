//! Seams: what a stranger adds is a folder and a line, and nobody else has to know it by name.

mod common;
#[path = "devnet/hand.rs"]
mod hand;
#[path = "seams/landed.rs"]
mod landed;
#[path = "build/market.rs"]
mod market;
#[path = "seams/naming.rs"]
mod naming;
#[path = "seams/round_trip/mod.rs"]
mod round_trip;
#[path = "bootstrap/world.rs"]
mod world;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, TxKind, U256};
use common::chain::transferCall;
use market::{Market, ether, target_block};
use peregrine::hot::bundle::config::{Bid, Limits};
use peregrine::hot::engine::choice::{self, Made};
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::refused::Refused;
use peregrine::hot::simulate::Proven;
use peregrine::hot::strategy::{PROFILES, Registered, named, names, of_path};
use peregrine::protocols::amm::Amm;
use peregrine::protocols::{LENDING_PROTOCOLS, PROTOCOLS};
use peregrine::types::decision::Path;
use revm::context::TxEnv;
use round_trip::{PROFILE, RoundTrip};

alloy::sol! {
    function sync() external;
}

/// The registered strategies and one more: the toy's one line.
type Tried = (Registered, RoundTrip);

/// Pairs at different prices, and an engine that runs the toy beside the others.
fn market(planned: bool) -> Market<Tried> {
    Market::running((Registered::default(), RoundTrip { planned, ..RoundTrip::default() }), 2, 1_000)
}

fn of<'a>(name: &str, proven: &'a [Proven]) -> Vec<&'a Proven> {
    proven.iter().filter(|proof| proof.opportunity().strategy() == name).collect()
}

/// Somebody sends wrapped ether to the first pair and makes it count: its price moves, and nobody is paid.
fn donation(market: &mut Market<Tried>, pair: Address, wei: U256) -> [TxEnv; 2] {
    let weth = market.own.weth;
    let machine = market.engine.machine_mut();
    let nonce = machine.db().known_account(common::chain::USER).expect("sends everything").nonce;
    let tx = |to, data: Vec<u8>, nonce| TxEnv {
        caller: common::chain::USER,
        gas_limit: 1_000_000,
        gas_price: 7,
        kind: TxKind::Call(to),
        data: data.into(),
        nonce,
        ..TxEnv::default()
    };
    [
        tx(weth, transferCall { to: pair, amount: wei }.abi_encode(), nonce),
        tx(pair, syncCall {}.abi_encode(), nonce + 1),
    ]
}

#[test]
fn a_strategy_is_named_by_the_registry_and_by_no_other_file_outside_its_folder() {
    assert!(!PROFILES.is_empty());
    for (folder, profile) in PROFILES {
        let by = naming::files_that_name(naming::STRATEGIES, folder, &[profile.base, profile.behind]);
        assert_eq!(by, ["src/hot/strategy/mod.rs"], "{folder} is named outside its folder");
    }
}

#[test]
fn a_protocol_is_named_by_the_registry_and_by_no_other_file_outside_its_folder() {
    // The last is the toy of `tests/toy_pool`, which is no product's.
    for name in PROTOCOLS.iter().chain(LENDING_PROTOCOLS).chain(&["toy_pool"]) {
        let by = naming::files_that_name(naming::PROTOCOLS, name, &[name]);
        assert_eq!(by, ["crates/protocols/src/lib.rs"], "{name} is named outside its folder");
    }
}

#[test]
fn a_naming_is_found_wherever_it_stands() {
    let names = ["a_name", "another"];
    for (path, text) in [
        ("src/live/x.rs", "use crate::hot::strategy::folder::Thing;"),
        ("src/live/x.rs", "use crate::hot::{strategy::{Strategy, folder::Thing}};"),
        ("src/live/x.rs", "fn f() { strategy::folder::go() }"),
        ("src/live/x.rs", "const X: &[&str] = &[\"another\"];"),
        ("src/live/x.rs", "fn f() { matches!(x, \"a_name\") }"),
        ("src/hot/strategy/other/mod.rs", "use crate::hot::strategy::folder;"),
        ("src/hot/strategy/mod.rs", "pub mod folder;"),
    ] {
        assert!(naming::names_it(naming::STRATEGIES, path, text, "folder", &names), "{path}: {text}");
    }
    for (path, text) in [
        ("src/live/x.rs", "/// What a_name does.\nuse crate::hot::search::folder::Thing; fn f(folder: u8) {}"),
        ("src/live/x.rs", "use crate::hot::strategy::{Strategy}; use crate::edge::folder;"),
        ("src/live/x.rs", "const X: &str = \"a_name is shown\";"),
        ("src/live/x.rs", "#[cfg(test)] mod tests { use crate::hot::strategy::folder::Thing; }"),
    ] {
        assert!(!naming::names_it(naming::STRATEGIES, path, text, "folder", &names), "{path}: {text}");
    }
}

#[test]
fn a_name_and_a_path_lead_back_to_one_strategy() {
    let all = names();
    assert_eq!(all, ["atomic_arb", "backrun", "liquidation"], "reports, ledgers and journals hold these");
    for name in all {
        let profile = named(name).expect("a name of the registry");
        assert!([false, true].iter().any(|behind| profile.name(*behind) == name));
    }
    assert!(named(PROFILE.base).is_none(), "the toy is registered nowhere but here");
    // A way that names no other token spends and gains one: pools alone.
    let of_pools = of_path(&Path::default()).expect("known");
    assert!(of_pools.counts_hops);
    let strange = Path { token: Some(Address::ZERO), ..Path::default() };
    assert!(of_path(&strange).is_none());
}

/// The first of its proofs, signed: the transaction that the executor would be sent.
fn signed(market: &Market<Tried>, proof: &Proven) {
    let mut signer = market.signer(Bid::default(), Limits { max_assumed_slots: 9, ..Limits::default() });
    let bundle = signer.build(proof, market.engine.pools(), None, &target_block()).expect("passes the limits");
    assert_eq!(bundle.txs().len(), 1);
    let terms = bundle.terms();
    assert_eq!(terms.value, proof.opportunity().value().expect("ether"));
    assert!(terms.take.0 > U256::ZERO && terms.bid.0 > U256::ZERO);
}

#[test]
fn a_toy_in_its_own_folder_is_run_by_the_real_engine_through_to_a_signed_bundle() {
    let mut market = market(false);
    let outcome = market.engine.on_event(Event::Head);
    let toys = of("round_trip", &outcome.proven);
    assert_eq!((toys.len(), of("atomic_arb", &outcome.proven).len()), (1, 1), "{outcome:?}");
    let (toy, best) = (toys[0], of("atomic_arb", &outcome.proven)[0]);
    // It does not look for the best amount, and the EVM has agreed to the wei with what it said of its own.
    assert!(toy.opportunity().gross() > 0 && toy.opportunity().gross() < best.opportunity().gross());
    assert_eq!(toy.opportunity().swaps().expect("swaps").amount_in(), round_trip::AMOUNT);
    signed(&market, toy);
    // A journal says of it what it says of any other.
    let decision = choice::decision(&market.engine, &outcome, &Made::default());
    let hops: Vec<usize> = decision.proven.iter().map(|proof| proof.path.hops.len()).collect();
    assert_eq!(hops, [2, 2]);
    assert_eq!(decision.proven[1].path.hops[0].amount_in, U256::from(round_trip::AMOUNT));
}

#[test]
fn what_a_toy_plans_itself_is_proven_and_signed_as_it_writes_it() {
    let mut market = market(true);
    let outcome = market.engine.on_event(Event::Head);
    let [toy] = of("round_trip", &outcome.proven)[..] else { panic!("{outcome:?}") };
    assert!(toy.opportunity().swaps().is_none() && toy.opportunity().plan().is_some());
    let path = toy.opportunity().path(market.engine.pools());
    assert_eq!((path.hops.len(), path.token), (2, Some(market.own.weth)));
    signed(&market, toy);
}

#[test]
fn a_toy_looks_behind_a_pending_transaction_and_goes_by_its_other_name_there() {
    let mut market = market(false);
    let pair = market.engine.pools().iter().next().expect("a pair").address();
    let [send, sync] = donation(&mut market, pair, ether(2));
    let sent: Outcome = market.engine.on_event(Event::Pending(Box::new(send)));
    assert!(sent.proven.is_empty() && sent.refused.iter().any(|(reason, _)| reason == Refused::NoPool), "{sent:?}");
    market.engine.on_event(Event::Included);
    let outcome = market.engine.on_event(Event::Pending(Box::new(sync)));
    let names: Vec<&str> = outcome.proven.iter().map(|proof| proof.opportunity().strategy()).collect();
    assert_eq!(names, ["backrun", PROFILE.behind], "{outcome:?}");
    assert!(outcome.proven[1].opportunity().behind());
}

#[test]
fn what_a_toy_claims_and_the_evm_does_not_pay_is_turned_down() {
    let claimed = RoundTrip { boast: 1, ..RoundTrip::default() };
    let mut market = Market::running((Registered::default(), claimed), 2, 1_000);
    let outcome = market.engine.on_event(Event::Head);
    assert!(of("round_trip", &outcome.proven).is_empty());
    let ours = |(opportunity, _): &&(_, Refused)| named_round_trip(opportunity);
    let [(_, reason)] = outcome.rejected.iter().filter(ours).collect::<Vec<_>>()[..] else { panic!("{outcome:?}") };
    assert_eq!(*reason, Refused::Reverted, "the executor itself demands what was promised");
}

fn named_round_trip(opportunity: &peregrine::hot::opportunity::Opportunity) -> bool {
    opportunity.strategy() == PROFILE.base
}
