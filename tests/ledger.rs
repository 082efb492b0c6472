//! The ledger against a model, against SIGKILL, and the rules of what landed.

#[path = "ledger/damaged.rs"]
mod damaged;
#[path = "ledger/full.rs"]
mod full;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use alloy_primitives::{Address, B256, I256, U256};
use peregrine::edge::ledger::Ledger;
use peregrine::edge::ledger::LedgerError;
use peregrine::edge::ledger::landed::Block;
use peregrine::edge::ledger::landed::Followed;
use peregrine::edge::ledger::landed::Landed;
use peregrine::edge::ledger::landed::MinedTx;
use peregrine::edge::ledger::landed::Reason;
use peregrine::edge::ledger::landed::Watch;
use peregrine::edge::ledger::landed::follow;
use peregrine::edge::ledger::others::Liquidation;
use peregrine::edge::ledger::others::Worth;
use peregrine::edge::ledger::row::Answer;
use peregrine::edge::ledger::row::Bundle;
use peregrine::edge::ledger::row::Latency;
use peregrine::edge::ledger::row::Outcome;
use peregrine::edge::ledger::row::RelayReply;
use peregrine::edge::ledger::row::Row;
use peregrine::edge::ledger::row::State;
use peregrine::edge::ledger::row::Totals;
use peregrine::protocols::lending::taken::Gain;
use peregrine::protocols::lending::taken::LenderKind;
use peregrine::protocols::lending::taken::Position;
use peregrine::protocols::lending::taken::Taken;
use peregrine::types::pool_key::PoolKey;
use proptest::prelude::*;
use uuid::Uuid;

fn bundle(uuid: u128, target: u64, opportunity: u8, replaces: Option<u128>) -> Bundle {
    Bundle {
        uuid: Uuid::from_u128(uuid),
        target,
        parent: B256::repeat_byte(6),
        opportunity: B256::repeat_byte(opportunity),
        replaces: replaces.map(Uuid::from_u128),
        trigger: Some(B256::repeat_byte(1)),
        txs: vec![B256::repeat_byte(1), B256::repeat_byte(2)],
        ours: B256::repeat_byte(2),
        pools: [3, 4].map(|byte| Address::repeat_byte(byte).into()).to_vec(),
        positions: Vec::new(),
        strategy: "backrun".into(),
        protocols: vec!["uniswap_v2".into()],
        token: Address::repeat_byte(5),
        gross: U256::from(2_000),
        value: U256::from(2_000),
        amounts: vec![U256::from(10), U256::from(9), U256::from(2_010)],
        live: true,
        predicted: I256::try_from(1_000_i64 + i64::from(opportunity)).unwrap(),
        bid: U256::from(uuid),
        decided_ms: 1,
    }
}

fn answer(n: u64) -> Answer {
    let reply = match n % 4 {
        0 => RelayReply::Accepted { hash: Some(n.to_string()) },
        1 => RelayReply::Refused { code: -32602, message: "no".into() },
        2 => RelayReply::Unknown { text: "<html>".into() },
        _ => RelayReply::Silent { cause: "time-out".into() },
    };
    Answer { relay: format!("relay {}", n % 3), sent_ms: n, took_us: n, reply }
}

fn outcome(n: u64) -> Outcome {
    let lost = |reason| Outcome::Lost { reason };
    let at = Landed { block: n, hash: B256::ZERO, index: 1, gas: 21_000, fee: U256::from(n), paid: U256::from(n) };
    match n % 8 {
        0 => Outcome::Landed { at, realised: I256::try_from(1_003_i64).unwrap() },
        1 => Outcome::Landed { at, realised: I256::try_from(-5_i64).unwrap() },
        2 => lost(Reason::TargetNotIncluded),
        3 => lost(Reason::Outbid { by: B256::repeat_byte(9), paid: U256::from(n) }),
        4 => lost(Reason::Late),
        5 => lost(Reason::Reverted),
        6 => lost(Reason::Superseded { by: B256::repeat_byte(8) }),
        _ => Outcome::Unsent,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Decide { uuid: u128, target: u64, opportunity: u8, replaces: Option<u128> },
    Answer(u128, u64),
    Settle(u128, u64),
    Revive(u128),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let uuid = || 1_u128..6;
    let decide = (uuid(), 1_u64..3, 0_u8..3, proptest::option::of(uuid()))
        .prop_map(|(uuid, target, opportunity, replaces)| Step::Decide { uuid, target, opportunity, replaces });
    prop_oneof![
        4 => decide,
        3 => (uuid(), 0_u64..20).prop_map(|(uuid, n)| Step::Answer(uuid, n)),
        2 => (uuid(), 0_u64..20).prop_map(|(uuid, n)| Step::Settle(uuid, n)),
        1 => uuid().prop_map(Step::Revive),
        1 => Just(Step::Reopen),
    ]
}

/// What the ledger should do, in maps.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u128, Row>,
    taken: BTreeMap<(u64, u8), u128>,
}

impl Model {
    fn decide(&mut self, uuid: u128, target: u64, opportunity: u8, replaces: Option<u128>) -> bool {
        let holder = self.taken.get(&(target, opportunity)).copied();
        let settled = holder.is_some_and(|old| self.rows[&old].state == State::Settled);
        if self.rows.contains_key(&uuid) || holder != replaces || settled {
            return false;
        }
        if let Some(old) = holder.and_then(|old| self.rows.get_mut(&old)) {
            old.state = State::Replaced;
        }
        let bundle = bundle(uuid, target, opportunity, replaces);
        self.rows.insert(uuid, Row { bundle, state: State::Decided, answers: Vec::new(), outcome: None });
        self.taken.insert((target, opportunity), uuid);
        true
    }

    fn answer(&mut self, uuid: u128, n: u64) -> bool {
        let Some(row) = self.rows.get_mut(&uuid) else { return false };
        row.answers.push(answer(n));
        if row.state == State::Decided {
            row.state = State::Sent;
        }
        true
    }

    fn settle(&mut self, uuid: u128, n: u64) -> bool {
        let Some(row) = self.rows.get_mut(&uuid).filter(|row| row.state != State::Settled) else { return false };
        row.state = State::Settled;
        row.outcome = Some(outcome(n));
        true
    }

    fn revive(&mut self, uuid: u128) -> bool {
        let Some(row) = self.rows.get_mut(&uuid).filter(|row| row.state == State::Settled) else { return false };
        let place = (row.bundle.target, row.bundle.opportunity.0[0]);
        row.outcome = None;
        row.state = match (self.taken[&place] == uuid, row.answers.is_empty()) {
            (false, _) => State::Replaced,
            (true, true) => State::Decided,
            (true, false) => State::Sent,
        };
        true
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for row in self.rows.values() {
            totals.decided += 1;
            totals.requests += row.answers.len() as u64;
            totals.sent += u64::from(!row.answers.is_empty());
            if let Some(outcome) = &row.outcome {
                totals.settle(&row.bundle, outcome);
            }
        }
        totals
    }
}

fn hold(ledger: &Ledger, model: &Model) {
    for (uuid, row) in &model.rows {
        assert_eq!(&ledger.row(Uuid::from_u128(*uuid)).unwrap(), row);
    }
    assert_eq!(ledger.all().unwrap().len(), model.rows.len());
    for target in 1..3 {
        let mut due: Vec<&Row> = model.rows.values().filter(|row| row.bundle.target == target).collect();
        due.sort_by_key(|row| row.bundle.uuid);
        assert_eq!(ledger.for_block(target).unwrap().iter().collect::<Vec<_>>(), due);
    }
    let open = model.rows.values().filter(|row| row.state != State::Settled).count();
    assert_eq!(ledger.open_bundles().unwrap().len(), open);
    assert_eq!(ledger.totals().unwrap(), model.totals());
    assert_eq!(ledger.recount().unwrap(), model.totals());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_sequence_of_operations_leaves_what_the_model_holds(steps in proptest::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let mut ledger = Ledger::open(&path).unwrap();
        let mut model = Model::default();
        for step in steps {
            let (due, done) = match step {
                Step::Decide { uuid, target, opportunity, replaces } => (
                    model.decide(uuid, target, opportunity, replaces),
                    ledger.decide(bundle(uuid, target, opportunity, replaces)).wait(),
                ),
                Step::Answer(uuid, n) => {
                    (model.answer(uuid, n), ledger.answer(Uuid::from_u128(uuid), answer(n)).wait())
                }
                Step::Settle(uuid, n) => {
                    (model.settle(uuid, n), ledger.settle(Uuid::from_u128(uuid), outcome(n)).wait())
                }
                Step::Revive(uuid) => (model.revive(uuid), ledger.revive(Uuid::from_u128(uuid)).wait()),
                Step::Reopen => {
                    drop(ledger);
                    ledger = Ledger::open(&path).unwrap();
                    (true, Ok(()))
                }
            };
            prop_assert_eq!(done.is_ok(), due, "{:?}", done);
        }
        hold(&ledger, &model);
    }
}

/// Set, this binary is the child that is killed: it writes to the ledger at this path, and says what was acknowledged.
const CHILD: &str = "PEREGRINE_LEDGER_CHILD";

/// The child's part. Without the variable there is nothing to do.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let ledger = Ledger::open(Path::new(&path)).unwrap();
    let first = ledger.all().unwrap().len() as u128;
    for n in first.. {
        let uuid = Uuid::from_u128(n);
        let target = u64::try_from(n).unwrap();
        // Several at once, so that the kill falls into shared transactions too.
        let acks = [
            ledger.decide(bundle(n, target, 0, None)),
            ledger.answer(uuid, answer(target)),
            ledger.settle(uuid, outcome(target)),
        ];
        acks.into_iter().for_each(|ack| ack.wait().unwrap());
        println!("\nacknowledged {n}");
    }
}

#[test]
fn a_process_killed_in_the_middle_of_writing_loses_no_acknowledged_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let mut acknowledged = None;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The child is killed at once after a number of rows, while it writes the next one.
        let row = |line: String| line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u128>().ok());
        acknowledged = lines.by_ref().filter_map(row).nth(5 + 7 * round).or(acknowledged);
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said between the kill's decision and the kill counts as well.
        acknowledged = lines.filter_map(row).last().or(acknowledged);
        let ledger = Ledger::open(&path).unwrap();
        let last = acknowledged.expect("the child wrote nothing");
        for n in 0..=last {
            let row = ledger.row(Uuid::from_u128(n)).unwrap();
            let target = u64::try_from(n).unwrap();
            assert_eq!(row.bundle, bundle(n, target, 0, None));
            assert_eq!((row.answers, row.outcome), (vec![answer(target)], Some(outcome(target))));
        }
        // What was not acknowledged is there whole or not at all, and the sums agree with the rows.
        assert_eq!(ledger.totals().unwrap(), ledger.recount().unwrap());
        let unacknowledged = ledger.all().unwrap().len() as u128 - (last + 1);
        assert!(unacknowledged <= 1, "{unacknowledged} rows nobody wrote");
        for row in ledger.open_bundles().unwrap() {
            let target = row.bundle.target;
            ledger.settle(row.bundle.uuid, outcome(target)).wait().unwrap();
            // So that the next round finds every row complete.
            if row.answers.is_empty() {
                ledger.answer(row.bundle.uuid, answer(target)).wait().unwrap();
            }
        }
    }
}

#[test]
fn a_restart_neither_resends_nor_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::open(&path).unwrap();
    ledger.decide(bundle(1, 10, 0, None)).wait().unwrap();
    ledger.answer(Uuid::from_u128(1), answer(0)).wait().unwrap();
    ledger.decide(bundle(2, 10, 1, None)).wait().unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    let by = Uuid::from_u128(1);
    assert_eq!(ledger.holder(10, B256::repeat_byte(0)).unwrap(), Some(by));
    assert_eq!(ledger.decide(bundle(3, 10, 0, None)).wait(), Err(LedgerError::Taken { by }));
    let states: Vec<State> = ledger.open_bundles().unwrap().iter().map(|row| row.state).collect();
    assert_eq!(states, [State::Sent, State::Decided], "the second may have been sent or not: it is to be followed");
    ledger.decide(bundle(4, 10, 0, Some(1))).wait().unwrap();
    assert_eq!(ledger.row(by).unwrap().state, State::Replaced);
    assert_eq!(ledger.open_bundles().unwrap().len(), 3, "the chain may still take the one replaced");
}

#[test]
fn a_second_process_and_a_foreign_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let held = Ledger::open(&path).unwrap();
    let error = Ledger::open(&path).err().expect("two writers");
    assert!(error.to_string().contains("ledger.redb"), "{error}");
    drop(held);
    std::fs::write(&path, b"not a database, though long enough to be looked at").unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Damaged { .. })));
}

#[test]
fn latencies_of_a_run_are_kept_by_stage() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.redb")).unwrap();
    let of = |n| Latency { p50_ns: n, p99_ns: 2 * n, p999_ns: 3 * n, n };
    ledger.latencies(7, vec![("search".into(), of(1)), ("decode".into(), of(2))]).wait().unwrap();
    ledger.latencies(8, vec![("search".into(), of(3))]).wait().unwrap();
    ledger.latencies(7, vec![("search".into(), of(4))]).wait().unwrap();
    assert_eq!(ledger.latencies_of(7).unwrap(), [("decode".into(), of(2)), ("search".into(), of(4))]);
}

const OURS: B256 = B256::repeat_byte(0xaa);
const VICTIM: B256 = B256::repeat_byte(0xbb);
const RIVAL: B256 = B256::repeat_byte(0xcc);
const POOLS: [PoolKey; 2] = [pool(1), pool(2)];

const fn pool(byte: u8) -> PoolKey {
    PoolKey { contract: Address::repeat_byte(byte), id: None }
}

fn mined(hash: B256, success: bool, touched: &[PoolKey]) -> MinedTx {
    let from = Address::from_slice(&hash[..20]);
    let (touched, paid, fee) = (touched.to_vec(), U256::from(7), U256::from(70));
    MinedTx { hash, from, success, gas: 10, paid, fee, touched, taken: Vec::new(), gained: Vec::new() }
}

fn at(number: u64, txs: &[MinedTx]) -> Block {
    Block { number, hash: B256::repeat_byte(5), seen_ms: 1_000, coinbase: Address::repeat_byte(7), txs: txs.to_vec() }
}

fn watch() -> Watch<'static> {
    let owner = Address::repeat_byte(0xaa);
    let trigger = Some(VICTIM);
    Watch {
        target: 10,
        trigger,
        ours: OURS,
        owner,
        pools: &POOLS,
        positions: &[],
        sent_ms: Some(900),
        trigger_mined: None,
    }
}

/// Of a reorg: what was undone comes again behind what took its place, and reverts.
#[test]
fn what_other_transactions_of_the_owners_burnt_in_a_block_in_vain_is_told_apart() {
    let owner = watch().owner;
    let again = |byte: u8, success| MinedTx { from: owner, ..mined(B256::repeat_byte(byte), success, &POOLS) };
    let ours = mined(OURS, true, &POOLS);
    assert_eq!(ours.from, owner);
    let block = at(10, &[ours.clone(), mined(RIVAL, false, &POOLS), again(1, false), again(2, true), again(3, false)]);
    assert_eq!(block.burnt_besides(OURS, owner), U256::from(140), "neither a stranger's nor what came of it");
    // Of one that reverted itself the others are what is besides.
    assert_eq!(block.burnt_besides(B256::repeat_byte(1), owner), U256::from(70));
    assert_eq!(at(10, &[ours]).burnt_besides(OURS, owner), U256::ZERO);
}

fn lost(watch: &Watch<'_>, txs: &[MinedTx]) -> Reason {
    match follow(watch, &at(10, txs)) {
        Followed::NotLanded(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ours_in_the_block_has_landed_and_the_victim_alone_has_not() {
    let target = mined(VICTIM, true, &POOLS);
    let block = at(10, &[target.clone(), mined(OURS, true, &POOLS)]);
    let Followed::Landed(landed) = follow(&watch(), &block) else { panic!() };
    assert_eq!((landed.block, landed.index, landed.gas), (10, 1, 10));
    assert_eq!(lost(&watch(), &[target]), Reason::Unknown);
    assert_eq!(follow(&watch(), &at(9, &[])), Followed::NotYet);
    assert_eq!(follow(&watch(), &at(11, &[])), Followed::NotLanded(Reason::Unknown));
}

#[test]
fn a_victim_that_is_not_there_or_reverted_or_came_earlier_is_the_reason() {
    assert_eq!(lost(&watch(), &[]), Reason::TargetNotIncluded);
    assert_eq!(lost(&Watch { trigger_mined: Some(9), ..watch() }, &[]), Reason::Late);
    assert_eq!(lost(&watch(), &[mined(VICTIM, false, &[])]), Reason::Reverted);
    assert_eq!(lost(&watch(), &[mined(VICTIM, true, &POOLS), mined(OURS, false, &[])]), Reason::Reverted);
}

#[test]
fn the_rival_is_named_with_what_it_paid() {
    let target = mined(VICTIM, true, &POOLS);
    let outbid = Reason::Outbid { by: RIVAL, paid: U256::from(7) };
    assert_eq!(lost(&watch(), &[target.clone(), mined(RIVAL, true, &POOLS[..1])]), outbid, "right behind: one pool");
    let other = mined(B256::repeat_byte(0xdd), true, &[]);
    assert_eq!(lost(&watch(), &[target.clone(), other.clone(), mined(RIVAL, true, &POOLS)]), outbid);
    let user = mined(RIVAL, true, &POOLS[..1]);
    assert_eq!(lost(&watch(), &[target.clone(), other.clone(), user]), Reason::Unknown, "a user further down");
    assert_eq!(lost(&watch(), &[mined(RIVAL, true, &POOLS), target.clone()]), Reason::Unknown, "before the victim");
    assert_eq!(lost(&watch(), &[target, mined(RIVAL, false, &POOLS)]), Reason::Unknown, "it reverted");
    let alone = Watch { trigger: None, ..watch() };
    assert_eq!(lost(&alone, &[other, mined(RIVAL, true, &POOLS)]), outbid);
}

#[test]
fn who_was_late_was_not_outbid_and_our_own_are_no_rivals() {
    let txs = [mined(VICTIM, true, &POOLS), mined(RIVAL, true, &POOLS)];
    assert_eq!(lost(&Watch { sent_ms: Some(1_001), ..watch() }, &txs), Reason::Late);
    let ours = Watch { owner: txs[1].from, ..watch() };
    assert_eq!(lost(&ours, &txs), Reason::Superseded { by: RIVAL }, "the nonce is shared");
    let without_victim = [txs[1].clone()];
    assert_eq!(lost(&ours, &without_victim), Reason::TargetNotIncluded, "it could not have landed anyway");
}

const SUNK: Position = Position { market: Address::repeat_byte(0x11), id: None, account: Address::repeat_byte(0x12) };

fn taken(of: Position) -> Taken {
    Taken {
        kind: LenderKind::Aave,
        market: of.market,
        id: None,
        liquidator: Address::repeat_byte(0x13),
        borrower: Some(of.account),
        debt: Some(Address::repeat_byte(0x14)),
        collateral: None,
        repaid: U256::from(100),
        seized: U256::from(105),
    }
}

#[test]
fn who_liquidated_the_same_account_in_the_block_has_outbid_us_wherever_he_stands() {
    let ours = Watch { positions: &[SUNK], ..watch() };
    let target = mined(VICTIM, true, &[]);
    let taker = MinedTx { taken: vec![taken(SUNK)], ..mined(RIVAL, true, &[]) };
    let outbid = Reason::Outbid { by: RIVAL, paid: U256::from(7) };
    let swaps = mined(B256::repeat_byte(0xdd), true, &POOLS);
    assert_eq!(lost(&ours, &[target.clone(), swaps.clone(), taker.clone()]), outbid);
    assert_eq!(lost(&ours, &[taker.clone(), target.clone()]), outbid);
    assert_eq!(lost(&Watch { trigger: None, ..ours.clone() }, std::slice::from_ref(&taker)), outbid);
    assert_eq!(lost(&ours, &[target.clone(), swaps]), Reason::Unknown, "our pools are not what it is about");
    let other = Position { account: Address::repeat_byte(0x15), ..SUNK };
    let elsewhere = MinedTx { taken: vec![taken(other)], ..mined(RIVAL, true, &POOLS) };
    assert_eq!(lost(&ours, &[target.clone(), elsewhere]), Reason::Unknown, "somebody else's position");
    assert_eq!(lost(&ours, std::slice::from_ref(&taker)), Reason::TargetNotIncluded, "ours could not have landed");
    let late = Watch { sent_ms: Some(1_001), ..ours.clone() };
    assert_eq!(lost(&late, &[target.clone(), taker.clone()]), Reason::Late);
    let own = Watch { owner: taker.from, ..ours };
    assert_eq!(lost(&own, &[target, taker]), Reason::Superseded { by: RIVAL });
}

#[test]
fn a_row_from_before_positions_were_written_down_still_reads() {
    let mut old = serde_json::to_value(bundle(1, 2, 3, None)).unwrap();
    assert!(old.as_object_mut().unwrap().remove("positions").is_some());
    assert_eq!(serde_json::from_value::<Bundle>(old).unwrap(), bundle(1, 2, 3, None));
}

#[test]
fn liquidations_of_a_block_are_kept_in_order_written_over_and_forgotten_when_it_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let row = |block: u64, index: u64| Liquidation {
        block,
        hash: B256::repeat_byte(5),
        index,
        tx: RIVAL,
        sender: Address::repeat_byte(0x13),
        ours: false,
        taken: taken(SUNK),
        gained: vec![Gain { token: Address::repeat_byte(0x14), units: I256::unchecked_from(-100) }],
        worth: Some(Worth { token: None, units: I256::unchecked_from(5) }),
        paid: U256::from(7),
        fee: U256::from(70),
    };
    {
        let ledger = Ledger::open(&path).unwrap();
        ledger.attribute(8, vec![row(8, 3), row(8, 4), row(8, 5)]).wait().unwrap();
        ledger.attribute(7, vec![row(7, 1)]).wait().unwrap();
        ledger.attribute(8, vec![row(8, 1), row(8, 2)]).wait().unwrap();
        ledger.attribute(9, vec![row(9, 0)]).wait().unwrap();
        assert_eq!(ledger.liquidations(7..=8).unwrap(), [row(7, 1), row(8, 1), row(8, 2)]);
        ledger.forget(8).wait().unwrap();
    }
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.liquidations(0..=u64::MAX).unwrap(), [row(7, 1), row(8, 1), row(8, 2)], "on disk");
    ledger.forget(u64::MAX).wait().unwrap();
    assert_eq!(ledger.liquidations(0..=u64::MAX).unwrap().len(), 3);
}
