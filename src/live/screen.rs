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
        Progress::Following { done, of } => format!("{done} of {of} blocks since the last run followed"),
        Progress::Reading { accounts, slots } => format!("reading {accounts} accounts and {slots} slots"),
        Progress::Read { done, of } => format!("{done} of {of} accounts and slots read"),
        Progress::Asking { round, open, missing } => {
            format!("round {round}: {open} questions not yet answered, reading {missing} accounts and slots")
        }
        Progress::Verifying { pools } => format!("holding {pools} pools against the node"),
        Progress::Positions { held } => format!("holding {held} positions against the node"),
        Progress::Note(note) => note.to_owned(),
    }
}

/// What there is to do in all and how much of it is done, where that is known.
fn share(progress: Progress<'_>) -> Option<(u64, u64)> {
    match progress {
        Progress::Scanning { done, of, .. } | Progress::Borrowers { done, of, .. } => Some((done, of)),
        Progress::Following { done, of } | Progress::Read { done, of } => Some((done as u64, of as u64)),
        Progress::Reading { .. }
        | Progress::Asking { .. }
        | Progress::Verifying { .. }
        | Progress::Positions { .. }
        | Progress::Note(_) => None,
    }
}

/// Text alone.
const PLAIN: &str = "{msg}";
/// ... behind what is left of it.
const WITH_BAR: &str = "  [{bar:30}] {percent:>3} %, about {eta} left {msg}";

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("=> ")
}

/// Where it is shown.
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar: bar.with_style(style(PLAIN)) }
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
            self.bar.set_style(style(PLAIN));
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
        let (bar, mut of) = (self.bar.clone(), None);
        move |progress| {
            let share = share(progress);
            bar.set_style(style(if share.is_some() { WITH_BAR } else { PLAIN }));
            if let Some((done, all)) = share {
                // Another stretch of work: how fast the one before it went says nothing of this.
                if of.replace(all) != Some(all) {
                    bar.reset();
                    bar.set_length(all);
                }
                bar.set_position(done);
            }
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
