//! A named thread on a core of its own, where the host has one to give.

use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};

use rustix::thread::CpuSet;
use rustix::thread::sched_setaffinity;

/// Where a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorePlacement {
    /// Pinned to this core.
    Core(usize),
    /// Wherever the system puts it: the host has fewer cores than we have threads.
    Any,
}

/// Seats for `threads` hot threads: the cores asked for, or the host's last ones, leaving it at least one for all else.
#[must_use]
pub fn placements(threads: usize, wanted: &[usize]) -> Vec<CorePlacement> {
    place(threads, wanted, host())
}

/// The cores that the process was given: asked for once, since a thread that is confined sees its own alone.
fn host() -> &'static [usize] {
    static HOST: OnceLock<Vec<usize>> = OnceLock::new();
    HOST.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect())
}

/// The host's cores that are none of these core placements: for all that is not hot. Empty where there are none.
#[must_use]
pub fn others(placements: &[CorePlacement]) -> Vec<usize> {
    host().iter().copied().filter(|core| !placements.contains(&CorePlacement::Core(*core))).collect()
}

/// Keeps the calling thread, and whatever it starts, on these cores: what wakes on a hot thread's core makes it wait.
/// Without any it stays where it is, and so it does where the system refuses.
pub fn confine(cores: &[usize]) {
    if cores.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    cores.iter().filter(|core| **core < CpuSet::MAX_CPU).for_each(|core| set.set(*core));
    let _anywhere = sched_setaffinity(None, &set);
}

/// The calling thread gives way to whatever else wants its core: it fills what is used later.
pub fn give_way() {
    let _as_before = rustix::process::nice(19);
}

fn place(threads: usize, wanted: &[usize], host: &[usize]) -> Vec<CorePlacement> {
    let placement = |core: &usize| if host.contains(core) { CorePlacement::Core(*core) } else { CorePlacement::Any };
    if !wanted.is_empty() {
        return wanted.iter().take(threads).map(placement).collect();
    }
    let free = host.len().saturating_sub(1);
    let pinned = host.iter().rev().take(free.min(threads)).map(|core| CorePlacement::Core(*core));
    pinned.chain(std::iter::repeat(CorePlacement::Any)).take(threads).collect()
}

/// Starts a thread there. A core that will not be had is no reason not to run: `run` is told whether it was.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    placement: CorePlacement,
    run: impl FnOnce(bool) -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let start = move || {
        let pinned = match placement {
            CorePlacement::Core(id) => core_affinity::set_for_current(core_affinity::CoreId { id }),
            CorePlacement::Any => false,
        };
        run(pinned)
    };
    Builder::new().name(name.to_owned()).stack_size(STACK).spawn(start)
}

/// Bytes of stack: revm runs 1,024 frames deep on it.
const STACK: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cores_are_taken_and_one_is_left() {
        assert_eq!(place(2, &[], &[0, 1, 2, 3]), [CorePlacement::Core(3), CorePlacement::Core(2)]);
        assert_eq!(place(3, &[], &[0, 1]), [CorePlacement::Core(1), CorePlacement::Any, CorePlacement::Any]);
        assert_eq!(place(1, &[], &[0]), [CorePlacement::Any]);
        assert_eq!(place(2, &[5, 1], &[0, 1]), [CorePlacement::Any, CorePlacement::Core(1)]);
    }

    #[test]
    fn who_is_started_off_the_hot_cores_stays_off_them_but_for_a_hot_thread() {
        let cores = || core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
        let [first, .., last] = host() else { return };
        let placements = [CorePlacement::Core(*last)];
        let (mine, its, hot) = std::thread::scope(|scope| {
            let apart = || {
                confine(&others(&placements));
                let (mine, its): (Vec<usize>, Vec<usize>) = (cores(), std::thread::spawn(cores).join().expect("cores"));
                let hot = spawn("hot", placements[0], move |pinned| (pinned, cores())).expect("a thread");
                (mine, its, hot.join().expect("cores"))
            };
            scope.spawn(apart).join().expect("cores")
        });
        assert!(mine.contains(first) && !mine.contains(last) && its == mine, "{mine:?} {its:?}");
        assert_eq!(hot, (true, vec![*last]));
    }
}
