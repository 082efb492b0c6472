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
use crate::hot::worker::io::WorkerIo;
use crate::hot::worker::message::Found;
use crate::hot::worker::message::Handed;
use crate::hot::worker::message::Sent;
use crate::hot::worker::none_newer;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;

/// Where a provisional bundle is while the EVM runs.
enum Left {
    /// There is none, or it is not to be sent.
    Not,
    /// At relays, down the worker's own connections. The ledger hears of it once it is known what it really earns.
    InLine(Box<Found>),
    /// Here: it goes down the worker's own connections once the EVM has agreed.
    Here(Box<Found>),
    /// At the sender, which waits for the verdict.
    ToSender,
}

impl Worker {
    /// A pending transaction by maths first. A worker that spins sends what is signed down its own connections at once, and takes it back
    /// if the EVM does not agree. Any other sends nothing before the EVM has agreed: where it has no connections the sender writes
    /// the requests meanwhile.
    pub(super) fn look_first(&mut self, tx: TxEnv, case: Case, raw: Raw<'_>) {
        let (mut span, mut left) = (Span::start(), Left::Not);
        let Parts { clock, to_send, meter, io, builder, newest, .. } = &mut self.parts;
        let hand = |engine: &Engine, provisional: &ProvisionalBundle| {
            meter.time(Stage::Build, span.lap());
            if io.as_ref().is_some_and(|io| io.has_taken_back(provisional.parent, provisional.bundle.trigger())) {
                return meter.counters.add(Counter::NotSent);
            }
            let signed_ns = clock.now_ns();
            let early = io.as_mut().filter(|io| io.spins());
            let sent =
                early.and_then(|io| io.send(&provisional.bundle, provisional.parent, provisional.on.opportunity()));
            let on = (provisional.on.opportunity(), provisional.on.gas());
            let mut found = Box::new(found(engine, provisional.bundle.clone(), on, Some(case), signed_ns));
            found.sent = sent;
            found.provisional = sent.is_none();
            left = match io {
                _ if sent.is_some() => Left::InLine(found),
                Some(io) if !io.spins() => Left::Here(found),
                _ => {
                    to_send.put(Handed::Found(found));
                    Left::ToSender
                }
            };
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

    /// What the EVM said of a provisional bundle is told, or done. Whether it agreed.
    fn confirm(&mut self, first: &FastPath, left: Left) -> bool {
        let FastPath::Sent(provisional, verdict) = first else { return false };
        let terms = if let Verdict::Confirmed(terms) = verdict { Some(*terms) } else { None };
        let Parts { io, to_send, .. } = &mut self.parts;
        let verdict = Handed::Verdict { bundle: provisional.bundle.hash(), terms };
        match left {
            Left::InLine(mut found) => {
                if let (None, Some(io)) = (terms, io) {
                    io.took_back(provisional.parent, provisional.bundle.trigger());
                }
                if let Some(sent) = &mut found.sent {
                    sent.terms = terms.unwrap_or(sent.terms);
                    sent.withdrawn = terms.is_none();
                }
                to_send.put(Handed::Found(found));
            }
            Left::Here(mut found) => {
                let send = |io: &mut Box<WorkerIo>| {
                    io.send(&provisional.bundle, provisional.parent, provisional.on.opportunity())
                };
                found.sent = terms.and_then(|terms| Some(Sent { terms, ..io.as_mut().and_then(send)? }));
                found.provisional = found.sent.is_none();
                let waits = found.provisional;
                to_send.put(Handed::Found(found));
                if waits {
                    to_send.put(verdict);
                }
            }
            Left::ToSender => to_send.put(verdict),
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
