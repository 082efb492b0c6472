//! What a strategy works on: the engine's own state behind an event, lent to it for as long as it looks.
//!
//! # Cost
//! References, put together once an event.

use alloy_primitives::U256;
use revm::state::EvmState;

use crate::hot::evm::machine::Machine;
use crate::hot::evm::whatif::Touched;
use crate::hot::forecast::Forecaster;
use crate::hot::lending::markets::Markets;
use crate::hot::opportunity::Opportunity;
use crate::hot::refused::Refused;
use crate::hot::search::Search;
use crate::hot::simulate::Proven;
use crate::hot::simulate::Prover;
use crate::hot::state::pools::Pools;
use crate::hot::state::view::Overlay;
use crate::protocols::AnyPool;
use crate::types::amount::Wei;
use crate::types::amount::WeiPerGas;

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// In the base state.
    Base,
    /// Behind the pending transaction.
    Behind,
    /// Behind the pending transaction, which left what maths had foreseen: [`Context::foreseen`] holds.
    Foreseen,
}

/// The state behind an event, and what looks at it and proves on it.
pub struct Context<'a> {
    /// Where to look.
    pub on: On,
    /// The EVM. What the pending transaction has left lies over its base.
    pub machine: &'a mut Machine,
    /// The pools as they stand in the base state.
    pub pools: &'a Pools<AnyPool>,
    /// Those that the pending transaction has changed.
    pub overlay: &'a mut Overlay<AnyPool>,
    /// Which those are.
    pub touched: &'a mut Touched,
    /// The lending markets. What the pending transaction has left of them is laid over them.
    pub markets: &'a mut Markets,
    /// Whether it has moved a position, or what a market asks others for.
    pub markets_moved: bool,
    /// The search for cycles, with the graph of tokens that it goes through.
    pub search: &'a mut Search,
    /// What proves.
    pub prover: &'a mut Prover,
    /// What the pending transaction leaves by maths, where this engine forecasts.
    pub forecaster: Option<&'a mut Forecaster>,
    /// What was found behind maths, best first.
    pub foreseen: &'a mut Vec<Opportunity>,
    /// The next block's price of gas; `None` where there is no telling, in a replay of one block.
    pub price: Option<WeiPerGas>,
    /// What is worth less is not looked at.
    pub min_profit: Wei,
    /// Proofs an event, of each strategy.
    pub proofs: usize,
    /// Whether to go on: asked at every batch of a search and before every proof. Once it says no it does not take that back.
    pub go_on: &'a dyn Fn() -> bool,
}

impl Context<'_> {
    /// Whether to look in the base state.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.on == On::Base
    }

    /// Proves an opportunity on the state behind the event. Through pools that only estimate: with the amounts that their contracts say.
    ///
    /// # Errors
    /// The EVM does not agree, or was not asked.
    pub fn prove(&mut self, opportunity: &Opportunity) -> Result<Proven, Refused> {
        let asked = self.asked(opportunity)?;
        // What was asked for may be worth less than what was estimated.
        if asked.as_ref().is_some_and(|asked| asked.value().is_some_and(|value| value < self.min_profit)) {
            return Err(Refused::BelowMinimum);
        }
        self.prover.prove(self.machine, self.pools, asked.as_ref().unwrap_or(opportunity))
    }

    /// The same of a plan. With the proof, all that it left, which is to be given back: [`Machine::take_back`].
    ///
    /// # Errors
    /// As above.
    pub fn prove_leaving(&mut self, opportunity: &Opportunity) -> Result<(Proven, EvmState), Refused> {
        self.prover.prove_leaving(self.machine, self.pools, opportunity)
    }

    /// Whether a proof leaves more after gas; than nothing, where there is none to hold it against.
    #[must_use]
    pub fn is_better(&self, than: Option<&Proven>, proof: &Proven) -> bool {
        let Some(price) = self.price else { return than.is_none() };
        proof.net(price) > than.map_or(U256::ZERO, |than| than.net(price))
    }
}
