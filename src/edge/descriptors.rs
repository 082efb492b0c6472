//! File descriptors that this process may have open. Most systems begin a process with a soft limit that is meant for programs of
//! another time, and let it raise that itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Without a socket to anybody: standard streams, timers, the ledger, the journal, facts, a snapshot being written.
const OWN: u64 = 48;

/// What there must be room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Nodes that are asked.
    pub nodes: u64,
    /// Connections to relays.
    pub connections: u64,
    /// Connections that are served.
    pub served: u64,
}

impl Need {
    /// Descriptors.
    #[must_use]
    pub const fn total(self) -> u64 {
        // Requests, and a socket for what it tells, for the edge and for each hot thread that spins.
        let a_node = crate::edge::rpc::MOST_IN_FLIGHT as u64 + 8;
        OWN + self.nodes * a_node + self.connections + self.served
    }
}

/// Raises the soft limit to the hard one. Says so where that is too little: what is over it fails, and is tried again.
pub fn raise(need: Need) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let have = if raised.is_ok() { maximum } else { current };
    if let Some(have) = have.filter(|have| *have < need.total()) {
        let due = need.total();
        tracing::warn!(
            have,
            due,
            "few file descriptors: connections may fail for want of one; `ulimit -n`, LimitNOFILE="
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_reckoned_with_all_that_may_be_asked_of_it_at_once() {
        let need = |nodes| Need { nodes, connections: 8, served: 16 }.total();
        assert_eq!(need(2) - need(1), crate::edge::rpc::MOST_IN_FLIGHT as u64 + 8);
        assert!(need(1) > 64);
    }
}
