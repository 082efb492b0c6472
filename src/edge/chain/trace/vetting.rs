//! Whether a node's traces are believed: they are held against executions first, and again whenever there is a doubt.
//!
//! # Invariants
//! - A node whose trace was contradicted is not asked for traces for an hour; then its traces are held anew.
//! - What cannot be held (a block that does not execute to its header) speaks neither for it nor against it. It is held for so many
//!   blocks and no more; where there was a doubt, it is not told, and that is not enough to be believed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Blocks whose traces have to stand.
const DUE: u32 = 8;
/// Blocks that may come to no verdict before holding them is given up.
const IN_VAIN: u32 = 32;
/// ... where there is a doubt.
const IN_VAIN_DOUBTED: u32 = 3;
/// So long a node whose trace was contradicted is not asked.
const AGAIN: Duration = Duration::from_secs(3_600);

/// How one node's traces stand.
#[derive(Debug, Default)]
pub struct Vetting(Mutex<Standing>);

#[derive(Clone, Copy, Debug)]
enum Standing {
    /// To be held: so many blocks stood, so many came to no verdict, and whether it had been believed before.
    Held { stood: u32, vain: u32, doubted: bool },
    /// Nothing speaks against them.
    Believed,
    /// One was contradicted, or there is a doubt that cannot be removed.
    Refuted(Instant),
}

/// What came of holding a trace against an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Both say the same.
    Stood,
    /// They do not, and the chain's state is as executed.
    Refuted,
    /// The block cannot be executed, or says nothing of what is known.
    Vain,
}

/// What is to be done about the trace that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It may be told.
    Tell,
    /// It may not, as there is a doubt and it could not be held; the next ones may.
    Withhold,
    /// It is wrong; what was told before it was held.
    Refuse,
    /// It is wrong, and so may be what was told before.
    Relearn,
}

impl Default for Standing {
    fn default() -> Self {
        Self::Held { stood: 0, vain: 0, doubted: false }
    }
}

impl Vetting {
    /// They are to be held against an execution.
    #[must_use]
    pub fn is_due(&self) -> bool {
        matches!(*self.lock(), Standing::Held { .. })
    }

    /// Not to be asked for now.
    #[must_use]
    pub fn is_refuted(&self) -> bool {
        let mut standing = self.lock();
        match *standing {
            Standing::Refuted(since) if since.elapsed() >= AGAIN => *standing = Standing::default(),
            Standing::Refuted(_) => return true,
            Standing::Held { .. } | Standing::Believed => (),
        }
        false
    }

    /// What is told by them does not fit. Whether that is news.
    pub fn doubt(&self) -> bool {
        let mut standing = self.lock();
        let news = matches!(*standing, Standing::Believed);
        if news {
            *standing = Standing::Held { stood: 0, vain: 0, doubted: true };
        }
        news
    }

    /// One was held.
    #[must_use]
    pub fn learn(&self, finding: Finding) -> Belief {
        let mut standing = self.lock();
        let Standing::Held { stood, vain, doubted } = *standing else {
            // Another block's verdict came first.
            return if finding == Finding::Refuted { Belief::Refuse } else { Belief::Tell };
        };
        *standing = match finding {
            Finding::Refuted => Standing::Refuted(Instant::now()),
            Finding::Stood if stood + 1 >= DUE => Standing::Believed,
            Finding::Stood => Standing::Held { stood: stood + 1, vain, doubted },
            Finding::Vain if doubted && vain + 1 >= IN_VAIN_DOUBTED => Standing::Refuted(Instant::now()),
            Finding::Vain if vain + 1 >= IN_VAIN => Standing::Believed,
            Finding::Vain => Standing::Held { stood, vain: vain + 1, doubted },
        };
        match *standing {
            Standing::Refuted(_) if doubted => Belief::Relearn,
            Standing::Refuted(_) => Belief::Refuse,
            Standing::Held { doubted: true, .. } if finding == Finding::Vain => Belief::Withhold,
            Standing::Held { .. } | Standing::Believed => Belief::Tell,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Belief, DUE, Finding, IN_VAIN, Vetting};

    #[test]
    fn traces_are_held_until_enough_of_them_stood_and_again_when_there_is_a_doubt() {
        let vetting = Vetting::default();
        for _ in 0..DUE {
            assert!(vetting.is_due() && !vetting.doubt(), "held already");
            assert_eq!(vetting.learn(Finding::Stood), Belief::Tell);
        }
        assert!(!vetting.is_due() && vetting.doubt() && vetting.is_due());
        assert_eq!(vetting.learn(Finding::Stood), Belief::Tell);
        // What was told between is not known to be right.
        assert_eq!(vetting.learn(Finding::Refuted), Belief::Relearn);
        assert!(vetting.is_refuted() && !vetting.is_due() && !vetting.doubt());
    }

    #[test]
    fn the_first_that_is_contradicted_is_the_last_that_is_asked_for() {
        let vetting = Vetting::default();
        assert_eq!(vetting.learn(Finding::Vain), Belief::Tell);
        assert_eq!(vetting.learn(Finding::Refuted), Belief::Refuse);
        assert!(vetting.is_refuted());
    }

    #[test]
    fn what_cannot_be_held_is_believed_unless_there_is_a_doubt() {
        let vetting = Vetting::default();
        for _ in 0..IN_VAIN {
            assert!(vetting.is_due());
            assert_eq!(vetting.learn(Finding::Vain), Belief::Tell);
        }
        assert!(!vetting.is_due() && vetting.doubt());
        assert_eq!(
            [(); 3].map(|()| vetting.learn(Finding::Vain)),
            [Belief::Withhold, Belief::Withhold, Belief::Relearn]
        );
        assert!(vetting.is_refuted());
    }
}
