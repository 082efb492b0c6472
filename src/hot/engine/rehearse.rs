//! Liquidations run for what they read, and not to be sent: a lender asks contracts that nothing else does (its libraries,
//! interest rate strategies, treasuries), and the first position to sink must not be lost for want of them.
//!
//! # Invariants
//! - It changes nothing: prices and oracles stand again as they stood, and nothing of it reaches an outcome but what is missing.

use std::sync::Arc;

use alloy_primitives::U256;
use alloy_primitives::hex;
use revm::state::AccountInfo;
use revm::state::Bytecode;

use crate::hot::engine::Engine;
use crate::hot::event::Outcome;
use crate::hot::lending;
use crate::hot::lending::Liquidation;
use crate::hot::lending::book;
use crate::hot::lending::book::Rehearsal;

/// Pairs an event: each is a run of the EVM.
const PAIRS: usize = 4;

/// Returns one, whatever it is asked: a whole token of anything costs as much as one of anything else, so that most who owe
/// dollars on ether are far under water.
const ONE: [u8; 10] = hex!("600160005260206000f3");

impl Engine {
    /// Rehearses liquidations of pairs that somebody has, until each has run without missing anything; in the base state.
    pub(super) fn rehearse(&mut self, outcome: &mut Outcome) {
        if self.book.is_empty() || self.prover.own().liquidator.is_none() || outcome.cancelled {
            return;
        }
        let all = std::mem::take(self.book.unrehearsed());
        let (now, later) = all.split_at(all.len().min(PAIRS));
        let again: Vec<Rehearsal> = now.iter().copied().filter(|pair| !self.reads_known(*pair)).collect();
        *self.book.unrehearsed() = again.into_iter().chain(later.iter().copied()).collect();
        outcome.want(self.prover.missed());
    }

    /// Runs one, at made-up prices. Whether all that it read is known.
    fn reads_known(&mut self, (market, account, debt, collateral): Rehearsal) -> bool {
        let code = Bytecode::new_legacy(ONE.to_vec().into());
        let oracle = AccountInfo::default().with_code(code);
        let height = self.book.height();
        let oracles = self.book.oracles(market);
        let db = self.machine.db_mut();
        let aside: Vec<_> = oracles.into_iter().map(|at| db.replace_account(at, oracle.clone())).collect();
        self.book.lay_prices(market, U256::ONE);
        let at = book::now(&self.machine);
        let pair = (account, debt, collateral);
        let cycles = self.search.cycles();
        let leg = self.book.market(market).and_then(|of| lending::rehearsal(&self.pools, cycles, of, pair, at));
        let before = self.prover.missed().len();
        if let Some(leg) = leg {
            let run = Arc::new(Liquidation::of(leg));
            if let Ok((_, diff)) = self.prover.prove_liquidation(&mut self.machine, &self.pools, &run, None) {
                self.machine.take_back(diff);
            }
        }
        self.book.lift_to(height);
        let db = self.machine.db_mut();
        aside.into_iter().for_each(|account| db.restore_account(account));
        self.prover.missed().len() == before
    }
}
