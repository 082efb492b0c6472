//! A metapool over the recorded pool of three dollars and its token of shares, on their own code: what it is found to be, many amounts to
//! random states of both pools, between its own two coins and through the base pool.
//!
//! No record holds the code of one of Curve's metapools: this one is written after them (`Metapool.sol`). A real one is held against its
//! own code when it is discovered.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, Bytes, TxKind, U256, address, hex, uint};
use peregrine::hot::evm::machine::{Executed, Machine};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Exact, Leg, QuoteError};
use peregrine::protocols::curve_stable::meta::{Base, Behind, Metapool, Through};
use peregrine::protocols::curve_stable::{Pool, WHOLE, abi};
use peregrine::protocols::discover::{PLAIN_TOKEN, Probe, Venue, plain_balance_slot};
use peregrine::replay::execute;
use revm::context::TxEnv;
use revm::state::{AccountInfo, Bytecode};

use crate::bench::{Bench, PLENTY, SWAPPER, changes, word};
use crate::common::chain::creation_code;
use crate::states::{Dice, amount, state};
use crate::{At, THREE, older};

alloy::sol! {
    function get_dy_underlying(int128 i, int128 j, uint256 dx) external view returns (uint256);
    function exchange_underlying(int128 i, int128 j, uint256 dx, uint256 least) external returns (uint256);
}

const STATES: u64 = 40;
const AMOUNTS: u64 = 15;

/// A block in which shares of the pool were made or burnt.
pub const SHARED: At = older("16257471", THREE.pool);
/// Where it keeps its coins, of which the block touched the second alone.
pub const COINS: U256 = uint!(0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563_U256);
const DOLLARS: [Address; 3] = [
    address!("0x6B175474E89094C44Da98b954EedeAC495271d0F"),
    address!("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"),
    address!("0xdAC17F958D2ee523a2206206994597C13D831ec7"),
];
pub const SHARE: Address = address!("0x6c3F90f043a72FA612cbac8115EE7e52BDe6E490");
/// The coin that only the metapool has, and who deploys.
const COIN: Address = Address::repeat_byte(0x4d);
const DEPLOYER: Address = Address::repeat_byte(0xde);
/// Answers a question of one word out of its first slot, and no other.
const OF_ONE_WORD: [u8; 23] = hex!("36602414600b57600080fd5b60005460005260206000f3");
/// Whom one of them asks besides.
const FEED: Address = address!("0x000000000000000000000000000000000000fEED");

/// Puts a contract there that answers out of its first slot.
fn answering(machine: &mut Machine, (at, code): (Address, &'static [u8]), answer: U256) {
    let code = Bytecode::new_legacy(Bytes::from_static(code));
    let info = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
    machine.db_mut().tell_whole_account(at, info);
    machine.db_mut().tell_slot(at, U256::ZERO, answer);
}

/// The record's machine with all coins of the base pool, and a metapool in it.
fn deployed(name: &str) -> Option<(Machine, Address)> {
    let record = SHARED.record()?;
    let mut machine = execute::machine(&record);
    for (place, coin) in DOLLARS.into_iter().enumerate() {
        machine.db_mut().tell_slot(THREE.pool, COINS + U256::from(place), coin.into_word().into());
    }
    let rate = U256::from(10).pow(U256::from(18));
    // A plain token answers so what it does not know: it has eighteen decimals.
    answering(&mut machine, (COIN, &PLAIN_TOKEN), U256::from(18));
    answering(&mut machine, (FEED, &OF_ONE_WORD), rate);
    let arguments = (COIN, SHARE, THREE.pool, rate, U256::from(120)).abi_encode();
    let code = [creation_code(&format!(".peregrine/{name}.json")), arguments].concat();
    let rich = AccountInfo { balance: U256::from(10).pow(U256::from(30)), ..AccountInfo::default() };
    machine.db_mut().tell_whole_account(DEPLOYER, rich);
    let place = DEPLOYER.create(0);
    machine.db_mut().tell_whole_account(place, AccountInfo::default());
    sent(&mut machine, (TxKind::Create, code), 0);
    Some((machine, place))
}

fn sent(machine: &mut Machine, (kind, data): (TxKind, Vec<u8>), nonce: u64) {
    let gas_price = u128::from(machine.block().basefee);
    let tx = TxEnv {
        caller: DEPLOYER,
        gas_limit: 12_000_000,
        gas_price,
        kind,
        data: data.into(),
        nonce,
        ..TxEnv::default()
    };
    let done = machine.execute(tx).expect("runs");
    assert!(done.is_success(), "{:?}", done.result);
    machine.commit(done.diff);
}

fn discovered(machine: &mut Machine, at: Address) -> Result<Option<Pool>, String> {
    Pool::discover(&mut EvmProbe::new(machine), &mut (), at.into(), false)
}

/// The slot of the token of shares that an answer is.
fn slot_of(machine: &mut Machine, question: &[u8]) -> U256 {
    let reads = EvmProbe::new(machine).call_with(SWAPPER, SHARE, question, &[]).reads;
    reads.last().expect("a slot").1
}

/// Both pools on the bench. Everybody has a great many of everything.
struct World {
    bench: Bench,
    pool: Pool,
    base: Pool,
    /// Where it is said what the user has of shares.
    own: U256,
}

impl World {
    fn new() -> Option<Self> {
        let (mut machine, at) = deployed("Metapool")?;
        let pool = discovered(&mut machine, at).expect("usable").expect("a pool");
        let base = discovered(&mut machine, THREE.pool).expect("usable").expect("a pool");
        let owns = |owner| abi::balanceOfCall { owner }.abi_encode();
        let allows = abi::allowanceCall { owner: SWAPPER, spender: at }.abi_encode();
        let [own, pools, allowed] = [owns(SWAPPER), owns(at), allows].map(|question| slot_of(&mut machine, &question));
        let tokens = [&DOLLARS[..], &[COIN]].concat();
        let mut bench = Bench::new(machine, &tokens);
        bench.put(&[own, pools, allowed].map(|slot| (SHARE, slot, PLENTY)));
        for token in tokens {
            bench.put(&[SWAPPER, at, THREE.pool].map(|owner| (token, plain_balance_slot(owner), PLENTY)));
        }
        Some(Self { bench, pool, base, own })
    }

    /// Both pools in other states, with a share worth from a half of a coin to three.
    fn moved(&mut self, dice: &mut Dice) -> Pool {
        let (own, below) = (state(&self.pool, dice), state(&self.base, dice));
        let (backing, _) = self.pool.backing().expect("a metapool");
        let d = Base::new(backing.terms, below, 1).and_then(|base| base.virtual_price()).expect("a price");
        let worth = U256::from(500 + dice.below(2_500)) * U256::from(10).pow(U256::from(15));
        let supply = (d / worth).max(U256::ONE);
        let mut pool = self.pool.clone();
        let written = crate::bench::written;
        pool.apply_slots(THREE.pool, &written(&backing.layout, &below)).expect("a state within bounds");
        pool.apply_slots(SHARE, &[(backing.supply, supply)]).expect("a supply");
        pool.apply_slots(pool.address(), &written(pool.layout(), &own)).expect("a state within bounds");
        let behind = written(&backing.layout, &below).into_iter().map(|(slot, value)| (THREE.pool, slot, value));
        let behind: Vec<_> = behind.chain([(SHARE, backing.supply, supply)]).collect();
        self.bench.put(&behind);
        assert_eq!((pool.state(), pool.backing().map(|(_, behind)| behind.state)), (&own, Some(below)));
        pool
    }

    /// What the user has got of a token.
    fn got(&self, done: &Executed, token: Address) -> U256 {
        let slot = if token == SHARE { self.own } else { plain_balance_slot(SWAPPER) };
        let now = done.diff.get(&token).and_then(|account| account.storage.get(&slot));
        now.map_or(U256::ZERO, |now| now.present_value - PLENTY)
    }
}

/// A pool behind a transaction, its contracts' changes told in one order or the other.
fn told(pool: &Pool, done: &Executed, turned: bool) -> Pool {
    let mut told = pool.clone();
    let mut contracts = [pool.address(), THREE.pool, SHARE];
    if turned {
        contracts.reverse();
    }
    for at in contracts {
        told.apply_slots(at, &changes(done, at)).expect("slots of a state");
    }
    told
}

fn legs(pool: &Pool) -> [Leg; 2] {
    [(COIN, SHARE), (SHARE, COIN)].map(|(from, to)| pool.leg(from, to).expect("its coins"))
}

#[derive(Debug, Default)]
struct Tally {
    equal: u32,
    refused: u32,
    said: u32,
    gas: Vec<u64>,
}

/// Whether a swap left next to nothing of what came out but the fee: we leave it, as later versions revert there.
fn emptied(pool: &Pool, told: &Pool, place: usize) -> bool {
    let (before, fee) = (U256::from(pool.state().held[place]), U256::from(pool.state().fee));
    U256::from(told.state().held[place]) <= before * fee / U256::from(WHOLE) + U256::from(4)
}

/// Between the pool's own two coins.
fn own(world: &mut World, pool: &Pool, leg: Leg, dx: U256, tally: &mut Tally) {
    let at = format!("{leg:?} {dx} in {:?} {:?}", pool.state(), pool.backing());
    let (i, j) = pool.places(leg);
    let (i, j) = (i as i128, j as i128);
    let done = world.bench.call(pool, abi::exchangeCall { i, j, dx, min_dy: U256::ZERO }.abi_encode());
    let token = pool.tokens()[leg.token_out()];
    let mut after = pool.clone();
    match after.trade(leg, Exact::In(dx), None) {
        Ok(traded) => {
            assert!(done.is_success(), "{at}: quotes {traded:?}, the pool reverts");
            assert_eq!(traded.amount_out, world.got(&done, token), "{at}");
            for turned in [false, true] {
                assert!(told(pool, &done, turned).agrees(&after), "{at}");
            }
            tally.equal += 1;
            tally.gas.push(done.gas_used());
        }
        Err(why) => {
            let nothing = why == QuoteError::TooSmall && world.got(&done, token).is_zero();
            let emptied = why == QuoteError::TooLarge && emptied(pool, &told(pool, &done, false), pool.places(leg).1);
            assert!(!done.is_success() || nothing || emptied, "{at}: {why:?}, the pool pays");
            tally.refused += 1;
        }
    }
    if let Some(Ok(said)) = pool.get_dy(leg, dx) {
        let answer = word(&world.bench.call(pool, abi::get_dyCall { i, j, dx }.abi_encode()));
        assert_eq!(Some(said), answer, "{at}");
        tally.said += 1;
    }
}

/// Through the base pool.
fn through(world: &mut World, pool: &Pool, (i, j): (usize, usize), dx: U256, tally: &mut Tally) {
    let at = format!("{i} {j} {dx} in {:?} {:?}", pool.state(), pool.backing());
    let (backing, behind) = pool.backing().expect("a metapool");
    let base = backing.base(behind).expect("it stands");
    let price = backing.price(behind).expect("a price");
    let both = Metapool::new(*pool.terms(), *pool.state(), base, price).expect("it stands");
    let (from, to) = (i as i128, j as i128);
    let data = exchange_underlyingCall { i: from, j: to, dx, least: U256::ZERO }.abi_encode();
    let done = world.bench.call(pool, data);
    let token = j.checked_sub(1).map_or(COIN, |place| DOLLARS[place]);
    match both.exchange_underlying((i, j), dx) {
        Ok(Through { paid, state, base }) => {
            assert!(done.is_success(), "{at}: {paid} foretold, the pool reverts");
            assert_eq!(paid, world.got(&done, token), "{at}");
            let told = told(pool, &done, false);
            assert_eq!(*told.state(), state, "{at}");
            let left = Behind { state: *base.state(), supply: base.supply() };
            assert_eq!(told.backing().map(|(_, behind)| *behind), Some(left), "{at}");
            tally.equal += 1;
            tally.gas.push(done.gas_used());
        }
        Err(why) => {
            let nothing = why == QuoteError::TooSmall && world.got(&done, token).is_zero();
            let emptied = why == QuoteError::TooLarge && emptied(pool, &told(pool, &done, false), usize::from(i == 0));
            assert!(!done.is_success() || nothing || emptied, "{at}: {why:?}, the pool pays");
            tally.refused += 1;
        }
    }
    if let Some(leg) = pool.leg([COIN, DOLLARS[0], DOLLARS[1], DOLLARS[2]][i], token) {
        let mut after = pool.clone();
        let traded = after.trade(leg, Exact::In(dx), None).map(|traded| traded.amount_out);
        assert_eq!(traded, both.exchange_underlying((i, j), dx).map(|made| made.paid), "{at}");
        assert!(traded.is_err() || told(pool, &done, true).agrees(&after), "{at}");
    }
    if let Ok(said) = both.get_dy_underlying((i, j), dx) {
        let data = get_dy_underlyingCall { i: from, j: to, dx }.abi_encode();
        assert_eq!(Some(said), word(&world.bench.call(pool, data)), "{at}");
        tally.said += 1;
    }
}

fn shown(what: &str, tally: &mut Tally) -> u64 {
    tally.gas.sort_unstable();
    let Tally { equal, refused, said, gas } = tally;
    let middle = gas[gas.len() / 2];
    println!(
        "{what}: {STATES} states: {equal} exchanges equal, {refused} refused, {said} answers equal; gas {}, \
         {middle} in the middle, {}",
        gas[0],
        gas[gas.len() - 1]
    );
    middle
}

#[test]
fn a_metapool_is_found_with_its_base_pool_and_read_back() {
    let Some((mut machine, at)) = deployed("Metapool") else { return };
    let pool = discovered(&mut machine, at).expect("usable").expect("a pool");
    let (backing, behind) = pool.backing().expect("a metapool");
    assert_eq!((backing.pool, backing.share), (THREE.pool, SHARE));
    let answer = EvmProbe::new(&mut machine).call(THREE.pool, &abi::get_virtual_priceCall {}.abi_encode());
    assert_eq!(backing.price(behind), answer.word(0));
    assert_eq!(pool.terms().rates[1], answer.word(0).expect("a price"));
    assert_eq!(pool.tokens(), [COIN, SHARE, DOLLARS[0], DOLLARS[1], DOLLARS[2]]);
    let at_sites: Vec<Address> = pool.sites().iter().map(|site| site.at).collect();
    assert_eq!(at_sites, [at, THREE.pool, SHARE]);
    let text = serde_json::to_string(&pool).expect("it can be written");
    let read: Pool = serde_json::from_str(&text).expect("and read");
    assert!(read.agrees(&pool) && read.sites() == pool.sites());
    for view in pool.views() {
        let answer = EvmProbe::new(&mut machine).call(at, &view.data);
        assert_eq!(answer.word(0), Some(view.due[0].1), "{:?}", view.data);
    }
    let base = discovered(&mut machine, THREE.pool).expect("usable").expect("a pool");
    assert!(base.backing().is_none());
}

#[test]
fn a_metapool_that_asks_a_fourth_contract_names_it() {
    let Some((mut machine, at)) = deployed("FedMetapool") else { return };
    let found = discovered(&mut machine, at);
    let Err(why) = found else { panic!("{found:?}") };
    println!("{why}");
    assert!(why.contains(&format!("its rates are asked of {FEED}")), "{why}");
}

#[test]
fn a_metapool_that_remembers_the_price_says_so_before_and_behind_a_swap() {
    let Some((mut machine, at)) = deployed("RememberingMetapool") else { return };
    let remembers = |found: Result<Option<Pool>, String>| {
        let Err(why) = found else { panic!("{found:?}") };
        println!("{why}");
        assert!(why.contains("remembers its base pool's price"), "{why}");
    };
    remembers(discovered(&mut machine, at));
    machine.db_mut().override_slots(&[(COIN, plain_balance_slot(DEPLOYER), PLENTY)]);
    let owns = |owner| abi::balanceOfCall { owner }.abi_encode();
    let slots = [DEPLOYER, at].map(|owner| slot_of(&mut machine, &owns(owner)));
    machine.db_mut().override_slots(&slots.map(|slot| (SHARE, slot, PLENTY)));
    let dx = U256::from(10).pow(U256::from(20));
    let swap = abi::exchangeCall { i: 0, j: 1, dx, min_dy: U256::ONE }.abi_encode();
    sent(&mut machine, (TxKind::Call(at), swap), 1);
    remembers(discovered(&mut machine, at));
}

#[test]
fn swaps_of_a_metapools_own_coins_are_the_contracts_to_the_unit() {
    let Some(mut world) = World::new() else { return };
    let (mut dice, mut tally) = (Dice(U256::from(0x3e7a)), Tally::default());
    let mut pool = world.pool.clone();
    for _ in 0..STATES {
        for leg in legs(&pool) {
            for _ in 0..AMOUNTS {
                let dx = amount(&pool, leg, &mut dice);
                own(&mut world, &pool, leg, dx, &mut tally);
            }
        }
        pool = world.moved(&mut dice);
    }
    let middle = shown("own coins", &mut tally);
    assert!(tally.equal > (STATES * AMOUNTS) as u32, "the states have grown too tame");
    let leg = legs(&pool)[0];
    assert!((middle - 21_000).abs_diff(pool.gas(leg)) < 60_000, "gas is {middle}, {} said", pool.gas(leg));
}

#[test]
fn swaps_through_the_base_pool_are_the_contracts_to_the_unit() {
    let Some(mut world) = World::new() else { return };
    let (mut dice, mut tally) = (Dice(U256::from(0x3e7b)), Tally::default());
    let mut pool = world.pool.clone();
    for _ in 0..STATES {
        let (_, behind) = pool.backing().expect("a metapool");
        let held = [&pool.state().held[..1], &behind.state.held[..3]].concat();
        for (i, held) in held.iter().enumerate() {
            for j in (0..4).filter(|j| *j != i) {
                for _ in 0..AMOUNTS / 5 {
                    let cut = dice.below(60) as usize;
                    let dx = ((dice.roll() % (U256::from(*held) * U256::from(20))) >> cut).max(U256::ONE);
                    through(&mut world, &pool, (i, j), dx, &mut tally);
                }
            }
        }
        pool = world.moved(&mut dice);
    }
    shown("through the base pool", &mut tally);
    assert!(tally.equal > (STATES * AMOUNTS) as u32 / 2, "the states have grown too tame");
}
