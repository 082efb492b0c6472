//! Announces targets when they are due, and waits for their bundles.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Path;
use crate::node::{Node, Relay};
use crate::world::Victim;

/// When frames are due.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Between two bursts.
    pub gap: Duration,
    /// Frames a burst, all due at once.
    pub burst: usize,
}

/// What became of one target.
#[derive(Clone, Debug)]
pub struct Sample {
    /// From when it was due to the bundle's last byte; `None`: no bundle came.
    pub took: Option<Duration>,
    /// The executor's calldata, without the bid.
    pub run: Vec<u8>,
}

/// Longest wait for what is missing at the end.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long before a frame is due the driver is awake.
const EARLY: Duration = Duration::from_millis(1);
/// The first targets of a drive warm it up, and are not counted.
const WARM: usize = 20;

pub fn drive((node, relay): (&mut Node, &mut Relay), path: Path, targets: &[Victim], plan: Plan) -> Vec<Sample> {
    let edge = path == Path::Share;
    let until = Instant::now() + PATIENCE;
    let mut bodies = Vec::new();
    // Relays answer while connections are made.
    while node.subscribed(edge) == 0 || node.subscribed(true) == 0 && path != Path::Peer {
        relay.poll(&mut bodies);
        assert!(Instant::now() < until, "{}: nobody listens", path.name());
    }
    let settle = Instant::now() + Duration::from_millis(300);
    while Instant::now() < settle {
        relay.poll(&mut bodies);
    }
    bodies.clear();
    let start = Instant::now();
    let due = |index: usize| start + plan.gap * (index / plan.burst) as u32;
    let places: HashMap<&str, usize> =
        targets.iter().enumerate().map(|(at, target)| (target.raw.as_str(), at)).collect();
    let mut samples = vec![Sample { took: None, run: Vec::new() }; targets.len()];
    let (mut next, mut missing) = (0, targets.len());
    while missing > 0 {
        let now = Instant::now();
        if next < targets.len() && now >= due(next) {
            node.announce(&targets[next].frame, edge);
            next += 1;
            continue;
        }
        relay.poll(&mut bodies);
        for (at, body) in bodies.drain(..) {
            let Some((target, run)) = open(&body) else { continue };
            let Some(place) = places.get(target.as_str()).copied() else { continue };
            if samples[place].took.is_none() {
                samples[place] = Sample { took: Some(at.saturating_duration_since(due(place))), run };
                missing -= 1;
            }
            // The slower socket of the same node.
            if !edge {
                node.announce(&targets[place].frame, true);
            }
        }
        if now > due(targets.len()) + PATIENCE {
            break;
        }
        // Nothing is under way: with two cores this one is the edge's, too, which has what it puts off to do.
        if missing == targets.len() - next && next < targets.len() {
            std::thread::sleep(due(next).saturating_duration_since(now).saturating_sub(EARLY));
        }
    }
    samples.drain(..WARM.min(samples.len()));
    samples
}

/// The trigger's raw bytes and our calldata without its bid, of a body.
fn open(body: &[u8]) -> Option<(String, Vec<u8>)> {
    use alloy::consensus::{Transaction, TxEnvelope};
    use alloy::eips::eip2718::Decodable2718;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let txs = body["params"][0]["txs"].as_array()?;
    let [target, ours] = &txs[..] else { return None };
    let raw = alloy_primitives::hex::decode(ours.as_str()?).ok()?;
    let ours = TxEnvelope::decode_2718(&mut &raw[..]).ok()?;
    let mut run = ours.input().to_vec();
    // Selector, flags, block, token, least profit; then 16 bytes of bid.
    run.get_mut(46..62)?.fill(0);
    Some((target.as_str()?.to_owned(), run))
}

/// What each path made of each kind of target.
pub fn opportunities(samples: &[Sample], targets: &[Victim], path: Path) -> Vec<(Path, Victim, Vec<u8>)> {
    let behind = targets.iter().skip(WARM).zip(samples);
    behind
        .filter(|(_, sample)| sample.took.is_some())
        .map(|(target, sample)| (path, target.clone(), sample.run.clone()))
        .collect()
}

/// Every path found the same opportunity behind targets of the same kind: amounts differ by the target's, so pools,
/// directions and start token are compared, and how often each target was answered.
pub fn compare(told: &[(Path, Victim, Vec<u8>)]) {
    let shape = |run: &[u8]| {
        let hops = run[78..].chunks(57).flat_map(|hop| hop[..41].to_vec());
        run[10..30].iter().copied().chain(hops).collect::<Vec<u8>>()
    };
    let mut first: HashMap<usize, (Path, Vec<u8>)> = HashMap::new();
    let (mut same, mut other) = (0, 0);
    for (path, target, run) in told {
        let (_, due) = first.entry(target.kind).or_insert_with(|| (*path, shape(run)));
        if *due == shape(run) { same += 1 } else { other += 1 }
    }
    println!("\nthe same opportunity behind the same kind of victim: {same} times, another one: {other} times");
    assert!(other * 100 <= same, "paths found other opportunities");
}
