//! Signed bundles to relays: the registry of dialects, and the token without which nothing is sent.
//!
//! # Invariants
//! - The bytes that are signed are the bytes that are sent: a body is written once a dialect and signed once, whatever the
//!   number of relays.
//! - Without an [`Armed`] a submission dials nobody; it says what it would have sent.
//! - A bundle goes to a relay once. An answer that is not understood is `unknown`, never a reason to send again.
//! - The chain's receipt alone says what landed; an answer here says only what a relay said.
//!
//! # Limits
//! - Every bundle carries a `replacementUuid`, so that it can be cancelled. BuilderNet offers blocks with replaceable bundles
//!   to fewer relays (facts/relays.md, section 6).

pub mod config;
mod fanout;
pub mod flashbots;
pub mod identity;
pub mod keys;
pub mod plain;
pub mod reply;
mod wire;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hot::bundle::SignedBundle;
use crate::hot::send::Body;

pub use config::{Setup, SetupError};
pub use fanout::{Prepared, Submission, Submitter, connection};
pub use identity::Identity;
pub use reply::{Answer, Reply};
pub use wire::Message;

/// How a relay wants to be spoken to. Implementors only write bodies; [`Submitter`] owns signatures, deadlines and order.
pub trait Dialect: Sync {
    /// Name in the configuration and the ledger. Never reused.
    fn name(&self) -> &'static str;
    /// It takes nothing without a signature.
    fn must_sign(&self) -> bool;
    /// Writes the request that sends `bundle` behind what `to` holds.
    fn bundle(&self, bundle: &SignedBundle, uuid: &Uuid, to: &mut Vec<u8>);
    /// Writes the request that takes the bundle for `block` back. Too late for what a builder has bid already.
    fn cancel(&self, block: u64, uuid: &Uuid, to: &mut Vec<u8>);
}

/// The registry: a new dialect is a file, and a line in each of the three lists below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DialectName {
    /// As most builders take it.
    Plain,
    /// As relay.flashbots.net takes it.
    Flashbots,
}

impl DialectName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Flashbots];

    /// What speaks it.
    #[must_use]
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::Plain => &plain::Plain,
            Self::Flashbots => &flashbots::Flashbots,
        }
    }

    /// [`Dialect::bundle`], for a hot thread.
    pub(in crate::edge::submit) fn body(self) -> Body {
        match self {
            Self::Plain => |bundle, uuid, to| plain::Plain.bundle(bundle, uuid, to),
            Self::Flashbots => |bundle, uuid, to| flashbots::Flashbots.bundle(bundle, uuid, to),
        }
    }
}

/// Leave to send. `live` alone makes one, when the user said `--live`; `tests/submit.rs` holds that.
/// Outside of the crate none can be made:
///
/// ```compile_fail
/// let armed = peregrine::edge::submit::Armed::arm();
/// ```
/// ```compile_fail
/// let armed = peregrine::edge::submit::Armed(());
/// ```
/// What stands between it and a relay, all of which compiles:
///
/// ```
/// use peregrine::edge::submit::{Armed, Setup, SetupError, Submitter};
/// fn live(setup: Setup, armed: Armed) -> Result<Submitter, SetupError> {
///     Submitter::live(setup, armed)
/// }
/// ```
#[derive(Debug)]
pub struct Armed(());

impl Armed {
    /// From here on money is at stake.
    pub(crate) const fn arm() -> Self {
        Self(())
    }
}
