//! A way out of a hot thread: its maker decides what becomes of what is handed in.
//!
//! # Invariants
//! - [`Sink::put`] neither waits nor fails: what nobody listens to any more is dropped.
//! - Nothing goes this way for a pending transaction of which nothing comes: only a bundle, a miss, a relay's answer and a broken
//!   socket do.

use std::fmt;
use std::sync::Arc;

/// A way out. Cloning shares it.
pub struct Sink<T>(Arc<dyn Fn(T) + Send + Sync>);

impl<T> Sink<T> {
    /// Hands everything to `take`, which must not wait.
    #[must_use]
    pub fn new(take: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Hands in one.
    pub fn put(&self, item: T) {
        (self.0)(item);
    }
}

impl<T> Clone for Sink<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Sink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
