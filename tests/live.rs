//! The whole searcher against a local chain: what it earns, what becomes of it when the node or a relay misbehaves, and
//! whether what it holds for the chain's state is the chain's. Nothing here sleeps; time-outs are bounds.

#[path = "live/bounded.rs"]
mod bounded;
#[path = "live/chains.rs"]
mod chains;
mod common;
#[path = "live/dialects.rs"]
mod dialects;
#[path = "live/disk.rs"]
mod disk;
#[path = "live/earns.rs"]
mod earns;
#[path = "live/executor.rs"]
mod executor;
#[path = "live/facts.rs"]
mod facts;
#[path = "live/faults.rs"]
mod faults;
#[path = "common/gate.rs"]
mod gate;
#[path = "live/geth.rs"]
mod geth;
#[path = "live/lasting.rs"]
mod lasting;
#[path = "live/lies.rs"]
mod lies;
#[path = "live/liquidates.rs"]
mod liquidates;
#[path = "live/load.rs"]
mod load;
#[path = "live/newborn.rs"]
mod newborn;
#[path = "live/nodes.rs"]
mod nodes;
#[path = "live/not_yet.rs"]
mod not_yet;
#[path = "common/geth.rs"]
mod pinned_geth;
#[path = "live/poor.rs"]
mod poor;
#[path = "common/raw_relay.rs"]
mod raw_relay;
#[path = "common/relay.rs"]
mod relay;
#[path = "live/relays.rs"]
mod relays;
#[path = "live/reorg.rs"]
mod reorg;
#[path = "common/requests.rs"]
mod requests;
#[path = "live/restart.rs"]
mod restart;
#[path = "live/resumed.rs"]
mod resumed;
#[path = "live/rig.rs"]
mod rig;
#[path = "live/run.rs"]
mod run;
#[path = "common/socket.rs"]
mod socket;
#[path = "live/spin.rs"]
mod spin;
#[path = "common/traces.rs"]
mod traces;
#[path = "live/truth.rs"]
mod truth;
#[path = "common/v3_code.rs"]
mod v3_code;
#[path = "live/venues/mod.rs"]
mod venues;
