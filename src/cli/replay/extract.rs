//! Bundles out of a journal, each with the state that it reads, for `peregrine replay bundle`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use clap::Args;
use eyre::eyre;
use tempfile::NamedTempFile;

use crate::cli::Failure;
use crate::cli::log;
use crate::replay::bundle::Case;
use crate::replay::bundle::slice;
use crate::replay::journal::Judged;
use crate::replay::journal::Thread;

/// Which bundles, and where to.
#[derive(Debug, Args)]
pub struct Extract {
    /// Write this bundle, with all the state that it reads, for `replay bundle`: by the bundle's hash, our transaction's, or
    /// the trigger's (the last bundle behind it).
    #[arg(long, value_name = "HASH")]
    bundle: Option<B256>,
    /// Where to write it [default: stdout].
    #[arg(long, value_name = "FILE", requires = "bundle")]
    out: Option<PathBuf>,
    /// Write every bundle into a folder, as BLOCK-STRATEGY-HASH.json.
    #[arg(long, value_name = "DIR", conflicts_with = "bundle")]
    bundles: Option<PathBuf>,
}

/// What has been found.
#[derive(Debug)]
pub struct Found<'a> {
    wanted: &'a Extract,
    one: Option<Case>,
    /// The same bundle may have been found by two threads: it is one file.
    written: BTreeSet<PathBuf>,
}

impl Extract {
    /// Before the journal is read.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn begin(&self) -> Result<Found<'_>, Failure> {
        if let Some(folder) = &self.bundles {
            std::fs::create_dir_all(folder).map_err(|cause| unwritten(folder, &cause))?;
        }
        Ok(Found { wanted: self, one: None, written: BTreeSet::new() })
    }

    /// The bundle alone goes to stdout, and the summary must not.
    #[must_use]
    pub const fn takes_stdout(&self) -> bool {
        self.bundle.is_some() && self.out.is_none()
    }
}

impl Found<'_> {
    /// A decision has come out.
    ///
    /// # Errors
    /// One sentence: its bundle does not run, or cannot be written.
    pub fn hear(&mut self, thread: &mut Thread, judged: &Judged) -> Result<(), String> {
        let Some(bundle) = &judged.decided.decision.bundle else { return Ok(()) };
        let names = judged.decided.names.unwrap_or_default();
        let called = [Some(names.bundle), Some(names.ours), bundle.trigger, Some(bundle.digest)];
        let is_wanted = self.wanted.bundle.is_some_and(|hash| called.contains(&Some(hash)));
        if !is_wanted && self.wanted.bundles.is_none() {
            return Ok(());
        }
        let Some(case) = slice::slice(thread, judged)? else { return Ok(()) };
        let Some(folder) = &self.wanted.bundles else {
            self.one = Some(case);
            return Ok(());
        };
        let hash = names.bundle.to_string();
        let name = format!("{}-{}-{}.json", case.block.number, case.strategy, hash.get(..10).unwrap_or_default());
        let path = folder.join(name);
        let outcome = write(&path, &case);
        self.written.insert(path);
        outcome.map_err(|failure| match failure {
            Failure::Input(error) | Failure::Run(error) => format!("{error:#}"),
        })
    }

    /// Behind the journal's end. What is to be said of it.
    ///
    /// # Errors
    /// There is no such bundle, or it cannot be written.
    pub fn end(self, journal: &Path) -> Result<Option<String>, Failure> {
        if let Some(folder) = &self.wanted.bundles {
            return Ok(Some(format!("{} bundles written to {}", self.written.len(), folder.display())));
        }
        let Some(hash) = self.wanted.bundle else { return Ok(None) };
        let Some(case) = self.one else {
            return Err(Failure::Input(eyre!("{}: no bundle is called {hash}", journal.display())));
        };
        let Some(path) = &self.wanted.out else {
            log::say(&case.text().map_err(Failure::run)?);
            return Ok(None);
        };
        write(path, &case)?;
        Ok(Some(format!("bundle written to {}", path.display())))
    }
}

/// Whole or not at all.
fn write(path: &Path, case: &Case) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |cause: std::io::Error| unwritten(path, &cause);
    let mut file = NamedTempFile::new_in(folder).map_err(cannot)?;
    writeln!(file, "{}", case.text().map_err(Failure::run)?).map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}

fn unwritten(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::Input(eyre!("{}: cannot be written: {}", path.display(), cause.kind()))
}
