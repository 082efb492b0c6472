//! The published contracts of Aave V2 against ours: random markets, users, prices and time on a chain in memory.
//!
//! After every step the health of everyone must be what `getUserAccountData` says, and before every liquidation ours must
//! foretell what `liquidationCall` then moves, to the unit, or why it reverts. Our state is kept by storage diffs alone.

#[path = "common/aave_deploy.rs"]
mod aave_deploy;
#[path = "common/aave_drive.rs"]
mod aave_drive;
#[path = "aave_v2_bytecode/deploy.rs"]
mod deploy;
#[path = "common/market_evm.rs"]
mod market_evm;

use peregrine::protocols::aave_v2::LAYOUT;
use peregrine::protocols::aave_v2::Market;

#[test]
fn health_and_liquidations_are_those_of_the_published_contracts() {
    let world = deploy::deploy();
    let seen = aave_drive::hold(&world, 256, || Market::new(world.pool, LAYOUT));
    for what in
        ["sinking", "afloat", "stable debt", "liquidated", "liquidated for receipts", "Healthy", "Paused", "Illiquid"]
    {
        assert!(seen.count(what) > 0, "no case of: {what} in {seen:#?}");
    }
    assert_eq!(seen.count("fee"), 0, "the whole bonus is the liquidator's");
}
