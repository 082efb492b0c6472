//! The run's numbers as Prometheus and `/status` take them: of one chain, or of several, each sample then labelled by its chain.

use std::borrow::Cow;
use std::fmt::Display;
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;

use crate::edge::disk::Writes;
use crate::edge::export::Exported;
use crate::edge::ingest::Ingest;
use crate::edge::ingest::SourceStats;
use crate::hot::refused::Refused;
use crate::live::stats::meter::Meters;
use crate::live::stats::totals::Source;
use crate::live::stats::totals::Stats;
use crate::live::stats::totals::Status;
use crate::metrics::count::Counter;
use crate::metrics::stage::Stage;

/// The numbers of one searcher.
pub struct Row {
    /// The chain's id, where there are several.
    pub chain: Option<u64>,
    /// Counters and times.
    pub meters: Arc<Meters>,
    /// What became of bundles.
    pub stats: Arc<Stats>,
    /// Which source told first.
    pub ingest: Arc<Ingest>,
}

/// What is exported.
pub struct Export(Vec<Row>);

impl Exported for Export {
    fn metrics(&self) -> String {
        let rows = self.0.iter().map(|row| (row, row.status())).collect();
        let mut page = Page { rows, text: String::new() };
        page.bundles();
        page.times();
        page.sources();
        page.files();
        page.fetches();
        page.profit();
        page.text
    }

    fn status(&self) -> String {
        let one = |row: &Row| serde_json::to_value(row.status()).unwrap_or_default();
        if let [row] = &self.0[..] {
            return one(row).to_string();
        }
        let chains = self.0.iter().map(|row| (row.chain.unwrap_or_default().to_string(), one(row)));
        let chains: Map<String, Value> = chains.collect();
        serde_json::json!({ "chains": chains }).to_string()
    }
}

impl Export {
    /// Of these searchers.
    #[must_use]
    pub const fn new(rows: Vec<Row>) -> Self {
        Self(rows)
    }
}

impl Row {
    fn status(&self) -> Status {
        Status { sources: Source::all(&self.ingest), ..self.stats.status(&self.meters) }
    }
}

/// `/metrics` as far as it is written.
struct Page<'a> {
    rows: Vec<(&'a Row, Status)>,
    text: String,
}

/// The samples of one searcher in one family.
struct Samples<'a> {
    name: &'a str,
    chain: Option<u64>,
    text: &'a mut String,
}

impl Samples<'_> {
    /// A sample of the family, or of what belongs to it under a longer name.
    fn add(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let chain = self.chain.map(|chain| chain.to_string());
        let chain = chain.as_deref().map(|chain| ("chain", chain));
        let labels: Vec<String> = chain
            .into_iter()
            .chain(labels.iter().copied())
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing into a string does not fail.
        let _written = writeln!(self.text, "{}{ending}{labels} {value}", self.name);
    }
}

/// A label's value as the text format has it. Names of nodes are the user's, and one quote would cost the whole page.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

impl Page<'_> {
    fn family(&mut self, [name, kind, help]: [&str; 3], samples: impl Fn(&Row, &Status, &mut Samples<'_>)) {
        // As above.
        let _written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (row, status) in &self.rows {
            samples(row, status, &mut Samples { name, chain: row.chain, text: &mut self.text });
        }
    }

    fn bundles(&mut self) {
        for counter in Counter::ALL {
            let family = [counter.name(), "counter", counter.help()];
            self.family(family, |row, _, samples| samples.add("", &[], row.meters.count(*counter)));
        }
        // Gauges: a reorg takes an outcome back.
        type Gauge = ([&'static str; 2], fn(&Status) -> u64);
        let gauges: [Gauge; 5] = [
            (["peregrine_bundles_landed", "Bundles in the chain."], |status| status.bundles_landed),
            (["peregrine_bundles_lost", "Bundles not in the chain."], |status| status.lost),
            (["peregrine_bundles_lost_explained", "... where the chain shows why."], |status| status.lost_explained),
            (["peregrine_bundles_outbid", "... because another searcher took it."], |status| status.outbid),
            (
                [
                    "peregrine_bundles_mismatched",
                    "Landed bundles whose realised profit is not the predicted one, to the wei.",
                ],
                |status| status.mismatched,
            ),
        ];
        for ([name, help], read) in gauges {
            self.family([name, "gauge", help], |_, status, samples| samples.add("", &[], read(status)));
        }
        let help = "Candidates and triggers that came to nothing, by reason.";
        self.family(["peregrine_refused_total", "counter", help], |row, _, samples| {
            for reason in Refused::ALL {
                samples.add("", &[("reason", reason.name())], row.meters.refused(reason));
            }
        });
    }

    fn times(&mut self) {
        self.family(["peregrine_stage_seconds", "summary", "Time of a stage of the path."], |row, _, samples| {
            for stage in Stage::ALL {
                let (name, latency) = (stage.name(), row.meters.latency(stage));
                for (quantile, us) in [("0.5", latency.p50_us), ("0.99", latency.p99_us), ("0.999", latency.p999_us)] {
                    samples.add("", &[("stage", name), ("quantile", quantile)], us / 1e6);
                }
                samples.add("_count", &[("stage", name)], latency.count);
            }
        });
    }

    /// How often each source was first, source by source, and what was wrong with what they said.
    fn sources(&mut self) {
        type Family = (&'static str, &'static str, fn(&SourceStats) -> f64);
        let families: [Family; 8] = [
            ("peregrine_source_pending_first_total", "Pending transactions that this source told of first.", |s| {
                s.txs.first as f64
            }),
            ("peregrine_source_pending_behind_total", "... that another had told of before.", |s| s.txs.behind as f64),
            ("peregrine_source_pending_behind_seconds", "How long after, summed up.", |s| s.txs.behind_ns as f64 / 1e9),
            ("peregrine_source_heads_first_total", "Heads that this source told of first.", |s| s.heads.first as f64),
            ("peregrine_source_heads_behind_total", "... that another had told of before.", |s| s.heads.behind as f64),
            ("peregrine_source_bad_frames_total", "Frames of this source that did not decode.", |s| {
                s.heard.bad_frames as f64
            }),
            ("peregrine_source_derived_total", "Pending transactions some of whose fields were derived.", |s| {
                s.heard.derived as f64
            }),
            (
                "peregrine_source_not_had_total",
                "Pending transactions announced by hash, whose body could not be had.",
                |s| s.heard.not_had as f64,
            ),
        ];
        for (name, help, read) in families {
            self.family([name, "counter", help], |row, _, samples| {
                for source in row.ingest.stats() {
                    samples.add("", &[("source", source.name.as_str())], read(&source));
                }
            });
        }
        type Count = ([&'static str; 2], fn(&Row) -> u64);
        let counts: [Count; 3] = [
            (["peregrine_bad_frames_total", "Frames that did not decode."], |row| row.ingest.bad_frames()),
            (["peregrine_samples_lost_total", "Times of stages that found no room."], |row| row.meters.lost_samples()),
            (["peregrine_ingest_dropped_total", "Pending transactions that found the feed's queue full."], |row| {
                row.ingest.dropped_pending()
            }),
        ];
        for ([name, help], read) in counts {
            self.family([name, "counter", help], |row, _, samples| samples.add("", &[], read(row)));
        }
    }

    /// Whether each file that is written as the run goes takes it.
    fn files(&mut self) {
        type Family = ([&'static str; 3], fn(&Writes) -> u64);
        let families: [Family; 2] = [
            (
                ["peregrine_file_writes", "gauge", "1 while the file is written, 0 while the disk takes nothing."],
                |file| u64::from(file.is_on()),
            ),
            (["peregrine_file_lost_total", "counter", "Entries that are not in the file."], |file| file.lost()),
        ];
        for (family, read) in families {
            self.family(family, |row, _, samples| {
                for file in row.stats.files().all() {
                    samples.add("", &[("file", file.what())], read(file));
                }
            });
        }
    }

    /// What pending transactions have made us fetch.
    fn fetches(&mut self) {
        type Family = ([&'static str; 3], fn(&Status) -> u64);
        let help = "Accounts and slots fetched for pending transactions.";
        let families: [Family; 2] = [
            (["peregrine_fetched_keys_total", "counter", help], |status| status.fetches.fetched),
            (["peregrine_fetched_keys_held", "gauge", "Those of them that are held now."], |status| {
                status.fetches.held
            }),
        ];
        for (family, read) in families {
            self.family(family, |_, status, samples| samples.add("", &[], read(status)));
        }
        let help = "Fetches refused because a transaction, a sender or a block had wanted as much as it may.";
        self.family(["peregrine_fetch_refused_total", "counter", help], |_, status, samples| {
            for (bound, times) in status.fetches.refused() {
                samples.add("", &[("bound", bound)], times);
            }
        });
    }

    fn profit(&mut self) {
        type Wei = (&'static str, &'static str, fn(&Status) -> &str);
        let families: [Wei; 2] = [
            ("peregrine_profit_predicted_wei", "Predicted profit of landed bundles.", |s| &s.profit_predicted_wei),
            ("peregrine_profit_realised_wei", "Realised profit of landed bundles, by balances.", |s| {
                &s.profit_realised_wei
            }),
        ];
        for (name, help, read) in families {
            self.family([name, "gauge", help], |_, status, samples| samples.add("", &[], read(status)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_where_its_value_does_whatever_that_holds() {
        let mut text = String::new();
        let mut samples = Samples { name: "x", chain: Some(1), text: &mut text };
        for value in ["plain", "a \"b\"", "c:\\d", "e\nf", "\\\"\n", "{g=\"h\"} 1"] {
            samples.add("_total", &[("source", value)], 7);
        }
        let due = [
            r#"x_total{chain="1",source="plain"} 7"#,
            r#"x_total{chain="1",source="a \"b\""} 7"#,
            r#"x_total{chain="1",source="c:\\d"} 7"#,
            r#"x_total{chain="1",source="e\nf"} 7"#,
            r#"x_total{chain="1",source="\\\"\n"} 7"#,
            r#"x_total{chain="1",source="{g=\"h\"} 1"} 7"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), due);
    }
}
