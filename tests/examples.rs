//! Every example of `examples/` runs on what the repository holds, and answers its question.

#![allow(dead_code, reason = "an example's `main` is not what is called here")]
#![allow(clippy::duplicate_mod, reason = "each example is a program of its own, with what they share")]

#[path = "../examples/find_cycles.rs"]
mod find_cycles;
#[path = "../examples/liquidation.rs"]
mod liquidation;
#[path = "../examples/my_strategy.rs"]
mod my_strategy;
#[path = "../examples/my_venue.rs"]
mod my_venue;
#[path = "../examples/quote_pool.rs"]
mod quote_pool;
#[path = "../examples/replay_block.rs"]
mod replay_block;
#[path = "../examples/what_if.rs"]
mod what_if;

use std::path::{Path, PathBuf};

fn bundle(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles").join(of).join("case.json.zst")
}

#[test]
fn every_example_is_run_here_and_opens_with_a_question() {
    let here = include_str!("examples.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(here.contains(&format!("#[path = \"../examples/{name}\"]")), "{name} is not run by this test");
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("//! Question: "), "{name} opens with no question");
    }
}

#[test]
fn quote_pool_quotes_what_the_contracts_paid() {
    for (of, pools) in [("atomic_arb/three_hops", 3), ("atomic_arb/two_pairs", 2)] {
        let said = quote_pool::quote_pool(Some(&bundle(of))).expect("an answer");
        assert_eq!(said.matches(", as the contract paid").count(), pools, "{of}: {said}");
    }
}

#[test]
fn a_venue_of_ones_own_quotes_follows_its_slots_and_writes_its_step() {
    let said = my_venue::my_venue().expect("an answer");
    assert!(said.contains("1000 of gold pay 4985 of silver\n") && said.contains("they pay 5982\n"), "{said}");
    assert!(said.contains("made by Pull\n") && said.contains("0 cycles of these alone"), "{said}");
}

#[test]
fn find_cycles_finds_the_cycle_that_was_sent() {
    let said = find_cycles::find_cycles(Some(&bundle("atomic_arb/two_pairs"))).expect("an answer");
    assert!(said.contains("7933381530085539242 in\n") && said.contains("pays 8027939761154915386 of"), "{said}");
    // A record where there is one, else a bundle's state.
    let said = find_cycles::find_cycles(None).expect("an answer");
    assert!(said.contains(" of them pay before gas"), "{said}");
}

#[test]
fn my_strategy_is_run_beside_the_registered_ones_and_proven_as_they_are() {
    let said = my_strategy::my_strategy(None).expect("an answer");
    assert_eq!(
        said,
        "atomic_arb: 2 hops earn 94558231069376144 wei of wrapped ether, for 194744 gas\n\
         round_trip: 2 hops earn 2382521409392519 wei of wrapped ether, for 194708 gas\n"
    );
}

#[test]
fn what_if_says_which_way_a_pending_swap_moves_its_pool() {
    let said = what_if::what_if(None).expect("an answer");
    assert!(said.contains("succeeds") && said.contains("uniswap_v3 0x"), "{said}");
}

#[test]
fn replay_block_finds_what_the_block_held_or_says_that_it_was_skipped() {
    let said = replay_block::replay_block(None).expect("an answer");
    assert!(said.is_empty() || said.contains("block 12047794: 232 transactions"), "{said}");
}

#[test]
fn a_liquidation_earns_what_was_predicted_and_in_its_own_block_alone() {
    let said = liquidation::liquidation(None).expect("an answer");
    assert_eq!(said.matches("of collateral seized").count(), 3, "{said}");
    assert!(
        said.contains("as_predicted") && said.contains("a block later: reverted, reverted: WrongBlock()"),
        "{said}"
    );
}

#[test]
fn an_input_that_is_none_is_one_sentence() {
    let none = Path::new("/no/such/file");
    for said in [quote_pool::quote_pool(Some(none)), what_if::what_if(Some(none)), liquidation::liquidation(Some(none))]
    {
        let said = said.expect_err("no input").to_string();
        assert!(said.contains("/no/such/file") && said.lines().count() == 1, "{said}");
    }
}
