//! The table, for eyes and for scripts.

use std::path::Path;

use serde_json::json;

use crate::clock::Times;

/// One row.
struct Row {
    what: String,
    peer: &'static str,
    times: Times,
    answers: String,
}

/// All rows so far.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row.
    pub fn row(&mut self, what: impl Into<String>, peer: &'static str, times: Times, answers: String) {
        let row = Row { what: what.into(), peer, times, answers };
        println!("{}", row.line());
        self.0.push(row);
    }

    /// Prints the whole table and writes `target/bench/peers.json`.
    pub fn write(&self) {
        println!("\n| what | peer | ours | peer's | ratio | answers |\n|---|---|--:|--:|--:|---|");
        for row in &self.0 {
            println!("{}", row.line());
        }
        let rows: Vec<_> = self.0.iter().map(Row::json).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        std::fs::create_dir_all(&folder).expect("target can be written");
        let text = serde_json::to_string_pretty(&rows).expect("plain values");
        std::fs::write(folder.join("peers.json"), text + "\n").expect("target can be written");
    }
}

impl Row {
    fn line(&self) -> String {
        let Times { ours, peer, ratio } = self.times;
        let answers = &self.answers;
        format!("| {} | {} | {} | {} | {ratio:.1}x | {answers} |", self.what, self.peer, human(ours), human(peer))
    }

    fn json(&self) -> serde_json::Value {
        let Times { ours, peer, ratio } = self.times;
        json!({ "what": self.what, "peer": self.peer, "ours_ns": ours, "peer_ns": peer, "ratio": ratio, "answers": self.answers })
    }
}

fn human(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}
