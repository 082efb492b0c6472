//! A ledger's file as a bad disk, a bad copy or another program may leave it.

use std::path::Path;

use peregrine::edge::ledger::Ledger;
use peregrine::edge::ledger::LedgerError;
use peregrine::edge::ledger::is_guarded;
use peregrine::edge::ledger::row::Row;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Uuid;

use super::{answer, bundle, outcome};

/// Damaged files that are tried.
const FILES: u64 = 4_000;
/// Rows of the ledger that is damaged.
const ROWS: u64 = 120;
/// Of a page, in bytes.
const PAGE: usize = 4_096;

/// A folder in memory where there is one: each of the files is written whole.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A ledger with some of everything in it.
fn whole(path: &Path) -> (Vec<u8>, Vec<Row>) {
    let ledger = Ledger::open(path).unwrap();
    for n in 0..ROWS {
        let uuid = Uuid::from_u128(u128::from(n));
        let acks = [
            ledger.decide(bundle(u128::from(n), n / 3 + 1, (n % 3) as u8, None)),
            ledger.answer(uuid, answer(n)),
            if n % 5 == 0 { ledger.lease(n) } else { ledger.settle(uuid, outcome(n)) },
        ];
        acks.into_iter().for_each(|ack| ack.wait().unwrap());
    }
    let rows = ledger.all().unwrap();
    drop(ledger);
    (std::fs::read(path).unwrap(), rows)
}

/// Damages it, in a way that the seed says.
fn damage(file: &[u8], used: &[usize], seed: u64) -> Vec<u8> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut bytes = file.to_vec();
    // Most of a file is room: a place in a page that is used, or in the header.
    let place = |dice: &mut StdRng| match dice.random_range(0..4) {
        0 => dice.random_range(0..512),
        _ => used[dice.random_range(0..used.len())] * PAGE + dice.random_range(0..PAGE),
    };
    match seed % 8 {
        0 => bytes[place(&mut dice)] ^= 1 << dice.random_range(0..8_u32),
        1 => (0..16).for_each(|_| bytes[place(&mut dice)] = dice.random()),
        2 => bytes.truncate(dice.random_range(0..file.len())),
        3 => {
            let from = place(&mut dice);
            let to = (from + dice.random_range(1..3 * PAGE)).min(file.len());
            bytes[from..to].fill(if dice.random() { 0 } else { 0xff });
        }
        4 => {
            let (from, to) = (place(&mut dice), place(&mut dice));
            let length = dice.random_range(1..PAGE).min(file.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
        }
        5 => {
            let [one, other] = [(); 2].map(|()| used[dice.random_range(0..used.len())] * PAGE);
            (0..PAGE).for_each(|at| bytes.swap(one + at, other + at));
        }
        6 => {
            let mut more = vec![0; dice.random_range(1..4 * PAGE)];
            dice.fill_bytes(&mut more);
            bytes.extend(more);
        }
        _ => {
            let from = place(&mut dice);
            let to = (from + dice.random_range(1..PAGE)).min(file.len());
            dice.fill_bytes(&mut bytes[from..to]);
        }
    }
    bytes
}

/// Everything that is ever asked of a ledger, and a row written. What it held.
fn use_it(path: &Path) -> Result<Vec<Row>, LedgerError> {
    let ledger = Ledger::open(path)?;
    ledger.leased()?;
    ledger.open_bundles()?;
    ledger.latencies_of(7)?;
    ledger.liquidations(0..=u64::MAX)?;
    let rows = ledger.all()?;
    assert_eq!(ledger.totals()?, ledger.recount()?);
    ledger.decide(bundle(9_999, 9_999, 0, None)).wait()?;
    ledger.settle(Uuid::from_u128(9_999), outcome(1)).wait()?;
    Ok(rows)
}

#[test]
fn however_a_ledger_is_damaged_it_is_whole_or_told_in_one_sentence() {
    let folder = folder();
    let path = folder.path().join("ledger");
    let (file, held) = whole(&path);
    let is_used = |page: &usize| file[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0);
    let used: Vec<usize> = (0..file.len() / PAGE).filter(is_used).collect();
    let (mut good, mut older, mut told) = (0, 0, 0);
    // What becomes an error is not told twice.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_guarded() {
            hook(panic)
        }
    }));
    for seed in 0..FILES {
        std::fs::write(&path, damage(&file, &used, seed)).unwrap();
        match use_it(&path) {
            Ok(rows) if rows == held => good += 1,
            // The last entry is gone: what the store itself mends, and what is warned of.
            Ok(rows) => {
                assert!(rows.len() + 1 >= held.len(), "{seed}: {} rows of {}", rows.len(), held.len());
                older += 1;
            }
            Err(error @ LedgerError::Damaged { .. }) => {
                let said = error.to_string();
                assert!(!said.contains('\n') && said.contains(path.to_str().unwrap()), "{seed}: {said}");
                told += 1;
            }
            Err(error) => panic!("{seed}: {error:?}"),
        }
    }
    println!("of {FILES} damaged ledgers {good} were whole, {older} without the last entry, {told} told");
    assert!(good > 100 && told > 1_000);
}
