//! The factory on a small chain in memory, and pools of both kinds.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use peregrine::hot::evm::db::Cold;
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::{ExecuteError, Executed};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::discover::{Probe, plain_balance_slot};
use peregrine::protocols::solidly::{Pool, abi};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use revm::state::AccountInfo;

use crate::common::chain::{Chain, USER, transferCall};

alloy::sol! {
    function createPool(address tokenA, address tokenB, bool stable) external returns (address pool);
    function getPool(address tokenA, address tokenB, bool stable) external view returns (address);
    function setFee(bool stable, uint256 fee) external;
    function setCustomFee(address pool, uint256 fee) external;
    function setPauseState(bool paused) external;
    function mint(address to) external returns (uint256 liquidity);
    function burn(address to) external returns (uint256 amount0, uint256 amount1);
    function skim(address to) external;
    function sync() external;
    function claimFees() external returns (uint256, uint256);
    function decimals() external view returns (uint8);
    function balanceOf(address owner) external view returns (uint256);
}

mod supply {
    alloy::sol! {
        function mint(uint256 amount) external returns (bool);
    }
}

/// Who swaps on a stage.
const SWAPPER: Address = USER;
/// What has eighteen decimals.
pub const ETHER: u128 = 1_000_000_000_000_000_000;

pub struct World {
    pub chain: Chain,
    pub factory: Address,
    /// In order of their addresses.
    pub tokens: Vec<Address>,
    pub made: Vec<Log>,
}

impl World {
    /// Tokens of these decimals, in whatever order.
    pub fn new(decimals: &[u8]) -> Self {
        let mut chain = Chain::new();
        let mintable = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20.json";
        let token = |decimals: &u8| {
            chain.deploy(mintable, &("a token".to_owned(), "T".to_owned(), U256::from(*decimals)).abi_encode_params())
        };
        let tokens: Vec<Address> = decimals.iter().map(token).collect();
        for token in &tokens {
            chain.call(*token, &supply::mintCall { amount: U256::from(1_u128 << 125) });
        }
        Self::on(chain, tokens)
    }

    /// On a chain where these tokens are, and the user has enough of each.
    pub fn on(mut chain: Chain, mut tokens: Vec<Address>) -> Self {
        tokens.sort_unstable();
        let implementation = chain.deploy(".peregrine/SolidlyPool.json", &[]);
        let factory = chain.deploy(".peregrine/SolidlyFactory.json", &implementation.abi_encode());
        Self { chain, factory, tokens, made: Vec::new() }
    }

    /// Sends what may create contracts: where they will be nothing is.
    pub fn creating(&mut self, to: Address, call: &impl SolCall) -> Executed {
        loop {
            match self.chain.machine.call(USER, to, call.abi_encode().into()) {
                Err(ExecuteError::Cold(Cold::Account(vacant))) => {
                    self.chain.machine.db_mut().tell_whole_account(vacant, AccountInfo::default());
                }
                Err(error) => panic!("{error}"),
                Ok(looked) => {
                    self.chain.machine.take_back(looked.diff);
                    return self.chain.call(to, call);
                }
            }
        }
    }

    /// A pool of two tokens; it is empty.
    pub fn pool(&mut self, [a, b]: [usize; 2], stable: bool) -> Address {
        let (factory, [a, b]) = (self.factory, [self.tokens[a], self.tokens[b]]);
        self.made = self.creating(factory, &createPoolCall { tokenA: a, tokenB: b, stable }).logs().to_vec();
        let word = self.look(factory, &getPoolCall { tokenA: a, tokenB: b, stable }).expect("made");
        Address::from_word(word.into())
    }

    /// With its first liquidity.
    pub fn filled(&mut self, places: [usize; 2], stable: bool, amounts: [u128; 2]) -> Address {
        let pool = self.pool(places, stable);
        self.fill(pool, places, amounts);
        pool
    }

    pub fn fill(&mut self, pool: Address, places: [usize; 2], amounts: [u128; 2]) {
        for (place, amount) in places.into_iter().zip(amounts) {
            self.pay(pool, self.tokens[place], amount);
        }
        self.chain.call(pool, &mintCall { to: USER });
    }

    /// The user sends it tokens.
    pub fn pay(&mut self, pool: Address, token: Address, amount: u128) {
        self.chain.call(token, &transferCall { to: pool, amount: U256::from(amount) });
    }

    /// A transaction of the user's, if it succeeds.
    pub fn attempt(&mut self, to: Address, call: &impl SolCall) -> Option<Executed> {
        let looked = self.chain.machine.call(USER, to, call.abi_encode().into()).expect("nothing is unknown");
        let succeeds = looked.is_success();
        self.chain.machine.take_back(looked.diff);
        succeeds.then(|| self.chain.call(to, call))
    }

    /// The first word of an answer. `None`: it reverts.
    pub fn look(&mut self, to: Address, call: &impl SolCall) -> Option<U256> {
        let looked = self.chain.machine.call(USER, to, call.abi_encode().into()).expect("nothing is unknown");
        let word = looked.is_success().then(|| U256::from_be_slice(&looked.result.output().expect("an answer")[..32]));
        self.chain.machine.take_back(looked.diff);
        word
    }

    pub fn discover(&mut self, pool: Address) -> Result<Option<AnyPool>, String> {
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        protocols::discover(&mut probe, &mut DiscoveryCache::default(), pool.into(), false)
    }

    pub fn found(&mut self, pool: Address) -> Pool {
        let AnyPool::Solidly(pool) = self.discover(pool).expect("usable").expect("a pool") else { panic!("another's") };
        pool
    }

    /// Units of a whole token.
    pub fn unit(&mut self, place: usize) -> u128 {
        let token = self.tokens[place];
        let decimals = self.look(token, &decimalsCall {}).expect("a token");
        10u128.pow(decimals.to())
    }

    /// The next block is built, so many seconds later.
    pub fn pass(&mut self, seconds: u64) {
        let mut block = self.chain.machine.block().clone();
        block.number += U256::ONE;
        block.timestamp += U256::from(seconds);
        let fork = Fork::of(&peregrine::chain::MAINNET, block.number.to(), block.timestamp.to()).expect("a fork");
        self.chain.machine.enter(fork, block);
    }

    /// Does the pool's own `swap`, in the state of `pool` and between plain tokens, pay `y` for `x`?
    pub fn pays(&mut self, pool: &Pool, token_in: usize, x: u128, y: u128) -> bool {
        let tokens = pool.terms().tokens;
        let mut overrides = written(pool);
        for (place, (token, held)) in tokens.into_iter().zip(pool.state()).enumerate() {
            let more = if place == token_in { U256::from(x) } else { U256::ZERO };
            overrides.push((token, plain_balance_slot(pool.terms().address), U256::from(held) + more));
        }
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        let data = swap(token_in, y).abi_encode();
        probe.call_staged(SWAPPER, pool.terms().address, &data, &overrides, &tokens).output.is_some()
    }

    /// What the pool's own `getAmountOut` answers in the state of `pool`. `None`: it reverts.
    pub fn says(&mut self, pool: &Pool, token_in: usize, x: u128) -> Option<U256> {
        let data = abi::getAmountOutCall { amountIn: U256::from(x), tokenIn: pool.terms().tokens[token_in] };
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        probe.call_with(SWAPPER, pool.terms().address, &data.abi_encode(), &written(pool)).word(0)
    }

    pub fn swap(&mut self, pool: &Pool, token_in: usize, x: u128, y: u128) -> Executed {
        self.pay(pool.terms().address, pool.terms().tokens[token_in], x);
        self.chain.send(TxKind::Call(pool.terms().address), swap(token_in, y).abi_encode(), U256::ZERO)
    }
}

/// The slots of a pool's reserves.
fn written(pool: &Pool) -> Vec<(Address, U256, U256)> {
    let slots = pool.terms().slots.into_iter().zip(pool.state());
    slots.map(|(slot, reserve)| (pool.terms().address, slot, U256::from(reserve))).collect()
}

pub fn swap(token_in: usize, y: u128) -> abi::swapCall {
    let mut out = [U256::ZERO; 2];
    out[1 - token_in] = U256::from(y);
    abi::swapCall { amount0Out: out[0], amount1Out: out[1], to: SWAPPER, data: Bytes::new() }
}
