//! Two contestants by turns on the same batches, so that whatever disturbs the machine disturbs both.

use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

/// Longest time for one row, past its first round.
const ENOUGH: Duration = Duration::from_millis(2_500);

/// Most rounds over all items.
const ROUNDS: usize = 400;

/// Medians over all batches.
pub struct Times {
    /// Nanoseconds an item.
    pub ours: f64,
    /// Nanoseconds an item.
    pub peer: f64,
    /// Peer's over ours, batch by batch.
    pub ratio: f64,
}

/// Lets both run over `items` items, `batch` at a time. Each warms up on a batch before it is timed on it.
pub fn race<A, B>(
    items: usize,
    batch: usize,
    mut ours: impl FnMut(usize) -> A,
    mut peer: impl FnMut(usize) -> B,
) -> Times {
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    for round in 0..ROUNDS {
        if round > 0 && began.elapsed() > ENOUGH {
            break;
        }
        for (turn, from) in (0..items).step_by(batch).enumerate() {
            let batch = from..items.min(from + batch);
            // Whoever goes second may find a warmer machine: take turns.
            let (mine, theirs) = if (turn + round).is_multiple_of(2) {
                let mine = time(batch.clone(), &mut ours);
                (mine, time(batch, &mut peer))
            } else {
                let theirs = time(batch.clone(), &mut peer);
                (time(batch, &mut ours), theirs)
            };
            a.push(mine);
            b.push(theirs);
            ratios.push(theirs / mine);
        }
    }
    Times { ours: median(&mut a), peer: median(&mut b), ratio: median(&mut ratios) }
}

fn time<T>(batch: std::ops::Range<usize>, run: &mut impl FnMut(usize) -> T) -> f64 {
    let mut once = |i| drop(black_box(run(black_box(i))));
    batch.clone().for_each(&mut once);
    let count = batch.len() as f64;
    let start = Instant::now();
    batch.for_each(once);
    start.elapsed().as_nanos() as f64 / count
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
