//! The worker's fast path: bundles that are handed out before the EVM has run, and their verdicts behind them.

use revm::context::TxEnv;

use crate::hot::bundle::Raw;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::fast_path;
use crate::hot::engine::fast_path::FastPath;
use crate::hot::engine::fast_path::FastPathResult;
use crate::hot::engine::fast_path::ProvisionalBundle;
use crate::hot::engine::fast_path::Verdict;
use crate::hot::forecast::Why;
use crate::hot::worker::Case;
use crate::hot::worker::Parts;
use crate::hot::worker::Worker;
use crate::hot::worker::found;
use crate::hot::worker::message::Found;
use crate::hot::worker::message::Handed;
use crate::hot::worker::none_newer;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;

/// Which way a promise has left.
enum Left {
    /// None has.
    Not,
    /// Down its own lines. The ledger hears of it once it is known what it really earns.
    InLine(Box<Found>),
    /// To the sender, who waits for the verdict.
    ToSender,
}

impl Worker {
    /// A pending transaction by maths first. What is signed goes down the worker's own lines at once, and is taken back if the EVM does not
    /// agree; where there are none it goes to the sender, who waits for the verdict before anything of it reaches a relay.
    pub(super) fn look_first(&mut self, tx: TxEnv, case: Case, raw: Raw<'_>) {
        let (mut span, mut left) = (Span::start(), Left::Not);
        let Parts { clock, to_send, meter, io, builder, newest, .. } = &mut self.parts;
        let hand = |engine: &Engine, provisional: &ProvisionalBundle| {
            meter.time(Stage::Build, span.lap());
            if io.as_ref().is_some_and(|io| io.has_taken_back(provisional.parent, provisional.bundle.trigger())) {
                return meter.counters.add(Counter::NotSent);
            }
            let signed_ns = clock.now_ns();
            let sent = io.as_mut().and_then(|io| io.send(&provisional.bundle, provisional.parent));
            let on = (provisional.on.opportunity(), provisional.on.gas());
            let mut found = Box::new(found(engine, provisional.bundle.clone(), on, Some(case), signed_ns));
            found.sent = sent;
            if sent.is_some() {
                left = Left::InLine(found);
                return;
            }
            found.provisional = true;
            to_send.put(Handed::Found(found));
            left = Left::ToSender;
        };
        let FastPathResult { outcome, made, first } =
            fast_path::look(&mut self.engine, builder, tx, (raw, &none_newer(newest)), hand);
        self.count(&first);
        self.learn(&outcome, case);
        self.note(&outcome, Some(case));
        let confirmed = self.confirm(&first, left);
        if confirmed {
            self.parts.meter.counters.add(Counter::Built);
        } else {
            self.deliver(&made, Some(case));
        }
        let decision = || {
            let mut decision = choice::decision(&self.engine, &outcome, &made);
            decision.first = first.said();
            decision
        };
        self.parts.journal.decided(&decision, made.choice.as_ref());
        self.complain(outcome, Some(case));
    }

    /// Tells whoever waits for it what the EVM said of a promise. Whether it agreed.
    fn confirm(&mut self, first: &FastPath, left: Left) -> bool {
        let FastPath::Sent(provisional, verdict) = first else { return false };
        let terms = if let Verdict::Confirmed(terms) = verdict { Some(*terms) } else { None };
        match left {
            Left::InLine(mut found) => {
                if let (None, Some(io)) = (terms, &mut self.parts.io) {
                    io.took_back(provisional.parent, provisional.bundle.trigger());
                }
                if let Some(sent) = &mut found.sent {
                    sent.terms = terms.unwrap_or(sent.terms);
                    sent.withdrawn = terms.is_none();
                }
                self.parts.to_send.put(Handed::Found(found));
            }
            Left::ToSender => {
                self.parts.to_send.put(Handed::Verdict { bundle: provisional.bundle.hash(), terms });
            }
            Left::Not => (),
        }
        terms.is_some()
    }

    fn count(&self, first: &FastPath) {
        let counters = &self.parts.meter.counters;
        match first {
            FastPath::Closed => return,
            FastPath::Left(Why::Barred) => return counters.add(Counter::ForecastShape),
            FastPath::Left(Why::Unproven) => return counters.add(Counter::ForecastToken),
            FastPath::Left(_) => return counters.add(Counter::ForecastLeft),
            FastPath::Nothing | FastPath::Sent(..) => counters.add(Counter::ForecastResolved),
        }
        let FastPath::Sent(_, verdict) = first else { return };
        counters.add(Counter::ForecastSent);
        counters.add(match verdict {
            Verdict::Confirmed(_) => Counter::ForecastConfirmed,
            Verdict::Differs => Counter::ForecastDiffered,
            Verdict::Failed => Counter::ForecastFailed,
            Verdict::Stopped => Counter::ForecastStopped,
            Verdict::Refused(_) => Counter::ForecastRefused,
        });
    }
}
