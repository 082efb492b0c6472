//! The tokens of the devnet, what they are worth, and how accounts come to hold them.
//!
//! # Limits
//! All but WETH are solmate's plain ERC-20 (from npm), at the real addresses where there are such: USDC here is not
//! Circle's contract, USDT not Tether's (which returns nothing). Balances and allowances of the cast are written into
//! storage instead of minted one by one; that the slots are the right ones is checked through `balanceOf`.

use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::keccak256;
use serde_json::Value;
use serde_json::json;

use crate::DevnetError;
use crate::abi;
use crate::chain::Chain;
use crate::dice::Dice;
use crate::seed::place::Placement;

const ERC20: &str = "@uniswap/v4-core/out/mocks/MockERC20.sol/MockERC20.json";
/// `totalSupply`, `balanceOf` and `allowance` in that contract; the latter two also in WETH9.
const SLOT_SUPPLY: u8 = 2;
const SLOT_BALANCE: u8 = 3;
const SLOT_ALLOWANCE: u8 = 4;

/// Wrapped ether, at mainnet's address.
pub const WETH: Address = address!("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Name for people.
    pub symbol: &'static str,
    /// The contract.
    pub address: Address,
    /// Decimals of its amounts.
    pub decimals: u8,
    /// What a whole one was worth when the pools were made, in millionths of a dollar.
    pub micro_usd: u64,
}

impl Token {
    /// How much of it so many dollars buy at the opening price, in its smallest unit.
    #[must_use]
    pub fn worth(&self, usd: u64) -> U256 {
        let unit = U256::from(10).pow(U256::from(self.decimals));
        U256::from(usd) * U256::from(1_000_000) * unit / U256::from(self.micro_usd.max(1))
    }
}

/// Symbol, mainnet's address or none, decimals, dollars: an exact number at index 0 to 3, drawn near it for the others.
#[rustfmt::skip]
const TOKENS: [(&str, Option<Address>, u8, u64); 14] = [
    ("WETH", None, 18, 3_000),
    ("USDC", Some(address!("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")), 6, 1),
    ("USDT", Some(address!("0xdAC17F958D2ee523a2206206994597C13D831ec7")), 6, 1),
    ("DAI", Some(address!("0x6B175474E89094C44Da98b954EedeAC495271d0F")), 18, 1),
    ("WBTC", Some(address!("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599")), 8, 60_000),
    ("LINK", Some(address!("0x514910771AF9Ca656af840dff83E8264EcF986CA")), 18, 15),
    ("UNI", Some(address!("0x1f9840a85d5aF5bf1D1762F925BDADdC4201F984")), 18, 8),
    ("AAVE", Some(address!("0x7Fc66500c84A76Ad7e9c93437bFc5Ac33E2DDaE9")), 18, 100),
    ("KEST", None, 18, 4),
    ("HOBB", None, 6, 2),
    ("MERL", None, 8, 700),
    ("SAKR", None, 18, 40),
    ("GYRF", None, 18, 1_500),
    ("LANR", None, 6, 12),
];

/// The tokens of a seed: prices differ, all else is the same. The first is wrapped ether, wherever that is.
pub(super) fn of(dice: &mut Dice, weth: Address) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(TOKENS.len());
    for (place, (symbol, address, decimals, usd)) in TOKENS.into_iter().enumerate() {
        let made_up = || Address::from_slice(&keccak256(format!("peregrine devnet token {symbol}"))[12..]);
        let micro_usd = usd * 1_000_000;
        let micro_usd = if place < 4 { micro_usd } else { dice.magnitude(micro_usd * 3 / 4, micro_usd * 4 / 3) };
        let address = if place == 0 { weth } else { address.unwrap_or_else(made_up) };
        tokens.push(Token { symbol, address, decimals, micro_usd });
    }
    tokens
}

/// Where their contracts go; WETH9 is placed with the protocols.
pub(super) fn placements(tokens: &[Token]) -> Result<Vec<Placement>, DevnetError> {
    let contract = |token: &Token| {
        let arguments = (token.symbol, token.symbol, U256::from(token.decimals)).abi_encode_params();
        Placement::new(token.address, ERC20, &arguments)
    };
    tokens.iter().skip(1).map(contract).collect()
}

/// Who shall hold what, worth so many dollars of each token, and who may spend it without limit.
pub(super) struct Funding {
    pub(super) holder: Address,
    pub(super) usd: u64,
    pub(super) spenders: Vec<Address>,
}

/// Fills the sender funds.
pub(super) async fn fill(chain: &mut Chain, tokens: &[Token], funds: &[Funding]) -> Result<(), DevnetError> {
    let mut writes = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let mut supply = U256::ZERO;
        for funding in funds {
            supply += token.worth(funding.usd);
            writes.extend(held(token, funding));
        }
        if place == 0 {
            // The supply of wrapped ether is the ether it holds.
            chain.endow(&[(token.address, supply)]).await?;
        } else {
            writes.push(json!([token.address, B256::from(U256::from(SLOT_SUPPLY)), B256::from(supply)]));
        }
    }
    chain.rpc.batch::<Value>("anvil_setStorageAt", &writes).await?;
    check(chain, tokens, funds).await
}

/// One more purse, of tokens that are no ether. Their supply is not counted anew: nobody here asks for it.
pub(super) async fn add(chain: &Chain, tokens: &[Token], funding: &Funding) -> Result<(), DevnetError> {
    let writes: Vec<Value> = tokens.iter().flat_map(|token| held(token, funding)).collect();
    chain.rpc.batch::<Value>("anvil_setStorageAt", &writes).await?;
    check(chain, tokens, std::slice::from_ref(funding)).await
}

/// A purse's balance and allowances, as they are written into storage.
fn held(token: &Token, funding: &Funding) -> Vec<Value> {
    let write = |slot: B256, value: U256| json!([token.address, slot, B256::from(value)]);
    let slot = mapping(funding.holder, B256::from(U256::from(SLOT_BALANCE)));
    let allowances = mapping(funding.holder, B256::from(U256::from(SLOT_ALLOWANCE)));
    let allow = |spender: &Address| write(mapping(*spender, allowances), U256::MAX);
    std::iter::once(write(slot, token.worth(funding.usd))).chain(funding.spenders.iter().map(allow)).collect()
}

async fn check(chain: &Chain, tokens: &[Token], funds: &[Funding]) -> Result<(), DevnetError> {
    let Some(funding) = funds.last() else { return Ok(()) };
    let call = abi::balanceOfCall { owner: funding.holder }.abi_encode();
    let calls: Vec<_> = tokens.iter().map(|token| (token.address, call.clone())).collect();
    for (token, answer) in tokens.iter().zip(chain.ask(&calls).await?) {
        if U256::try_from_be_slice(&answer) != Some(token.worth(funding.usd)) {
            return Err(DevnetError::Layout(token.symbol));
        }
    }
    Ok(())
}

/// Slot of a mapping's value.
fn mapping(key: Address, slot: B256) -> B256 {
    keccak256([key.into_word(), slot].concat())
}
