//! What a run sees nothing of, said with its reason: no pending transaction, no pool, no opportunity for minutes. And that our
//! owner cannot pay for what was found.
//!
//! # Invariants
//! - A silence is said once, when it has lasted; and taken back when it ends. One that comes again and again is said at each power
//!   of ten.
//! - The reason is what is known of the sources, of the pools that were loaded and of what came to nothing: no guess.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use alloy_primitives::utils::format_ether;
use tokio::sync::watch;

use crate::edge::bootstrap::Loaded;
use crate::edge::chain::Chain;
use crate::edge::ingest::Ingest;
use crate::edge::ingest::SourceStats;
use crate::edge::ingest::hearing::Kind;
use crate::hot::refused::Refused;
use crate::live::stats::meter::Meters;
use crate::live::stats::totals::Stats;
use crate::metrics::count::Counter;
use crate::metrics::said::is_said;
use crate::types::text::printable;

/// Looks at the numbers while one silence passes, and the longest time between two.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_secs(1);
/// Reasons named of many.
const NAMED: usize = 3;
/// Characters of a reason.
const WORDS: usize = 600;

/// What there may be nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// Pending transactions.
    Pending,
    /// Pools.
    Pool,
    /// Opportunities.
    Opportunity,
    /// Ether for gas.
    Ether,
}

impl Lack {
    const UNSEEN: [Self; 3] = [Self::Pending, Self::Pool, Self::Opportunity];

    /// What is lacking.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "no pending transaction",
            Self::Pool => "no pool",
            Self::Opportunity => "no opportunity",
            Self::Ether => "no ether for gas",
        }
    }
}

/// How long what has not been seen.
#[derive(Clone, Debug)]
pub struct Silence {
    patience: Duration,
    kinds: [Track; 4],
}

#[derive(Clone, Copy, Debug)]
struct Track {
    seen: u64,
    since: Instant,
    lacking: bool,
    times: u64,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has lasted. Whether it is to be said.
    Begins(bool),
    /// It is over.
    Ends,
}

impl Silence {
    /// From now on; what is not seen for `patience` is lacking.
    #[must_use]
    pub fn new(now: Instant, patience: Duration) -> Self {
        Self { patience, kinds: [Track { seen: 0, since: now, lacking: false, times: 0 }; 4] }
    }

    /// So many of a kind have been seen so far.
    pub fn look(&mut self, now: Instant, lack: Lack, seen: u64) -> Option<Turn> {
        let track = &mut self.kinds[lack as usize];
        // A pool that is there once is there from then on; of the others new ones are due.
        let is_new = if lack == Lack::Pool { seen > 0 } else { seen != track.seen };
        track.seen = seen;
        if is_new {
            track.since = now;
            return std::mem::take(&mut track.lacking).then_some(Turn::Ends);
        }
        if track.lacking || now.duration_since(track.since) < self.patience {
            return None;
        }
        Some(track.begin())
    }

    /// So many times something could not be paid for: it lacks from the first on, until that has not happened for as long.
    pub fn shortage(&mut self, now: Instant, times: u64) -> Option<Turn> {
        let track = &mut self.kinds[Lack::Ether as usize];
        if times != track.seen {
            (track.seen, track.since) = (times, now);
            return (!track.lacking).then(|| track.begin());
        }
        let over = track.lacking && now.duration_since(track.since) >= self.patience;
        track.lacking &= !over;
        over.then_some(Turn::Ends)
    }
}

impl Track {
    fn begin(&mut self) -> Turn {
        self.lacking = true;
        self.times += 1;
        Turn::Begins(is_said(self.times))
    }
}

/// What was loaded of pools: the state itself is gigabytes, and the threads have it.
pub struct Pools {
    usable: u64,
    unusable: usize,
    /// Some that cannot be used, and why.
    named: Vec<String>,
}

impl Pools {
    /// Of what was loaded.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let each = loaded.unusable.iter().map(|(pool, reason)| format!("{pool} cannot be used: {reason}"));
        Self { usable: loaded.pools.len() as u64, unusable: loaded.unusable.len(), named: each.take(NAMED).collect() }
    }
}

/// Who is asked.
pub struct Watch {
    /// The run's numbers.
    pub meters: Arc<Meters>,
    /// What it says of itself.
    pub stats: Arc<Stats>,
    /// Its sources.
    pub ingest: Arc<Ingest>,
    /// What it began with.
    pub pools: Pools,
    /// The chain, and who pays for our gas.
    pub payer: (Chain, Address),
}

impl Watch {
    /// Looks until the run is stopped.
    pub async fn run(self, patience: Duration, mut stopped: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval((patience / LOOKS).clamp(Duration::from_millis(1), LOOK));
        let mut silence = Silence::new(Instant::now(), patience);
        loop {
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                _ = looks.tick() => {
                    self.look(&mut silence, patience);
                    self.look_at_ether(&mut silence).await;
                }
            }
        }
    }

    fn look(&self, silence: &mut Silence, patience: Duration) {
        for lack in Lack::UNSEEN {
            match silence.look(Instant::now(), lack, self.seen(lack)) {
                Some(Turn::Begins(is_said)) => {
                    let why = printable(&self.why(lack), WORDS);
                    if is_said {
                        tracing::warn!(why, "{} for {patience:?}", lack.name());
                    }
                    self.stats.lacks(lack, Some(why));
                }
                Some(Turn::Ends) => {
                    tracing::info!("there is one again, where there was {}", lack.name());
                    self.stats.lacks(lack, None);
                }
                None => {}
            }
        }
    }

    async fn look_at_ether(&self, silence: &mut Silence) {
        match silence.shortage(Instant::now(), self.meters.refused(Refused::Unfunded)) {
            Some(Turn::Begins(is_said)) => {
                let why = printable(&self.poor().await, WORDS);
                if is_said {
                    tracing::warn!(why, "{}: what is found cannot be paid for", Lack::Ether.name());
                }
                self.stats.lacks(Lack::Ether, Some(why));
            }
            Some(Turn::Ends) => {
                tracing::info!("nothing has lacked ether for gas any more");
                self.stats.lacks(Lack::Ether, None);
            }
            None => {}
        }
    }

    /// Who holds too little.
    async fn poor(&self) -> String {
        let (chain, owner) = &self.payer;
        let held = async {
            let head = chain.latest().await.ok()??;
            chain.holdings(head.hash, &[*owner]).await.ok()?.first()?.balance
        };
        let held = held.await.map_or_else(|| "too little".to_owned(), |held| format!("{} ether", format_ether(held)));
        format!("the owner {owner} holds {held}, and the gas that a transaction may take is paid for ahead")
    }

    fn seen(&self, lack: Lack) -> u64 {
        let count = |counter| self.meters.count(counter);
        match lack {
            // A spinning thread may hear what the edge does not.
            Lack::Pending => count(Counter::Pending) + count(Counter::Heard),
            Lack::Pool => self.pools.usable + count(Counter::Reseeded),
            Lack::Opportunity => count(Counter::Opportunities),
            Lack::Ether => self.meters.refused(Refused::Unfunded),
        }
    }

    fn why(&self, lack: Lack) -> String {
        match lack {
            Lack::Pending => join(self.ingest.stats().iter().map(unheard)),
            Lack::Pool if self.pools.unusable == 0 => "the configuration's rows lead to none".to_owned(),
            Lack::Pool => {
                let Pools { unusable, named, .. } = &self.pools;
                format!("{unusable} of them cannot be used: {}", join(named.iter().cloned()))
            }
            Lack::Opportunity | Lack::Ether => self.fruitless(),
        }
    }

    /// What came of what was looked at.
    fn fruitless(&self) -> String {
        let count = |counter| self.meters.count(counter);
        if self.seen(Lack::Pool) == 0 {
            return "there is no pool to search in".to_owned();
        }
        let (blocks, looked) = (count(Counter::Blocks), count(Counter::Looked));
        let mut refused: Vec<_> =
            Refused::ALL.iter().map(|reason| (self.meters.refused(*reason), reason.name())).collect();
        refused.sort_unstable_by(|one, other| other.cmp(one));
        let most = refused.iter().filter(|(count, _)| *count > 0).take(NAMED);
        let most = join(most.map(|(count, reason)| format!("{count} for `{reason}`")));
        let most = if most.is_empty() { "nothing was refused".to_owned() } else { format!("came to nothing: {most}") };
        format!("{blocks} blocks and {looked} runs of pending transactions were looked at; {most}")
    }
}

/// Why no pending transaction comes from a source, as far as it is known.
fn unheard(source: &SourceStats) -> String {
    let heard = &source.heard;
    let deaf = heard.deaf_to.iter().any(|to| [Kind::Pending.name(), Kind::Unknown.name()].contains(to));
    let cause = heard.causes.last();
    let why = if let Some(down) = &heard.down {
        format!("is not connected: {down}")
    } else if deaf && let Some(cause) = cause {
        format!("is deaf, nothing of it decodes: {}: {}", cause.cause, cause.begins)
    } else if let Some(words) = heard.refused.get("newPendingTransactions") {
        format!("refuses to tell them: {words}")
    } else if source.txs.first + source.txs.behind > 0 && heard.not_had > 0 {
        format!("tells hashes, and {} bodies could not be had", heard.not_had)
    } else if source.txs.first + source.txs.behind > 0 {
        "has told of some, of which none was new or could be handed on".to_owned()
    } else if heard.frames == 0 {
        "tells nothing at all".to_owned()
    } else {
        "tells of none".to_owned()
    };
    format!("{} {why}", source.name)
}

fn join(each: impl Iterator<Item = String>) -> String {
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_said_once_it_has_lasted_and_ends_with_the_first_that_is_seen() {
        let (began, minute) = (Instant::now(), Duration::from_secs(60));
        let mut silence = Silence::new(began, minute * 2);
        let mut look = |minutes: u32, lack, seen| silence.look(began + minute * minutes, lack, seen);
        assert_eq!([look(0, Lack::Pending, 0), look(1, Lack::Pending, 0)], [None, None]);
        assert_eq!([look(2, Lack::Pending, 0), look(3, Lack::Pending, 0)], [Some(Turn::Begins(true)), None]);
        assert_eq!(look(4, Lack::Pending, 5), Some(Turn::Ends));
        assert_eq!([look(5, Lack::Pending, 5), look(6, Lack::Pending, 5)], [None, Some(Turn::Begins(false))]);
        // One that is there is enough.
        assert_eq!([look(1, Lack::Pool, 3), look(9, Lack::Pool, 3)], [None, None]);
        assert_eq!(look(2, Lack::Opportunity, 0), Some(Turn::Begins(true)), "each kind by itself");
    }

    #[test]
    fn a_shortage_is_said_at_the_first_refusal_and_over_when_there_was_none_for_as_long() {
        let (began, minute) = (Instant::now(), Duration::from_secs(60));
        let mut silence = Silence::new(began, minute * 2);
        let mut look = |minutes: u32, times| silence.shortage(began + minute * minutes, times);
        assert_eq!([look(0, 0), look(1, 3), look(2, 8_771)], [None, Some(Turn::Begins(true)), None]);
        assert_eq!([look(3, 8_771), look(4, 8_771), look(9, 8_771)], [None, Some(Turn::Ends), None]);
        assert_eq!(look(10, 8_772), Some(Turn::Begins(false)), "the second time");
    }

    #[test]
    fn a_source_that_tells_nothing_is_said_to_by_what_is_known_of_it() {
        let source = |change: fn(&mut SourceStats)| {
            let (txs, heads, heard) = Default::default();
            let mut source = SourceStats { name: "a/node_ws".to_owned(), txs, heads, heard };
            change(&mut source);
            unheard(&source)
        };
        assert_eq!(source(|_| ()), "a/node_ws tells nothing at all");
        assert_eq!(source(|source| source.heard.frames = 3), "a/node_ws tells of none");
        assert!(source(|source| source.heard.down = Some("gone".to_owned())).ends_with("not connected: gone"));
        let refuses = |source: &mut SourceStats| {
            source.heard.refused.insert("newPendingTransactions", "-32601: no".to_owned());
        };
        assert!(source(refuses).ends_with("refuses to tell them: -32601: no"));
        assert!(source(|source| (source.txs.first, source.heard.not_had) = (9, 9)).contains("9 bodies"));
    }
}
