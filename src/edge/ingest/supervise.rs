//! Keeps a source running: what ends is started again, after a while that grows and is never the same twice.

use std::time::Duration;

use tokio::time::Instant;

use crate::edge::ingest::Source;
use crate::edge::ingest::inlet::Inlet;
use crate::types::text::printable;

/// Characters of an error that are logged.
const WORDS: usize = 300;

/// How long to wait before the next try.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first wait.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Backoff {
    /// Doubles with every try; drawn from its upper half, so that many clients of one node do not come back at once.
    #[must_use]
    pub fn delay(self, tries: u32) -> Duration {
        let whole = self.least.saturating_mul(1_u32 << tries.min(20)).min(self.most);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// Runs `source` for ever.
pub(in crate::edge::ingest) async fn supervise<S: Source>(source: S, inlet: Inlet, backoff: Backoff) {
    let (mut tries, mut said) = (0, String::new());
    loop {
        let began = Instant::now();
        let ended = source.run(inlet.clone()).await;
        inlet.ended(&ended.as_ref().err().map_or_else(|| "it has ended".to_owned(), ToString::to_string));
        inlet.down().await;
        // Another may answer there by the time that it is dialled again: nobody else opens a socket before that is known.
        inlet.chain().and_then(|chain| chain.first()).into_iter().for_each(|node| node.hear(false));
        if began.elapsed() > backoff.most {
            tries = 0;
            said.clear();
        }
        let delay = backoff.delay(tries);
        match ended {
            Ok(()) => tracing::info!(source = inlet.name(), ?delay, "source ended; it is started again"),
            Err(error) => {
                // A node that stays away says the same at every try: once is enough.
                let error = printable(&error.to_string(), WORDS);
                if said != error {
                    tracing::warn!(source = inlet.name(), error, ?delay, "source failed; it is started again");
                }
                said = error;
            }
        }
        tokio::time::sleep(delay).await;
        tries = tries.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_to_its_most_and_stays_in_the_upper_half() {
        let backoff = Backoff { least: Duration::from_millis(100), most: Duration::from_secs(5) };
        for (tries, whole) in [(0, 100), (1, 200), (3, 800), (10, 5000), (u32::MAX, 5000)] {
            let delay = backoff.delay(tries).as_millis();
            assert!((whole / 2..=whole).contains(&delay), "try {tries}: {delay} ms");
        }
    }
}
