//! Values that make no sense, alone or beside one another; and what a searcher cannot do without. What stands here is said by
//! `check` and by `run` alike: there is no second place that could refuse what this lets pass.

use std::path::Path;

use crate::config::Config;
use crate::edge::bootstrap;
use crate::edge::ingest;
use crate::edge::submit;
use crate::hot::bundle;

/// Key, value, what is due.
type Range = (&'static str, String, &'static str);

/// The first row that has something, with its place.
fn of_rows<T>(rows: &[T], wrong: impl Fn(&T) -> Option<Range>) -> Option<(usize, Range)> {
    rows.iter().enumerate().find_map(|(place, row)| Some((place, wrong(row)?)))
}

impl Config {
    /// The first value that makes no sense, and of which row, where it is one of rows.
    pub(super) fn out_of_range(&self) -> Option<(usize, Range)> {
        let tables = self
            .ingest
            .out_of_range()
            .or_else(|| self.bootstrap.out_of_range())
            .or_else(|| self.search.out_of_range())
            .or_else(|| self.executor.as_ref().and_then(bundle::config::Executor::out_of_range))
            .or_else(|| self.bid.out_of_range())
            .or_else(|| self.limits.out_of_range())
            .or_else(|| self.threads.out_of_range());
        let alone = tables.map(|range| (0, range));
        alone
            .or_else(|| of_rows(&self.node, ingest::Node::out_of_range))
            .or_else(|| of_rows(&self.factory, bootstrap::Factory::out_of_range))
            .or_else(|| of_rows(&self.pool, bootstrap::PoolRow::out_of_range))
            .or_else(|| of_rows(&self.lending, bootstrap::LendingRow::out_of_range))
            .or_else(|| of_rows(&self.relay, submit::config::Relay::out_of_range))
            .or_else(|| self.rows_beside_rows())
            .or_else(|| self.tables_beside_tables().map(|range| (0, range)))
    }

    fn rows_beside_rows(&self) -> Option<(usize, Range)> {
        ingest::Node::twice(&self.node)
            .or_else(|| bootstrap::Factory::twice(&self.factory))
            .or_else(|| bootstrap::PoolRow::twice(&self.pool))
            .or_else(|| bootstrap::LendingRow::twice(&self.lending))
            .or_else(|| submit::config::Relay::twice(&self.relay))
    }

    fn tables_beside_tables(&self) -> Option<Range> {
        let (bid, limits) = (&self.bid, &self.limits);
        if bid.cap_wei > limits.max_bid_wei {
            let found = format!("{}, and limits.max_bid_wei {}", bid.cap_wei, limits.max_bid_wei);
            return Some(("bid.cap_wei", found, "at most limits.max_bid_wei, which refuses what is above it,"));
        }
        let wants = self.relay.iter().find(|relay| relay.needs_signature());
        if let (Some(relay), Some(executor)) = (wants, &self.executor)
            && executor.identity.is_none()
        {
            let found = format!("unset, and relay {} wants signatures", relay.name);
            return Some(("executor.identity", found, "env:NAME or a file's path"));
        }
        let files = self.files();
        // `./x` is `x`.
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let twice = |at: usize| files.iter().take(at).find(|(_, path)| whole(path) == whole(files[at].1));
        let (at, (key, _)) = (0..files.len()).find_map(|at| Some((at, twice(at)?)))?;
        Some((files[at].0, format!("{}, that of {key}", files[at].1.display()), "a file of its own"))
    }

    /// Files that are written, by key.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            ("record.ledger", Some(&self.record.ledger)),
            ("record.journal", self.record.journal.as_ref()),
            ("record.facts", self.record.facts.as_ref()),
            ("bootstrap.snapshot", self.bootstrap.snapshot.as_ref()),
        ];
        files.into_iter().filter_map(|(key, path)| Some((key, path?.as_path()))).collect()
    }

    /// What a searcher cannot do without, and is not there.
    pub(super) fn missing(&self) -> Option<String> {
        let said = if !self.node.iter().any(|node| node.ws.is_some() || node.ipc.is_some()) {
            "no [[node]] with ws or ipc, at least one due"
        } else if !self.node.iter().any(|node| node.ws.is_some() || node.http.is_some()) {
            "no [[node]] with http or ws, at least one due: ipc is for what is heard, and state has to be asked for"
        } else if self.executor.is_none() {
            "no [executor], its address and owner due"
        } else if self.factory.is_empty() && self.pool.is_empty() {
            "neither [[factory]] nor [[pool]], at least one due"
        } else if self.relay.is_empty() {
            "no [[relay]], at least one due"
        } else {
            return self.nowhere();
        };
        Some(said.to_owned())
    }

    /// The first file that cannot be written for want of a folder.
    fn nowhere(&self) -> Option<String> {
        let folder = |path: &Path| path.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_path_buf);
        self.files().into_iter().find_map(|(key, path)| {
            if path.is_dir() {
                return Some(format!("{key} is {}, a folder; a file due", path.display()));
            }
            let gone = folder(path).filter(|folder| !folder.is_dir())?;
            Some(format!("{key} is {}, and there is no folder {}", path.display(), gone.display()))
        })
    }
}
