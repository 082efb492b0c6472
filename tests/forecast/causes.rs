//! What could set maths and the EVM apart, tried one by one on a journal of the devnet's traffic.
//!
//! | what | who answers for it |
//! |---|---|
//! | blocks undone and made again, state told anew behind them | [`undone`] |
//! | a node that tells of the next block | `tests/bootstrap/misses.rs`; what it would do: [`spoilt`] |
//! | a balance beside the reserves, given or taken by a token | [`spoilt`]; `tests/forecast/records.rs` |
//! | the protocol's share, observations, sums of prices | [`unmoved`] |
//! | liquidity that comes and goes, ticks, price limits | the traffic of `tests/forecast/devnet.rs` |
//! | nonce, funds, gas, deadline, limits of the router | left to the EVM, or failed there: no pool moves |

use std::io::BufReader;
use std::path::Path;

use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::Recovered;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, U256};
use peregrine::edge::record::format::session::{self, Fed, Setup};
use peregrine::edge::record::format::{FrameKind, Reader};
use peregrine::hot::bundle::{BundleSigner, Target};
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::fast_path::{self, FastPath, FastPathResult, Verdict};
use peregrine::hot::engine::plan::{InitialState, Plan};
use peregrine::hot::event::{Event, Trigger};
use peregrine::hot::evm::block;
use peregrine::hot::evm::own::{self, Own};
use peregrine::hot::forecast::Why;
use peregrine::protocols::AnyPool;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::uniswap_v2::Layout;
use peregrine::replay::journal;
use peregrine::types::id::PoolId;

/// A look at a transaction as it was announced, and how many bundles left before the EVM had spoken.
fn look(
    engine: &mut Engine,
    signer: &mut BundleSigner,
    (hash, sender, bytes): (B256, Address, &[u8]),
) -> (FastPathResult, u64) {
    let tx = TxEnvelope::decode_2718(&mut &bytes[..]).expect("a transaction");
    let env = block::tx_env(&Recovered::new_unchecked(tx.clone(), sender));
    let raw = |to: &mut Target| to.write(hash, |raw| tx.encode_2718(raw));
    let mut left = 0;
    let looked = fast_path::look(engine, signer, env, (&raw, &|_| true), |_, _| left += 1);
    (looked, left)
}

// ---- a reorg at every block -------------------------------------------------------------------------------------------

fn engine(setup: &Setup, state: &session::State<'_>) -> Engine {
    let plan = Plan {
        chain_id: setup.chain.id,
        rules: peregrine::hot::evm::fork::Rules::of(&setup.chain),
        contracts: setup.chain.contracts(),
        slot_seconds: setup.chain.slot_seconds,
        search: setup.search.clone(),
        base: false,
        bid: setup.bid.clone(),
        own: Own { owner: setup.owner, executor: setup.executor, weth: setup.weth },
        forecast: true,
    };
    plan.engine(&InitialState {
        head: &state.head,
        accounts: &state.accounts,
        hashes: &state.hashes,
        pools: &state.pools,
        markets: &state.markets,
    })
}

/// One thread's part of the journal, in which every block is undone once, and so is the block behind which state was told.
pub fn undone(path: &Path) {
    let frames = Reader::new(BufReader::new(std::fs::File::open(path).expect("a journal"))).expect("a journal");
    let (mut setup, mut now, mut last, mut undone) = (None, None, None, 0);
    for frame in frames {
        let frame = frame.expect("a frame");
        if frame.kind == FrameKind::Plan {
            let read: Setup = session::unpack(&frame.payload).expect("a setup");
            setup = Some((journal::signer(&read).expect("a key"), read));
        }
        if frame.kind != FrameKind::Fed || frame.source != 0 {
            continue;
        }
        let (_, fed) = session::unpack_numbered::<Fed<'static>>(&frame.payload).expect("fed");
        let (signer, setup) = setup.as_mut().expect("a plan comes first");
        if let Fed::Load(state) = &fed {
            now = Some(engine(setup, state));
            continue;
        }
        let engine = now.as_mut().expect("the state comes first");
        let grow = |engine: &mut Engine, event: Event| assert_eq!(engine.on_event(event).desync, None);
        match fed {
            Fed::Block(news) => {
                let news = std::sync::Arc::new(news.into_owned());
                grow(engine, Event::Block(news.clone()));
                grow(engine, Event::Undo(news.head.parent));
                grow(engine, Event::Block(news.clone()));
                (last, undone) = (Some(news), undone + 1);
            }
            Fed::FetchedState { fetched, .. } => {
                let fetched = std::sync::Arc::new(fetched.into_owned());
                grow(engine, Event::FetchedState(fetched.clone()));
                if let Some(news) = &last {
                    grow(engine, Event::Undo(news.head.parent));
                    grow(engine, Event::Block(news.clone()));
                    grow(engine, Event::FetchedState(fetched));
                    undone += 1;
                }
            }
            Fed::Pending { hash, sender, raw } => {
                let (looked, _) = look(engine, signer, (hash, sender, &raw));
                let resolved = matches!(looked.first, FastPath::Nothing | FastPath::Sent(..));
                let ran = matches!(&looked.outcome.trigger, Some(Trigger::Ran(result)) if result.is_success());
                assert!(!resolved || !ran || engine.disagreement().is_none(), "{hash} after {undone} reorgs");
            }
            Fed::Load(_) | Fed::Undo(_) | Fed::Pool { .. } | Fed::Market { .. } => (),
        }
    }
    let (agreed, differed) = now.as_ref().and_then(Engine::forecaster).expect("a reckoner").judged();
    println!("{undone} times a block was undone and made again: {agreed} agreed, {differed} differed");
    assert!(undone > 50 && agreed > 50 && differed == 0, "{undone} {agreed} {differed}");
}

// ---- state that is not as maths has it --------------------------------------------------------------------------------

/// Ends at the first promise that was confirmed and that `of` finds something in: looks at it again once `change` has been
/// made, and hands on what came of it.
fn again<T>(
    path: &Path,
    of: impl Fn(&Engine) -> Option<T>,
    change: impl Fn(&mut Engine, T),
    then: impl Fn(&mut Engine, (FastPathResult, u64), &dyn Fn(&mut Engine) -> (FastPathResult, u64)),
) {
    let mut shown = false;
    let ended = journal::replay(path, &mut |thread, said| {
        let confirmed = said.decided.decision.first.as_ref().is_some_and(|first| first.word == "confirmed");
        let Some(trigger) = said.event.trigger.as_ref().filter(|_| confirmed) else { return Ok(()) };
        let setup = thread.setup().clone();
        let engine = thread.engine().expect("an engine");
        let look = |engine: &mut Engine| {
            look(engine, &mut journal::signer(&setup).expect("a key"), (trigger.hash, trigger.sender, &trigger.raw))
        };
        let Some(found) = of(engine) else { return Ok(()) };
        assert!(matches!(look(engine), (FastPathResult { first: FastPath::Sent(_, Verdict::Confirmed(_)), .. }, 1)));
        shown = true;
        // It is the base that changes, and not what the last look left on it.
        engine.machine_mut().drop_overlay();
        change(engine, found);
        let looked = look(engine);
        then(engine, looked, &look);
        Err("seen".to_owned())
    });
    assert!(ended.is_err() && shown, "a bundle behind swaps of such pools alone was confirmed");
}

fn moved<T>(engine: &Engine, of: impl Fn(&AnyPool) -> Option<T>) -> Option<Vec<T>> {
    let one = |id: &PoolId| of(engine.pools().pool(*id));
    engine.forecaster()?.moved().iter().map(one).collect()
}

/// Of a pair: address, slot of the reserves, reserves, tokens.
type Pair = (Address, U256, [u128; 2], Vec<Address>);

/// The pools that the last transaction moved, if they are pairs.
fn pairs(engine: &Engine) -> Option<Vec<Pair>> {
    moved(engine, |pool| match pool {
        AnyPool::UniswapV2(pair) => match pair.layout() {
            Layout::Packed { slot } => Some((pair.address(), slot, pair.state(), pair.tokens().to_vec())),
            Layout::Split { .. } | Layout::Opaque => None,
        },
        _ => None,
    })
}

/// Another unit of each token lies with the pair.
fn given(engine: &mut Engine, pairs: Vec<Pair>) {
    for (pair, _, _, tokens) in pairs {
        for token in tokens {
            let machine = engine.machine_mut();
            machine.db_mut().clear_notes();
            machine.db_mut().record_reads(true);
            let held = machine.call(pair, token, own::balance_of(pair)).expect("a token");
            machine.db_mut().record_reads(false);
            let held = own::number(held.result.output()).expect("a balance");
            let reads = machine.db().reads().to_vec();
            let is_it = |(at, slot): &&(Address, U256)| machine.db().known_slot(*at, *slot) == Some(held);
            let (at, slot) = *reads.iter().find(is_it).expect("a slot that holds the balance");
            machine.db_mut().tell_slot(at, slot, held + U256::ONE);
        }
    }
}

/// The pair is a block ahead, or behind.
fn elsewhere(engine: &mut Engine, pairs: Vec<Pair>) {
    for (pair, slot, reserves, _) in pairs {
        let [zero, one] = reserves.map(|reserve| U256::from(reserve - reserve / 1_000));
        engine.machine_mut().db_mut().tell_slot(pair, slot, zero | one << 112);
    }
}

/// Pairs that are not as the table has them, behind a promise that was confirmed: the EVM leaves them elsewhere, the bundle is
/// withdrawn, and calldata of that shape goes to the EVM from then on.
pub fn spoilt(path: &Path) {
    for change in [elsewhere, given] {
        again(path, pairs, change, |engine, (looked, left), look| {
            let said = looked.first.said().map(|first| first.word);
            let differs = matches!(looked.first, FastPath::Sent(_, Verdict::Differs));
            assert!(differs && left == 1, "{said:?} {:?} {:?}", looked.outcome.trigger, engine.disagreement());
            assert_eq!(engine.forecaster().map(|forecaster| forecaster.confidence().barred()), Some(1));
            let (FastPathResult { first, .. }, left) = look(engine);
            assert!(matches!(first, FastPath::Left(Why::Barred)) && left == 0, "{first:?}");
        });
    }
}

/// What a pool keeps besides, and no swap's price depends on, moves nothing: sums of prices of a pair, observations and the
/// protocol's share of a pool of V3.
pub fn unmoved(path: &Path) {
    const SUMS: [u64; 2] = [9, 10];
    const OBSERVATIONS: [u64; 3] = [8, 9, 10];
    let agree = |engine: &mut Engine,
                 (looked, left): (FastPathResult, u64),
                 _: &dyn Fn(&mut Engine) -> (FastPathResult, u64)| {
        let ran = matches!(&looked.outcome.trigger, Some(Trigger::Ran(result)) if result.is_success());
        let word = looked.first.said().map(|first| first.word);
        assert!(ran && left == 1 && engine.disagreement().is_none(), "{word:?} {:?}", looked.outcome.trigger);
        assert!(!matches!(looked.first, FastPath::Sent(_, Verdict::Differs)));
    };
    let sums = |engine: &mut Engine, pairs: Vec<Pair>| {
        for ((pair, ..), slot) in pairs.into_iter().flat_map(|pair| SUMS.map(|slot| (pair.clone(), slot))) {
            engine.machine_mut().db_mut().tell_slot(pair, U256::from(slot), U256::from(7));
        }
    };
    again(path, pairs, sums, agree);
    let v3 = |engine: &Engine| moved(engine, |pool| matches!(pool, AnyPool::UniswapV3(_)).then(|| pool.clone()));
    let share = |engine: &mut Engine, pools: Vec<AnyPool>| {
        let head = engine.tip().expect("a tip").head().hash;
        for mut pool in pools {
            let (address, db) = (pool.address(), engine.machine_mut().db_mut());
            for slot in OBSERVATIONS.map(U256::from) {
                let old = db.known_slot(address, slot).unwrap_or_default();
                db.tell_slot(address, slot, old ^ U256::from(0xffff_u64));
            }
            // A quarter of the fee, of either token; what it has come to so far.
            db.tell_slot(address, U256::from(3), U256::ZERO);
            let word = db.known_slot(address, U256::ZERO).expect("a price") | U256::from(0x44) << 232;
            db.tell_slot(address, U256::ZERO, word);
            pool.apply_slots(pool.address(), &[(U256::ZERO, word)]).expect("a price");
            engine.on_event(Event::Pool(head, Box::new(pool)));
        }
    };
    again(path, v3, share, agree);
}
