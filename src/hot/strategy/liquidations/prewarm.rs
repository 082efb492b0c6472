//! Liquidations run for what they read, and not to be sent: a lender asks contracts that nothing else does (its libraries,
//! interest rate strategies, treasuries), and the first position to sink must not be lost for want of them.
//!
//! # Invariants
//! - It changes nothing: prices and oracles stand again as they stood, and nothing of it reaches an outcome but what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::Address;
use revm::bytecode::opcode;
use revm::state::AccountInfo;
use revm::state::Bytecode;

use crate::hot::lending::markets;
use crate::hot::lending::markets::Prewarm;
use crate::hot::lending::markets::Said;
use crate::hot::strategy::Context;
use crate::hot::strategy::liquidations::choice;
use crate::hot::strategy::liquidations::plan::Liquidation;

/// Pairs an event: each is a run of the EVM.
const PAIRS: usize = 4;

/// Rehearses liquidations of pairs that somebody has, until each has run without missing anything; in the base state. What is to be
/// sent does not wait for it.
pub(super) fn prewarm(context: &mut Context<'_>) {
    let all = std::mem::take(context.markets.to_prewarm());
    let (now, later) = all.split_at(all.len().min(PAIRS));
    let mut again: Vec<Prewarm> = Vec::new();
    for pair in now {
        match reads_known(context, *pair) {
            Some(true) => {}
            Some(false) => again.push(*pair),
            None => context.markets.propose_again(pair),
        }
    }
    // Those that miss something every time do not keep the others from their turn.
    *context.markets.to_prewarm() = later.iter().copied().chain(again).collect();
}

/// Runs one, at prices where it sinks. Whether all that it read is known; `None`: there is nothing to run.
fn reads_known(context: &mut Context<'_>, (market, account, debt, collateral): Prewarm) -> Option<bool> {
    let (height, at) = (context.markets.height(), markets::now(context.machine));
    let said = context.markets.apply_sinking(market, account, at);
    let oracles: BTreeSet<Address> = said.iter().map(|said| said.question.to).collect();
    let db = context.machine.db_mut();
    let played = |oracle| AccountInfo::default().with_code(answering(&said, oracle));
    let aside: Vec<_> = oracles.into_iter().map(|at| db.replace_account(at, played(at))).collect();
    let (pair, cycles) = ((account, debt, collateral), context.search.cycles());
    // The pair, by whatever way; and what would be done of all that this position allows, by the way and of the size that it
    // would have.
    let (market, pools) = (context.markets.market(market), context.pools);
    let any = market.and_then(|market| choice::prewarm(pools, cycles, market, pair, at));
    let best = market.and_then(|market| choice::best(pools, cycles, market, account, at));
    let (before, ran) = (context.prover.missed().len(), any.is_some());
    for leg in any.into_iter().chain(best) {
        let run = Arc::new(Liquidation::of(leg)).opportunity(false);
        if let Ok((_, diff)) = context.prove_leaving(&run) {
            context.machine.take_back(diff);
        }
    }
    context.markets.revert_to(height);
    let db = context.machine.db_mut();
    aside.into_iter().for_each(|account| db.restore_account(account));
    ran.then(|| context.prover.missed().len() == before)
}

/// A contract that says what a market's oracle does, whoever asks: by the first argument, where the question has one.
fn answering(said: &[Said], oracle: Address) -> Bytecode {
    use opcode::{ADD, CALLDATALOAD, EQ, MSTORE, MUL, PUSH1, PUSH32, RETURN};
    // The sum of all answers, each times whether it is asked for.
    let mut code = vec![PUSH1, 0];
    for Said { question, answer } in said.iter().filter(|said| said.question.to == oracle) {
        code.push(PUSH32);
        code.extend(answer.to_be_bytes::<32>());
        if let Some(argument) = question.data.get(4..36) {
            code.extend([PUSH1, 4, CALLDATALOAD, PUSH32]);
            code.extend(argument);
            code.extend([EQ, MUL]);
        }
        code.push(ADD);
    }
    code.extend([PUSH1, 0, MSTORE, PUSH1, 32, PUSH1, 0, RETURN]);
    Bytecode::new_legacy(code.into())
}
