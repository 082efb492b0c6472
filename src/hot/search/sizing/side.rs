//! One hop of a cycle while its curve is traced: the pool's stretches, and how far into them.
//!
//! # Cost
//! A pool's stretches are read a few at a time, four times as many when those end. The buffer is kept.

use crate::protocols::amm::Amm;
use crate::protocols::amm::Leg;
use crate::protocols::amm::Segment;

/// One hop while the curve is traced.
#[derive(Debug, Default)]
pub struct Side {
    /// Stretches read so far.
    pub segments: Vec<Segment>,
    /// The pool had no more than `segments`.
    complete: bool,
    next: usize,
    /// Input left of the present stretch.
    pub room: f64,
    reserve_in: f64,
    reserve_out: f64,
    /// Share of the input left after the fee.
    pub gamma: f64,
    /// Stretches passed: as often has the contract stopped and rounded.
    pub passed: u32,
    /// One stretch over a 112-bit reserve: a constant product, floored once.
    pub plain: bool,
    /// The token that goes in stands before the other in the contract: prices are counted in it.
    first_in: bool,
}

impl Side {
    fn read<P: Amm>(&mut self, pool: &P, leg: Leg, count: usize) {
        self.segments.clear();
        self.complete = true;
        pool.segments(leg, |segment| {
            self.segments.push(segment);
            self.complete = self.segments.len() < count;
            self.complete
        });
    }

    /// Enters the first stretch of a pool, reading so many of them at first. False when it offers none.
    pub fn begin<P: Amm>(&mut self, pool: &P, leg: Leg, count: usize) -> bool {
        self.read(pool, leg, count);
        self.next = 0;
        self.first_in = leg.token_in() < leg.token_out();
        let span = self.segments.first().map_or(0.0, |s| f64::from(s.in_max) + s.reserve_in);
        self.plain = self.segments.len() == 1 && (span / 2f64.powi(112) - 1.0).abs() < 1e-9;
        self.enter(pool, leg)
    }

    /// Enters the next stretch that holds anything. False when there is none.
    pub fn enter<P: Amm>(&mut self, pool: &P, leg: Leg) -> bool {
        loop {
            if self.next >= self.segments.len() && !self.complete {
                self.read(pool, leg, self.segments.len() * 4);
            }
            let Some(segment) = self.segments.get(self.next) else { return false };
            self.room = f64::from(segment.in_max);
            (self.reserve_in, self.reserve_out) = (segment.reserve_in, segment.reserve_out);
            self.gamma = segment.gamma;
            self.passed = self.next as u32;
            self.next += 1;
            if self.room > 0.0 && self.reserve_in > 0.0 && self.reserve_out > 0.0 {
                return true;
            }
        }
    }

    /// Output per input here.
    #[must_use]
    pub fn slope(&self) -> f64 {
        self.reserve_out * self.gamma / self.reserve_in
    }

    /// How fast the slope falls.
    #[must_use]
    pub fn bend(&self) -> f64 {
        self.gamma / self.reserve_in
    }

    /// What `x` more makes.
    #[must_use]
    pub fn out(&self, x: f64) -> f64 {
        self.slope() * x / (1.0 + self.bend() * x)
    }

    /// Takes `x` more, inside the stretch, and tells what it makes.
    pub fn advance(&mut self, x: f64) -> f64 {
        let out = self.out(x);
        self.reserve_in += self.gamma * x;
        self.reserve_out -= out;
        self.room -= x;
        out
    }

    /// Units of the output that one step of a 96-bit square-root price is worth.
    #[must_use]
    pub fn price_step(&self) -> f64 {
        let liquidity = (self.reserve_in * self.reserve_out).sqrt();
        let price = if self.first_in { 1.0 } else { self.reserve_out / self.reserve_in };
        liquidity * price / 2f64.powi(96)
    }
}
