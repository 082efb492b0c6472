//! Pinned threads.
