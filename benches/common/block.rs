//! A recorded block with everything the engine has at its start, in parts that a bench can reach.

use std::path::Path;

use alloy_primitives::Address;
use alloy_primitives::U256;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::whatif::Touched;
use peregrine::hot::search::Search;
use peregrine::hot::search::candidate::Candidate;
use peregrine::hot::search::config::Config;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::DiscoveryCache;
use peregrine::protocols::executor::Bid;
use peregrine::replay::discover;
use peregrine::replay::execute;
use peregrine::replay::record::Codes;
use peregrine::replay::record::Record;
use peregrine::replay::record::tx_env;
use peregrine::types::amount::Wei;
use revm::context::TxEnv;

/// What `replay::block::Replayer::engine` puts into an engine.
pub struct Block {
    pub record: Record,
    pub machine: Machine,
    pub pools: Pools<AnyPool>,
    pub overlay: Overlay<AnyPool>,
    pub touched: Touched,
    pub search: Search,
    pub prover: Prover,
}

impl Block {
    /// The state that the block starts from.
    pub fn read(dir: &Path) -> Self {
        let codes = Codes::of(dir).expect("codes");
        let record = Record::read(dir, &codes).expect("record");
        let mut machine = execute::machine(&record);
        let mut pools = Pools::default();
        for pool in discover::pools(&mut machine, &mut DiscoveryCache::default(), true).pools {
            pools.add(pool).expect("addresses are distinct");
        }
        let config = Config::patient();
        let own = Own::install(&mut machine, record.fork.has_cancun_opcodes(), config.base_tokens[0])
            .expect("executor installs");
        for token in config.base_tokens.iter().filter(|token| pools.find_token(**token).is_some()) {
            own.mark_balance_slots(&mut machine, *token);
        }
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
        let bases: Vec<_> = config.base_tokens.iter().map(|token| pools.intern(*token)).collect();
        let mut search = Search::new(&bases, config.max_hops, config.effort());
        search.extend(&pools);
        let (overlay, touched) = (Overlay::default(), Touched::default());
        Self { record, machine, pools, overlay, touched, search, prover }
    }

    /// The transaction at a position.
    pub fn tx(&self, index: usize) -> TxEnv {
        tx_env(&self.record.txs[index])
    }

    /// Runs and commits the transactions from `from` to before `to`.
    pub fn advance(&mut self, from: usize, to: usize) {
        for index in from..to {
            self.offer(index);
            let executed = execute::step(&mut self.machine, &self.record.txs[index]).expect("recorded");
            self.machine.commit(executed.diff);
            for (id, now) in self.overlay.entries() {
                self.pools.edit(id, |pool| pool.clone_from(now));
            }
        }
    }

    /// Lays what a transaction would do to the pools over them. The machine is left as it was.
    pub fn offer(&mut self, index: usize) {
        let executed = execute::step(&mut self.machine, &self.record.txs[index]).expect("recorded");
        self.touched.apply(&self.pools, &mut self.overlay, &executed);
    }

    /// The candidates of the state that the block starts from; or those behind a transaction, which is laid over pools and
    /// machine as the engine does, once those before it are committed.
    pub fn candidates(&mut self, behind: Option<usize>) -> Vec<Candidate> {
        let mut found = Vec::new();
        let Some(index) = behind else {
            self.search.candidates(&self.pools, None, &mut found);
            return found;
        };
        self.advance(0, index);
        let executed = execute::step(&mut self.machine, &self.record.txs[index]).expect("recorded");
        self.touched.apply(&self.pools, &mut self.overlay, &executed);
        self.machine.set_overlay(executed.diff);
        self.search.candidates(&self.overlay.over(&self.pools), Some(&self.touched.moved), &mut found);
        found
    }

    /// The pool at an address.
    pub fn pool(&self, address: Address) -> &AnyPool {
        self.pools.pool(self.pools.find(address).expect("pool is in the record"))
    }
}
