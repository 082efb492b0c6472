//! Between the feed and the hot threads: every block with what it changed, every pending transaction, every answer to a miss.
//!
//! # Invariants
//! - Hot threads hear of the chain in its order, and of nothing behind a block before the block.
//! - What cannot be had of a block (its changes) is not guessed: the whole state is loaded anew.
//!
//! # Limits
//! - While a block's changes are fetched nothing is judged: pending transactions wait in ingest's queue.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256};
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::edge::bootstrap::ChangeSource;
use crate::edge::bootstrap::Keep;
use crate::edge::bootstrap::Opened;
use crate::edge::bootstrap::Reseeded;
use crate::edge::chain::BlockId;
use crate::edge::chain::ChainError;
use crate::edge::chain::Head;
use crate::edge::chain::Log;
use crate::edge::disk::Trouble;
use crate::edge::ingest::Ingest;
use crate::edge::ingest::feed::Feed;
use crate::edge::ingest::feed::Pending;
use crate::edge::ingest::queue::Outlet;
use crate::hot::event::BlockUpdate;
use crate::hot::event::FetchedState;
use crate::hot::event::StateKey;
use crate::hot::rt::inbox::Feeder;
use crate::hot::worker::io::share;
use crate::hot::worker::message::Look;
use crate::hot::worker::message::Offer;
use crate::hot::worker::message::Report;
use crate::hot::worker::message::Seen;
use crate::hot::worker::message::Work;
use crate::live::fetches::{Bound, Fetches};
use crate::live::mempool::Mempool;
use crate::live::mempool::Miss;
use crate::live::state_loader::StateLoader;
use crate::live::stats::meter::Meters;
use crate::live::submission::inclusion;
use crate::live::watchlist::Site;
use crate::live::watchlist::Watchlist;
use crate::live::workers::sink;
use crate::metrics::count::Counter;
use crate::metrics::said::is_said;
use crate::protocols::AnyLending;
use crate::protocols::AnyPool;
use crate::protocols::amm::Amm;
use crate::protocols::lending::Lending;
use crate::protocols::lending::market_spec::MarketSpec;
use crate::types::pool_key::PoolKey;

/// The way to a hot thread.
pub type ToWorker = Feeder<Work, Offer>;

/// Between two tries to load the state.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
/// Times that the base state's misses are fetched behind one block: each fetch shows the next, and some want cannot be met.
const BASE_MISSES: u32 = 64;

/// What was fetched meanwhile.
enum Fetched {
    State(Arc<FetchedState>, Option<Arc<Pending>>),
    Pool(PoolKey, Arc<FetchedState>, Arc<AnyPool>),
    /// ... and behind which block.
    Unusable(PoolKey, B256),
    Unread(PoolKey),
    /// `None`: it cannot be used.
    Market(Site, Arc<FetchedState>, Option<Arc<MarketSpec>>),
    UnreadMarket(Site),
    /// The transaction reads more than is fetched for one.
    TooMuch(B256),
    Nothing,
}

/// Keeps the hot threads up to date.
pub struct Dispatcher {
    feeders: Vec<ToWorker>,
    source: StateLoader,
    /// Whose logs are due.
    watchlist: Watchlist,
    keep: Arc<Keep>,
    newest: Arc<AtomicU64>,
    meters: Arc<Meters>,
    to_settle: mpsc::UnboundedSender<inclusion::Note>,
    head: Option<Head>,
    at: BlockId,
    mempool: Mempool,
    /// Pools to be read anew at the tip.
    to_read: HashSet<PoolKey>,
    /// ... being read.
    seeding: HashSet<PoolKey>,
    /// Markets that were opened since the load, and who has borrowed in each.
    borrowers: BTreeMap<Site, BTreeSet<Address>>,
    /// Those of them to be read at the tip.
    unopened: BTreeSet<Site>,
    /// ... being read.
    opening: BTreeSet<Site>,
    fetches: JoinSet<Fetched>,
    /// What strangers can make us fetch.
    bounds: Arc<Fetches>,
    tip: watch::Sender<B256>,
    /// Misses of the base state that were asked for behind this tip.
    base_misses: u32,
    looks: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Seen>>,
    /// How often the state was loaded anew.
    loads: u64,
    /// Tells when the journal is not written and when it is again, where there is one.
    journal: Option<watch::Receiver<Option<Trouble>>>,
}

/// What a dispatcher is made of.
pub struct Parts {
    /// One for each hot thread.
    pub feeders: Vec<ToWorker>,
    /// The state's source.
    pub source: StateLoader,
    /// Whose logs are due.
    pub watchlist: Watchlist,
    /// What keeps it current.
    pub keep: Keep,
    /// The highest block heard of.
    pub newest: Arc<AtomicU64>,
    /// The run's numbers.
    pub meters: Arc<Meters>,
    /// To the inclusion tracker.
    pub to_settle: mpsc::UnboundedSender<inclusion::Note>,
    /// Where the tip's hash is told.
    pub tip: watch::Sender<B256>,
    /// The block behind which the hot threads begin.
    pub at: BlockId,
    /// Questions how the state stands.
    pub looks: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Seen>>,
    /// What strangers can make us fetch.
    pub bounds: Arc<Fetches>,
    /// Whether the journal is written, where there is one.
    pub journal: Option<watch::Receiver<Option<Trouble>>>,
}

impl Dispatcher {
    /// A dispatcher.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { feeders, source, watchlist, keep, newest, meters, to_settle, tip, at, looks, bounds, journal } =
            parts;
        newest.store(at.number, Ordering::Relaxed);
        Self {
            feeders,
            source,
            watchlist,
            keep: Arc::new(keep),
            newest,
            meters,
            to_settle,
            head: None,
            at,
            mempool: Mempool::default(),
            to_read: HashSet::new(),
            seeding: HashSet::new(),
            borrowers: BTreeMap::new(),
            unopened: BTreeSet::new(),
            opening: BTreeSet::new(),
            fetches: JoinSet::new(),
            bounds,
            tip,
            base_misses: 0,
            looks,
            loads: 0,
            journal,
        }
    }

    /// Keeps on until it is stopped, or the feed ends.
    pub async fn run(
        mut self,
        ingest: Arc<Ingest>,
        feed: Outlet,
        reports: mpsc::UnboundedReceiver<Report>,
        mut stopped: watch::Receiver<bool>,
    ) {
        ingest.value_by(Arc::clone(&self.meters.edge().worth));
        tokio::select! {
            biased;
            // An error: the searcher that could stop it is gone. Wherever it stands: a node that is gone may be asked for ever.
            _ = stopped.changed() => (),
            () = self.keep_on(feed, reports) => (),
        }
        // Nothing is fetched any more while it is written, and nothing judged: hot threads end with their feeders.
        self.fetches.shutdown().await;
        let (source, keep) = (self.source.clone(), Arc::clone(&self.keep));
        drop(self);
        source.save(keep).await;
    }

    async fn keep_on(&mut self, mut feed: Outlet, mut reports: mpsc::UnboundedReceiver<Report>) {
        loop {
            tokio::select! {
                biased;
                Some(report) = reports.recv() => self.report(report).await,
                Some(asker) = self.looks.recv() => self.all(&Work::Look(sink(&asker))),
                true = written_again(&mut self.journal) => self.reload().await,
                Some(fetched) = self.fetches.join_next() => self.fetched(fetched.unwrap_or(Fetched::Nothing)),
                item = feed.recv() => match item {
                    Some(item) => self.feed(item).await,
                    None => return,
                },
            }
        }
    }

    async fn feed(&mut self, item: Feed) {
        match item {
            Feed::Head(head) => {
                // From here on nothing is judged behind the old one.
                self.newest.fetch_max(head.number, Ordering::Relaxed);
                self.head = Some(head);
            }
            Feed::Logs { block, logs, watched } => match self.head.take() {
                Some(head) if head.id() == block => self.block(&head, logs, &watched).await,
                // Undone before its logs came.
                _ => (),
            },
            // A bundle of ours that a builder let out is no trigger.
            Feed::Pending(pending) if pending.sender() == self.source.owner() => (),
            Feed::Pending(pending) => {
                self.meters.edge().counters.add(Counter::Pending);
                self.pending(Arc::from(pending));
            }
            Feed::Undo { from, to } => self.undo(from, to),
            Feed::Gap { cause, .. } => {
                self.meters.edge().counters.add(Counter::Gaps);
                tracing::warn!(?cause, "the feed has a gap");
            }
            Feed::Recovered { at } => tracing::info!(block = at.number, "the feed has no gap any more"),
            Feed::Lost { at } => {
                tracing::warn!(block = at.number, "the chain was lost");
                // Its logs will never come.
                self.head = None;
                self.reload().await;
            }
        }
    }

    /// `asked`: whose logs these are.
    async fn block(&mut self, head: &Head, logs: Vec<Log>, asked: &[Address]) {
        let _ending = self.to_settle.send(inclusion::Note::Grown(head.id()));
        // The state was loaded behind a later block than this one, or this very one.
        if head.number < self.at.number || head.id() == self.at {
            return;
        }
        // It was loaded behind a block that has been undone since, before the feed came to it.
        if head.parent != self.at.hash {
            tracing::warn!(block = head.number, "no child of the block that the state was loaded behind");
            return self.reload().await;
        }
        let (update, logs) = match self.learn(head, logs, asked).await {
            Ok(learnt) => learnt,
            Err(error) => {
                self.meters.edge().counters.add(Counter::EdgeErrors);
                tracing::warn!(block = head.number, %error, "no changes of a block to be had");
                return self.reload().await;
            }
        };
        self.stand(head.id());
        self.watchlist.grow(head.number);
        self.meters.edge().counters.add(Counter::Blocks);
        match self.keep.learnt_by() {
            Some(ChangeSource::Execute) => self.meters.edge().counters.add(Counter::BlocksExecuted),
            Some(ChangeSource::Reread) => self.meters.edge().counters.add(Counter::BlocksReread),
            Some(ChangeSource::Trace) | None => (),
        }
        self.all(&Work::Block(Arc::new(update)));
        self.offer_again(head.number);
        logs.iter().for_each(|log| self.hear(log));
        self.reseed();
        self.open();
        if self.bounds.is_full() {
            tracing::warn!("so much is kept for pending transactions that the state is loaded anew without it");
            self.reload().await;
        }
    }

    /// What the block changed, with the logs of all whose logs are due by now: of a site that has come to be watched since ingest
    /// asked, none is left out.
    async fn learn(
        &self,
        head: &Head,
        mut logs: Vec<Log>,
        asked: &[Address],
    ) -> Result<(BlockUpdate, Vec<Log>), ChainError> {
        let lacking = self.watchlist.lacking(asked);
        if !lacking.is_empty() {
            logs.extend(self.source.chain().logs_of(head, &lacking, BTreeMap::new()).await?);
            logs.sort_by_key(|log| log.log_index);
        }
        Ok((self.keep.update(head, &logs).await?, logs))
    }

    /// A log of the tip: pools that it announces, or that are new and speak for themselves, are to be read.
    fn hear(&mut self, log: &Log) {
        if let Some(pool) = self.watchlist.announced(log) {
            self.keep.announce(pool, log);
            self.watchlist.add(Site::Pool(pool), self.at.number);
            self.to_read.insert(pool);
            return;
        }
        let stirred = self.watchlist.stirred(log, self.at.number);
        if !stirred.is_empty() {
            self.to_read.extend(stirred);
        } else if let Some((market, account)) = self.watchlist.named(log) {
            self.hear_of(market, account);
        }
    }

    /// A market is spoken of: one that was not loaded is to be read, and whoever borrows there is remembered until it is, and
    /// should that be undone.
    fn hear_of(&mut self, market: Site, account: Option<Address>) {
        let used = self.watchlist.is_used(market);
        if used && !self.borrowers.contains_key(&market) {
            return;
        }
        self.borrowers.entry(market).or_default().extend(account);
        if !used {
            self.watchlist.add(market, self.at.number);
            self.unopened.insert(market);
        }
    }

    /// Reads markets that are new.
    fn open(&mut self) {
        for market in self.unopened.iter().copied().filter(|market| self.opening.insert(*market)) {
            let Site::Market(contract, id) = market else { continue };
            let Some(row) = self.watchlist.row(contract).cloned() else { continue };
            let accounts = self.borrowers.get(&market).into_iter().flatten().copied().collect();
            let (keep, at) = (Arc::clone(&self.keep), self.at.hash);
            self.fetches.spawn(async move {
                match keep.open_market(at, &row, (id, accounts)).await {
                    Ok(Opened { fetched, spec }) => {
                        if let Err(reason) = &spec {
                            tracing::info!(%contract, %id, reason, "a market cannot be used");
                        }
                        Fetched::Market(market, Arc::new(fetched), spec.ok().map(Arc::new))
                    }
                    Err(error) => {
                        tracing::info!(%contract, %id, %error, "a market was not read");
                        Fetched::UnreadMarket(market)
                    }
                }
            });
        }
    }

    /// From here on this is the tip: what was found behind another is not sent.
    fn stand(&mut self, at: BlockId) {
        self.at = at;
        self.tip.send_replace(at.hash);
        self.mempool.turn();
        self.bounds.turn(|tx| self.mempool.waits(tx));
        self.base_misses = 0;
    }

    fn offer_again(&mut self, number: u64) {
        for pending in self.mempool.again(number) {
            offer(&self.feeders, &self.meters, pending, Look::Again);
        }
    }

    fn pending(&mut self, pending: Arc<Pending>) {
        let (hash, value) = (pending.hash(), self.meters.edge().worth.of(pending.shape()));
        let forgotten = self.mempool.add(Arc::clone(&pending), value, self.at.number);
        self.meters.edge().counters.add_many(Counter::Forgotten, forgotten as u64);
        match self.mempool.missed_early(&hash) {
            Some(state_keys) => self.missed(self.at.hash, state_keys, Some(hash)),
            None => offer(&self.feeders, &self.meters, &pending, Look::First),
        }
    }

    fn undo(&mut self, from: BlockId, to: BlockId) {
        self.head = None;
        self.meters.edge().counters.add_many(Counter::Undone, from.number.saturating_sub(to.number));
        if self.at.number > to.number {
            self.stand(to);
            self.keep.rewind(to.hash);
            // Pools among them: the hot threads quarantine them, and say so. Markets they let go of.
            let lost = self.watchlist.undo(to.number);
            self.unopened.extend(lost.into_iter().filter(|site| matches!(site, Site::Market(..))));
            self.open();
            self.all(&Work::Undo(to.hash));
        }
        // Also when the head alone had come: nothing would be judged until there is one as high again.
        self.newest.store(self.at.number, Ordering::Relaxed);
        let _ending = self.to_settle.send(inclusion::Note::Undone { above: to.number });
    }

    async fn report(&mut self, report: Report) {
        match report {
            Report::Mined(hashes) => hashes.iter().for_each(|hash| self.mempool.remove(hash)),
            Report::Missed { at, state_keys, again } => self.missed(at, state_keys, again),
            Report::Broken(pools) => {
                tracing::warn!(?pools, "pools in quarantine");
                self.keep.doubt();
                self.to_read.extend(pools);
                self.reseed();
            }
            Report::Placed(pool) => {
                if self.to_read.remove(&pool) {
                    self.meters.edge().counters.add(Counter::Reseeded);
                }
            }
            // Each thread says it, and of every block until it is given the state anew: once is enough.
            Report::Desync { loads, .. } if loads < self.loads => (),
            Report::Desync { why, .. } => {
                tracing::warn!(%why, "the state is adrift");
                self.reload().await;
            }
        }
    }

    fn missed(&mut self, at: B256, state_keys: Vec<StateKey>, again: Option<B256>) {
        if at != self.at.hash {
            return;
        }
        let Some(hash) = again else {
            if self.base_misses < BASE_MISSES {
                self.base_misses += 1;
                self.fetch(at, state_keys, None, false);
            }
            return;
        };
        if let Some(Miss { pending, state_keys, first }) = self.mempool.miss(hash, state_keys) {
            self.fetch(at, state_keys, Some(pending), first);
        }
    }

    /// `first`: nothing was fetched for the transaction so far.
    fn fetch(&mut self, at: B256, state_keys: Vec<StateKey>, pending: Option<Arc<Pending>>, first: bool) {
        let (keep, meters, bounds) = (Arc::clone(&self.keep), Arc::clone(&self.meters), Arc::clone(&self.bounds));
        self.fetches.spawn(async move {
            let of = pending.as_deref().map(|pending| (pending, first));
            match bounds.fetch((&keep, at), &state_keys, of).await {
                Ok(Ok(fetched)) => {
                    meters.edge().counters.add(Counter::Fetched);
                    Fetched::State(Arc::new(fetched), pending)
                }
                Ok(Err(Bound::Tx)) => pending.map_or(Fetched::Nothing, |pending| Fetched::TooMuch(pending.hash())),
                // Behind the next block there is room again.
                Ok(Err(Bound::Sender | Bound::Block)) => Fetched::Nothing,
                Err(error) => {
                    meters.edge().counters.add(Counter::EdgeErrors);
                    tracing::debug!(%error, "a miss was not answered");
                    Fetched::Nothing
                }
            }
        });
    }

    /// Reads pools anew that are in quarantine, or new.
    fn reseed(&mut self) {
        for pool in self.to_read.iter().copied().filter(|pool| self.seeding.insert(*pool)) {
            let (keep, at) = (Arc::clone(&self.keep), self.at.hash);
            self.fetches.spawn(async move {
                match keep.reseed(at, pool).await {
                    Ok(Reseeded { fetched, pool: Ok(read) }) => Fetched::Pool(pool, Arc::new(fetched), Arc::new(read)),
                    Ok(Reseeded { pool: Err(reason), .. }) => {
                        tracing::info!(%pool, reason, "a pool cannot be used");
                        Fetched::Unusable(pool, at)
                    }
                    Err(error) => {
                        tracing::info!(%pool, %error, "a pool was not read");
                        Fetched::Unread(pool)
                    }
                }
            });
        }
    }

    fn fetched(&mut self, fetched: Fetched) {
        if let Fetched::Pool(pool, ..) | Fetched::Unusable(pool, _) | Fetched::Unread(pool) = &fetched {
            self.seeding.remove(pool);
        }
        if let Fetched::Market(market, ..) | Fetched::UnreadMarket(market) = &fetched {
            self.opening.remove(market);
        }
        match fetched {
            Fetched::State(fetched, again) if fetched.at == self.at.hash => {
                self.all(&Work::FetchedState(fetched, again.is_none()));
                if let Some(pending) = again {
                    let new = self.mempool.is_new(&pending.hash(), self.at.number);
                    offer(&self.feeders, &self.meters, &pending, if new { Look::AfterMiss } else { Look::Again });
                }
            }
            Fetched::Pool(key, fetched, pool) if fetched.at == self.at.hash => {
                let at = fetched.at;
                // Behind this block it is read, and every later one's logs are handed on with it among the watched.
                self.watchlist.take_up(Site::Pool(key), &pool.sites(), self.at.number);
                self.all(&Work::FetchedState(fetched, false));
                self.all(&Work::Pool(at, pool));
            }
            Fetched::Unusable(pool, at) if at == self.at.hash => {
                self.to_read.remove(&pool);
                self.watchlist.give_up(Site::Pool(pool), self.at.number);
            }
            Fetched::Market(market, fetched, spec) if fetched.at == self.at.hash => {
                self.unopened.remove(&market);
                let Some(spec) = spec else { return };
                let at = fetched.at;
                let sites = AnyLending::from_spec(&spec).map(|market| Lending::sites(&market)).unwrap_or_default();
                self.watchlist.take_up(market, &sites, self.at.number);
                self.all(&Work::FetchedState(fetched, false));
                self.all(&Work::Market(at, spec));
            }
            Fetched::Market(..) => self.open(),
            Fetched::TooMuch(hash) => self.mempool.remove(&hash),
            // Behind another block by now: pools are read again there, transactions offered again.
            Fetched::Pool(..) | Fetched::Unusable(..) => self.reseed(),
            Fetched::State(..) | Fetched::Unread(_) | Fetched::UnreadMarket(_) | Fetched::Nothing => (),
        }
    }

    /// Loads everything anew; tries until it succeeds, as without it nothing can be said.
    async fn reload(&mut self) {
        self.meters.edge().counters.add(Counter::Reloads);
        // Should the run end meanwhile, it is nothing for the next one to go on from.
        self.keep.distrust();
        let mut tries = 0;
        let loaded = loop {
            match self.source.reload(&mut |progress| tracing::debug!(?progress, "loading anew")).await {
                Ok(loaded) => break loaded,
                Err(error) => {
                    self.meters.edge().counters.add(Counter::EdgeErrors);
                    tries += 1;
                    if is_said(tries) {
                        tracing::warn!(%error, tries, "the state was not loaded; tried again");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        // As at the start: what has become unusable meanwhile is not to go unsaid.
        loaded.notes.iter().for_each(|note| tracing::warn!(note));
        self.keep = Arc::new(self.source.keep(&loaded));
        self.fetches = JoinSet::new();
        self.bounds.forget();
        self.seeding.clear();
        self.stand(BlockId { number: loaded.head.number, hash: loaded.head.hash });
        let _ending = self.to_settle.send(inclusion::Note::Lost);
        let head = self.head.as_ref().map_or(0, |head| head.number);
        self.newest.store(loaded.head.number.max(head), Ordering::Relaxed);
        self.loads += 1;
        self.to_read.clear();
        self.borrowers.clear();
        self.unopened.clear();
        self.opening.clear();
        self.watchlist.reload(&loaded);
        self.all(&Work::Load(Arc::new(loaded)));
        self.offer_again(self.at.number);
    }

    fn all(&self, work: &Work) {
        for feeder in &self.feeders {
            // A thread that is gone has panicked; the supervisor in `live` ends the run.
            let _gone = feeder.chain(work.clone());
        }
    }
}

/// Waits for the journal to be written behind a gap. From a state that is loaded anew a replay goes on, and from nothing else.
async fn written_again(journal: &mut Option<watch::Receiver<Option<Trouble>>>) -> bool {
    let Some(journal) = journal else { return std::future::pending().await };
    match journal.changed().await {
        Ok(()) => journal.borrow_and_update().is_none(),
        // It has ended.
        Err(_) => std::future::pending().await,
    }
}

/// Each transaction to one thread, always the same.
fn offer(feeders: &[ToWorker], meters: &Meters, pending: &Arc<Pending>, look: Look) {
    let hash = pending.hash();
    let index = share(hash, feeders.len());
    if let Some(feeder) = feeders.get(index) {
        let value = meters.edge().worth.of(pending.shape());
        let offer = Offer { pending: Arc::clone(pending), look };
        let taken = if look == Look::Again { feeder.later(value, offer) } else { feeder.pending(value, offer) };
        meters.edge().counters.add(Counter::Offered);
        if !taken {
            meters.edge().counters.add(Counter::PendingDropped);
        }
    }
}
