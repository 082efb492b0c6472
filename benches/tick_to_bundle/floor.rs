//! The parts of the path by themselves, one thread, warm: what the whole cannot be faster than.

use std::time::{Duration, Instant};

use alloy_primitives::hex;
use core_affinity::CoreId;
use peregrine::edge::ingest::node_socket;
use peregrine::edge::submit::{DialectName, Setup, Submitter, keys};
use peregrine::hot::bundle::SignedBundle;
use peregrine::hot::bundle::Target;
use peregrine::hot::decode::PendingTx;
use peregrine::hot::engine::choice;
use peregrine::hot::engine::fast_path;
use peregrine::hot::event::Event;
use peregrine::hot::rt::port::node_socket::Heard;
use peregrine::hot::send::header;
use peregrine::live::reconnector;
use uuid::Uuid;

use crate::node::{Node, Relay};
use crate::pinned;
use crate::world::{State, World};

/// p50 of each, in us.
pub struct Floor {
    /// By the EVM alone.
    pub evm: Vec<(&'static str, f64)>,
    /// Where known pools are resolved by maths, and a bundle leaves before the EVM has run.
    pub known: Vec<(&'static str, f64)>,
}

/// What all parts take one after the other.
pub fn sum(parts: &[(&'static str, f64)]) -> f64 {
    parts.iter().map(|(_, us)| us).sum()
}

const EVENTS: usize = 400;
const GAP: Duration = Duration::from_millis(4);

fn p50(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all[all.len() / 2].as_nanos() as f64 / 1e3
}

/// As long as a path waits for its next target, and as it waits: awake. What is cold then is cold for both.
fn wait() {
    let until = Instant::now() + GAP;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

pub fn measure(world: &World, state: &State) -> Floor {
    let targets = world.fresh(EVENTS);
    let (mut engine, nonces) = (world.engine(&state.loaded, false), reconnector::nonces(4 * EVENTS).expect("a thread"));
    let mut builder = world.builder().with_nonces(nonces);
    let identity = world.config.executor.as_ref().and_then(|executor| executor.identity.as_ref()).expect("a key");
    let (identity, nonces) =
        (keys::read(identity).expect("a key"), reconnector::nonces(4 * EVENTS).expect("a thread").expect("some"));
    // Until the supplies are full.
    std::thread::sleep(Duration::from_secs(1));
    let (mut decode, mut judge, mut build, mut letter) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut spent = [const { Vec::new() }; 3];
    let (mut passed, mut proofs) = (0, 0);
    let (mut tx, mut body, mut head) = (PendingTx::default(), Vec::new(), Vec::new());
    let mut bundle: Option<SignedBundle> = None;
    for target in &targets {
        wait();
        let start = Instant::now();
        tx.read(&target.notice).expect("a notice");
        decode.push(start.elapsed());
        let start = Instant::now();
        let outcome = engine.on_event(Event::Pending(Box::new(tx.env())));
        judge.push(start.elapsed());
        for (all, one) in spent.iter_mut().zip([outcome.spent.execute, outcome.spent.search, outcome.spent.simulate]) {
            all.push(one);
        }
        proofs += outcome.proven.len() + outcome.rejected.len();
        passed += outcome.left + outcome.proven.len() + outcome.rejected.len();
        let start = Instant::now();
        let raw = |to: &mut Target| choice::target(&tx, to);
        let made = choice::choose(&mut engine, &mut builder, &outcome.proven, Some(&raw));
        build.push(start.elapsed());
        let made = made.choice.expect("a bundle").bundle;
        let start = Instant::now();
        body.clear();
        head.clear();
        DialectName::Flashbots.dialect().bundle(&made, &Uuid::nil(), &mut body);
        header::write(&identity, nonces.take(), &body, &mut head).expect("signed");
        letter.push(start.elapsed());
        bundle = Some(made);
    }
    assert!(bundle.is_some_and(|bundle| {
        targets.last().is_some_and(|last| hex::encode_prefixed(bundle.txs()[0]) == last.raw)
    }));
    // Asked here: a thread that is pinned sees no core but its own.
    let last = core_affinity::get_core_ids().and_then(|cores| cores.last().copied()).expect("a core");
    let sockets = pinned(|| sockets(world, last, &targets[0].frame, (&body, &head)));
    let [execute, search, simulate] = spent.map(p50);
    let each = |count: usize| count as f64 / targets.len() as f64;
    println!("\nwhat-if {execute:.1}, search {search:.1}, proofs {simulate:.1} us at p50");
    println!("an event has {:.1} cycles that could pay, and {:.1} proofs", each(passed), each(proofs));
    let (decode, letter) = (p50(decode), p50(letter));
    let evm = vec![
        ("frame in, request out", sockets),
        ("decode", decode),
        ("what-if, search, proof", p50(judge)),
        ("build, owner's signature", p50(build)),
        ("body, identity's signature", letter),
    ];
    let known = vec![
        ("frame in, request out", sockets),
        ("decode", decode),
        ("maths, search, build, owner's signature", by_maths(world, state)),
        ("body, identity's signature", letter),
    ];
    Floor { evm, known }
}

/// From a transaction to a bundle by maths alone, in us at p50, of those for which there was one.
fn by_maths(world: &World, state: &State) -> f64 {
    let (mut engine, mut builder) = (world.engine(&state.loaded, true), world.builder());
    let (mut tx, mut all) = (PendingTx::default(), Vec::new());
    for target in world.fresh(EVENTS) {
        wait();
        tx.read(&target.notice).expect("a notice");
        let raw = |to: &mut Target| choice::target(&tx, to);
        let start = Instant::now();
        let mut took = None;
        fast_path::look(&mut engine, &mut builder, tx.env(), (&raw, &|_| true), |_, _| took = Some(start.elapsed()));
        all.extend(took);
    }
    println!("of {EVENTS} events, {} have a bundle by maths alone", all.len());
    assert!(all.len() * 2 > EVENTS, "most routes and payers are known");
    p50(all)
}

/// From a frame's first byte to a request's last, with nothing between hearing and saying.
fn sockets(world: &World, last: CoreId, frame: &[u8], (body, head): (&[u8], &[u8])) -> f64 {
    let (mut node, mut relay) = (Node::start(), Relay::start());
    let mut rows = (world.config.node.clone(), world.config.relay.clone());
    rows.0[0].ws = Some(node.url());
    rows.1[0].url = relay.url();
    let identity = world.config.executor.as_ref().and_then(|executor| executor.identity.as_ref()).expect("a key");
    let identity = Some(keys::read(identity).expect("a key"));
    let setup = Setup { relays: rows.1, identity, owner: world.own.owner };
    let dials = Submitter::loopback(setup).expect("a submitter").dials();
    let (body, head) = (body.to_vec(), head.to_vec());
    let echo = std::thread::spawn(move || {
        core_affinity::set_for_current(last);
        let mut node_socket = node_socket::dials(&rows.0, Duration::from_secs(5))[0].node_socket().expect("a socket");
        let mut connection = dials[0].connection().expect("a connection");
        loop {
            match node_socket.hear() {
                Ok(Heard::Frame(_)) => connection.say(Uuid::nil(), &body, Some(&head)).expect("said"),
                Ok(Heard::Nothing | Heard::Life) => drop(connection.listen()),
                Err(_) => return,
            }
        }
    });
    let (mut bodies, mut took) = (Vec::new(), Vec::new());
    while node.subscribed(false) == 0 {
        relay.poll(&mut bodies);
    }
    for _ in 0..EVENTS {
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {
            relay.poll(&mut bodies);
        }
        bodies.clear();
        let start = Instant::now();
        node.announce(frame, false);
        while bodies.is_empty() {
            relay.poll(&mut bodies);
        }
        took.push(bodies[0].0 - start);
    }
    node.hang_up();
    drop(echo.join());
    p50(took)
}
