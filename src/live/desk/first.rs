//! The desk's first door: bundles that are handed out before the EVM has run, and their verdicts behind them.

use tokio::sync::oneshot;

use crate::hot::engine::Engine;
use crate::hot::engine::choice;
use crate::hot::engine::first;
use crate::hot::engine::first::First;
use crate::hot::engine::first::Looked;
use crate::hot::engine::first::Promise;
use crate::hot::engine::first::Verdict;
use crate::hot::evm::block;
use crate::hot::reckon::Why;
use crate::live::desk::Desk;
use crate::live::desk::found;
use crate::live::report::Offer;
use crate::metrics::count::Counter;
use crate::metrics::span::Span;
use crate::metrics::stage::Stage;

impl Desk {
    /// A pending transaction by maths first. What is signed goes to the sender at once, who waits for the verdict before
    /// anything of it reaches the ledger or a relay.
    pub(super) fn look_first(&mut self, offer: &Offer) {
        let trigger = (offer.pending.tx.inner(), offer.pending.hash());
        let tx = block::tx_env(&offer.pending.tx);
        let (say, verdict) = oneshot::channel();
        let mut span = Span::start();
        let (clock, to_send, meter) = (&self.clock, &self.to_send, &self.meter);
        let hand = |engine: &Engine, promise: &Promise| {
            meter.time(Stage::Build, span.lap());
            let on = (promise.on.candidate(), promise.on.gas());
            let mut found = found(engine, clock, promise.bundle.clone(), on, Some(offer));
            found.verdict = Some(verdict);
            // Nobody listens any more: the run is ending.
            let _ending = to_send.send(Box::new(found));
        };
        let Looked { outcome, made, first } = first::look(&mut self.engine, &mut self.builder, tx, trigger, hand);
        self.count(&first);
        self.note(&outcome, Some(offer));
        if let First::Sent(_, verdict) = &first {
            let terms = if let Verdict::Confirmed(terms) = verdict { Some(*terms) } else { None };
            let _ending = say.send(terms);
        }
        let confirmed = matches!(&first, First::Sent(_, Verdict::Confirmed(_)));
        if confirmed {
            self.meter.counters.add(Counter::Built);
        } else {
            self.deliver(&made, Some(offer));
        }
        let decision = || {
            let mut decision = choice::decision(&self.engine, &outcome, &made);
            decision.first = first.said();
            decision
        };
        self.tape.decided(decision, made.choice.as_ref());
        self.complain(outcome, Some(offer));
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
