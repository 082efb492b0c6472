//! Shares of recorded pools: what a deposit of one coin makes, what a withdrawal in one coin pays, what both leave and what a share is
//! worth, in random states, on the pools' own code.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256, address, uint};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, QuoteError};
use peregrine::protocols::curve_stable::meta::Base;
use peregrine::protocols::curve_stable::{Pool, Product};
use peregrine::protocols::discover::{Probe, plain_balance_slot};

use crate::bench::{Bench, PLENTY, SWAPPER, changes, word, written};
use crate::states::{Dice, state};
use crate::{THREE, USDP};

alloy::sol! {
    function get_virtual_price() external view returns (uint256);
    function totalSupply() external view returns (uint256);
    function balanceOf(address owner) external view returns (uint256);
    function calc_withdraw_one_coin(uint256 shares, int128 place) external view returns (uint256);
    function remove_liquidity_one_coin(uint256 shares, int128 place, uint256 least) external;
}

mod two {
    alloy::sol! {
        function calc_token_amount(uint256[2] amounts, bool isDeposit) external view returns (uint256);
        function add_liquidity(uint256[2] amounts, uint256 least) external;
    }
}

mod three {
    alloy::sol! {
        function calc_token_amount(uint256[3] amounts, bool isDeposit) external view returns (uint256);
        function add_liquidity(uint256[3] amounts, uint256 least) external;
    }
}

const STATES: u64 = 60;
const AMOUNTS: u64 = 12;

/// Where the pool of three dollars keeps its first coin and the token of its shares, neither of which its block touched.
const FIRST_COIN: U256 = uint!(0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563_U256);
const SHARE: U256 = U256::from_limbs([5, 0, 0, 0]);
const DAI: Address = address!("0x6B175474E89094C44Da98b954EedeAC495271d0F");
const THREE_CRV: Address = address!("0x6c3F90f043a72FA612cbac8115EE7e52BDe6E490");

/// A pool on the bench whose shares are counted.
struct Counted {
    bench: Bench,
    pool: Pool,
    supply: (Address, U256),
    /// The coins that are known, by place.
    coins: Vec<(usize, Address)>,
}

impl Counted {
    /// Its shares are a token of their own: a plain one, which answers how many there are out of its first slot, and whose minting
    /// and burning does nothing.
    fn three() -> Option<Self> {
        let (machine, pool) = THREE.start()?;
        let tokens = [pool.tokens(), &[DAI, THREE_CRV]].concat();
        let mut bench = Bench::new(machine, &tokens);
        let told = [(FIRST_COIN, DAI), (SHARE, THREE_CRV)];
        bench.put(&told.map(|(slot, token)| (THREE.pool, slot, token.into_word().into())));
        bench.put(&[SWAPPER, THREE.pool].map(|owner| (DAI, plain_balance_slot(owner), PLENTY)));
        let coins = vec![(0, DAI), (1, pool.tokens()[0]), (2, pool.tokens()[1])];
        Some(Self { bench, pool, supply: (THREE_CRV, U256::ZERO), coins })
    }

    /// It is the token of its shares itself, of which the user has a great many.
    fn two() -> Option<Self> {
        let (machine, pool) = USDP.start()?;
        let mut bench = Bench::new(machine, pool.tokens());
        let mut slot = |question: Vec<u8>| {
            let reads = EvmProbe::new(bench.machine()).call_with(SWAPPER, USDP.pool, &question, &[]).reads;
            reads.last().expect("a slot").1
        };
        let supply = slot(totalSupplyCall {}.abi_encode());
        let own = slot(balanceOfCall { owner: SWAPPER }.abi_encode());
        bench.put(&[(USDP.pool, own, PLENTY)]);
        let coins = pool.tokens().iter().copied().enumerate().collect();
        Some(Self { bench, pool, supply: (USDP.pool, supply), coins })
    }

    /// The pool in another state, whose share is worth from next to nothing to a good deal.
    fn moved(&mut self, dice: &mut Dice) -> (Pool, Base) {
        let state = state(&self.pool, dice);
        let mut pool = self.pool.clone();
        let slots = written(pool.layout(), &state);
        pool.apply_slots(pool.address(), &slots).expect("a state within bounds");
        let d = Base::new(*pool.terms(), state, 1).and_then(|base| base.virtual_price()).expect("a price");
        let worth = U256::from(10).pow(U256::from(15 + dice.below(6))) * U256::from(1 + dice.below(99));
        let supply = (d / worth).max(U256::ONE);
        self.bench.put(&[(self.supply.0, self.supply.1, supply)]);
        let base = Base::new(*pool.terms(), state, supply.to()).expect("a price");
        (pool, base)
    }

    fn deposit(&mut self, pool: &Pool, place: usize, amount: U256, least: U256) -> Option<Base> {
        let data = if self.coins.len() == 3 {
            let mut amounts = [U256::ZERO; 3];
            amounts[place] = amount;
            three::add_liquidityCall { amounts, least }.abi_encode()
        } else {
            let mut amounts = [U256::ZERO; 2];
            amounts[place] = amount;
            two::add_liquidityCall { amounts, least }.abi_encode()
        };
        let done = self.bench.call(pool, data);
        done.is_success().then(|| self.left(pool, &done))
    }

    /// What a call left, as far as the supply is a number that moved.
    fn left(&self, pool: &Pool, done: &Executed) -> Base {
        let mut after = pool.clone();
        after.apply_slots(pool.address(), &changes(done, pool.address())).expect("slots of a state");
        let supply = changes(done, self.supply.0).into_iter().find(|(slot, _)| *slot == self.supply.1);
        let supply = supply.map_or(1, |(_, supply)| supply.to());
        Base::new(*pool.terms(), *after.state(), supply).expect("a price")
    }

    fn asked(&mut self, pool: &Pool, data: Vec<u8>) -> Option<U256> {
        word(&self.bench.call(pool, data))
    }

    fn calc_token_amount(&mut self, pool: &Pool, place: usize, amount: U256) -> Option<U256> {
        let data = if self.coins.len() == 3 {
            let mut amounts = [U256::ZERO; 3];
            amounts[place] = amount;
            three::calc_token_amountCall { amounts, isDeposit: true }.abi_encode()
        } else {
            let mut amounts = [U256::ZERO; 2];
            amounts[place] = amount;
            two::calc_token_amountCall { amounts, isDeposit: true }.abi_encode()
        };
        self.asked(pool, data)
    }

    /// Whether two ways of learning what is left agree: where the shares do not move, only the pool itself.
    fn agrees(&self, ours: &Base, theirs: &Base) -> bool {
        let counted = self.supply.0 == self.pool.address();
        ours.state() == theirs.state() && (!counted || ours.supply() == theirs.supply())
    }
}

/// Deposits and withdrawals that are equal, and those that both refuse.
#[derive(Debug, Default)]
struct Tally {
    deposits: u32,
    withdrawals: u32,
    refused: u32,
}

fn deposits(counted: &mut Counted, (pool, base): (&Pool, &Base), place: usize, amount: U256, tally: &mut Tally) {
    let at = format!("{} {place} {amount} in {base:?}", pool.address());
    let (said, made) = (counted.calc_token_amount(pool, place, amount), base.deposited(place, amount));
    // Later pools say what is made, the first leave the fees out.
    if pool.terms().product == Product::Each {
        assert_eq!(base.calc_token_amount(place, amount).ok(), said, "{at}");
    } else if let Ok((shares, _)) = made {
        assert_eq!(Some(shares), said, "{at}");
    }
    match made {
        Ok((shares, left)) => {
            let done = counted.deposit(pool, place, amount, shares);
            let done = done.unwrap_or_else(|| panic!("{at}: {shares} foretold, it reverts"));
            assert!(counted.agrees(&left, &done), "{at}: {left:?} {done:?}");
            assert_eq!(counted.deposit(pool, place, amount, shares + U256::ONE), None, "{at}: not one more");
            tally.deposits += 1;
        }
        Err(why) => {
            let done = counted.deposit(pool, place, amount, U256::ONE);
            assert_eq!(done, None, "{at}: {why:?} foretold");
            tally.refused += 1;
        }
    }
}

fn withdrawals(counted: &mut Counted, (pool, base): (&Pool, &Base), place: usize, shares: U256, tally: &mut Tally) {
    let at = format!("{} {place} {shares} in {base:?}", pool.address());
    let place_of = place as i128;
    let data = calc_withdraw_one_coinCall { shares, place: place_of }.abi_encode();
    assert_eq!(base.calc_withdraw_one_coin(place, shares).ok(), counted.asked(pool, data), "{at}");
    let data = remove_liquidity_one_coinCall { shares, place: place_of, least: U256::ONE }.abi_encode();
    let done = counted.bench.call(pool, data);
    let token = counted.coins.iter().find(|(own, _)| *own == place).expect("known").1;
    match base.withdrawn(place, shares) {
        Ok((paid, left)) => {
            assert!(done.is_success(), "{at}: {paid} foretold, it reverts");
            let has = done.diff[&token].storage[&plain_balance_slot(SWAPPER)].present_value;
            assert_eq!(has - PLENTY, paid, "{at}");
            let done = counted.left(pool, &done);
            assert!(counted.agrees(&left, &done), "{at}: {left:?} {done:?}");
            tally.withdrawals += 1;
        }
        Err(why) => {
            // Where nothing would be left, no price is left either, and we go no further.
            assert!(!done.is_success() || why == QuoteError::TooLarge, "{at}: {why:?} foretold");
            tally.refused += 1;
        }
    }
}

#[test]
fn deposits_and_withdrawals_are_the_contracts_to_the_unit() {
    for counted in [Counted::three(), Counted::two()] {
        let Some(mut counted) = counted else { return };
        let address = counted.pool.address();
        let (mut dice, mut tally) = (Dice(U256::from_be_slice(address.as_slice())), Tally::default());
        for _ in 0..STATES {
            let (pool, base) = counted.moved(&mut dice);
            let price = counted.asked(&pool, get_virtual_priceCall {}.abi_encode());
            assert_eq!(base.virtual_price(), price, "{address} {base:?}");
            for (place, _) in counted.coins.clone() {
                for _ in 0..AMOUNTS {
                    let cut = dice.below(70) as usize;
                    let most = U256::from(base.state().held[place]) * U256::from(10);
                    let amount = ((dice.roll() % most) >> cut).max(U256::ONE);
                    deposits(&mut counted, (&pool, &base), place, amount, &mut tally);
                    let most = U256::from(base.supply()) * U256::from(19) / U256::from(20) + U256::ONE;
                    let shares = ((dice.roll() % most) >> cut).max(U256::ONE);
                    withdrawals(&mut counted, (&pool, &base), place, shares, &mut tally);
                }
            }
        }
        println!("{address}: {STATES} states: {tally:?}");
        let least = STATES as u32 * AMOUNTS as u32 / 2;
        assert!(tally.deposits > least && tally.withdrawals > least, "the states have grown too tame: {tally:?}");
    }
}
