//! Histograms, the table, and the file.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::Path;
use crate::canary::Canary;
use crate::drive::Sample;
use crate::floor::Floor;
use crate::floor::sum;

/// A path whose p99 is less than so many times what the host takes at p99 has the host's tail.
const PART: f64 = 10.0;

/// One row.
pub struct Run {
    pub path: &'static str,
    pub mode: &'static str,
    pub slots: usize,
    /// In ns.
    pub histogram: Histogram<u64>,
    /// Targets that no bundle came for.
    pub missing: usize,
}

impl Run {
    pub fn of(path: Path, mode: &'static str, slots: usize, samples: &[Sample]) -> Self {
        let mut histogram = Histogram::new(3).expect("three digits");
        for took in samples.iter().filter_map(|sample| sample.took) {
            histogram.record(took.as_nanos() as u64).expect("in range");
        }
        let missing = samples.iter().filter(|sample| sample.took.is_none()).count();
        Self { path: path.name(), mode, slots, histogram, missing }
    }

    pub fn us(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1e3
    }

    fn json(&self) -> Value {
        let at = |quantile: f64| json!([quantile, self.us(quantile)]);
        let curve: Vec<Value> =
            [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0].into_iter().map(at).collect();
        json!({
            "path": self.path, "mode": self.mode, "state_slots": self.slots, "p50_us": self.us(0.5),
            "p99_us": self.us(0.99), "p999_us": self.us(0.999), "min_us": self.histogram.min() as f64 / 1e3,
            "n": self.histogram.len(), "missing": self.missing, "percentiles_us": curve,
        })
    }
}

fn find<'a>(runs: &'a [Run], path: &str, slots: usize) -> Option<&'a Run> {
    runs.iter().find(|run| (run.path, run.mode, run.slots) == (path, "idle", slots))
}

pub fn print(runs: &[Run], slots: usize, floor: &Floor, canary: &Canary) {
    println!(
        "\n| path | mode | slots | min | p50 | p99 | p99.9 | n | no bundle |\n|---|---|---|---|---|---|---|---|---|"
    );
    for run in runs.iter().filter(|run| run.slots == slots) {
        let min = run.histogram.min() as f64 / 1e3;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| run.us(quantile));
        println!(
            "| {} | {} | {slots} | {min:.0} | {p50:.0} | {p99:.0} | {p999:.0} | {} | {} |",
            run.path,
            run.mode,
            run.histogram.len(),
            run.missing
        );
    }
    host(runs, slots, canary);
    println!("\nfloor, the parts by themselves, p50 in us:");
    for (how, parts) in [("by the EVM alone", &floor.evm), ("known pools by maths", &floor.known)] {
        println!("  {how}:");
        for (part, us) in parts {
            println!("    {part:<40} {us:>8.1}");
        }
        println!("    {:<40} {:>8.1}", "sum", sum(parts));
    }
    ratios(runs, slots, floor);
}

/// What the host takes from whoever runs on it, and whose tail is no other than that.
fn host(runs: &[Run], slots: usize, canary: &Canary) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| canary.us(quantile));
    println!("| canary | - | - | - | {p50:.0} | {p99:.0} | {p999:.0} | {} | - |", canary.spans());
    for run in runs.iter().filter(|run| (run.slots, run.mode) == (slots, "idle") && p99 * PART > run.us(0.99)) {
        let own = run.us(0.99);
        println!(
            "{}: a thread that only spins loses {p99:.0} us at p99, of {own:.0}: the tail is the host's",
            run.path
        );
    }
}

fn ratios(runs: &[Run], slots: usize, floor: &Floor) {
    let Some(peer) = find(runs, "peer", slots) else { return };
    println!();
    if let Some(share) = find(runs, "share", slots) {
        let [p50, p99] = [0.5, 0.99].map(|quantile| share.us(quantile) / peer.us(quantile));
        println!("share / peer: p50 {p50:.2}, p99 {p99:.2}");
    }
    for (path, parts) in [("spin", &floor.known), ("spin_evm", &floor.evm)] {
        let Some(run) = find(runs, path, slots) else { continue };
        let [p50, p99] = [0.5, 0.99].map(|quantile| run.us(quantile) / peer.us(quantile));
        println!("{path} / peer: p50 {p50:.2}, p99 {p99:.2}; {path} / its floor: p50 {:.2}", run.us(0.5) / sum(parts));
    }
    if let Some((known, plain)) = find(runs, "spin_known", slots).zip(find(runs, "spin_plain", slots)) {
        println!("known pools and prepared nonces / without both: p50 {:.2}", known.us(0.5) / plain.us(0.5));
    }
}

/// One state's paths against another's.
pub fn against(runs: &[Run], few: usize, many: usize) {
    println!();
    for run in runs.iter().filter(|run| (run.slots, run.mode) == (many, "idle")) {
        let Some(before) = find(runs, run.path, few) else { continue };
        let [p50, p99] = [0.5, 0.99].map(|quantile| run.us(quantile) / before.us(quantile));
        println!("{}: {many} slots / {few} slots: p50 {p50:.2}, p99 {p99:.2}", run.path);
    }
}

/// Runs, and the floors by number of slots.
pub fn write(runs: &[Run], floors: &[(usize, Floor)], canary: &Canary) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("tick_to_bundle.json");
    let all: Vec<Value> = runs.iter().map(Run::json).collect();
    let parts = |parts: &[(&'static str, f64)]| json!({"sum_us": sum(parts), "parts_us": parts.iter().copied().collect::<BTreeMap<_, _>>()});
    let floor = |(slots, floor): &(usize, Floor)| json!({"state_slots": slots, "evm": parts(&floor.evm), "known": parts(&floor.known)});
    let floors: Vec<Value> = floors.iter().map(floor).collect();
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| canary.us(quantile));
    let host = json!({"p50_us": p50, "p99_us": p99, "p999_us": p999, "n": canary.spans()});
    let text = serde_json::to_string_pretty(&json!({"runs": all, "floors": floors, "canary": host})).expect("json");
    std::fs::write(&path, text).expect("written");
    println!("\nwritten: {}", path.display());
}
