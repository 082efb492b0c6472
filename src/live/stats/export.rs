//! The run's numbers as Prometheus and `/status` take them.

use std::fmt::Write;
use std::sync::Arc;

use crate::edge::export::Exported;
use crate::edge::ingest::Ingest;
use crate::edge::ingest::SourceStats;
use crate::hot::refused::Refused;
use crate::live::stats::meter::Meters;
use crate::live::stats::totals::Stats;
use crate::metrics::count::Counter;
use crate::metrics::stage::Stage;

/// What is exported.
pub struct Export {
    /// Counters and times.
    pub meters: Arc<Meters>,
    /// What became of bundles.
    pub stats: Arc<Stats>,
    /// Who told first.
    pub ingest: Arc<Ingest>,
}

impl Exported for Export {
    fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _written = self.write(&mut text);
        text
    }

    fn status(&self) -> String {
        serde_json::to_string(&self.stats.status(&self.meters)).unwrap_or_default()
    }
}

impl Export {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let status = self.stats.status(&self.meters);
        for counter in Counter::ALL {
            let count = self.meters.count(*counter);
            let name = counter.name();
            writeln!(text, "# HELP {name} {}\n# TYPE {name} counter\n{name} {count}", counter.help())?;
        }
        // Gauges: a reorg takes an outcome back.
        for (name, help, count) in [
            ("peregrine_bundles_landed", "Bundles in the chain.", status.bundles_landed),
            ("peregrine_bundles_lost", "Bundles not in the chain.", status.lost),
            ("peregrine_bundles_lost_explained", "... where the chain shows why.", status.lost_explained),
            ("peregrine_bundles_outbid", "... because another searcher took it.", status.outbid),
            (
                "peregrine_bundles_mismatched",
                "Landed bundles whose realised profit is not the predicted one, to the wei.",
                status.mismatched,
            ),
        ] {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {count}")?;
        }
        let name = "peregrine_refused_total";
        writeln!(
            text,
            "# HELP {name} Candidates and triggers that came to nothing, by reason.\n# TYPE {name} counter"
        )?;
        for reason in Refused::ALL {
            writeln!(text, "{name}{{reason=\"{}\"}} {}", reason.name(), self.meters.refused(reason))?;
        }
        let name = "peregrine_stage_seconds";
        writeln!(text, "# HELP {name} Time of a stage of the path.\n# TYPE {name} summary")?;
        for stage in Stage::ALL {
            let (stage, latency) = (stage.name(), self.meters.latency(stage));
            for (quantile, us) in [("0.5", latency.p50_us), ("0.99", latency.p99_us), ("0.999", latency.p999_us)] {
                writeln!(text, "{name}{{stage=\"{stage}\",quantile=\"{quantile}\"}} {}", us / 1e6)?;
            }
            writeln!(text, "{name}_count{{stage=\"{stage}\"}} {}", latency.count)?;
        }
        self.sources(text)?;
        for (name, help, wei) in [
            ("peregrine_profit_predicted_wei", "Predicted profit of landed bundles.", &status.profit_predicted_wei),
            (
                "peregrine_profit_realised_wei",
                "Realised profit of landed bundles, by balances.",
                &status.profit_realised_wei,
            ),
        ] {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {wei}")?;
        }
        Ok(())
    }

    /// Who was first, source by source, and what was wrong with what they said.
    fn sources(&self, text: &mut String) -> std::fmt::Result {
        type Row = (&'static str, &'static str, fn(&SourceStats) -> f64);
        let rows: [Row; 5] = [
            ("peregrine_source_pending_first_total", "Pending transactions that this source told of first.", |s| {
                s.txs.first as f64
            }),
            ("peregrine_source_pending_behind_total", "... that another had told of before.", |s| s.txs.behind as f64),
            ("peregrine_source_pending_behind_seconds", "How long after, summed up.", |s| s.txs.behind_ns as f64 / 1e9),
            ("peregrine_source_heads_first_total", "Heads that this source told of first.", |s| s.heads.first as f64),
            ("peregrine_source_heads_behind_total", "... that another had told of before.", |s| s.heads.behind as f64),
        ];
        let stats = self.ingest.stats();
        for (name, help, read) in rows {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter")?;
            for source in &stats {
                writeln!(text, "{name}{{source=\"{}\"}} {}", source.name, read(source))?;
            }
        }
        let (name, help) = ("peregrine_bad_frames_total", "Frames that did not decode.");
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", self.ingest.bad_frames())?;
        let (name, help) = ("peregrine_samples_lost_total", "Times of stages that found no room.");
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", self.meters.lost_samples())?;
        let (name, help) = ("peregrine_ingest_dropped_total", "Pending transactions that found the feed's queue full.");
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", self.ingest.dropped_pending())
    }
}
