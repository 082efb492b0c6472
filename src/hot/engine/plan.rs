//! What an engine is made of, besides the state: the same live and in a replay.

use alloy_primitives::B256;
use alloy_primitives::U256;

use crate::chain::Contracts;
use crate::hot::bundle;
use crate::hot::engine::Engine;
use crate::hot::engine::tip::Tip;
use crate::hot::evm::block;
use crate::hot::evm::db::Db;
use crate::hot::evm::db::Unknown;
use crate::hot::evm::fork::Rules;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own::Own;
use crate::hot::search;
use crate::hot::search::Search;
use crate::hot::simulate::Prover;
use crate::hot::simulate::Share;
use crate::hot::state::pools::Pools;
use crate::hot::strategy::{Registered, Strategy};
use crate::protocols::AnyPool;
use crate::protocols::executor::Bid;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::amount::Wei;
use crate::types::update::AccountUpdate;
use crate::types::update::Head;

/// Candidates proven an event. One bundle a trigger is sent; the best by gross profit may not be the best by what is left
/// after gas, so that a few are held against each other.
const PROOFS: usize = 3;

/// What an engine is made of, besides the state.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The chain's id.
    pub chain_id: u64,
    /// Its rules.
    pub rules: Rules,
    /// Seconds between two blocks.
    pub slot_seconds: u64,
    /// How far and from where to look.
    pub search: search::config::Config,
    /// Looks at the base state, too: one thread is enough for that. The others judge pending transactions alone.
    pub base: bool,
    /// What is bid.
    pub bid: bundle::config::Bid,
    /// Our accounts.
    pub own: Own,
    /// Resolves pending transactions by maths before they are run.
    pub forecast: bool,
    /// Whose calldata is read for that.
    pub contracts: Contracts,
}

/// The state that an engine begins with.
#[derive(Clone, Copy, Debug)]
pub struct InitialState<'a> {
    /// The block behind which it stands.
    pub head: &'a Head,
    /// All that is known of accounts.
    pub accounts: &'a [AccountUpdate],
    /// Hashes of older blocks.
    pub hashes: &'a [(u64, B256)],
    /// Pools, in order of address.
    pub pools: &'a [AnyPool],
    /// Lending markets.
    pub markets: &'a [MarketSpec],
}

impl Plan {
    /// An engine that follows the chain from `ground` on.
    #[must_use]
    pub fn engine(&self, ground: &InitialState<'_>) -> Engine {
        self.running(Registered::default(), ground)
    }

    /// The same, with these strategies: for one that is being tried.
    #[must_use]
    pub fn running<S: Strategy>(&self, strategies: S, ground: &InitialState<'_>) -> Engine<S> {
        let head = *ground.head;
        let mut db = Db::default();
        db.set_unknown(Unknown::Refuse);
        db.tell_all(ground.accounts, ground.hashes);
        db.tell_block_hash(head.number, head.hash);
        let fork = self.rules.at(head.number, head.timestamp);
        let machine = Machine::new(self.chain_id, fork, block::BlockFields::from(&head).env(fork), db);
        let mut pools = Pools::default();
        for pool in ground.pools {
            // Discovery gives each address once, and no pool twice the same token.
            let _known = pools.add(pool.clone());
        }
        let bases: Vec<_> = self.search.base_tokens.iter().map(|token| pools.intern(*token)).collect();
        let fundings = self.search.fundings_by(|token| pools.intern(token));
        let mut cycles = Search::new(&bases, self.search.max_hops, self.search.effort())
            .within(self.search.budget())
            .funded(&fundings);
        cycles.extend(&pools);
        let share = Share { bps: self.bid.share_bps, floor: self.bid.floor_wei, cap: self.bid.cap_wei };
        let prover = Prover::new(self.own, 0, Unknown::Refuse, Bid::Wei(Wei(U256::from(1))))
            .bidding(share)
            .funded(self.search.fundings());
        let tip = Tip::new(head, self.rules, self.slot_seconds);
        let min_profit = Wei(self.search.min_profit_wei);
        let engine = Engine::running(strategies, (machine, pools), cycles, prover, min_profit)
            .proving_at_most(PROOFS)
            .with_base(self.base)
            .following(tip)
            .lending(ground.markets);
        if self.forecast { engine.forecasting(self.contracts) } else { engine }
    }
}
