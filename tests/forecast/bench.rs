//! One chain's pools, its machine and a forecaster beside it: each transaction is resolved first, then run, then compared.

use std::collections::BTreeMap;

use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, U256};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::whatif::Touched;
use peregrine::hot::forecast::Forecaster;
use peregrine::hot::forecast::MinConfidence;
use peregrine::hot::forecast::Why;
use peregrine::hot::state::pools::Pools;
use peregrine::hot::state::view::Overlay;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::{Amm, Exact};
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
    /// Why, and where.
    pub differed: Vec<(Reason, String)>,
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
    pub forecaster: Forecaster,
    touched: Touched,
    ran: Overlay<AnyPool>,
    /// Through what has been proven, as decisions are made.
    pub proven: Row,
    /// Through everything: what the ledger of trust is there for.
    pub blind: Row,
}

impl Bench {
    /// With `forecaster`, its ledger is kept: it must be of the same pools.
    pub fn new(machine: Machine, found: Vec<AnyPool>, forecaster: Option<Forecaster>) -> Self {
        let mut pools = Pools::default();
        for pool in found {
            let _known = pools.add(pool);
        }
        let mut forecaster = forecaster.unwrap_or_else(|| Forecaster::new(peregrine::chain::MAINNET.contracts()));
        forecaster.extend(&pools);
        let (touched, ran) = (Touched::default(), Overlay::default());
        Self { machine, pools, forecaster, touched, ran, proven: Row::default(), blind: Row::default() }
    }

    /// Resolves, runs and compares one transaction, and leaves the state behind it.
    pub fn step(&mut self, tx: &TxEnv, run: impl FnOnce(&mut Machine) -> Executed) {
        let proven = self.forecaster.forecast(&self.machine, &self.pools, tx, MinConfidence::Proven);
        let blind = self.forecaster.forecast(&self.machine, &self.pools, tx, MinConfidence::Blind);
        let executed = run(&mut self.machine);
        self.touched.apply(&self.pools, &mut self.ran, &executed);
        let moving = !self.touched.moved.is_empty();
        let differs = self.forecaster.judge(&self.pools, &self.touched, &self.ran);
        let fetched = differs.filter(|_| blind.is_ok()).map(|id| {
            let (ours, theirs) = (self.forecaster.pool(&self.pools, id), self.ran.pool(&self.pools, id));
            (reason(self.pools.pool(id), ours, theirs, &executed), story(ours, theirs))
        });
        let ok = executed.is_success();
        for (row, answer) in [(&mut self.proven, proven), (&mut self.blind, blind)] {
            row.moving += usize::from(moving);
            match (answer, &fetched) {
                (Ok(()), _) if !ok => (row.resolved, row.failed) = (row.resolved + 1, row.failed + 1),
                (Ok(()), None) => (row.resolved, row.agreed) = (row.resolved + 1, row.agreed + 1),
                (Ok(()), Some((reason, story))) => {
                    row.resolved += 1;
                    let to = tx.kind.to().unwrap_or(&Address::ZERO);
                    row.differed.push((*reason, format!("{reason:?}: {to} {}: {story}", selector(tx))));
                }
                (Err(why), _) if moving => *row.left.entry(why.name()).or_default() += 1,
                (Err(_), _) => (),
            }
        }
        // A decision that differs would be barred; here the row says so, and is held to have none.
        match (blind, fetched) {
            (Ok(()), None) if ok => self.forecaster.believe(),
            (Ok(()), Some(_)) if ok => self.forecaster.doubt(),
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

/// Why the maths is not what happened, as the logs of the run show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A token sold for itself within the transfer: the pair has more swaps than were asked for.
    SellsOnTheSide,
    /// A token came with less than was sent: it taxes, or burns.
    Taxes,
    /// The pair's balance of a token is not what transfers say: it rebases, or reflects its tax to all holders.
    Rebases,
    /// None of these.
    Unexplained,
}

alloy::sol! {
    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Swap(address indexed sender, uint256 in0, uint256 in1, uint256 out0, uint256 out1, address indexed to);
}

fn reason(before: &AnyPool, ours: &AnyPool, theirs: &AnyPool, executed: &Executed) -> Reason {
    let (AnyPool::UniswapV2(before), AnyPool::UniswapV2(ours), AnyPool::UniswapV2(theirs)) = (before, ours, theirs)
    else {
        return Reason::Unexplained;
    };
    let pair = before.address();
    let logs = executed.logs();
    let swaps = logs.iter().filter(|log| log.address == pair).filter_map(|log| Swap::decode_log(log).ok());
    let swaps: Vec<_> = swaps.collect();
    if swaps.len() > 1 {
        return Reason::SellsOnTheSide;
    }
    let paid_in = usize::from(ours.state()[1] > before.state()[1]);
    let paid_out = 1 - paid_in;
    let [token_in, token_out] = [paid_in, paid_out].map(|side| before.tokens()[side]);
    // What a token's own logs say went from, or to, the pair.
    let sum = |token: Address, of: fn(&Transfer) -> Address| {
        let moved = logs.iter().filter(|log| log.address == token).filter_map(|log| Transfer::decode_log(log).ok());
        moved.filter(|moved| of(moved) == pair).fold(U256::ZERO, |sum, moved| sum + moved.amount)
    };
    let came = theirs.state()[paid_in].saturating_sub(before.state()[paid_in]);
    if theirs.state()[paid_in] != ours.state()[paid_in] {
        // With what really came the maths is right: the rest was kept on the way.
        let mut again = before.clone();
        let leg = before.leg(token_in, token_out).expect("its tokens");
        let traded = again.trade(leg, Exact::In(U256::from(came)), None);
        return match traded {
            Ok(_) if again.state() != theirs.state() => Reason::Unexplained,
            Ok(_) if sum(token_in, |moved| moved.to) == U256::from(came) => Reason::Taxes,
            Ok(_) => Reason::Rebases,
            Err(_) => Reason::Unexplained,
        };
    }
    // The pair was told to pay what the maths says, and holds something else.
    let paid = U256::from(before.state()[paid_out].saturating_sub(ours.state()[paid_out]));
    if swaps.iter().any(|swap| [swap.out0, swap.out1][paid_out] == paid) {
        return Reason::Rebases;
    }
    Reason::Unexplained
}

pub fn selector(tx: &TxEnv) -> String {
    alloy_primitives::hex::encode_prefixed(tx.data.get(..4).unwrap_or_default())
}

fn story(ours: &AnyPool, theirs: &AnyPool) -> String {
    let state = |pool: &AnyPool| {
        let AnyPool::UniswapV3(pool) = pool else { return format!("{pool:?}") };
        format!("price {} tick {}", pool.sqrt_price_x96(), pool.tick())
    };
    format!("{} of {:?}: maths {}, evm {}", ours.address(), ours.tokens(), state(ours), state(theirs))
}

pub fn head() {
    println!(
        "{:>10} {:>6} {:>8} {:>6} {:>6} {:>8}  left to the EVM",
        "block", "moving", "resolved", "agreed", "failed", "differed"
    );
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
