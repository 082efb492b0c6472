//! One chain's pools, its machine and a reckoner beside it: each transaction is resolved first, then run, then compared.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::whatif::Touched;
use peregrine::hot::reckon::Faith;
use peregrine::hot::reckon::Reckoner;
use peregrine::hot::reckon::Why;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::hot::state::view::View;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use revm::context::TxEnv;

/// What became of one kind of resolution.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Transactions that moved a pool of the table, as the EVM ran them.
    pub moving: usize,
    pub resolved: usize,
    pub agreed: usize,
    /// Resolved, and failed in the EVM: the sender's doing, no pool stands elsewhere than thought.
    pub failed: usize,
    pub differed: Vec<String>,
    /// Left to the EVM, by reason, among those that moved a pool.
    pub left: BTreeMap<&'static str, usize>,
}

impl Row {
    pub fn add(&mut self, other: &Self) {
        self.moving += other.moving;
        self.resolved += other.resolved;
        self.agreed += other.agreed;
        self.failed += other.failed;
        self.differed.extend(other.differed.iter().cloned());
        for (name, count) in &other.left {
            *self.left.entry(name).or_default() += count;
        }
    }
}

pub struct Bench {
    pub machine: Machine,
    pub pools: Pools<AnyPool>,
    pub reckoner: Reckoner,
    touched: Touched,
    ran: Overlay<AnyPool>,
    /// Through what has been proven, as decisions are made.
    pub proven: Row,
    /// Through everything: what the ledger of trust is there for.
    pub blind: Row,
}

impl Bench {
    pub fn new(machine: Machine, found: Vec<AnyPool>) -> Self {
        let mut pools = Pools::default();
        for pool in found {
            let _known = pools.add(pool);
        }
        let mut reckoner = Reckoner::default();
        reckoner.extend(&pools);
        let (touched, ran) = (Touched::default(), Overlay::default());
        Self { machine, pools, reckoner, touched, ran, proven: Row::default(), blind: Row::default() }
    }

    /// Resolves, runs and compares one transaction, and leaves the state behind it.
    pub fn step(&mut self, tx: &TxEnv, run: impl FnOnce(&mut Machine) -> Executed) {
        let proven = self.reckoner.reckon(&self.machine, &self.pools, tx, Faith::Proven);
        let blind = self.reckoner.reckon(&self.machine, &self.pools, tx, Faith::Blind);
        let executed = run(&mut self.machine);
        self.touched.apply(&self.pools, &mut self.ran, &executed);
        let moving = !self.touched.moved.is_empty();
        let differs = self.reckoner.judge(&self.pools, &self.touched, &self.ran);
        let told = differs.map(|id| {
            let theirs = self.ran.over(&self.pools);
            story(self.reckoner.over(&self.pools).pool(id), theirs.pool(id))
        });
        let ok = executed.is_success();
        for (row, answer) in [(&mut self.proven, proven), (&mut self.blind, blind)] {
            row.moving += usize::from(moving);
            match (answer, &told) {
                (Ok(()), _) if !ok => (row.resolved, row.failed) = (row.resolved + 1, row.failed + 1),
                (Ok(()), None) => (row.resolved, row.agreed) = (row.resolved + 1, row.agreed + 1),
                (Ok(()), Some(story)) => {
                    row.resolved += 1;
                    row.differed.push(format!(
                        "{:?} {}: {story}",
                        tx.kind.to().unwrap_or(&Address::ZERO),
                        selector(tx)
                    ));
                }
                (Err(why), _) if moving => *row.left.entry(why.name()).or_default() += 1,
                (Err(_), _) => (),
            }
        }
        // A decision that differs would be barred; here the row says so, and is held to have none.
        match (blind, told) {
            (Ok(()), None) if ok => self.reckoner.believe(),
            (Ok(()), Some(_)) if ok => self.reckoner.doubt(),
            _ => (),
        }
        self.machine.commit(executed.diff);
        for (id, now) in self.ran.entries() {
            self.pools.edit(id, |pool| pool.clone_from(now));
        }
        for id in &self.touched.broken {
            self.pools.quarantine(*id, true);
        }
    }
}

pub fn selector(tx: &TxEnv) -> String {
    alloy_primitives::hex::encode_prefixed(tx.data.get(..4).unwrap_or_default())
}

fn story(ours: &AnyPool, theirs: &AnyPool) -> String {
    let state = |pool: &AnyPool| match pool {
        AnyPool::UniswapV2(pair) => format!("reserves {:?}", pair.state()),
        AnyPool::UniswapV3(pool) => format!("price {} tick {}", pool.sqrt_price_x96(), pool.tick()),
    };
    format!("{} of {:?}: maths {}, evm {}", ours.address(), ours.tokens(), state(ours), state(theirs))
}

pub fn print(name: &str, row: &Row) {
    println!(
        "{name:>10} {:>6} {:>8} {:>6} {:>6} {:>8}  {:?}",
        row.moving,
        row.resolved,
        row.agreed,
        row.failed,
        row.differed.len(),
        row.left
    );
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Why::ALL.iter().map(|why| why.name()).collect();
    assert_eq!(names.len(), Why::ALL.len());
}
