//! A bank of the toy's own bytecode on a small chain in memory, with three tokens to fill its pools with.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, B256, TxKind, U256, hex};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::{Amm, Leg};
use peregrine::protocols::toy_pool::{Pool, VAULTCall, exchangeCall, fillCall, makeCall, setFeeCall};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;

use crate::common::chain::{Chain, USER};

alloy::sol! {
    /// Of a token.
    function approve(address spender, uint256 amount) external returns (bool);
}

const PLAIN: &str = "@uniswap/v2-core/build/ERC20.json";

/// Creation code of a bank, which creates its vault.
pub fn creation_code() -> Vec<u8> {
    let artifact: serde_json::Value = serde_json::from_str(include_str!("../toy_pool/toy.json")).expect("json");
    hex::decode(artifact["bank"].as_str().expect("a text")).expect("hex")
}

/// The bank.
pub struct Bank {
    pub chain: Chain,
    pub at: Address,
    pub vault: Address,
    /// In order of their addresses.
    pub tokens: [Address; 3],
}

impl Bank {
    pub fn new() -> Self {
        let mut chain = Chain::new();
        let supply = U256::from(1_u128 << 127).abi_encode();
        let tokens = [(); 3].map(|()| chain.deploy(PLAIN, &supply));
        Self::of(chain, tokens)
    }

    /// A bank on a chain where the user holds these tokens.
    pub fn of(mut chain: Chain, mut tokens: [Address; 3]) -> Self {
        tokens.sort_unstable();
        let at = chain.create(creation_code());
        for token in tokens {
            chain.call(token, &approveCall { spender: at, amount: U256::MAX });
        }
        let vault = Address::from_slice(&chain.call(at, &VAULTCall {}).result.output().expect("an answer")[12..]);
        Self { chain, at, vault, tokens }
    }

    /// A pool that is empty.
    pub fn make(&mut self, fee: u32) -> PoolKey {
        let made = self.chain.call(self.at, &makeCall { tokens: self.tokens, fee: U256::from(fee) });
        PoolKey { contract: self.at, id: Some(B256::from_slice(made.result.output().expect("an id"))) }
    }

    pub fn fill(&mut self, key: PoolKey, amounts: [u128; 3]) -> Executed {
        self.chain.call(self.at, &fillCall { id: id(key), amounts: amounts.map(U256::from) })
    }

    pub fn set_fee(&mut self, key: PoolKey, fee: u32) -> Executed {
        self.chain.call(self.at, &setFeeCall { id: id(key), fee: U256::from(fee) })
    }

    pub fn filled(&mut self, fee: u32, reserves: [u128; 3]) -> PoolKey {
        let key = self.make(fee);
        self.fill(key, reserves);
        key
    }

    pub fn keys(&mut self) -> Vec<PoolKey> {
        protocols::keys(&mut EvmProbe::new(&mut self.chain.machine), self.at)
    }

    pub fn discover(&mut self, key: PoolKey) -> Result<Option<AnyPool>, String> {
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, false)
    }

    pub fn pool(&mut self, key: PoolKey) -> Pool {
        let AnyPool::Toy(pool) = self.discover(key).expect("usable").expect("a pool") else { panic!("another's") };
        pool
    }

    /// What the contract would pay. `None`: it reverts.
    pub fn would_pay(&mut self, key: PoolKey, leg: Leg, amount: U256) -> Option<U256> {
        let data = exchange(key, leg, amount).abi_encode();
        let looked = self.chain.machine.call(USER, self.at, data.into()).expect("nothing is unknown");
        let paid = looked.is_success().then(|| U256::from_be_slice(looked.result.output().expect("an answer")));
        self.chain.machine.take_back(looked.diff);
        paid
    }

    /// Whom a swap calls, and with what.
    pub fn exchange_of(&self, key: PoolKey, leg: Leg, amount: U256) -> (Address, Vec<u8>) {
        (self.at, exchange(key, leg, amount).abi_encode())
    }

    pub fn exchange(&mut self, key: PoolKey, leg: Leg, amount: U256) -> Executed {
        self.chain.send(TxKind::Call(self.at), exchange(key, leg, amount).abi_encode(), U256::ZERO)
    }
}

pub fn id(key: PoolKey) -> B256 {
    key.id.expect("a bank's pool has an id")
}

fn exchange(key: PoolKey, leg: Leg, dx: U256) -> exchangeCall {
    let [i, j] = [leg.token_in(), leg.token_out()].map(U256::from);
    exchangeCall { id: id(key), i, j, dx, least: U256::ZERO }
}

/// Both ways between each two tokens.
pub fn legs(pool: &impl Amm) -> Vec<Leg> {
    let tokens = pool.tokens();
    let pairs = tokens.iter().flat_map(|token_in| tokens.iter().map(move |token_out| (*token_in, *token_out)));
    pairs.filter_map(|(token_in, token_out)| pool.leg(token_in, token_out)).collect()
}
