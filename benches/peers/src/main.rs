//! Question: on the same work, in the same process, is Peregrine at least as exact as its peers, and faster?
//!
//! Peers: `uniswap_v3_math` (V3 in integers) and `degenbot-solvers` with the crates it stands on (V2 and V3 quotes, the
//! best input of a cycle). Each row runs both on the same inputs, by turns, warm, in one thread; their answers are held
//! against each other, those of a sizing by an exact walk that uses the peers' own integers and none of ours.
//!
//! Output: the table, and `target/bench/peers.json`.

mod clock;
mod curves;
mod judge;
mod quotes;
mod sizing;
mod table;
mod twin;

#[allow(dead_code, reason = "the benches of the product use the rest")]
#[path = "../../common/dice.rs"]
mod dice;
#[allow(dead_code, reason = "the benches of the product use the rest")]
#[path = "../../common/inputs.rs"]
mod inputs;
#[path = "../../common/v3.rs"]
mod v3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut table = table::Table::default();
    curves::race(&mut table);
    quotes::race(&mut table);
    sizing::race(&mut table);
    table.write();
}
