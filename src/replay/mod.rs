//! Recorded input through the same engine: files in, a report out. Replay cannot submit: it may not import what sends.

pub mod block;
pub mod bundle;
pub mod diagnose;
pub mod discover;
pub mod execute;
pub mod journal;
pub mod record;
pub mod report;
