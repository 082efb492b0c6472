//! Bytes that outlive the call that made them, in buffers that come back by themselves: once nobody holds what was written
//! into one, it is written again.
//!
//! # Invariants
//! - What is held does not change: a buffer is written only while nobody else holds it.
//!
//! # Limits
//! - A stock of `MOST` buffers. More held at once are ordinary allocations, and the oldest are let go of.
//!
//! # Cost
//! No allocation as long as what was taken before is let go of, roughly in order, and buffers have grown.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

/// Buffers of a stock. A block's bundles, four times over.
const MOST: usize = 256;
/// Buffers that are tried before another is made.
const TRIED: usize = 16;

/// Bytes as they were written. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buf(Arc<Vec<u8>>);

impl Deref for Buf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Where buffers come from, and come back to. The one taken last is the last.
#[derive(Debug, Default)]
pub struct Stock(VecDeque<Arc<Vec<u8>>>);

impl Stock {
    /// `parts`, one behind the other.
    pub fn hold(&mut self, parts: &[&[u8]]) -> Buf {
        let mut buffer = self.free();
        if let Some(bytes) = Arc::get_mut(&mut buffer) {
            bytes.clear();
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
        }
        self.0.push_back(Arc::clone(&buffer));
        Buf(buffer)
    }

    /// One that nobody holds.
    fn free(&mut self) -> Arc<Vec<u8>> {
        for _ in 0..TRIED.min(self.0.len()) {
            let Some(mut oldest) = self.0.pop_front() else { break };
            if Arc::get_mut(&mut oldest).is_some() {
                return oldest;
            }
            self.0.push_back(oldest);
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        Arc::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_written_again_once_nobody_holds_it_and_never_before() {
        let mut stock = Stock::default();
        let held = stock.hold(&[b"held"]);
        let shared = held.clone();
        let gone = stock.hold(&[b"go", b"ne"]);
        let at = gone.as_ptr();
        assert_eq!(&gone[..], b"gone");
        drop(gone);
        drop(held);
        let next = stock.hold(&[b"next"]);
        assert_eq!((next.as_ptr(), &next[..], &shared[..]), (at, &b"next"[..], &b"held"[..]));
    }

    #[test]
    fn what_is_held_for_ever_is_let_go_of() {
        let mut stock = Stock::default();
        let held: Vec<Buf> = (0..2 * MOST).map(|index| stock.hold(&[&index.to_be_bytes()])).collect();
        assert!(held.iter().enumerate().all(|(index, buf)| buf[..] == index.to_be_bytes()));
        assert_eq!(stock.0.len(), MOST);
    }
}
