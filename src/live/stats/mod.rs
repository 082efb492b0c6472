//! The numbers of a run, and how they are shown.

pub mod export;
pub mod meter;
pub mod show;
pub mod totals;
