//! A token and vaults of every kind on a small chain in memory.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, U256, address, keccak256};
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::{Amm, Leg};
use peregrine::protocols::discover::{Probe, plain_balance_slot};
use peregrine::protocols::erc4626::{Place, Pool, State};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use revm::state::AccountInfo;

use crate::common::chain::{Chain, USER, transferCall};

alloy::sol! {
    function approve(address spender, uint256 amount) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
    function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets);
    function limit(uint256 each, uint256 cap, uint256 share) external;
    function pause(bool to) external;
    function stream(uint256 perSecond) external;
    function earn(uint256 assets) external;
}

/// Who swaps on a stage.
const SWAPPER: Address = address!("0x000000000000000000000000000000005ca1ab1e");
/// What has eighteen decimals.
pub const ETHER: u128 = 1_000_000_000_000_000_000;

pub struct World {
    pub chain: Chain,
    pub asset: Address,
}

impl World {
    /// The user has a great many of the token.
    pub fn new() -> Self {
        let mut chain = Chain::new();
        let asset = chain.deploy("@uniswap/v2-core/build/ERC20.json", &(U256::ONE << 200_usize).abi_encode());
        chain.machine.db_mut().tell_whole_account(SWAPPER, AccountInfo::default());
        Self { chain, asset }
    }

    /// Any vault of the token by its code's name, which may take all that the user has.
    pub fn vault(&mut self, name: &str) -> Address {
        let asset = self.asset;
        let arguments = match name {
            "SolmateVault" => (asset, "a vault".to_owned(), "V".to_owned()).abi_encode_params(),
            _ => asset.abi_encode(),
        };
        self.made(name, &arguments)
    }

    /// One with other arguments.
    pub fn made(&mut self, name: &str, arguments: &[u8]) -> Address {
        let vault = self.chain.deploy(&format!(".peregrine/{name}.json"), arguments);
        self.chain.call(self.asset, &approveCall { spender: vault, amount: U256::MAX });
        vault
    }

    /// One of OpenZeppelin's whose shares have so many decimals more.
    pub fn offset(&mut self, offset: u8) -> Address {
        let arguments = (self.asset, U256::from(offset)).abi_encode_params();
        self.made("OffsetVault", &arguments)
    }

    /// The vaults that are taken: each code with its name.
    pub fn all(&mut self) -> Vec<(String, Address)> {
        let mut all: Vec<_> = ["SolmateVault", "ERC4626Mock", "ManagedVault", "LimitedVault"]
            .map(|name| (name.to_owned(), self.vault(name)))
            .into();
        all.extend([0, 6, 12].map(|offset| (format!("OffsetVault {offset}"), self.offset(offset))));
        all
    }

    /// With somebody's assets in it.
    pub fn filled(&mut self, vault: Address, assets: u128) {
        self.chain.call(vault, &depositCall { assets: U256::from(assets), receiver: USER });
    }

    /// The user gives it tokens.
    pub fn gift(&mut self, vault: Address, amount: u128) {
        self.chain.call(self.asset, &transferCall { to: vault, amount: U256::from(amount) });
    }

    pub fn discover(&mut self, vault: Address) -> Result<Option<AnyPool>, String> {
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        protocols::discover(&mut probe, &mut DiscoveryCache::default(), vault.into(), false)
    }

    pub fn found(&mut self, vault: Address) -> Pool {
        let AnyPool::Erc4626(pool) = self.discover(vault).expect("usable").expect("a vault") else {
            panic!("another's")
        };
        pool
    }

    /// Where the shares of the one on the stage lie: the mapping's slot is told by what the getter reads.
    pub fn share_slot(&mut self, vault: Address) -> Place {
        let data = balanceOfCall { owner: SWAPPER }.abi_encode();
        let reads = EvmProbe::new(&mut self.chain.machine).call_with(SWAPPER, vault, &data, &[]).reads;
        let (at, slot) = *reads.last().expect("a slot");
        let mapped = |base: u64| U256::from_be_bytes(keccak256((SWAPPER, U256::from(base)).abi_encode()).0);
        assert!((0..8).any(|base| mapped(base) == slot), "a mapping's");
        Place { at, slot }
    }

    /// What the vault's own code says that it has paid, in a state and between plain tokens. `None`: it reverts.
    pub fn paid(&mut self, pool: &Pool, shares: Place, leg: Leg, amount: U256) -> Option<U256> {
        let [asset, vault] = pool.terms().tokens;
        let State { supply, assets } = pool.state();
        let mut overrides = written(pool);
        overrides.push((asset, plain_balance_slot(vault), U256::from(assets)));
        overrides.push((asset, plain_balance_slot(SWAPPER), U256::MAX >> 1));
        overrides.push((shares.at, shares.slot, U256::from(supply)));
        let data = if leg.token_in() == 0 {
            depositCall { assets: amount, receiver: SWAPPER }.abi_encode()
        } else {
            redeemCall { shares: amount, receiver: SWAPPER, owner: SWAPPER }.abi_encode()
        };
        EvmProbe::new(&mut self.chain.machine).call_staged(SWAPPER, vault, &data, &overrides, &[asset]).word(0)
    }

    /// A transaction of the user's, if it succeeds.
    pub fn attempt(&mut self, to: Address, data: Vec<u8>) -> Option<Executed> {
        let done = self.chain.machine.call(USER, to, data.into()).expect("nothing is unknown");
        if !done.is_success() {
            self.chain.machine.take_back(done.diff);
            return None;
        }
        self.chain.machine.commit(done.diff.clone());
        Some(done)
    }

    pub fn balance(&mut self, token: Address, owner: Address) -> U256 {
        let data = balanceOfCall { owner }.abi_encode();
        EvmProbe::new(&mut self.chain.machine).call(token, &data).word(0).expect("a token")
    }
}

/// The slots of a vault's two numbers.
pub fn written(pool: &Pool) -> Vec<(Address, U256, U256)> {
    let (terms, State { supply, assets }) = (pool.terms(), pool.state());
    let word = |place: Place, number: u128| (place.at, place.slot, U256::from(number));
    vec![word(terms.supply, supply), word(terms.assets, assets)]
}

/// The vault as it would stand so.
pub fn put(pool: &Pool, state: State) -> Pool {
    let (mut there, terms) = (pool.clone(), pool.terms());
    there.apply_slots(terms.supply.at, &[(terms.supply.slot, U256::from(state.supply))]).expect("a supply");
    there.apply_slots(terms.assets.at, &[(terms.assets.slot, U256::from(state.assets))]).expect("assets");
    there
}

/// Deposit, then redemption.
pub fn legs(pool: &Pool) -> [Leg; 2] {
    let [asset, vault] = pool.terms().tokens;
    [(asset, vault), (vault, asset)].map(|(token_in, token_out)| pool.leg(token_in, token_out).expect("its tokens"))
}
