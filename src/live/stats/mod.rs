//! The numbers of a run, and how they are shown.

pub mod export;
pub mod meter;
pub mod quiet;
pub mod show;
pub mod totals;
