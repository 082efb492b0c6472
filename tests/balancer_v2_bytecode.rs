//! The published bytecode of Balancer V2, the vault and three codes of weighted pools, against ours: how pools are found, what they
//! quote in random states, how they are followed through swaps, joins, exits and what managers do, and a cycle through one. `recorded`:
//! swaps of mainnet.

mod common;
#[path = "balancer_v2_bytecode/found.rs"]
mod found;
#[path = "balancer_v2_bytecode/landed.rs"]
mod landed;
#[path = "balancer_v2_bytecode/recorded.rs"]
mod recorded;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "balancer_v2_bytecode/states.rs"]
mod states;
#[path = "balancer_v2_bytecode/story.rs"]
mod story;
#[path = "balancer_v2_bytecode/world.rs"]
mod world;
