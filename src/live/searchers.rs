//! The searchers of a process, one a chain. They share the process: its runtime, its door for numbers, its host's cores, of which
//! each has its own. State, keys, ledger and journal are each searcher's.
//!
//! # Invariants
//! - All of them run, or none: a part that dies ends the process, to be started again from outside.

use std::net::SocketAddr;
use std::time::Duration;

use eyre::WrapErr;
use futures_util::future::join_all;

use crate::config::Config;
use crate::edge::bootstrap::Hear;
use crate::edge::export::Exporter;
use crate::live::How;
use crate::live::Searcher;
use crate::live::start;
use crate::live::start::exporter;
use crate::live::stats::show::Aside;
use crate::live::stats::totals::Status;

/// Running searchers.
pub struct Searchers {
    all: Vec<(u64, Searcher)>,
    exporter: Option<Exporter>,
    dry: bool,
}

/// How the searcher of a chain stands, or stood at its end.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The chain's id.
    pub chain: u64,
    /// What was earned, and how fast.
    pub status: Status,
    /// What the table shows beside it.
    pub aside: Aside,
}

impl Searchers {
    /// Starts one for each of these configurations, in order; within a tokio runtime. `seed`: as of [`start`].
    ///
    /// # Errors
    /// One sentence that says what is missing or wrong, and of which chain; none runs then.
    pub async fn start(configs: &[Config], how: How, seed: u64, progress: Hear<'_>) -> eyre::Result<Self> {
        let mut running = Self { all: Vec::new(), exporter: None, dry: how == How::Dry };
        match running.start_all(configs, how, seed, progress).await {
            Ok(()) => Ok(running),
            Err(error) => {
                running.stop().await;
                Err(error)
            }
        }
    }

    async fn start_all(&mut self, configs: &[Config], how: How, seed: u64, progress: Hear<'_>) -> eyre::Result<()> {
        for config in configs {
            // One door serves the numbers of all.
            let mut own = config.clone();
            own.metrics.listen = None;
            let searcher = start(&own, how, seed, progress).await;
            let id = config.chain.id;
            let searcher = if configs.len() > 1 { searcher.wrap_err_with(|| format!("chain {id}")) } else { searcher };
            self.all.push((id, searcher?));
        }
        let several = self.all.len() > 1;
        let rows = self.all.iter().map(|(id, searcher)| searcher.exported(several.then_some(*id))).collect();
        self.exporter = exporter(configs.iter().find_map(|config| config.metrics.listen), rows).await?;
        Ok(())
    }

    /// Each, with its chain's id.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Searcher)> {
        self.all.iter().map(|(id, searcher)| (*id, searcher))
    }

    /// Where their numbers are served.
    #[must_use]
    pub fn served_at(&self) -> Option<SocketAddr> {
        self.exporter.as_ref().map(Exporter::at)
    }

    /// Whether all of all still runs. If not, nobody sends anything from here on.
    ///
    /// # Errors
    /// A part has died.
    pub fn check(&self) -> eyre::Result<()> {
        for (id, searcher) in &self.all {
            if let Err(fault) = searcher.check() {
                self.all.iter().for_each(|(_, searcher)| searcher.halt());
                return Err(eyre::Report::new(fault)).wrap_err_with(|| format!("chain {id}"));
            }
        }
        Ok(())
    }

    /// How each stands.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        let one = |(id, searcher): &(u64, Searcher)| {
            searcher.meters().collect();
            let aside = aside(searcher, self.dry);
            Standing { chain: *id, status: searcher.status(), aside }
        };
        self.all.iter().map(one).collect()
    }

    /// They send nothing more; waits until every bundle has an outcome, or for `patience`. How many have none.
    pub async fn wind_down(&self, patience: Duration) -> usize {
        join_all(self.all.iter().map(|(_, searcher)| searcher.wind_down(patience))).await.into_iter().sum()
    }

    /// Ends all of them.
    pub async fn stop(self) -> Vec<Standing> {
        let Self { all, exporter, dry } = self;
        drop(exporter);
        let ends = all.into_iter().map(async |(chain, searcher)| {
            let aside = aside(&searcher, dry);
            Standing { chain, status: searcher.stop().await, aside }
        });
        join_all(ends).await
    }
}

fn aside(searcher: &Searcher, dry: bool) -> Aside {
    Aside { pools: searcher.pools(), tip: searcher.tip(), dry }
}
