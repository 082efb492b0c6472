//! The desk's first door: bundles that are handed out before the EVM has run, and their verdicts behind them.

use revm::context::TxEnv;
use tokio::sync::oneshot;

use crate::hot::build::Raw;
use crate::hot::build::Terms;
use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::first;
use crate::hot::engine::first::First;
use crate::hot::engine::first::Looked;
use crate::hot::engine::first::Promise;
use crate::hot::engine::first::Verdict;
use crate::hot::reckon::Why;
use crate::hot::simulate::Deal;
use crate::live::desk::Case;
use crate::live::desk::Desk;
use crate::live::desk::found;
use crate::live::desk::none_newer;
use crate::live::report::Found;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;

impl Desk {
    /// A pending transaction by maths first. What is signed goes down the lane at once, and is taken back if the EVM does not
    /// agree; where there is no lane it goes to the sender, who waits for the verdict before anything of it reaches a relay.
    pub(super) fn look_first(&mut self, tx: TxEnv, case: Case, raw: Raw<'_>) {
        let (say, verdict) = oneshot::channel();
        let (mut span, mut handed) = (Span::start(), None);
        let (clock, to_send, meter, lane) = (&self.clock, &self.to_send, &self.meter, &mut self.lane);
        let hand = |engine: &Engine, promise: &Promise| {
            meter.time(Stage::Build, span.lap());
            if lane.as_ref().is_some_and(|lane| lane.has_taken_back(promise.parent, promise.bundle.trigger())) {
                return meter.counters.add(Counter::NotSent);
            }
            let signed_ns = clock.now_ns();
            let sent = lane.as_mut().and_then(|lane| lane.send(&promise.bundle, promise.parent));
            let (deal, gas) = (Deal::from(*promise.on.candidate()), promise.on.gas());
            let mut found = Box::new(found(engine, promise.bundle.clone(), (&deal, gas), Some(case), signed_ns));
            found.sent = sent;
            if sent.is_some() {
                // The ledger hears of it once it is known what it really earns.
                handed = Some(found);
                return;
            }
            found.verdict = Some(verdict);
            // Nobody listens any more: the run is ending.
            let _ending = to_send.send(found);
        };
        let Looked { outcome, made, first } =
            first::look(&mut self.engine, &mut self.builder, tx, (raw, &none_newer(&self.newest)), hand);
        self.count(&first);
        self.learn(&outcome, case);
        self.note(&outcome, Some(case));
        let confirmed = self.confirm(&first, (say, handed));
        if confirmed {
            self.meter.counters.add(Counter::Built);
        } else {
            self.deliver(&made, Some(case));
        }
        let decision = || {
            let mut decision = choice::decision(&self.engine, &outcome, &made);
            decision.first = first.said();
            decision
        };
        self.tape.decided(decision, made.choice.as_ref());
        self.complain(outcome, Some(case));
    }

    /// Tells whoever waits for it what the EVM said of a promise. Whether it agreed.
    fn confirm(&mut self, first: &First, (say, handed): (oneshot::Sender<Option<Terms>>, Option<Box<Found>>)) -> bool {
        let First::Sent(promise, verdict) = first else { return false };
        let terms = if let Verdict::Confirmed(terms) = verdict { Some(*terms) } else { None };
        match handed {
            Some(mut found) => {
                if let (None, Some(lane)) = (terms, &mut self.lane) {
                    lane.took_back(promise.parent, promise.bundle.trigger());
                }
                if let Some(sent) = &mut found.sent {
                    sent.terms = terms.unwrap_or(sent.terms);
                    sent.withdrawn = terms.is_none();
                }
                // As above.
                let _ending = self.to_send.send(found);
            }
            None => drop(say.send(terms)),
        }
        terms.is_some()
    }

    fn count(&self, first: &First) {
        let counters = &self.meter.counters;
        match first {
            First::Closed => return,
            First::Left(Why::Barred) => return counters.add(Counter::ReckonShape),
            First::Left(Why::Unproven) => return counters.add(Counter::ReckonToken),
            First::Left(_) => return counters.add(Counter::ReckonLeft),
            First::Nothing | First::Sent(..) => counters.add(Counter::ReckonResolved),
        }
        let First::Sent(_, verdict) = first else { return };
        counters.add(Counter::ReckonPromised);
        counters.add(match verdict {
            Verdict::Confirmed(_) => Counter::ReckonConfirmed,
            Verdict::Differs => Counter::ReckonDiffered,
            Verdict::Failed => Counter::ReckonFailed,
            Verdict::Stopped => Counter::ReckonStopped,
            Verdict::Refused(_) => Counter::ReckonRefused,
        });
    }
}
