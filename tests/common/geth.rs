//! Whether there is a geth to test on.

use peregrine_devnet::geth;

/// False, aloud, where `scripts/geth` has not built it.
#[must_use]
pub fn there() -> bool {
    if geth::find().is_none() {
        println!("SKIPPED: geth is not there; run scripts/geth, or set PEREGRINE_GETH, to run this test");
        eprintln!("SKIPPED: geth is not there; run scripts/geth, or set PEREGRINE_GETH, to run this test");
        return false;
    }
    true
}
