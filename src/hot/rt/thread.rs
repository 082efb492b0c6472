//! A named thread on a core of its own, where the host has one to give.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Where a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Pinned to this core.
    Core(usize),
    /// Wherever the system puts it: the host has fewer cores than we have threads.
    Any,
}

/// Seats for `threads` hot threads: the cores asked for, or the host's last ones, leaving it at least one for all else.
#[must_use]
pub fn seats(threads: usize, wanted: &[usize]) -> Vec<Seat> {
    let host: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    place(threads, wanted, &host)
}

fn place(threads: usize, wanted: &[usize], host: &[usize]) -> Vec<Seat> {
    let seat = |core: &usize| if host.contains(core) { Seat::Core(*core) } else { Seat::Any };
    if !wanted.is_empty() {
        return wanted.iter().take(threads).map(seat).collect();
    }
    let free = host.len().saturating_sub(1);
    let pinned = host.iter().rev().take(free.min(threads)).map(|core| Seat::Core(*core));
    pinned.chain(std::iter::repeat(Seat::Any)).take(threads).collect()
}

/// Starts a thread there. A core that will not be had is no reason not to run: `run` is told whether it was.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    seat: Seat,
    run: impl FnOnce(bool) -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let start = move || {
        let pinned = match seat {
            Seat::Core(id) => core_affinity::set_for_current(core_affinity::CoreId { id }),
            Seat::Any => false,
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
        assert_eq!(place(2, &[], &[0, 1, 2, 3]), [Seat::Core(3), Seat::Core(2)]);
        assert_eq!(place(3, &[], &[0, 1]), [Seat::Core(1), Seat::Any, Seat::Any]);
        assert_eq!(place(1, &[], &[0]), [Seat::Any]);
        assert_eq!(place(2, &[5, 1], &[0, 1]), [Seat::Any, Seat::Core(1)]);
    }
}
