//! Dials the connections of the hot threads: HTTP/1.1 connections to relays, on which a bundle is sent first.
//!
//! # Invariants
//! - Only an armed submitter has any: [`Submitter::dials`].
//! - A URL is in no error: it may hold an account's key, or a user and a password, which go into a header as the edge's do.

use std::time::Duration;

use crate::edge::dial;
use crate::edge::dial::Place;
use crate::edge::dial::Roots;
use crate::edge::submit::Submitter;
use crate::edge::submit::config;
use crate::hot::rt::port::Broken;
use crate::hot::send::MOST;
use crate::hot::send::connection::Manner;
use crate::hot::send::connection::RelayConnection;

/// How one relay is dialled: as often as a connection is needed.
#[derive(Clone, Debug)]
pub struct Dial {
    manner: Manner,
    place: Place,
    roots: Roots,
    patience: Duration,
}

impl Submitter {
    /// How every relay is dialled. In a dry run nobody may dial: then there are none.
    #[must_use]
    pub fn dials(&self) -> Vec<Dial> {
        if !self.is_armed() {
            return Vec::new();
        }
        let roots = Roots::web();
        let of = |(index, relay)| {
            let (head, place) = head(self.client(), relay)?;
            let manner = Manner { relay: index, head, body: relay.dialect.body(), signed: relay.needs_signature() };
            Some(Dial { manner, place, roots: roots.clone(), patience: Duration::from_millis(relay.timeout_ms) })
        };
        self.relays().iter().take(MOST).enumerate().filter_map(of).collect()
    }
}

impl Dial {
    /// The relay's index in the configuration.
    #[must_use]
    pub const fn relay(&self) -> usize {
        self.manner.relay
    }

    /// Believes these instead of the web's.
    #[must_use]
    pub fn trusting(self, roots: Roots) -> Self {
        Self { roots, ..self }
    }

    /// Dials; blocks while it does.
    ///
    /// # Errors
    /// No connection in time.
    pub fn connection(&self) -> Result<RelayConnection, Broken> {
        let stream = self.place.connect(self.patience, &self.roots)?;
        dial::release(&stream)?;
        Ok(RelayConnection::new(self.manner.clone(), stream))
    }
}

/// A request's first connections, and where it goes.
fn head(client: &reqwest::Client, row: &config::Relay) -> Option<(String, Place)> {
    // Its URL has lost the user and the password: they stand in the header.
    let request = client.post(&row.url).build().ok()?;
    let url = request.url();
    let named = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let path = format!("{}{query}", url.path());
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\n");
    if let Some(word) = request.headers().get(reqwest::header::AUTHORIZATION) {
        head.push_str(&format!("Authorization: {}\r\n", word.to_str().ok()?));
    }
    Some((head, Place::of(url)?))
}
