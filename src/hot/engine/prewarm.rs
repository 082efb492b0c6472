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

use crate::hot::engine::Engine;
use crate::hot::event::Outcome;
use crate::hot::lending;
use crate::hot::lending::Liquidation;
use crate::hot::lending::markets;
use crate::hot::lending::markets::Prewarm;
use crate::hot::lending::markets::Said;

/// Pairs an event: each is a run of the EVM.
const PAIRS: usize = 4;

impl Engine {
    /// Rehearses liquidations of pairs that somebody has, until each has run without missing anything; in the base state. What
    /// is to be sent does not wait for it.
    pub(super) fn prewarm(&mut self, outcome: &mut Outcome) {
        // What does not pay its gas is proven block after block, and is not sent.
        let is_urgent = outcome.cancelled || outcome.proven.iter().any(|proof| self.is_better(None, proof));
        if self.markets.is_empty() || self.prover.own().liquidator.is_none() || is_urgent {
            return;
        }
        let all = std::mem::take(self.markets.to_prewarm());
        let (now, later) = all.split_at(all.len().min(PAIRS));
        let mut again: Vec<Prewarm> = Vec::new();
        for pair in now {
            match self.reads_known(*pair) {
                Some(true) => {}
                Some(false) => again.push(*pair),
                None => self.markets.propose_again(pair),
            }
        }
        // Those that miss something every time do not keep the others from their turn.
        *self.markets.to_prewarm() = later.iter().copied().chain(again).collect();
        outcome.want(self.prover.missed());
    }

    /// Runs one, at prices where it sinks. Whether all that it read is known; `None`: there is nothing to run.
    fn reads_known(&mut self, (market, account, debt, collateral): Prewarm) -> Option<bool> {
        let (height, at) = (self.markets.height(), markets::now(&self.machine));
        let said = self.markets.apply_sinking(market, account, at);
        let oracles: BTreeSet<Address> = said.iter().map(|said| said.question.to).collect();
        let db = self.machine.db_mut();
        let played = |oracle| AccountInfo::default().with_code(answering(&said, oracle));
        let aside: Vec<_> = oracles.into_iter().map(|at| db.replace_account(at, played(at))).collect();
        let (pair, cycles) = ((account, debt, collateral), self.search.cycles());
        // The pair, by whatever way; and what would be done of all that this position allows, by the way and of the size that it
        // would have.
        let (market, pools) = (self.markets.market(market), &self.pools);
        let any = market.and_then(|market| lending::prewarm(pools, cycles, market, pair, at));
        let best = market.and_then(|market| lending::best(pools, cycles, market, account, at));
        let (before, ran) = (self.prover.missed().len(), any.is_some());
        for leg in any.into_iter().chain(best) {
            let run = Arc::new(Liquidation::of(leg));
            if let Ok((_, diff)) = self.prover.prove_liquidation(&mut self.machine, &self.pools, &run, None) {
                self.machine.take_back(diff);
            }
        }
        self.markets.revert_to(height);
        let db = self.machine.db_mut();
        aside.into_iter().for_each(|account| db.restore_account(account));
        ran.then(|| self.prover.missed().len() == before)
    }
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
