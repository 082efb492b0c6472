//! Who deploys a market of Aave's published contracts: what V2 and V3 are alike in.

use crate::aave_drive::Asset;
use crate::market_evm::ADMIN;
use crate::market_evm::Chain;
use crate::market_evm::creation_code;
use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::U256;

alloy::sol! {
    function getReserveTokensAddresses(address asset) external view returns (address receipt, address stable, address variable);
}

/// What the packages call their tokens that anyone may mint.
const TOKEN: &str = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20.json";

pub struct Deployer {
    pub chain: Chain,
    pub provider: Address,
    pub configurator: Address,
    /// The npm package with the artifacts.
    package: &'static str,
}

impl Deployer {
    pub fn new(package: &'static str) -> Self {
        Self { chain: Chain::new(), provider: Address::ZERO, configurator: Address::ZERO, package }
    }

    pub fn create(&mut self, path: &str, args: &[u8], links: &[(&str, Address)]) -> Address {
        let name = path.rsplit('/').next().unwrap_or_default();
        let artifact = format!("{}/artifacts/contracts/{path}.sol/{name}.json", self.package);
        self.chain.create(creation_code(&artifact, links), args)
    }

    #[track_caller]
    pub fn provide(&mut self, call: &impl SolCall) {
        self.chain.send(ADMIN, self.provider, call).expect("the provider takes it");
    }

    #[track_caller]
    pub fn configure(&mut self, call: &impl SolCall) {
        self.chain.send(ADMIN, self.configurator, call).expect("the configurator takes it");
    }

    pub fn address(&mut self, call: &impl SolCall) -> Address {
        Address::from_slice(&self.chain.look(self.provider, call).expect("an address").output[12..32])
    }

    /// Tokens with their feeds: of so many decimals, at this price.
    pub fn tokens(&mut self, plans: impl Iterator<Item = (u8, u64)>) -> Vec<(Address, Address)> {
        let mut tokens = Vec::new();
        for (index, (decimals, price)) in plans.enumerate() {
            let args = ("Token".to_owned(), "TKN".to_owned(), U256::from(decimals)).abi_encode_params();
            let token = self.chain.create(creation_code(TOKEN, &[]), &args);
            let feed = Address::left_padding_from(&[0xfe, 0xed, index as u8]);
            tokens.push((token, self.chain.feed(feed, U256::from(price))));
        }
        tokens
    }

    /// The listed tokens, with their receipts as the market's data provider names them.
    pub fn assets(
        &mut self,
        data: Address,
        tokens: &[(Address, Address)],
        decimals: impl Iterator<Item = u8>,
    ) -> Vec<Asset> {
        let mut assets = Vec::new();
        for ((token, feed), decimals) in tokens.iter().copied().zip(decimals) {
            let answer = self.chain.look(data, &getReserveTokensAddressesCall { asset: token }).expect("tokens");
            assets.push(Asset { token, receipt: Address::from_slice(&answer.output[12..32]), decimals, feed });
        }
        assets
    }
}
