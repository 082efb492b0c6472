//! An explained bundle, for people.

use std::fmt::Write;

use alloy_primitives::U256;

use crate::replay::bundle::report::Explained;
use crate::replay::bundle::report::HopReport;
use crate::replay::bundle::report::Legend;
use crate::replay::bundle::report::Pair;
use crate::replay::bundle::report::RunReport;
use crate::replay::bundle::trace;
use crate::replay::bundle::trace::Call;

/// All of it; the call trees where `with_trace` asks for them.
#[must_use]
pub fn text(explained: &Explained, with_trace: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _written = write(&mut text, explained, with_trace);
    text
}

fn write(out: &mut String, explained: &Explained, with_trace: bool) -> std::fmt::Result {
    let Explained { strategy, block, parent, verdict, state, legend, .. } = explained;
    writeln!(out, "{strategy} for block {block}, on {parent}: {}", verdict.replace('_', " "))?;
    for (name, hash) in [("bundle", explained.bundle), ("ours", explained.ours), ("trigger", explained.trigger)] {
        if let Some(hash) = hash {
            writeln!(out, "  {name:<8} {hash}")?;
        }
    }
    writeln!(out, "  {:<8} {}", "digest", explained.digest)?;
    writeln!(
        out,
        "\nstate: {} accounts, {} contracts with {} bytes of code, {} slots",
        state.accounts, state.contracts, state.code_bytes, state.slots
    )?;
    for used in &state.used {
        let name = legend.name(used.address);
        let place = if name.starts_with("0x") { String::new() } else { format!("  {name}") };
        writeln!(out, "  {} {:>3} slots{place}", used.address, used.slots)?;
    }
    writeln!(out)?;
    if let Some(trigger) = &explained.trigger_run {
        run(out, "trigger", trigger, legend)?;
    }
    run(out, "ours", &explained.run, legend)?;
    hops(out, &explained.hops, legend)?;
    split(out, explained)?;
    if let Some(all) = explained.trace.as_ref().filter(|_| with_trace) {
        if let Some(trigger) = &all.trigger {
            writeln!(out, "\ncalls of the trigger")?;
            call(out, trigger, 1, legend)?;
        }
        writeln!(out, "\ncalls of ours")?;
        call(out, &all.ours, 1, legend)?;
    }
    Ok(())
}

fn run(out: &mut String, name: &str, run: &RunReport, legend: &Legend) -> std::fmt::Result {
    let ended = if run.success { "succeeded" } else { "failed" };
    write!(out, "{name}: {ended}, {} gas of {}", run.gas_used, run.gas_limit)?;
    if let (Some(failure), Some(place)) = (&run.failure, run.failed_in) {
        write!(out, "; {failure}, in {}", legend.name(place))?;
    }
    writeln!(out)
}

fn hops(out: &mut String, hops: &[HopReport], legend: &Legend) -> std::fmt::Result {
    writeln!(out, "\n{:<5} {:<12} {:<42} {:>32} {:>32}", "hop", "protocol", "pool", "predicted", "actual")?;
    for (at, hop) in hops.iter().enumerate() {
        let amounts = [("in", hop.token_in, &hop.amount_in), ("out", hop.token_out, &hop.amount_out)];
        for (way, token, pair) in amounts {
            let (first, place) = match way {
                "in" => ((at + 1).to_string(), hop.pool.to_string()),
                _ => (String::new(), String::new()),
            };
            let protocol = if way == "in" { hop.protocol.as_str() } else { "" };
            let actual = pair.actual.as_deref().unwrap_or("not reached");
            let (predicted, mark) = (&pair.predicted, mark(pair));
            let token = legend.name(token);
            writeln!(out, "{first:<5} {protocol:<12} {place:<42} {predicted:>32} {actual:>32} {way:<3} {token}{mark}")?;
        }
    }
    Ok(())
}

fn mark(pair: &Pair) -> &'static str {
    if pair.is_equal() { "" } else { "  <- differs" }
}

fn split(out: &mut String, explained: &Explained) -> std::fmt::Result {
    let (split, legend) = (&explained.split, &explained.legend);
    writeln!(out, "\n{:<24} {:>32} {:>32}", "profit", "predicted", "actual")?;
    let gross = format!("gross, in {}", short(&legend.name(split.token)));
    let rows = [
        (gross.as_str(), &split.gross),
        ("gross, in wei", &split.value),
        ("- gas, to the chain", &split.gas_cost),
        ("- payment, to builder", &split.builder),
        ("= take-home", &split.take),
    ];
    for (name, pair) in rows {
        let actual = pair.actual.as_deref().unwrap_or("nothing");
        writeln!(out, "{name:<24} {:>32} {actual:>32}{}", pair.predicted, mark(pair))?;
    }
    Ok(())
}

fn short(name: &str) -> &str {
    if name.starts_with("0x") { name.get(..10).unwrap_or(name) } else { name }
}

fn call(out: &mut String, call: &Call, depth: usize, legend: &Legend) -> std::fmt::Result {
    let indent = "  ".repeat(depth);
    let value = trace::moves(call).map_or_else(String::new, |value: U256| format!(" with {value} wei"));
    let function = if call.function.is_empty() { String::new() } else { format!(".{}", call.function) };
    write!(out, "{indent}{} {}{function}{value}  [{} gas]", call.kind, legend.name(call.to), call.gas_used)?;
    if let Some(failure) = &call.failure {
        write!(out, "  <- {failure}")?;
    }
    writeln!(out)?;
    for inner in &call.calls {
        self::call(out, inner, depth + 1, legend)?;
    }
    for log in &call.logs {
        let event = log.event.map_or_else(|| log.topics.first().map(ToString::to_string), |name| Some(name.to_owned()));
        writeln!(out, "{indent}  log {}", event.as_deref().unwrap_or("anonymous"))?;
    }
    Ok(())
}
