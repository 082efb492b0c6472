//! Many amounts to each of many states: every quote is the manager's own, and it reverts where we refuse.

use alloy_primitives::U256;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::amm::QuoteError;
use peregrine::protocols::math::concentrated::walk::no_limit;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::Play;
use crate::story;
use crate::v4_evm;

const STATES: usize = 60;
const AMOUNTS: usize = 50;

/// What came of the quotes.
#[derive(Debug, Default)]
struct Tally {
    whole: u32,
    in_part: u32,
    reverted: u32,
    crossed: u32,
}

/// One amount, one direction, one side fixed: ours, and the manager's.
fn quote(play: &mut Play, down: bool, exact_in: bool, amount: U256, tally: &mut Tally) {
    let (leg, limit, pool) = (play.leg(down), no_limit(down), &play.by_slots);
    let quote = if exact_in { pool.quote_in(leg, amount) } else { pool.quote_out(leg, amount) };
    let swap = pool.swap(leg, exact_in, amount, limit);
    let done = play.world.swap(&play.key, (down, exact_in), amount, limit, false);
    // Written out only where it is needed: a pool is long.
    let (pool, asked) = (&play.by_slots, format!("down {down}, exact in {exact_in}, {amount}: {swap:?}"));
    assert_eq!(done.ok, swap.is_ok(), "{pool:?} {asked}, the manager {}", done.output);
    let Ok(swap) = swap else {
        tally.reverted += 1;
        assert!(matches!(quote, Err(QuoteError::TooLarge)), "{pool:?} {asked}");
        return;
    };
    assert_eq!((swap.amount_in, swap.amount_out), v4_evm::moved(&done.output, down), "{pool:?} {asked}");
    let due = if exact_in { swap.amount_out } else { swap.amount_in };
    assert_eq!(quote, if swap.complete { Ok(due) } else { Err(QuoteError::TooLarge) }, "{pool:?} {asked}");
    tally.whole += u32::from(swap.complete);
    tally.in_part += u32::from(!swap.complete);
    tally.crossed += swap.crossed;
}

#[test]
fn fifty_amounts_each_way_are_quoted_as_the_manager_fills_them_in_sixty_states() {
    let mut runner = TestRunner::deterministic();
    let size = (any::<[u64; 4]>(), 127..255usize);
    let (mut tally, mut dynamic, mut ether) = (Tally::default(), 0, 0);
    for _ in 0..STATES {
        let story = story::story().new_tree(&mut runner).expect("a story").current();
        let mut play = Play::begin(&story).expect("it begins");
        story.ops.iter().for_each(|op| play.play(op).expect("it goes on"));
        dynamic += u32::from(play.key.is_dynamic());
        ether += u32::from(story.ether);
        for _ in 0..AMOUNTS {
            let (limbs, cut) = size.new_tree(&mut runner).expect("an amount").current();
            let amount = (U256::from_limbs(limbs) >> cut).max(U256::ONE);
            for (down, exact_in) in [(true, true), (true, false), (false, true), (false, false)] {
                quote(&mut play, down, exact_in, amount, &mut tally);
            }
        }
    }
    println!(
        "{STATES} states ({ether} of ether, {dynamic} dynamic), {AMOUNTS} amounts, both ways, both sides: {tally:?}"
    );
    assert!(tally.whole > 2_000 && tally.in_part > 0 && tally.reverted > 0, "the states have grown too tame");
}
