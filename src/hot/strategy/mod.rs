//! Strategies: what looks for opportunities. Each is a folder that holds all that is particular to it (where it looks, what is run,
//! its names, what is said of it) and one line of the registry here. What it finds is an `Opportunity`: engine, bundle, ledger,
//! statistics and replay read that, and know no strategy by name. `tests/seams.rs` counts the files that do.
//!
//! # Invariants
//! - The engine runs them one after another in the order of the registry, on one thread, on one state: [`Context`]. What one finds,
//!   and how long it takes, is the next one's to reckon with.
//! - A strategy changes nothing of the state: what it lays over it while it looks it takes off again.
//!
//! # Cost
//! The list is a type: calls are static, and a strategy that an event does not concern costs one comparison.

mod asking;
pub mod context;
pub mod cycles;
pub mod liquidations;

use crate::hot::event::Outcome;
use crate::hot::opportunity::Profile;
use crate::types::decision::Path;

pub use context::Context;
pub use context::On;

/// What looks for opportunities, behind each event.
pub trait Strategy {
    /// Whether there can be anything for it behind this event. Asked before it looks; never looks itself.
    fn is_concerned(&self, context: &Context<'_>) -> bool;

    /// Looks, and proves what it finds: proofs, those turned down and what was left go into `outcome`. Where it is called off
    /// ([`Context::go_on`]) it says so there, and all that was found behind the event is void.
    fn look(&mut self, context: &mut Context<'_>, outcome: &mut Outcome);

    /// Behind maths, before the EVM has run the pending transaction: the best that it sees goes into [`Context::foreseen`], best
    /// first. Nothing is proven here.
    fn foresee(&mut self, _context: &mut Context<'_>) {}

    /// In the base state, when nothing is waiting to be sent: what it wants to have ready. What is missing is fetched.
    fn idle(&mut self, _context: &mut Context<'_>) {}
}

/// None.
impl Strategy for () {
    fn is_concerned(&self, _context: &Context<'_>) -> bool {
        false
    }

    fn look(&mut self, _context: &mut Context<'_>, _outcome: &mut Outcome) {}
}

/// One behind others.
impl<A: Strategy, B: Strategy> Strategy for (A, B) {
    fn is_concerned(&self, context: &Context<'_>) -> bool {
        self.0.is_concerned(context) || self.1.is_concerned(context)
    }

    fn look(&mut self, context: &mut Context<'_>, outcome: &mut Outcome) {
        self.0.look(context, outcome);
        if !outcome.cancelled && self.1.is_concerned(context) {
            self.1.look(context, outcome);
        }
    }

    fn foresee(&mut self, context: &mut Context<'_>) {
        self.0.foresee(context);
        self.1.foresee(context);
    }

    fn idle(&mut self, context: &mut Context<'_>) {
        self.0.idle(context);
        self.1.idle(context);
    }
}

/// The registry: a folder, and the strategy in it.
macro_rules! registry {
    ($($folder:ident :: $strategy:ident),+ $(,)?) => {
        /// All strategies, in the order in which they are run.
        pub type Registered = registry!(@ () $(, $folder::$strategy)+);

        /// What is known of each, with its folder.
        pub static PROFILES: &[(&str, &Profile)] = &[$((stringify!($folder), &$folder::PROFILE)),+];
    };
    (@ $before:ty) => { $before };
    (@ $before:ty, $one:path $(, $more:path)*) => { registry!(@ ($before, $one) $(, $more)*) };
}

registry!(cycles::Cycles, liquidations::Liquidations);

/// All names of what strategies find, each once, in order. `tests/golden.rs` demands a case of each.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut all: Vec<_> = PROFILES.iter().flat_map(|(_, profile)| [profile.base, profile.behind]).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The strategy that goes by this name, if it is known here.
#[must_use]
pub fn named(name: &str) -> Option<&'static Profile> {
    profile(|profile| profile.base == name || profile.behind == name)
}

/// Whose way this is that was written down.
#[must_use]
pub fn of_path(path: &Path) -> Option<&'static Profile> {
    profile(|profile| (profile.wrote)(path))
}

fn profile(is_it: impl Fn(&Profile) -> bool) -> Option<&'static Profile> {
    PROFILES.iter().map(|(_, profile)| *profile).find(|profile| is_it(profile))
}
