//! What is shown of searchers while they load and run: a table in a terminal, a line a while elsewhere.

use std::fmt::Write;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;

use crate::edge::bootstrap::Progress;
use crate::edge::stderr;
use crate::live::searchers::Standing;
use crate::live::stats::show;

fn loading(progress: Progress<'_>) -> String {
    match progress {
        Progress::Scanning { factory, done, of, pools } => {
            format!("{factory}: {done} of {of} blocks read, {pools} pools so far")
        }
        Progress::Borrowers { lending, done, of, accounts } => {
            format!("{lending}: {done} of {of} blocks read, {accounts} borrowers so far")
        }
        Progress::Reading { accounts, slots } => format!("reading {accounts} accounts and {slots} slots again"),
        Progress::Asking { round, open, missing } => {
            format!("round {round}: {open} questions not yet answered, reading {missing} accounts and slots")
        }
        Progress::Verifying { pools } => format!("holding {pools} pools against the node"),
        Progress::Positions { held } => format!("holding {held} positions against the node"),
        Progress::Note(note) => note.to_owned(),
    }
}

/// Where it is shown.
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { bar: bar.with_style(style) }
    }

    pub(super) fn is_terminal(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        if self.is_terminal() {
            self.bar.println(line);
        } else {
            stderr::say(line);
        }
    }

    /// How each searcher stands; where there are several, which is which.
    pub(super) fn draw(&self, all: &[Standing]) {
        if self.is_terminal() {
            self.bar.set_message(tables(all));
            self.bar.tick();
            return;
        }
        for Standing { chain, status, aside } in all {
            let line = show::line(status, *aside);
            self.say(&if all.len() > 1 { format!("chain {chain} | {line}") } else { line });
        }
    }

    /// How the loading goes.
    pub(super) fn progress(&self) -> impl FnMut(Progress<'_>) + Send + 'static {
        let bar = self.bar.clone();
        move |progress| {
            bar.set_message(format!("  {}", loading(progress)));
            bar.tick();
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// The table of each, under the id of its chain where there are several.
#[must_use]
pub fn tables(all: &[Standing]) -> String {
    let mut text = String::new();
    for Standing { chain, status, aside } in all {
        if all.len() > 1 {
            // Writing into a string does not fail.
            let _written = writeln!(text, "chain {chain}");
        }
        text.push_str(&show::table(status, *aside));
    }
    text
}
