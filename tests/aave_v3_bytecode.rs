//! The published contracts of Aave V3 against ours: random markets, users, prices and time on a chain in memory.
//!
//! After every step the health of everyone must be what `getUserAccountData` says, and before every liquidation ours must
//! foretell what `liquidationCall` then moves, to the unit, or why it reverts. Our state is kept by storage diffs alone.

#[path = "common/aave_deploy.rs"]
mod aave_deploy;
#[path = "common/aave_drive.rs"]
mod aave_drive;
#[path = "aave_v3_bytecode/deploy.rs"]
mod deploy;
#[path = "common/market_evm.rs"]
mod market_evm;

use peregrine::protocols::aave_v3::LAYOUT;
use peregrine::protocols::aave_v3::Market;

/// Of both versions.
const CASES: [&str; 8] =
    ["Healthy", "Paused", "Inactive", "Illiquid", "as much as may be", "in part", "falling edge", "choice of pairs"];

#[test]
fn health_and_liquidations_are_those_of_the_published_contracts() {
    let world = deploy::deploy();
    let seen = aave_drive::hold(&world, 256, || Market::new(world.pool, LAYOUT));
    let cases =
        ["sinking", "afloat", "stable debt", "category", "liquidated", "liquidated for receipts", "fee", "no fee"];
    for what in [&cases[..], &CASES].concat() {
        assert!(seen.count(what) > 0, "no case of: {what} in {seen:#?}");
    }
}
