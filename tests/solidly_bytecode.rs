//! The published code of Aerodrome's pools and factory (compiled by scripts/setup from npm's source) against ours: how pools are found,
//! what they quote in random states, how they are followed through swaps, mints, burns and what fee managers do, and cycles through them.

mod common;
#[path = "solidly_bytecode/found.rs"]
mod found;
#[path = "solidly_bytecode/landed.rs"]
mod landed;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "solidly_bytecode/states.rs"]
mod states;
#[path = "solidly_bytecode/story.rs"]
mod story;
#[path = "solidly_bytecode/world.rs"]
mod world;
