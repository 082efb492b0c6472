//! The table of positions, for the eye.

use alloy_primitives::{I256, U256};

use crate::live::positions::Positions;
use crate::live::positions::row;
use crate::live::positions::row::LiquidatableAt;
use crate::live::positions::row::Row;
use crate::types::text::printable;

/// Characters of a note, which may hold a node's words.
const MOST_NOTE: usize = 500;
/// Cells of the bar, and how many hundredths of a percent one is: a full one is half the price.
const CELLS: usize = 20;
const CELL_BPS: usize = 250;

/// A line a position, and what there is to say. The bar is the way that the nearest price has to go.
#[must_use]
pub fn table(found: &Positions) -> String {
    let mut lines = vec![cells(&HEAD.map(str::to_owned))];
    lines.extend(found.positions.iter().map(|row| cells(&line(row))));
    let liquidatable = found.positions.iter().filter(|row| row.health.factor < ONE).count();
    let count = found.positions.len();
    lines.push(format!("{count} positions behind block {}, {liquidatable} of them can be liquidated", found.block));
    lines.extend(found.notes.iter().map(|note| format!("note: {}", printable(note, MOST_NOTE))));
    lines.join("\n")
}

/// A health factor of 1, in wad.
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
const HEAD: [&str; 8] = ["market", "account", "health", "collateral", "debt", "sinks when", "", "earns"];
/// Of the columns; numbers stand to the right.
const WIDTHS: [usize; 8] = [12, 42, 8, 17, 17, 36, CELLS, 18];
const RIGHT: [bool; 8] = [false, false, true, true, true, false, false, true];

fn cells(texts: &[String; 8]) -> String {
    let cell = |((text, width), right): ((&String, usize), bool)| match right {
        true => format!("{text:>width$}"),
        false => format!("{text:<width$}"),
    };
    let cells: Vec<String> = texts.iter().zip(WIDTHS).zip(RIGHT).map(cell).collect();
    cells.join("  ").trim_end().to_owned()
}

fn line(row: &Row) -> [String; 8] {
    let base = |amount| format!("{} {}", cut(&row::units(amount, row.base.decimals), 2), row.base.name);
    let edge = row.edges.first();
    let earns = row.liquidation.as_ref().map(|liquidation| {
        let (sign, amount) = (sign(liquidation.earns), base(liquidation.earns.unsigned_abs()));
        format!("{sign}{amount}{}", if liquidation.now { " now" } else { "" })
    });
    [
        row.market.clone(),
        row.account.to_string(),
        cut(&row::units(row.health.factor, 18), 4),
        base(row.health.collateral),
        base(row.health.debt),
        edge.map_or_else(|| "no single price does it".to_owned(), liquidatable_at),
        edge.map_or_else(String::new, |edge| bar(edge.bps)),
        earns.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn liquidatable_at(edge: &LiquidatableAt) -> String {
    let way = if edge.when == "falling" { "<=" } else { ">=" };
    let price = cut(&row::units(edge.liquidatable_at, edge.unit.decimals), 4);
    format!("{} {way} {price} ({}%)", edge.unit.name, edge.distance_percent)
}

fn sign(amount: I256) -> &'static str {
    if amount.is_negative() { "-" } else { "" }
}

/// A number with so many decimals, the rest cut off.
fn cut(number: &str, decimals: usize) -> String {
    match number.split_once('.') {
        Some((whole, rest)) => format!("{whole}.{}", rest.get(..decimals).unwrap_or(rest)),
        None => number.to_owned(),
    }
}

fn bar(bps: I256) -> String {
    let full = usize::try_from(bps.unsigned_abs()).unwrap_or(usize::MAX).div_ceil(CELL_BPS).min(CELLS);
    "\u{2588}".repeat(full) + &"\u{2591}".repeat(CELLS - full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_the_way_to_the_edge() {
        let full = |bps: i64| bar(I256::unchecked_from(bps)).chars().filter(|cell| *cell == '\u{2588}').count();
        assert_eq!([0, 1, -250, 251, -4_999, 5_000, 1_000_000].map(full), [0, 1, 1, 2, 20, 20, 20]);
        assert_eq!(bar(I256::MAX).chars().count(), CELLS);
    }

    #[test]
    fn numbers_are_cut_and_not_rounded() {
        assert_eq!((cut("0.9999", 2), cut("12", 2), cut("1.5", 4)), ("0.99".into(), "12".into(), "1.5".into()));
    }
}
