//! Slipstream's own factory and fee modules: clones are found, what tells their fee is watched, and a fee that follows the price is refused.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, U160, U256, hex};
use peregrine::hot::evm::db::Cold;
use peregrine::hot::evm::machine::{ExecuteError, Executed};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::{Amm, Applied, ApplyError};
use peregrine::protocols::uniswap_v3::{Flavour, Pool};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;
use revm::state::AccountInfo;

use crate::common::chain::{Chain, USER};

alloy::sol! {
    function createPool(address tokenA, address tokenB, int24 tickSpacing, uint160 sqrtPriceX96) external returns (address);
    function setSwapFeeModule(address module) external;
    function setCustomFee(address pool, uint24 fee) external;
}

/// Creation code of a contract that answers every call with zero: a voter without a registry, a factory of before that made no pool.
const NOTHING: [u8; 19] = hex!("6960006000526020" "6000f3" "600052600a6016f3");

struct World {
    chain: Chain,
    factory: Address,
    tokens: [Address; 2],
}

impl World {
    fn new() -> Self {
        let mut chain = Chain::new();
        let supply = U256::from(1).abi_encode();
        let mut tokens = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        tokens.sort();
        let nothing = chain.create(NOTHING.to_vec());
        let implementation = chain.deploy(".peregrine/CLPool.json", &[]);
        let factory =
            chain.deploy(".peregrine/CLFactory.json", &(nothing, nothing, implementation).abi_encode_params());
        Self { chain, factory, tokens }
    }

    /// Sends what creates a contract: where that will be nothing is.
    fn pool(&mut self) -> (Address, Executed) {
        let [zero, one] = self.tokens;
        let (spacing, price): (i16, U256) = (1, U256::ONE << 96_usize);
        let call = createPoolCall {
            tokenA: zero,
            tokenB: one,
            tickSpacing: spacing.try_into().expect("24 bits"),
            sqrtPriceX96: price.to::<U160>(),
        };
        loop {
            match self.chain.machine.call(USER, self.factory, call.abi_encode().into()) {
                Err(ExecuteError::Cold(Cold::Account(vacant))) => {
                    self.chain.machine.db_mut().tell_whole_account(vacant, AccountInfo::default());
                }
                Err(error) => panic!("{error}"),
                Ok(looked) => {
                    self.chain.machine.take_back(looked.diff);
                    let made = self.chain.call(self.factory, &call);
                    return (Address::from_slice(&made.result.output().expect("an address")[12..32]), made);
                }
            }
        }
    }

    fn discover(&mut self, pool: Address) -> Option<Pool> {
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        let found = protocols::discover(&mut probe, &mut DiscoveryCache::default(), pool.into(), false);
        match found.expect("no other venue's")? {
            AnyPool::UniswapV3(pool) => Some(pool),
            other => panic!("{other:?}"),
        }
    }

    /// A call of the user's, and what the pool makes of the slots that it changed.
    fn tell(&mut self, pool: &mut Pool, at: Address, call: &impl SolCall) -> Result<Applied, ApplyError> {
        let done = self.chain.call(at, call);
        let changed = done.diff[&at].changed_storage_slots();
        let changed: Vec<_> = changed.map(|(slot, value)| (*slot, value.present_value)).collect();
        assert!(!changed.is_empty());
        pool.apply_slots(at, &changed)
    }
}

#[test]
fn a_clone_is_found_by_its_factorys_log_and_its_fee_followed_from_module_to_module() {
    let mut world = World::new();
    let (address, made) = world.pool();
    let creation = protocols::creation("uniswap_v3").expect("in the registry");
    let topics = protocols::creation_topics("uniswap_v3");
    let named: Vec<_> = made.logs().iter().filter(|log| topics.contains(&log.topics()[0])).collect();
    let named: Vec<_> =
        named.iter().filter_map(|log| (creation.pool)(log.address, log.topics(), &log.data.data)).collect();
    assert_eq!(named, [PoolKey::from(address)]);

    let mut pool = world.discover(address).expect("a pool");
    assert_eq!((pool.flavour(), pool.fee_pips(), pool.tokens()), (Flavour::Slipstream, 100, &world.tokens[..]));
    assert!(!pool.log_fed() && pool.sites().len() == 2, "{:?}", pool.sites());

    let factory = world.factory;
    let module = world.chain.deploy(".peregrine/CustomSwapFeeModule.json", &factory.abi_encode());
    assert_eq!(world.tell(&mut pool, factory, &setSwapFeeModuleCall { module }), Err(ApplyError::Contradiction));
    let mut pool = world.discover(address).expect("a pool");
    assert_eq!((pool.fee_pips(), pool.sites().len()), (100, 3));

    let fee = |fee: u16| setCustomFeeCall { pool: address, fee: fee.try_into().expect("24 bits") };
    assert_eq!(world.tell(&mut pool, module, &fee(700)), Err(ApplyError::Contradiction));
    let mut pool = world.discover(address).expect("a pool");
    assert_eq!(pool.fee_pips(), 700);
    // The module's word for none.
    assert_eq!(world.tell(&mut pool, module, &fee(420)), Err(ApplyError::Contradiction));
    assert_eq!(world.discover(address).expect("a pool").fee_pips(), 0);
}

#[test]
fn a_fee_that_follows_the_price_is_not_ours() {
    let mut world = World::new();
    let (address, _) = world.pool();
    let (scaling, cap) = (U256::from(1_000_000), U256::from(10_000));
    let arguments = (world.factory, scaling, cap, Vec::<Address>::new(), Vec::<U256>::new()).abi_encode_params();
    let module = world.chain.deploy(".peregrine/DynamicSwapFeeModule.json", &arguments);
    let factory = world.factory;
    world.chain.call(factory, &setSwapFeeModuleCall { module });
    assert!(world.discover(address).is_none());
}
