//! From a signed bundle to the bytes on a relay's socket: a body and a header a dialect, one write a relay.
//!
//! # Invariants
//! - Only a [`SignedBundle`] is written, and what is signed is what is sent.
//! - A bundle goes to a relay once, down one of its connections. Where all are busy, or gone, the edge sends instead.
//! - Nothing waits. What a socket does not take at once is kept, and written when it does.
//!
//! # Cost
//! Body and header: two keccaks of it, and 0.07 µs for a signature with a nonce prepared ahead, 27 µs without one.

pub mod answer;
pub mod connection;
pub mod header;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::hot::bundle::SignedBundle;
use crate::hot::rt::inbox::Supply;
use crate::hot::send::connection::RelayConnection;
use crate::types::onetime::OneTime;
use crate::types::secret::Key;

/// Writes a dialect's request for a bundle behind what `Vec` holds.
pub type Body = fn(&SignedBundle, &Uuid, &mut Vec<u8>);

/// Most relays a thread speaks to: one bit each.
pub const MOST: usize = 64;

/// Which relays a bundle went to: a bit each, by their index in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relays(u64);

impl Relays {
    fn add(&mut self, relay: usize) {
        self.0 |= 1 << (relay % MOST);
    }

    /// Those of the bits that are set.
    #[must_use]
    pub const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Those of either.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether that one is among them.
    #[must_use]
    pub const fn has(self, relay: usize) -> bool {
        relay < MOST && self.0 >> relay & 1 == 1
    }

    /// None is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A thread's own hand: identity, nonces, buffers.
pub struct RequestEncoder {
    identity: Option<Key>,
    nonces: Option<Supply<OneTime>>,
    random: StdRng,
    body: Vec<u8>,
    header: Vec<u8>,
}

impl RequestEncoder {
    /// One that writes nothing yet. `seed`: from the system's source; replacement UUIDs come from it, and who can guess one
    /// could take a bundle back. Without `nonces` signatures are deterministic.
    #[must_use]
    pub fn new(identity: Option<Key>, nonces: Option<Supply<OneTime>>, seed: [u8; 32]) -> Self {
        Self { identity, nonces, random: StdRng::from_seed(seed), body: Vec::new(), header: Vec::new() }
    }

    /// Sends a bundle down every connection that is free. `None`: none was.
    pub fn send<'a>(
        &mut self,
        bundle: &SignedBundle,
        connections: impl Iterator<Item = &'a mut RelayConnection>,
    ) -> Option<(Uuid, Relays)> {
        let uuid = uuid::Builder::from_random_bytes(self.random.random()).into_uuid();
        let mut went = Relays::default();
        let mut written: Option<(Body, bool)> = None;
        for connection in connections.filter(|connection| connection.is_free()) {
            if went.has(connection.relay()) {
                continue;
            }
            let wanted = (connection.body(), connection.is_signed());
            if !written.is_some_and(|have| same(have, wanted)) && !self.write(bundle, &uuid, wanted) {
                continue;
            }
            written = Some(wanted);
            let header = wanted.1.then_some(&self.header[..]);
            if connection.say(uuid, &self.body, header).is_ok() {
                went.add(connection.relay());
            }
        }
        (!went.is_empty()).then_some((uuid, went))
    }

    /// Writes body and header. False: it cannot be signed.
    fn write(&mut self, bundle: &SignedBundle, uuid: &Uuid, (body, signed): (Body, bool)) -> bool {
        self.body.clear();
        body(bundle, uuid, &mut self.body);
        self.header.clear();
        if !signed {
            return true;
        }
        let Some(identity) = &self.identity else { return false };
        let nonce = self.nonces.as_ref().and_then(Supply::take);
        header::write(identity, nonce, &self.body, &mut self.header).is_ok()
    }
}

/// One form for both: written once.
fn same(have: (Body, bool), wanted: (Body, bool)) -> bool {
    std::ptr::fn_addr_eq(have.0, wanted.0) && have.1 == wanted.1
}
