//! The published code of solmate's and OpenZeppelin's vaults (compiled by scripts/setup from npm's source), and vaults of our own on
//! OpenZeppelin's, against ours: how vaults are found and refused, what they pay in random states, how they are followed through what
//! strangers do, and cycles through them.

mod common;
#[path = "erc4626_bytecode/found.rs"]
mod found;
#[path = "erc4626_bytecode/hostile.rs"]
mod hostile;
#[path = "erc4626_bytecode/landed.rs"]
mod landed;
#[path = "erc4626_bytecode/market.rs"]
mod market;
#[path = "erc4626_bytecode/recorded.rs"]
mod recorded;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "erc4626_bytecode/states.rs"]
mod states;
#[path = "erc4626_bytecode/story.rs"]
mod story;
#[path = "erc4626_bytecode/world.rs"]
mod world;
