//! A metapool in cycles with pairs of Uniswap's own bytecode: found by the search, run by our contract, agreed with by the EVM to the wei,
//! between its own two coins and through the base pool, each way.

use std::collections::BTreeSet;

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::event::Event;
use peregrine::hot::evm::db::Unknown;
use peregrine::hot::evm::own::Own;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::hot::refused::Refused;
use peregrine::hot::search::Search;
use peregrine::hot::search::sizing::Effort;
use peregrine::hot::simulate::Prover;
use peregrine::hot::state::pools::Pools;
use peregrine::protocols;
use peregrine::protocols::curve_stable::abi;
use peregrine::protocols::discover::{PLAIN_TOKEN, Probe};
use peregrine::protocols::executor::Bid;
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::replay::execute;
use peregrine::types::amount::Wei;
use revm::context::BlockEnv;
use revm::state::{AccountInfo, Bytecode};

use crate::THREE;
use crate::common::chain::{Chain, USER, depositCall, transferCall};
use crate::meta::{COINS, SHARE, SHARED};

alloy::sol! {
    function allow(address coin) external;
}

const ETHER: u128 = 1_000_000_000_000_000_000;
/// Dollars of six decimals that no path goes through.
const OTHERS: [Address; 2] = [Address::repeat_byte(0x61), Address::repeat_byte(0x62)];

/// Wrapped ether, a dollar of the base pool, the metapool's coin and the share, the metapool, and pairs of ether with each of the three.
struct Market {
    chain: Chain,
    tokens: [Address; 4],
    pools: Vec<Address>,
}

/// What somebody has of shares, written down.
fn give_shares(chain: &mut Chain, owner: Address, amount: u128) {
    let question = abi::balanceOfCall { owner }.abi_encode();
    let reads = EvmProbe::new(&mut chain.machine).call_with(USER, SHARE, &question, &[]).reads;
    let slot = reads.last().expect("a slot").1;
    chain.machine.db_mut().tell_slot(SHARE, slot, U256::from(amount));
}

/// The record's chain, with a cheap block and a user who may send.
fn recorded() -> Option<Chain> {
    let record = SHARED.record()?;
    let mut machine = execute::machine(&record);
    let block = BlockEnv { basefee: 7, gas_limit: 30_000_000, ..machine.block().clone() };
    machine.enter(record.fork, block);
    let mut chain = Chain::new();
    let user = chain.machine.db().known_account(USER).cloned().expect("told");
    machine.db_mut().tell_whole_account(USER, user);
    machine.db_mut().set_unknown(Unknown::AssumeEmpty);
    let plain = Bytecode::new_legacy(Bytes::from_static(&PLAIN_TOKEN));
    for (place, coin) in OTHERS.into_iter().enumerate() {
        let code = Some(plain.clone());
        let info = AccountInfo { nonce: 1, code_hash: plain.hash_slow(), code, ..AccountInfo::default() };
        machine.db_mut().tell_whole_account(coin, info);
        machine.db_mut().tell_slot(coin, U256::ZERO, U256::from(6));
        machine.db_mut().tell_slot(THREE.pool, COINS + U256::from(place + 1), coin.into_word().into());
    }
    chain.machine = machine;
    Some(chain)
}

impl Market {
    /// `hundredths`: what a pair asks for the metapool's coin, in hundredths of a dollar.
    fn new(hundredths: u128) -> Option<Self> {
        let mut chain = recorded()?;
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        chain.send(TxKind::Call(weth), depositCall {}.abi_encode(), U256::from(100_000 * ETHER));
        let supply = U256::from(2_000_000_000 * ETHER).abi_encode();
        let [dollar, coin] = [(); 2].map(|()| chain.deploy("@uniswap/v2-core/build/ERC20.json", &supply));
        chain.machine.db_mut().tell_slot(THREE.pool, COINS, dollar.into_word().into());
        chain.call(dollar, &transferCall { to: THREE.pool, amount: U256::from(300_000_000 * ETHER) });
        let rate = U256::from(ETHER);
        let arguments = (coin, SHARE, THREE.pool, rate, U256::from(120)).abi_encode();
        let metapool = chain.deploy(".peregrine/Metapool.json", &arguments);
        chain.call(coin, &transferCall { to: metapool, amount: U256::from(1_000_000 * ETHER) });
        chain.call(metapool, &allowCall { coin: dollar });
        give_shares(&mut chain, metapool, 1_100_000 * ETHER);
        give_shares(&mut chain, USER, 1_000_000 * ETHER);
        let factory = chain.deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &USER.abi_encode());
        let mut pools = vec![metapool];
        for (token, worth) in [(dollar, 100), (coin, hundredths), (SHARE, 102)] {
            let amounts = [400 * ETHER, 40_000_000 * ETHER / worth].map(U256::from);
            pools.push(chain.pair(factory, [weth, token], amounts));
        }
        Some(Self { chain, tokens: [weth, dollar, coin, SHARE], pools })
    }

    /// The same, with the metapool's base pool among the pools.
    fn with_base(mut self) -> Self {
        self.pools.push(THREE.pool);
        self
    }

    fn engine(self) -> Engine {
        let mut machine = self.chain.machine;
        let (mut cache, mut pools) = (DiscoveryCache::default(), Pools::<AnyPool>::default());
        for pool in self.pools {
            let found = protocols::discover(&mut EvmProbe::new(&mut machine), &mut cache, pool.into(), false);
            pools.add(found.expect("usable").expect("a pool")).expect("new");
        }
        let [weth, ..] = self.tokens;
        let own = Own::install(&mut machine, false, weth).expect("the executor");
        let base = pools.intern(weth);
        for token in self.tokens {
            own.mark_balance_slots(&mut machine, token);
        }
        let mut search = Search::new(&[base], 4, Effort::EXACT);
        search.extend(&pools);
        let prover = Prover::new(own, 1, Unknown::AssumeEmpty, Bid::Wei(Wei(U256::ZERO)));
        Engine::new(machine, pools, search, prover, Wei(U256::from(1)))
    }
}

#[test]
fn cycles_through_a_metapool_are_proven_to_the_wei_each_way() {
    let mut seen = BTreeSet::new();
    for hundredths in [80, 90, 110, 125] {
        let Some(market) = Market::new(hundredths) else { return };
        let ([_, dollar, coin, share], metapool) = (market.tokens, market.pools[0]);
        let mut engine = market.engine();
        let outcome = engine.on_event(Event::Head);
        assert!(outcome.rejected.is_empty(), "{hundredths}: {:?}", outcome.rejected);
        for proof in &outcome.proven {
            let path = proof.opportunity().path(engine.pools());
            for hop in path.hops.iter().filter(|hop| hop.pool.contract == metapool) {
                println!("{hundredths}: {:?} for {:?}", hop.token_in, hop.token_out);
                seen.insert((hop.token_in, hop.token_out));
            }
        }
        let way = if hundredths < 100 { [(coin, dollar), (coin, share)] } else { [(dollar, coin), (share, coin)] };
        for way in way {
            assert!(seen.remove(&way), "{hundredths}: {way:?} is not among {seen:?}");
        }
        seen.clear();
    }
}

/// Out of the base pool through the metapool, and on through the base pool itself, which that has moved: it does not end as quoted, and
/// neither of the two is at fault.
#[test]
fn a_metapool_and_its_base_on_one_path_are_not_suspected() {
    let mut failed = 0;
    for hundredths in [80, 125] {
        let Some(market) = Market::new(hundredths) else { return };
        let mut engine = market.with_base().engine();
        for _ in 0..2 {
            let why: Vec<Refused> = engine.on_event(Event::Head).rejected.iter().map(|(_, reason)| *reason).collect();
            assert!(!why.contains(&Refused::Distrusted), "{hundredths}: {why:?}");
            failed += why.iter().filter(|why| matches!(why, Refused::Mismatch | Refused::Reverted)).count();
        }
    }
    assert!(failed > 0, "no path goes through both");
}
