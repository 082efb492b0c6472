//! A worker's own sockets: relays' out wherever bundles are sent, so that a bundle goes out on the thread that signed it; and
//! where it spins (`threads.spin`) nodes' in, which it polls, so that nothing between the two sleeps.
//!
//! # Invariants
//! - Every worker hears every node, and looks at its own share of the transactions, by their hash: none is looked at twice.
//! - What the edge's own sockets bring of the same transaction is known here, and left.
//! - A port that broke is handed back by its name, and edge dials anew; until then the edge's way serves.
//! - A bundle whose connection broke under it has no answer, and is not sent again.
//! - What was found twice behind one block, before and after a miss, goes out once: the second is the edge's to refuse.
//! - One that sleeps looks after its connections as often as [`WorkerIo::patience`] says, and before each send: a bundle is not
//!   written down a connection that was closed meanwhile.
//! - Behind a trigger whose bundle was sent on maths and taken back nothing more is sent for that block: it could be the same.
//!
//! # Limits
//! - Transactions of types that are not read here, and nodes that announce hashes alone, come over the edge's sockets.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use uuid::Uuid;

use crate::hot::bundle::SignedBundle;
use crate::hot::decode::PendingTx;
use crate::hot::opportunity::{Opportunity, Swaps};
use crate::hot::rt::bins::Bins;
use crate::hot::rt::inbox::Supply;
use crate::hot::rt::port::Broken;
use crate::hot::rt::port::node_socket::Heard;
use crate::hot::rt::port::node_socket::NodeSocket;
use crate::hot::rt::sink::Sink;
use crate::hot::rt::worth::Shape;
use crate::hot::rt::worth::Worth;
use crate::hot::send::RequestEncoder;
use crate::hot::send::connection::RelayConnection;
use crate::hot::send::connection::Said;
use crate::hot::worker::message::Sent;
use crate::hot::worker::send_gate::SendGate;
use crate::metrics::span::Clock;

/// Hashes that are remembered: some minutes at twenty a second.
const REMEMBERED: usize = 1 << 15;
/// Frames of each node that are read before one is looked at.
const AT_ONCE: usize = 256;
/// Polls between two looks at the clock, and at connections that owe no answer.
const ROUND: u32 = 1 << 10;
/// Items between two such looks, where the worker does not spin and none of them lets it sleep.
const TENDED: u32 = 1 << 6;

/// How long a worker that does not spin sleeps at most while an answer is due.
const ANSWER_DUE: Duration = Duration::from_millis(1);
/// ... and while none is.
const NONE_DUE: Duration = Duration::from_millis(50);

/// A port, or the place of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port<E, L> {
    /// To a node.
    NodeSocket(E),
    /// To a relay.
    RelayConnection(L),
}

/// A connection that was dialled for a worker.
pub type Dialled = Port<NodeSocket, RelayConnection>;
/// One that broke.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The index of its node or relay.
    pub port: Port<usize, usize>,
    /// What was found.
    pub why: String,
    /// The other side spoke what it should not: dialled anew, it would again.
    pub confused: bool,
}

/// What came down a connection.
#[derive(Debug)]
pub struct Reply {
    /// Of which bundle.
    pub uuid: Uuid,
    /// The relay's index.
    pub relay: usize,
    /// From write to read, in ns.
    pub took_ns: u64,
    /// The answer, or what happened instead.
    pub said: Result<Said, Silence>,
}

/// No answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Not in time.
    Late,
    /// The connection broke.
    Broken,
}

/// When a port is taken for dead.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Between pings of a node, in ns.
    pub ping_ns: u64,
    /// Nothing heard of a node, in ns.
    pub silence_ns: u64,
    /// No answer of a relay, in ns.
    pub answer_ns: u64,
}

/// What it is made of.
pub struct Parts {
    /// Connections, as they are dialled.
    pub ports: Supply<Dialled>,
    /// Where those go that broke.
    pub lost: Sink<Lost>,
    /// Where answers go.
    pub replies: Sink<Reply>,
    /// Writes and signs requests.
    pub encoder: RequestEncoder,
    /// Asked before every send.
    pub send_gate: Arc<SendGate>,
    /// When a port is taken for dead.
    pub patience: Patience,
    /// Whose transactions are ours, and no triggers.
    pub owner: Address,
    /// What a transaction is worth.
    pub worth: Arc<Worth>,
    /// Transactions that may wait; beyond it those worth least are dropped.
    pub room: usize,
    /// This thread, of so many.
    pub share: (usize, usize),
    /// The run's clock.
    pub clock: Clock,
    /// The worker polls, and never sleeps.
    pub spins: bool,
}

struct Node {
    node_socket: NodeSocket,
    heard_ns: u64,
    pinged_ns: u64,
}

struct Relay {
    connection: RelayConnection,
    said_ns: u64,
}

/// One worker's.
pub struct WorkerIo {
    parts: Parts,
    nodes: Vec<Node>,
    connections: Vec<Relay>,
    recent: Recent,
    /// The one that is read into.
    tx: PendingTx,
    /// Buffers for others.
    spare: Vec<PendingTx>,
    waiting: Bins<Waiting>,
    dropped: u64,
    /// Frames that were not read.
    left: u64,
    /// The chain's id: a transaction need not say it.
    chain_id: Option<u64>,
    rounds: u32,
    /// Triggers whose bundles were taken back.
    taken_back: Behind<B256>,
    /// Paths of bundles that went out: [`path_key`].
    gone: Behind<u64>,
}

/// Heard, and not yet looked at.
#[derive(Debug)]
pub struct Waiting {
    /// As it was read; its buffers are given back by [`WorkerIo::done`].
    pub tx: PendingTx,
    /// When it was heard of, ns since the run's start.
    pub at_ns: u64,
    /// When it was read.
    pub ready_ns: u64,
}

impl WorkerIo {
    /// One without any port yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            waiting: Bins::new(parts.room),
            parts,
            nodes: Vec::new(),
            connections: Vec::new(),
            recent: Recent::new(),
            tx: PendingTx::default(),
            spare: Vec::new(),
            dropped: 0,
            left: 0,
            chain_id: None,
            rounds: 0,
            taken_back: Behind::default(),
            gone: Behind::default(),
        }
    }

    /// Its nodes are on the chain of this id.
    #[must_use]
    pub const fn on_chain(mut self, chain_id: u64) -> Self {
        self.chain_id = Some(chain_id);
        self
    }

    /// Frames since the last call that were not read, and are left to the edge's own sockets.
    pub const fn left(&mut self) -> u64 {
        std::mem::replace(&mut self.left, 0)
    }

    /// Whether a transaction was not met before; from now on it was.
    pub fn is_new(&mut self, hash: B256) -> bool {
        self.recent.add(hash)
    }

    /// The transaction of this thread's share that is worth most. `None`: nothing to do now.
    pub fn hear(&mut self) -> Option<Waiting> {
        self.rounds = self.rounds.wrapping_add(1);
        if self.rounds.is_multiple_of(ROUND) {
            self.look_after();
        }
        self.listen(false);
        // No more than so many: a node that tells faster than this reads must not keep us here.
        for _ in 0..AT_ONCE {
            if !self.read() {
                break;
            }
        }
        self.waiting.pop()
    }

    /// Reads a frame of each node. False: nobody has said anything.
    fn read(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.nodes.len() {
            match self.nodes[index].node_socket.hear() {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Life) => self.nodes[index].heard_ns = self.parts.clock.now_ns(),
                Ok(Heard::Frame(frame)) => {
                    any = true;
                    let at_ns = self.parts.clock.now_ns();
                    self.nodes[index].heard_ns = at_ns;
                    self.take_in(frame.as_str(), at_ns);
                }
                Err(Broken(why)) => {
                    self.drop_node(index, why);
                    return any;
                }
            }
        }
        any
    }

    fn take_in(&mut self, frame: &str, at_ns: u64) {
        if self.tx.read_on(frame, self.chain_id).is_err() {
            self.left += 1;
            return;
        }
        if !self.is_ours() {
            return;
        }
        let ready_ns = self.parts.clock.now_ns();
        let value = self.parts.worth.of(shape(&self.tx));
        let spare = self.spare.pop().unwrap_or_default();
        let tx = std::mem::replace(&mut self.tx, spare);
        if let Some(Waiting { tx, .. }) = self.waiting.push(value, Waiting { tx, at_ns, ready_ns }) {
            self.spare.push(tx);
            self.dropped += 1;
        }
    }

    /// Gives the buffers of a transaction back. How many were dropped for want of room since.
    pub fn done(&mut self, tx: PendingTx) -> u64 {
        self.spare.push(tx);
        std::mem::take(&mut self.dropped)
    }

    fn is_ours(&mut self) -> bool {
        let (index, of) = self.parts.share;
        let hash = self.tx.hash();
        share(hash, of) == index && self.tx.sender() != self.parts.owner && self.recent.add(hash)
    }

    /// Sends a bundle down all connections that are free. `None`: it did not go anywhere. `on`: what it earns by.
    pub fn send(&mut self, bundle: &SignedBundle, parent: B256, on: &Opportunity) -> Option<Sent> {
        if !self.parts.spins {
            self.listen(true);
        }
        let resting = self.parts.send_gate.resting();
        let takes = |relay: &&mut Relay| relay.connection.is_free() && !resting.has(relay.connection.relay());
        if !self.gone.add(parent, path_key(bundle.trigger(), on))
            || !self.connections.iter_mut().any(|relay| takes(&relay))
            || !self.parts.send_gate.pass(bundle.block(), parent)
        {
            return None;
        }
        let connections = self.connections.iter_mut().filter(takes).map(|relay| &mut relay.connection);
        let (uuid, relays) = self.parts.encoder.send(bundle, connections)?;
        let at_ns = self.parts.clock.now_ns();
        for relay in self.connections.iter_mut().filter(|relay| relay.connection.under_way() == Some(uuid)) {
            relay.said_ns = at_ns;
        }
        Some(Sent { uuid, relays, at_ns, terms: *bundle.terms(), withdrawn: false })
    }

    /// What was sent behind a trigger, for the block after `parent`, is withdrawn.
    pub fn took_back(&mut self, parent: B256, trigger: Option<B256>) {
        if let Some(trigger) = trigger {
            self.taken_back.add(parent, trigger);
        }
    }

    /// Whether that has happened.
    #[must_use]
    pub fn has_taken_back(&self, parent: B256, trigger: Option<B256>) -> bool {
        trigger.is_some_and(|trigger| self.taken_back.has(parent, &trigger))
    }

    /// Reads answers: of connections that owe one, or of `all`, so that one that was closed is found out.
    fn listen(&mut self, all: bool) {
        let mut index = 0;
        while index < self.connections.len() {
            let relay = &mut self.connections[index];
            if relay.connection.is_free() && !all {
                index += 1;
                continue;
            }
            let (under_way, said_ns) = (relay.connection.under_way(), relay.said_ns);
            let name = relay.connection.relay();
            match relay.connection.listen() {
                Ok(None) => index += 1,
                Ok(Some(said)) => {
                    self.reply(said.uuid, name, said_ns, Ok(said));
                    index += 1;
                }
                Err(Broken(why)) => {
                    self.drop_connection(index, under_way, Silence::Broken, why);
                }
            }
        }
    }

    fn reply(&self, uuid: Uuid, relay: usize, said_ns: u64, said: Result<Said, Silence>) {
        let took_ns = self.parts.clock.now_ns().saturating_sub(said_ns);
        self.parts.replies.put(Reply { uuid, relay, took_ns, said });
    }

    /// Whether its worker polls, and never sleeps.
    #[must_use]
    pub const fn spins(&self) -> bool {
        self.parts.spins
    }

    /// How long a worker that does not spin may sleep.
    #[must_use]
    pub fn patience(&self) -> Duration {
        if self.connections.iter().all(|relay| relay.connection.is_free()) { NONE_DUE } else { ANSWER_DUE }
    }

    /// Between two items, where the worker does not spin. `idle`: there was none.
    pub fn tend(&mut self, idle: bool) {
        self.rounds = self.rounds.wrapping_add(1);
        if idle || self.rounds.is_multiple_of(TENDED) {
            self.look_after();
        } else {
            self.listen(false);
        }
    }

    /// What needs a clock, and new ports.
    fn look_after(&mut self) {
        let now = self.parts.clock.now_ns();
        while let Some(port) = self.parts.ports.take() {
            match port {
                Port::NodeSocket(node_socket) => self.nodes.push(Node { node_socket, heard_ns: now, pinged_ns: now }),
                Port::RelayConnection(connection) => self.connections.push(Relay { connection, said_ns: now }),
            }
        }
        let Patience { ping_ns, silence_ns, answer_ns } = self.parts.patience;
        if let Some(index) = self.nodes.iter().position(|node| now.saturating_sub(node.heard_ns) > silence_ns) {
            self.drop_node(index, "nothing heard".to_owned());
        }
        for node in self.nodes.iter_mut().filter(|node| now.saturating_sub(node.pinged_ns) > ping_ns) {
            node.pinged_ns = now;
            // One that broke is found out by the next look at it.
            let _broken = node.node_socket.ping();
        }
        let late = |relay: &Relay| !relay.connection.is_free() && now.saturating_sub(relay.said_ns) > answer_ns;
        if let Some(index) = self.connections.iter().position(late) {
            let under_way = self.connections[index].connection.under_way();
            self.drop_connection(index, under_way, Silence::Late, "no answer in time".to_owned());
        }
        self.listen(true);
    }

    fn drop_node(&mut self, index: usize, why: String) {
        let node = self.nodes.swap_remove(index);
        self.parts.lost.put(Lost { port: Port::NodeSocket(node.node_socket.node()), why, confused: false });
    }

    fn drop_connection(&mut self, index: usize, under_way: Option<Uuid>, silence: Silence, why: String) {
        let relay = self.connections.swap_remove(index);
        if let Some(uuid) = under_way {
            self.reply(uuid, relay.connection.relay(), relay.said_ns, Err(silence));
        }
        let confused = relay.connection.is_confused();
        self.parts.lost.put(Lost { port: Port::RelayConnection(relay.connection.relay()), why, confused });
    }
}

/// Where a transaction goes, and what it calls.
#[must_use]
pub fn shape(tx: &PendingTx) -> Shape {
    Shape::new(tx.to().as_ref().map(|to| &to.0.0), tx.input())
}

/// A trigger and the path behind it in one number, amounts apart: what was found again is the same. Two that only look alike are
/// no harm, the edge decides on the second.
fn path_key(trigger: Option<B256>, opportunity: &Opportunity) -> u64 {
    let mut hasher = DefaultHasher::new();
    (trigger, opportunity.strategy()).hash(&mut hasher);
    for edge in opportunity.swaps().map(Swaps::hops).unwrap_or_default() {
        (edge.pool, edge.token_in, edge.token_out).hash(&mut hasher);
    }
    hasher.finish()
}

/// Which of so many threads looks at a transaction.
#[must_use]
pub fn share(hash: B256, of: usize) -> usize {
    usize::from(hash[31]) % of.max(1)
}

/// What was met behind one block, and is forgotten with it.
#[derive(Default)]
struct Behind<T> {
    parent: B256,
    met: HashSet<T>,
}

impl<T: Eq + Hash> Behind<T> {
    /// False: it is there already.
    fn add(&mut self, parent: B256, item: T) -> bool {
        if self.parent != parent {
            self.parent = parent;
            self.met.clear();
        }
        self.met.insert(item)
    }

    fn has(&self, parent: B256, item: &T) -> bool {
        self.parent == parent && self.met.contains(item)
    }
}

/// The hashes met last.
struct Recent {
    met: HashSet<B256>,
    order: VecDeque<B256>,
}

impl Recent {
    fn new() -> Self {
        // Twice the room: a table that is never more than half full is never grown.
        Self { met: HashSet::with_capacity(2 * REMEMBERED), order: VecDeque::with_capacity(REMEMBERED) }
    }

    /// False: it is there already.
    fn add(&mut self, hash: B256) -> bool {
        if !self.met.insert(hash) {
            return false;
        }
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.met.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}
