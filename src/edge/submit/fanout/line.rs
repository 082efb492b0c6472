//! Dials the lines of the hot threads: HTTP/1.1 connections to relays, on which a bundle is sent first.
//!
//! # Invariants
//! - Only an armed submitter has any: [`Submitter::dials`].
//! - A URL is in no error: it may hold an account's key.
//!
//! # Limits
//! - A relay whose URL holds a user and a password has none: the edge sends there.

use std::time::Duration;

use crate::edge::dial;
use crate::edge::dial::Place;
use crate::edge::submit::Submitter;
use crate::edge::submit::config;
use crate::hot::rt::port::Broken;
use crate::hot::send::MOST;
use crate::hot::send::line::Line;
use crate::hot::send::line::Manner;

/// How one relay is dialled: as often as a line is needed.
#[derive(Clone, Debug)]
pub struct Dial {
    manner: Manner,
    place: Place,
    patience: Duration,
}

impl Submitter {
    /// How every relay is dialled. In a dry run nobody may dial: then there are none.
    #[must_use]
    pub fn dials(&self) -> Vec<Dial> {
        if !self.is_armed() {
            return Vec::new();
        }
        self.relays().iter().take(MOST).enumerate().filter_map(|(index, relay)| Dial::of(index, relay)).collect()
    }
}

impl Dial {
    fn of(relay: usize, row: &config::Relay) -> Option<Self> {
        let url = reqwest::Url::parse(&row.url).ok()?;
        let place = Place::of(&url)?;
        let named = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("{}{query}", url.path());
        let head = format!("POST {path} HTTP/1.1\r\nHost: {named}\r\nContent-Type: application/json\r\n");
        let manner = Manner { relay, head, body: row.dialect.body(), signed: row.wants_signature() };
        Some(Self { manner, place, patience: Duration::from_millis(row.timeout_ms) })
    }

    /// The relay's index in the configuration.
    #[must_use]
    pub const fn relay(&self) -> usize {
        self.manner.relay
    }

    /// Dials; blocks while it does.
    ///
    /// # Errors
    /// No connection in time.
    pub fn line(&self) -> Result<Line, Broken> {
        let stream = self.place.connect(self.patience)?;
        dial::release(&stream)?;
        Ok(Line::new(self.manner.clone(), stream))
    }
}
