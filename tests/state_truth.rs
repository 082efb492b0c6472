//! State from logs is state from storage, after every transaction of every record.
//!
//! Three ways to know a pool: changed slots applied one transaction after another, logs applied likewise, and a fresh
//! look at the state as committed. Every pool that a transaction touches is held against the other two.
//!
//! # What is compared
//! - A pair: both reserves.
//! - A V3 pool: price, tick and liquidity in range always. Of words and ticks, all that both know. A record holds little
//!   more than its block touched, so two ways may rightly know different things: a Mint's log names two ticks, and where
//!   the bitmap word is not known (the tick was initialised before, so the contract did not look) it leaves there an entry
//!   that says "may be initialised" and no amount, which storage, knowing neither word nor tick, does not have. So a tick
//!   is known to be something when its liquidity is known, known to be nothing when it is not listed and its word is
//!   known, and unknown otherwise; two that know must say the same.
//!   Beyond that nothing may tell them apart but such entries.
//! - Storage and the fresh look see the same slots, so they must be the same throughout, the unknown included.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use alloy_primitives::{Address, U256};
use peregrine::hot::evm::machine::{Executed, Machine};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::AnyPool;
use peregrine::protocols::DiscoveryCache;
use peregrine::protocols::amm::{Amm, Asked};
use peregrine::protocols::discover::Probe;
use peregrine::protocols::uniswap_v3::Layouts;
use peregrine::protocols::{uniswap_v2, uniswap_v3};
use peregrine::replay::discover;
use peregrine::replay::execute::{self, Receipts};
use peregrine::replay::record::{self, Codes, Record};

/// Pools by address, fed in one way.
type Table = BTreeMap<Address, AnyPool>;

/// What was compared.
#[derive(Debug, Default)]
struct Seen {
    /// Pools known at the start of a block.
    pools: usize,
    /// Pools that came with the block: in no table.
    born: usize,
    /// Transactions, and those of them that failed.
    txs: usize,
    failed: usize,
    /// Pools touched, a transaction at a time: each compared in its three ways.
    v2: usize,
    v3: usize,
    others: usize,
    /// ... of which a quote's state moved.
    moved: usize,
    /// V3 pools that logs and storage know not quite the same of.
    partly: usize,
    /// Pools compared once more at the end of the block, touched or not.
    last: usize,
    /// Transactions that touch a pool, of the last record.
    touching: Vec<usize>,
    differences: Vec<String>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.pools += other.pools;
        self.born += other.born;
        self.txs += other.txs;
        self.failed += other.failed;
        self.v2 += other.v2;
        self.v3 += other.v3;
        self.others += other.others;
        self.moved += other.moved;
        self.partly += other.partly;
        self.last += other.last;
        self.differences.extend(other.differences);
    }

    fn say(&self, name: &str) {
        let Self { pools, born, txs, failed, v2, v3, others, moved, partly, last, differences, .. } = self;
        println!(
            "{name}: {pools} pools and {born} born, {txs} transactions, {failed} of them failed; {} touches compared ({v2} of \
             pairs, {v3} of v3, {others} of others), {moved} moved a pool, {partly} known not quite the same; {last} at the end; {} different",
            v2 + v3 + others,
            differences.len(),
        );
    }
}

/// One record on its way.
struct Walk {
    machine: Machine,
    layouts: Layouts,
    storage: Table,
    logs: Table,
    /// A transaction whose logs are not heard, to see that it is missed.
    deaf: Option<usize>,
    seen: Seen,
}

impl Walk {
    /// Applies a transaction both ways. Returns the pools it touched.
    fn apply(&mut self, index: usize, executed: &Executed) -> Result<BTreeSet<Address>, String> {
        let mut touched = BTreeSet::new();
        for (address, account) in &executed.diff {
            let Some(pool) = self.storage.get_mut(address) else { continue };
            let changed = account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value));
            let mut changes: Vec<(U256, U256)> = changed.collect();
            changes.sort_unstable();
            if !changes.is_empty() {
                pool.apply_slots(pool.address(), &changes).map_err(|error| format!("{address}: slots: {error}"))?;
                touched.insert(*address);
            }
        }
        for log in executed.logs().iter().filter(|_| self.deaf != Some(index)) {
            let Some(pool) = self.logs.get_mut(&log.address) else { continue };
            pool.apply_log(pool.address(), log.topics(), &log.data.data)
                .map_err(|error| format!("{}: log: {error}", log.address))?;
            touched.insert(log.address);
        }
        Ok(touched)
    }

    /// Holds one pool's three states against one another.
    fn compare(&mut self, address: Address) -> Result<bool, String> {
        match (&self.storage[&address], &self.logs[&address]) {
            (AnyPool::UniswapV2(storage), AnyPool::UniswapV2(logs)) => {
                let fresh = reserves(&mut self.machine, storage)?;
                // Storage that is not understood tells nothing.
                let told = if storage.log_fed() { fresh } else { storage.state() };
                let same = told == fresh && logs.state() == fresh;
                let states = format!("slots {told:?}, logs {:?}, fresh {fresh:?}", logs.state());
                if same { Ok(true) } else { Err(format!("{address}: {states}")) }
            }
            (AnyPool::UniswapV3(storage), AnyPool::UniswapV3(logs)) => {
                let fresh = uniswap_v3::discover(&mut EvmProbe::new(&mut self.machine), &mut self.layouts, address)
                    .ok_or_else(|| format!("{address}: is no longer a pool"))?;
                if !storage.log_fed() && !storage.same_state(&fresh) {
                    return Err(format!("{address}: slots {storage:?}, fresh {fresh:?}"));
                }
                agree(logs, &fresh).map_err(|what| format!("{address}: {what}"))?;
                match logs.same_state(&fresh) || same_but_for_rumours(logs, &fresh) {
                    true => Ok(logs.same_state(&fresh)),
                    false => Err(format!("{address}: logs {logs:?}, fresh {fresh:?}")),
                }
            }
            // It has seen that it knows nothing any more: whoever has an EVM asks it anew.
            (storage, _) if storage.asked() == Asked::Now => Ok(true),
            (storage, logs) => {
                let key = storage.key();
                let mut probe = EvmProbe::new(&mut self.machine);
                let fresh = protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, false)?;
                let fresh = fresh.ok_or_else(|| format!("{key}: is no longer a pool"))?;
                let told = !storage.logs_state() || logs.agrees(&fresh);
                let same = told && (storage.log_fed() || storage.agrees(&fresh));
                if same { Ok(true) } else { Err(format!("{key}: slots {storage:?}, logs {logs:?}, fresh {fresh:?}")) }
            }
        }
    }

    fn transaction(&mut self, index: usize, executed: Executed) {
        let before: BTreeMap<_, _> = self.logs.iter().map(|(address, pool)| (*address, quotable(pool))).collect();
        let (failed, touched) = (!executed.is_success(), self.apply(index, &executed));
        self.machine.commit(executed.diff);
        self.seen.txs += 1;
        self.seen.failed += usize::from(failed);
        let touched = touched.unwrap_or_else(|error| {
            self.seen.differences.push(format!("transaction {index}: {error}"));
            BTreeSet::new()
        });
        if failed && !touched.is_empty() {
            self.seen.differences.push(format!("transaction {index} failed and touches {touched:?}"));
        }
        if !touched.is_empty() {
            self.seen.touching.push(index);
        }
        for address in touched {
            let moved = quotable(&self.logs[&address]) != before[&address];
            self.seen.moved += usize::from(moved);
            *match self.storage[&address].protocol() {
                "uniswap_v2" => &mut self.seen.v2,
                "uniswap_v3" => &mut self.seen.v3,
                _ => &mut self.seen.others,
            } += 1;
            match self.compare(address) {
                Ok(wholly) => self.seen.partly += usize::from(!wholly),
                Err(what) => self.seen.differences.push(format!("transaction {index}: {what}")),
            }
        }
    }

    /// Every pool once more: one that was moved and not heard of shows here.
    fn end(mut self, discovery_cache: &mut DiscoveryCache) -> Seen {
        for address in self.storage.keys().copied().collect::<Vec<_>>() {
            self.seen.last += 1;
            if let Err(what) = self.compare(address) {
                self.seen.differences.push(format!("at the end: {what}"));
            }
        }
        let now = discover::pools(&mut self.machine, discovery_cache, false).pools;
        self.seen.born = now.iter().filter(|pool| !self.storage.contains_key(&pool.address())).count();
        self.seen
    }
}

/// What changes when a pool moves, short of its ticks.
fn quotable(pool: &AnyPool) -> Vec<U256> {
    if let AnyPool::UniswapV3(pool) = pool {
        let tick = U256::from(pool.tick().unsigned_abs());
        return vec![pool.sqrt_price_x96(), U256::from(pool.liquidity()), tick];
    }
    pool.views().into_iter().flat_map(|view| view.due).map(|(_, word)| word).collect()
}

/// A pair's reserves as its storage holds them; where the layout is not understood, as the pair says them.
fn reserves(machine: &mut Machine, pool: &uniswap_v2::Pool) -> Result<[u128; 2], String> {
    let address = pool.address();
    if let Some(reserves) = pool.layout().load(|slot| machine.db().known_slot(address, slot)) {
        return Ok(reserves);
    }
    let get_reserves = [0x09, 0x02, 0xf1, 0xac];
    let answer = EvmProbe::new(machine).call(address, &get_reserves);
    let reserve = |index| answer.word(index).and_then(|word| u128::try_from(word).ok());
    let [Some(r0), Some(r1)] = [reserve(0), reserve(1)] else {
        return Err(format!("{address}: reserves are not known"));
    };
    Ok([r0, r1])
}

/// Two ways of knowing a V3 pool say the same of everything that both know.
fn agree(a: &uniswap_v3::Pool, b: &uniswap_v3::Pool) -> Result<(), String> {
    let scalars = |pool: &uniswap_v3::Pool| (pool.sqrt_price_x96(), pool.tick(), pool.liquidity());
    if scalars(a) != scalars(b) {
        return Err(format!("price, tick, liquidity: logs {:?}, fresh {:?}", scalars(a), scalars(b)));
    }
    for position in a.ticks().grid().positions() {
        let words = (a.ticks().word(position), b.ticks().word(position));
        if let (Some(one), Some(other)) = words
            && one != other
        {
            return Err(format!("word {position}: logs {one:#x}, fresh {other:#x}"));
        }
    }
    let listed = |pool: &uniswap_v3::Pool| pool.ticks().list().iter().map(|tick| tick.tick).collect::<Vec<_>>();
    for tick in listed(a).into_iter().chain(listed(b)) {
        if let (Some(one), Some(other)) = (known(a, tick), known(b, tick))
            && one != other
        {
            return Err(format!("tick {tick}: logs {one:?}, fresh {other:?}"));
        }
    }
    Ok(())
}

/// Nothing tells the two apart but ticks that only logs speak of, without an amount, in words that neither knows: when
/// those words are taken as empty on both sides, which strikes such ticks out, both are the same throughout.
fn same_but_for_rumours(logs: &uniswap_v3::Pool, fresh: &uniswap_v3::Pool) -> bool {
    let (mut one, mut other) = (logs.clone(), fresh.clone());
    let only_logs = logs.ticks().list().iter().filter(|tick| fresh.ticks().tick(tick.tick).is_none());
    for tick in only_logs.map(|tick| tick.tick).filter(|tick| known(logs, *tick).or(known(fresh, *tick)).is_none()) {
        let Ok(position) = i16::try_from(logs.ticks().grid().word_of(tick)) else { return false };
        one.set_word(position, U256::ZERO);
        other.set_word(position, U256::ZERO);
    }
    one.same_state(&other)
}

/// Gross and net liquidity of a tick, where known: zero for one that is certainly not initialised.
fn known(pool: &uniswap_v3::Pool, tick: i32) -> Option<(u128, i128)> {
    let ticks = pool.ticks();
    if let Some(listed) = ticks.tick(tick) {
        return listed.liquidity.map(|liquidity| (liquidity.gross, liquidity.net));
    }
    let word = i16::try_from(ticks.grid().word_of(tick)).ok().and_then(|position| ticks.word(position));
    word.map(|_| (0, 0))
}

fn walk(dir: &Path, codes: &Codes, discovery_cache: &mut DiscoveryCache, deaf: Option<usize>) -> Seen {
    let record = Record::read(dir, codes).unwrap_or_else(|error| panic!("{error}"));
    let mut machine = execute::machine(&record);
    let found = discover::pools(&mut machine, discovery_cache, false).pools;
    let storage: Table = found.into_iter().map(|pool| (pool.address(), pool)).collect();
    let seen = Seen { pools: storage.len(), ..Seen::default() };
    let mut walk = Walk { machine, layouts: Layouts::default(), logs: storage.clone(), storage, deaf, seen };
    let mut receipts = Receipts::default();
    for (index, tx) in record.txs.iter().enumerate() {
        let executed =
            execute::step(&mut walk.machine, tx).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        receipts.push(tx, &executed.result);
        walk.transaction(index, executed);
    }
    assert!(receipts.verdict(&record.header).is_exact(), "{}: asking the pools has changed the block", dir.display());
    walk.end(discovery_cache)
}

#[test]
fn state_from_logs_is_state_from_storage_after_every_transaction() {
    let Some(blocks) = common::mainnet("blocks") else { return };
    let dirs = record::find(&[blocks]).expect("records");
    let codes = Codes::of(&dirs[0]).expect("codes");
    let (mut discovery_cache, mut all) = (DiscoveryCache::default(), Seen::default());
    for dir in &dirs {
        let seen = walk(dir, &codes, &mut discovery_cache, None);
        seen.say(&dir.file_name().unwrap_or_default().to_string_lossy());
        all.add(seen);
    }
    all.say("all");
    all.differences.iter().take(20).for_each(|what| println!("different: {what}"));
    assert_eq!(all.differences.len(), 0, "logs and storage differ");
    assert!(all.v2 + all.v3 > 300, "{} touches are too few", all.v2 + all.v3);
    assert!(all.v2 > 0 && all.v3 > 0, "both protocols are due: {} and {}", all.v2, all.v3);
}

/// The comparison must be able to say no.
#[test]
fn a_transaction_whose_logs_are_not_heard_is_missed() {
    let Some(dir) = common::mainnet("blocks/19917570") else { return };
    let (codes, mut discovery_cache) = (Codes::of(&dir).expect("codes"), DiscoveryCache::default());
    let heard = walk(&dir, &codes, &mut discovery_cache, None);
    assert!(heard.differences.is_empty() && heard.touching.len() >= 10, "{:?}", heard.touching);
    for index in heard.touching {
        let deaf = walk(&dir, &codes, &mut discovery_cache, Some(index));
        assert_ne!(deaf.differences.len(), 0, "transaction {index} unheard goes unseen");
    }
}

#[test]
fn what_both_know_must_agree_and_what_one_knows_may_differ() {
    let of = uniswap_v3::Immutables {
        address: Address::repeat_byte(1),
        tokens: [Address::repeat_byte(2), Address::repeat_byte(3)],
        fee_pips: 3_000,
        tick_spacing: 60,
        flavour: uniswap_v3::Flavour::Uniswap,
    };
    let mut one = uniswap_v3::Pool::new(of).expect("sane");
    one.set_price(U256::ONE << 96, 0, 7);
    one.set_word(0, U256::from(0b10));
    one.set_tick(60, uniswap_v3::Liquidity { gross: 9, net: 5 });
    let with = |change: fn(&mut uniswap_v3::Pool)| {
        let mut other = one.clone();
        change(&mut other);
        agree(&one, &other)
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|pool| assert!(pool.set_word(1, U256::ONE))), Ok(()), "a word that one does not know");
    assert_eq!(with(|pool| assert!(pool.set_tick(-60, LIQUIDITY))), Ok(()), "a tick in a word that one does not know");
    assert!(with(|pool| pool.set_price(U256::ONE << 96, 0, 8)).is_err());
    assert!(with(|pool| pool.set_price(U256::ONE << 96, 1, 7)).is_err());
    assert!(with(|pool| assert!(pool.set_word(0, U256::from(0b11)))).is_err());
    assert!(with(|pool| assert!(pool.set_tick(60, LIQUIDITY))).is_err());
}

const LIQUIDITY: uniswap_v3::Liquidity = uniswap_v3::Liquidity { gross: 1, net: 1 };
