//! What people see of a running searcher: a table in a terminal, a line a while elsewhere, a report at the end.

use std::fmt::Write;

use crate::live::stats::totals::Percentiles;
use crate::live::stats::totals::Status;
use crate::metrics::stage::Stage;

/// What the table shows beyond the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aside {
    /// Pools searched in.
    pub pools: usize,
    /// The last block.
    pub tip: u64,
    /// Nothing is sent.
    pub dry: bool,
}

/// Wei as ether with nine decimals, cut off. For eyes only.
#[must_use]
pub fn ether(wei: &str) -> String {
    let (sign, digits) = wei.strip_prefix('-').map_or(("", wei), |digits| ("-", digits));
    let padded = format!("{digits:0>19}");
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    format!("{sign}{whole}.{}", fraction.get(..9).unwrap_or(fraction))
}

/// The table.
#[must_use]
pub fn table(status: &Status, aside: Aside) -> String {
    let rate = status.pending_seen as f64 / status.seconds.max(1) as f64;
    let sent = if aside.dry { "would have sent" } else { "sent" };
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing into a string does not fail.
        let _written = writeln!(text, "  {name:<18} {value}");
    };
    row("block", format!("{} ({} followed, {} s)", aside.tip, status.blocks, status.seconds));
    row("pools", aside.pools.to_string());
    row("pending", format!("{} ({rate:.1}/s)", status.pending_seen));
    row("opportunities", status.opportunities.to_string());
    row(
        "bundles",
        format!(
            "{} {sent}, {} landed, {} lost ({} outbid)",
            status.bundles_sent, status.bundles_landed, status.lost, status.outbid
        ),
    );
    row("landed by", by(status));
    row(
        "profit",
        format!(
            "{} ether realised, {} predicted, {} mismatched",
            ether(&status.profit_realised_wei),
            ether(&status.profit_predicted_wei),
            status.mismatched
        ),
    );
    text.push_str(&latencies(status));
    text
}

fn by(status: &Status) -> String {
    let counts = status.landed_by_strategy.iter().chain(&status.landed_by_protocol);
    let named: Vec<String> = counts.filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    let hops: Vec<String> =
        status.landed_by_hops.iter().filter(|(_, n)| **n > 0).map(|(hops, n)| format!("{hops} hops {n}")).collect();
    if hops.is_empty() { "-".to_owned() } else { format!("{}; {}", named.join(", "), hops.join(", ")) }
}

fn latencies(status: &Status) -> String {
    let mut text = format!("  {:<24} {:>10} {:>10} {:>10} {:>8}\n", "stage, µs", "p50", "p99", "p99.9", "n");
    for stage in Stage::ALL {
        let Some(Percentiles { p50, p99, p999, n }) = status.latency_us.get(stage.name()) else { continue };
        // As above.
        let _written = writeln!(text, "  {:<24} {p50:>10.1} {p99:>10.1} {p999:>10.1} {n:>8}", stage.name());
    }
    text
}

/// One line.
#[must_use]
pub fn line(status: &Status, aside: Aside) -> String {
    let total = status.latency_us.get(Stage::Total.name()).map_or(0.0, |latency| latency.p50);
    format!(
        "block {} | {} pending | {} opportunities | {} {} | {} landed | {} lost | {} ether | notification to bundle {total:.0} µs p50",
        aside.tip,
        status.pending_seen,
        status.opportunities,
        status.bundles_sent,
        if aside.dry { "would have been sent" } else { "sent" },
        status.bundles_landed,
        status.lost,
        ether(&status.profit_realised_wei),
    )
}

#[cfg(test)]
mod tests {
    use super::ether;

    #[test]
    fn wei_is_shown_as_ether() {
        assert_eq!(ether("1"), "0.000000000");
        assert_eq!(ether("-1500000000000000000"), "-1.500000000");
        assert_eq!(ether("12345678901234567890"), "12.345678901");
    }
}
