//! The real code of Curve's stable pools, from the recorded blocks, against ours: what each is found to be, many amounts to random
//! states of it, the recorded swaps, and a recorded arbitrage through one of them.
//!
//! Curve publishes no bytecode in a package, so this code is what the records hold. `bench`: a pool between plain tokens.
//! `recorded`: swaps of mainnet. `arbitrage`: a cycle that others took. `shares`: deposits and withdrawals. `meta`: a metapool over the
//! pool of three dollars. `landed`: cycles through it.

#[path = "curve_stable_bytecode/arbitrage.rs"]
mod arbitrage;
#[path = "curve_stable_bytecode/bench.rs"]
mod bench;
mod common;
#[path = "curve_stable_bytecode/landed.rs"]
mod landed;
#[path = "curve_stable_bytecode/meta.rs"]
mod meta;
#[path = "curve_stable_bytecode/recorded.rs"]
mod recorded;
#[path = "curve_stable_bytecode/shares.rs"]
mod shares;
#[path = "curve_stable_bytecode/states.rs"]
mod states;

use std::path::PathBuf;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256, address};
use peregrine::chain;
use peregrine::hot::evm::machine::Machine;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::curve_stable::{Pool, Product, Settle};
use peregrine::protocols::discover::{Probe, Venue};
use peregrine::replay::execute;
use peregrine::replay::record::{Codes, Record};
use revm::context::BlockEnv;

alloy::sol! {
    function stored_rates() external view returns (uint256[] memory);
}

/// A pool of a recorded block, in one of the two folders.
#[derive(Clone, Copy)]
struct At {
    newer: bool,
    block: &'static str,
    pool: Address,
}

const fn older(block: &'static str, pool: Address) -> At {
    At { newer: false, block, pool }
}

const SUSD: At = older("10760440", address!("0xa5407eae9ba41422680e2e00537571bcc53efbfd"));
const THREE: At = older("12520364", address!("0xbebc44782c7db0a1a60cb6fe97d0b483032ff1c7"));
const USDP: At = older("19933597", address!("0xca978a0528116dda3cba9acd3e68bc6191ca53d0"));
const GHO: At = At { newer: true, block: "24171384", pool: address!("0x670a72e6d22b0956c0d2573288f82dcc5d6e3a61") };

/// Two coins, the first of them ether.
const SETH: At = older("12300570", address!("0xc5424b857f758e906013f3555dad202e4bdb4567"));

/// Stableswap-NG, one of whose coins is sUSDe.
const VESTING: At = At { newer: true, block: "24628607", pool: address!("0x4b5e827f4c0a1042272a11857a355da1f4ceebae") };

/// All that can be used.
const POOLS: [At; 5] = [SUSD, THREE, SETH, USDP, GHO];

impl At {
    fn dir(&self) -> Option<PathBuf> {
        let part = format!("blocks/{}", self.block);
        if self.newer { common::newer_mainnet(&part) } else { common::mainnet(&part) }
    }

    /// The block's record, where there is one.
    fn record(&self) -> Option<Record> {
        let dir = self.dir()?;
        Some(Record::read(&dir, &Codes::of(&dir).expect("codes")).expect("a record"))
    }

    /// What it is found to be, at the start of its block.
    fn discovered(&self, machine: &mut Machine) -> Result<Option<Pool>, String> {
        Pool::discover(&mut EvmProbe::new(machine), &mut (), self.pool.into(), false)
    }

    fn start(&self) -> Option<(Machine, Pool)> {
        let mut machine = execute::machine(&self.record()?);
        let pool = self.discovered(&mut machine).unwrap_or_else(|why| panic!("{}: {why}", self.pool));
        let pool = pool.unwrap_or_else(|| panic!("{} is not recognised", self.pool));
        Some((machine, pool))
    }
}

#[test]
fn each_version_of_the_contract_is_told_by_what_it_does() {
    let due = [
        (SUSD, Product::Guarded, 1, false, Settle::Scaled),
        (THREE, Product::Each, 1, true, Settle::Units),
        (SETH, Product::Each, 100, true, Settle::Units),
        (USDP, Product::Whole, 100, true, Settle::Units),
        (GHO, Product::Whole, 100, true, Settle::Apart),
    ];
    for (at, product, precision, less_one, settle) in due {
        let Some((_, pool)) = at.start() else { return };
        let terms = pool.terms();
        println!("{}: {terms:?} {:?}", at.pool, pool.state());
        assert_eq!(
            (terms.product, terms.precision, terms.less_one, terms.settle),
            (product, precision, less_one, settle),
            "{}",
            at.pool
        );
    }
}

/// Of a pool whose coin is ether the token that stands for it is a way through; a file keeps which coin that is.
#[test]
fn ether_is_shown_as_the_token_that_stands_for_it() {
    let Some((_, pool)) = SETH.start() else { return };
    assert_eq!((pool.ether(), pool.tokens()[0]), (Some(0), chain::RECORDED.wrapped_native));
    let kept = serde_json::to_string(&pool).expect("it is written down");
    let read: Pool = serde_json::from_str(&kept).expect("and read back");
    assert!(read.agrees(&pool) && read.ether() == Some(0));
    let elsewhere = kept.replace("\"ether\":0", "\"ether\":2");
    assert!(elsewhere != kept && serde_json::from_str::<Pool>(&elsewhere).is_err(), "there is no such coin");
}

#[test]
fn a_pool_that_cannot_be_used_says_why() {
    let refused = [
        // A rate that another contract tells.
        (older("12047794", address!("0x7fc77b5c7614e1533320ea6ddc2eb61fa00a9714")), "hangs on storage of"),
        // Balances that another contract counts.
        (older("12520364", address!("0xdebf20617708857ebe4f679508e7b7863a8a8eee")), "hangs on storage of"),
        // A rate that is asked of a vault at each swap.
        (VESTING, "its rates are asked of 0x9D39A5DE30e57443BfF2A8307A4256c8797A3497"),
        // The block touched one coin of it.
        (older("16257471", THREE.pool), "fewer than two of its coins"),
    ];
    for (at, reason) in refused {
        let Some(record) = at.record() else { return };
        let found = at.discovered(&mut execute::machine(&record));
        let Err(why) = found else { panic!("{} in {}: {found:?}", at.pool, at.block) };
        println!("{} in {}: {why}", at.pool, at.block);
        assert!(why.contains(reason), "{}: {why}", at.pool);
    }
}

#[test]
fn a_pool_of_another_family_is_none_of_these() {
    let tricrypto = older("13217637", address!("0xd51a44d3fae010294c616388b506acda1bfaae46"));
    let Some(record) = tricrypto.record() else { return };
    let found = tricrypto.discovered(&mut execute::machine(&record));
    assert!(matches!(found, Ok(None)), "{found:?}");
}

#[test]
fn a_rate_that_vests_by_the_clock_moves_while_no_storage_does() {
    let Some(record) = VESTING.record() else { return };
    let mut machine = execute::machine(&record);
    let now = machine.block().clone();
    let mut after = |seconds: u64| {
        let timestamp = now.timestamp + U256::from(seconds);
        machine.enter(record.fork, BlockEnv { timestamp, ..now.clone() });
        let said = EvmProbe::new(&mut machine).call(VESTING.pool, &stored_ratesCall {}.abi_encode());
        // An offset, a length, and the second coin's rate behind the first's.
        (said.word(3).expect("rates"), said.reads)
    };
    let rates: Vec<U256> = [0, 12, 3_600, 28_800, 57_600].map(|seconds| after(seconds).0).to_vec();
    println!("the second coin's rate now, and 12 s, 1 h, 8 h and 16 h later: {rates:?}, out of {:?}", after(0).1);
    // It vests for eight hours behind each payment, of which two and a half are over.
    assert!(rates[0] < rates[1] && rates[1] < rates[2] && rates[2] < rates[3] && rates[3] == rates[4], "{rates:?}");
}
