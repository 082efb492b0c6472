//! Lending markets: who borrows there, everything their positions hang on, and what the markets ask other contracts.
//!
//! - `row`: the configuration's.
//!
//! # Invariants
//! - Behind [`load`] every slot that a market misses is known, and everything that answering its questions reads: the hot side
//!   finds both in `Loaded::accounts`.
//! - A market that cannot be used is listed with the reason, and is no seed: nothing of it is watched, and nothing sent.

mod row;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use alloy_primitives::{Address, Bytes, U256};

use crate::edge::bootstrap::BootstrapError;
use crate::edge::bootstrap::Hear;
use crate::edge::bootstrap::Loaded;
use crate::edge::bootstrap::Look;
use crate::edge::bootstrap::Progress;
use crate::edge::bootstrap::Rules;
use crate::edge::bootstrap::discovery::Asked;
use crate::edge::bootstrap::discovery::Discovery;
use crate::edge::bootstrap::snapshot::Snapshot;
use crate::edge::bootstrap::state_cache;
use crate::edge::bootstrap::state_cache::StateCache;
use crate::edge::bootstrap::verify;
use crate::edge::chain::ChainError;
use crate::hot::event::StateKey;
use crate::hot::evm::block::BlockFields;
use crate::hot::evm::machine::Machine;
use crate::hot::evm::own;
use crate::hot::evm::probe::EvmProbe;
use crate::hot::evm::probe::PROBER;
use crate::protocols::AnyLending;
use crate::protocols::discover::Probe;
use crate::protocols::lending::About;
use crate::protocols::lending::Lending;
use crate::protocols::lending::Question;
use crate::protocols::lending::discover::Lender;
use crate::protocols::lending::discover::Place;
use crate::protocols::lending::market_spec::MarketSpec;

pub use row::LendingRow;

/// Notes of one row that are said in full.
const NOTES: usize = 8;

/// A market that is being read.
struct Open<'a> {
    row: &'a LendingRow,
    spec: MarketSpec,
    market: AnyLending,
}

/// What has become of the rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) specs: Vec<MarketSpec>,
    /// Who prices are read from, tokens apart.
    pub(super) whole: Vec<Address>,
    /// Contracts of markets that cannot be used, and why.
    pub(super) unusable: Vec<(Address, String)>,
    /// What the operator should hear: of which row, what.
    said: Vec<(String, String)>,
}

impl Found {
    fn refuse(&mut self, row: &LendingRow, reason: String) {
        self.say(row, format!("{} {reason}: it is not used", row.address));
        self.unusable.push((row.address, reason));
    }

    fn say(&mut self, row: &LendingRow, what: String) {
        self.said.push((row.row(), what));
    }

    /// A row of which nothing comes may be meant so, and may be a slip of the pen.
    fn says_nothing(&mut self, row: &LendingRow, markets: &[Open<'_>]) {
        let mut of = markets.iter().filter(|open| open.row == row).peekable();
        if of.peek().is_none() {
            if self.said.iter().all(|(said, _)| *said != row.row()) {
                self.say(
                    row,
                    format!(
                        "{} has no market that anybody has borrowed in since block {}",
                        row.address, row.from_block
                    ),
                );
            }
        } else if of.all(|open| open.spec.accounts.is_empty()) {
            self.say(row, format!("nobody has borrowed of {} since block {}", row.address, row.from_block));
        }
    }

    /// One sentence each. A contract of thousands of markets, which anybody may open, has no more to say than the others: past
    /// a few of its row they are counted.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut notes = Vec::new();
        for (row, what) in &self.said {
            let count = counts.entry(row).or_default();
            *count += 1;
            if *count <= NOTES {
                notes.push(format!("{row}: {what}"));
            }
        }
        let more = counts.into_iter().filter(|(_, count)| *count > NOTES);
        notes.extend(more.map(|(row, count)| format!("{row}: and {} more of the kind", count - NOTES)));
        notes
    }
}

/// Opens the markets of all rows and reads what they need, with `most` of their positions held against the node.
pub(super) async fn load(
    discovery: &Discovery,
    known: &mut StateCache,
    (rows, most): (&[LendingRow], usize),
    snapshot: &Snapshot,
    hear: Hear<'_>,
) -> Result<Found, BootstrapError> {
    let mut found = Found::default();
    let mut markets = Vec::new();
    for (row, outcome) in open(discovery, known, rows, snapshot, hear).await? {
        let reason = || "cannot be followed: its row lacks what it needs".to_owned();
        let market = outcome.and_then(|spec| Ok((AnyLending::from_spec(&spec).ok_or_else(reason)?, spec)));
        match market {
            Ok((market, spec)) => markets.push(Open { row, spec, market }),
            Err(reason) => found.refuse(row, reason),
        }
    }
    read(discovery, known, &mut markets, &mut found, hear).await?;
    ask(discovery, known, &mut markets, &mut found, hear).await?;
    let at = discovery.head.timestamp;
    for row in rows {
        found.says_nothing(row, &markets);
    }
    for open in &markets {
        if let Some(what) = blind(&open.market, at) {
            found.say(open.row, what);
        }
    }
    hold(discovery, known, &mut markets, (most, &mut found), hear).await?;
    found.notes().iter().for_each(|note| hear(Progress::Note(note)));
    found.specs = markets.into_iter().map(|open| open.spec).collect();
    Ok(found)
}

/// Holds `most` positions against the node. Where anybody may open a market, with any oracle: one that does not answer the
/// node as it answers us is left out, and is no reason to stop. Any other is the operator's own choice: there it is.
async fn hold(
    discovery: &Discovery,
    known: &mut StateCache,
    markets: &mut Vec<Open<'_>>,
    (most, found): (usize, &mut Found),
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let pools = markets.iter().map(|open| &open.market).filter(|market| !market.is_anybodys());
    verify::positions(discovery, known, pools, most, hear).await?;
    let anybodys: Vec<usize> = (0..markets.len()).filter(|at| markets[*at].market.is_anybodys()).collect();
    let mut out = Vec::new();
    for &at in verify::sample(&anybodys, most) {
        let open = &markets[at];
        match verify::positions(discovery, known, std::iter::once(&open.market), 1, hear).await {
            Err(error @ (BootstrapError::Wrong { .. } | BootstrapError::Chain(ChainError::Refused { .. }))) => {
                found.refuse(open.row, format!("has a market that is not as the node has it ({error})"));
                out.push(at);
            }
            held => held?,
        }
    }
    out.into_iter().rev().for_each(|at| drop(markets.remove(at)));
    Ok(())
}

/// Those of whom no health is known.
fn blind(market: &AnyLending, at: u64) -> Option<String> {
    let accounts = market.accounts();
    let refusals: Vec<_> = accounts.iter().filter_map(|account| market.health(*account, at).err()).collect();
    let first = refusals.first()?;
    Some(format!("{} of {} accounts have no health: {first}", refusals.len(), accounts.len()))
}

type Opened<'a> = Vec<(&'a LendingRow, Result<MarketSpec, String>)>;

/// Asks each row's contract what makes its markets.
async fn open<'a>(
    discovery: &Discovery,
    known: &mut StateCache,
    rows: &'a [LendingRow],
    snapshot: &Snapshot,
    hear: Hear<'_>,
) -> Result<Opened<'a>, BootstrapError> {
    let mut places = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let lender = row.lender()?;
        let markets = match (lender.many, row.market) {
            (true, None) => snapshot.markets(row),
            (_, market) => vec![market.unwrap_or_default()],
        };
        let place = |market| (index, lender, Place { address: row.address, market, oracle: row.oracle });
        places.extend(markets.into_iter().map(place));
    }
    let mut asked = discovery.settle(known, places, ask_open, hear).await?;
    asked.sort_by_key(|((index, _, place), _)| (*index, place.market));
    let opened = asked.into_iter().filter_map(|((index, _, place), outcome)| {
        let row = rows.get(index)?;
        let accounts = || match row.accounts.is_empty() {
            true => snapshot.borrowers(row, place.market),
            false => row.accounts.clone(),
        };
        Some((row, outcome.map(|spec| MarketSpec { accounts: accounts(), ..spec })))
    });
    Ok(opened.collect())
}

fn ask_open(
    machine: &mut Machine,
    _: &mut (),
    (_, lender, place): &(usize, Lender, Place),
) -> Asked<Result<MarketSpec, String>> {
    let mut probe = EvmProbe::new(machine);
    let answer = match probe.code_hash(place.address) {
        Some(_) => (lender.open)(&mut probe, place),
        None => Err("has no code".to_owned()),
    };
    (answer, probe.into_missed())
}

/// Reads in rounds until no market misses a slot.
async fn read(
    discovery: &Discovery,
    known: &mut StateCache,
    markets: &mut Vec<Open<'_>>,
    found: &mut Found,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    for round in 1.. {
        let mut state_keys = Vec::new();
        markets.retain_mut(|open| match tell(&mut open.market, known) {
            Ok(rest) => {
                state_keys.extend(rest);
                true
            }
            Err(reason) => {
                found.refuse(open.row, reason);
                false
            }
        });
        if state_keys.is_empty() {
            break;
        }
        let missing = known.missing(state_keys.iter().copied());
        hear(Progress::Asking { round, open: state_keys.len(), missing: missing.accounts.len() + missing.slots.len() });
        let read = missing.read(&discovery.chain, discovery.head.hash).await?;
        known.learn(&read.accounts);
    }
    Ok(())
}

/// Tells a market what is known of the slots that it misses, until it misses what is not: that is given back.
fn tell(market: &mut AnyLending, known: &StateCache) -> Result<Vec<StateKey>, String> {
    let mut fetched = Vec::new();
    loop {
        let (mut rest, mut values, mut slots) = (Vec::new(), BTreeMap::<Address, Vec<(U256, U256)>>::new(), Vec::new());
        for (at, slot) in market.missing() {
            match known.slot(at, slot) {
                Some(value) => {
                    values.entry(at).or_default().push((slot, value));
                    slots.push((at, slot));
                }
                None => rest.push(StateKey::Slot(at, slot)),
            }
        }
        if slots.is_empty() {
            return Ok(rest);
        }
        if slots == fetched {
            return Err("asks again for slots that it was told".to_owned());
        }
        for (at, changes) in &values {
            market.apply_slots(*at, changes).map_err(|error| format!("contradicts itself ({error})"))?;
        }
        fetched = slots;
    }
}

/// Runs the markets' questions, so that all they read is known, and tells the markets what is answered.
async fn ask(
    discovery: &Discovery,
    known: &mut StateCache,
    markets: &mut [Open<'_>],
    found: &mut Found,
    hear: Hear<'_>,
) -> Result<(), BootstrapError> {
    let asked: Vec<(usize, Question)> = questions(markets.iter().map(|open| &open.market));
    // What is not known counts as empty at first: fewer rounds than one read after the other.
    let look = |(_, question): &(_, Question)| Look { from: PROBER, to: question.to, data: question.data.clone() };
    discovery.warm(known, asked.iter().map(look).collect(), hear).await?;
    let answers = discovery.settle(known, asked, ask_question, hear).await?;
    let mut read = BTreeSet::new();
    for ((index, question), (answer, contracts)) in &answers {
        if matches!(question.about, About::Price(_)) {
            read.extend(contracts);
        }
        let Some(Open { row, market, .. }) = markets.get_mut(*index) else { continue };
        if !answered(market, question, answer.as_ref()) {
            let (what, of) = match question.about {
                About::Price(feed) => ("price", feed),
                About::Cash(asset) => ("cash", asset),
            };
            found.say(row, format!("no {what} of {of}: {} does not answer", question.to));
        }
    }
    // What a token keeps of everyone is no business of ours, and nobody would forget it.
    let call = |contract: &Address| (*contract, own::balance_of(PROBER));
    let balances = discovery.answers(known, read.iter().map(call).collect(), hear).await?;
    let plain = read.into_iter().zip(balances).filter(|(_, balance)| own::number(balance.as_ref()).is_none());
    found.whole = plain.map(|(contract, _)| contract).collect();
    Ok(())
}

/// The answer, and whose storage it is read from.
fn ask_question(
    machine: &mut Machine,
    _: &mut (),
    (_, question): &(usize, Question),
) -> Asked<(Option<Bytes>, Vec<Address>)> {
    let mut probe = EvmProbe::new(machine);
    let answer = probe.call(question.to, &question.data);
    let read = answer.reads.into_iter().map(|(contract, _)| contract).collect();
    ((answer.output.map(Bytes::from), read), probe.into_missed())
}

/// Each market's, with its place.
fn questions<'a>(markets: impl Iterator<Item = &'a AnyLending>) -> Vec<(usize, Question)> {
    let of =
        |(index, market): (usize, &AnyLending)| market.questions().into_iter().map(move |question| (index, question));
    markets.enumerate().flat_map(|market| of(market).collect::<Vec<_>>()).collect()
}

/// Tells a market an answer; false when it is none.
fn answered(market: &mut AnyLending, question: &Question, answer: Option<&Bytes>) -> bool {
    let Some(word) = answer.and_then(|bytes| bytes.get(..32)).map(U256::from_be_slice) else { return false };
    market.answer(question.about, word);
    true
}

/// The markets of a state, with all that they hold and ask as it stands behind its block, by that state alone; and what was
/// missing for it, which is nothing where the state is whole.
///
/// # Errors
/// The block's rules are not known.
pub fn markets(loaded: &Loaded, rules: Rules) -> Result<(Vec<AnyLending>, Vec<StateKey>), BootstrapError> {
    let mut known = StateCache::default();
    known.learn(&loaded.accounts);
    known.hashes.extend(loaded.hashes.iter().copied());
    let mut markets: Vec<AnyLending> = loaded.markets.iter().filter_map(AnyLending::from_spec).collect();
    let mut state_keys = Vec::new();
    for market in &mut markets {
        state_keys.extend(tell(market, &known).unwrap_or_default());
    }
    let fork = rules.fork(loaded.head.number, loaded.head.timestamp)?;
    let mut machine = Machine::new(rules.chain_id, fork, BlockFields::from(&loaded.head).env(fork), known.db());
    let mut probe = EvmProbe::new(&mut machine);
    for (index, question) in questions(markets.iter()) {
        let answer = probe.call(question.to, &question.data).output.map(Bytes::from);
        if let Some(market) = markets.get_mut(index) {
            answered(market, &question, answer.as_ref());
        }
    }
    state_keys.extend(state_cache::state_keys(probe.into_missed()));
    Ok((markets, state_keys))
}
