//! Contracts whose calls are known, and need no row: how they are told, and what they are asked and told.
//!
//! To add one: a function here, and its name in [`KNOWN`].
//!
//! # Limits
//! - Of two tokens only: each further one is sampled with all others, both ways, whenever the pool moves. A row may say more.

use alloy::sol;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, I256, U256, address};

use crate::discover::{Described, Probe, asked};

sol! {
    function getTokens() external view returns (address[] memory);
}

mod unsigned {
    alloy::sol! {
        function coins(uint256 place) external view returns (address);
        function get_dy(uint256 i, uint256 j, uint256 dx) external view returns (uint256);
    }
}

mod signed {
    alloy::sol! {
        function coins(int128 place) external view returns (address);
        function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256);
    }
}

/// How a pool of Curve's names ether among its coins.
const CURVE_ETHER: Address = address!("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");

/// What a pool of Curve's is asked for to see by what its coins are numbered: small in any coin's decimals.
const LITTLE: u64 = 1_000_000;

/// A kind of contract: what is known of one, if it is of this kind.
type Kind = fn(&mut dyn Ask, Address) -> Result<Option<Described>, String>;

/// All kinds.
const KNOWN: &[Kind] = &[mooniswap, curve];

/// A question that is answered by a contract, if all that it needs is known.
trait Ask {
    fn ask(&mut self, to: Address, data: &[u8]) -> Result<Option<Vec<u8>>, String>;
}

impl<P: Probe> Ask for P {
    fn ask(&mut self, to: Address, data: &[u8]) -> Result<Option<Vec<u8>>, String> {
        asked(self, to, data).map(|answer| answer.output)
    }
}

/// What is known of a contract.
pub(super) fn described(probe: &mut impl Probe, contract: Address) -> Result<Option<Described>, String> {
    for kind in KNOWN {
        if let Some(row) = kind(probe, contract)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn row(tokens: Vec<Address>, [quote, swap]: [String; 2], ether: Address) -> Described {
    let ether = tokens.contains(&ether).then_some(ether);
    Described { tokens, quote, swap, quote_back: None, swap_back: None, quoter: None, ether }
}

/// Mooniswap, which 1inch's liquidity protocol is too: what a trade leaves comes to its price within five minutes, so that this moves with
/// time. <https://github.com/1inch/mooniswap>
fn mooniswap(probe: &mut dyn Ask, contract: Address) -> Result<Option<Described>, String> {
    let said = probe.ask(contract, &getTokensCall {}.abi_encode())?;
    let tokens = said.and_then(|said| getTokensCall::abi_decode_returns_validate(&said).ok());
    let Some(tokens) = tokens.filter(|tokens| tokens.len() == 2) else { return Ok(None) };
    let quote = "getReturn(address token_in, address token_out, uint256 amount_in)".to_owned();
    let swap =
        format!("swap(address token_in, address token_out, uint256 amount_in, uint256 0, address {})", Address::ZERO);
    Ok(Some(row(tokens, [quote, swap], Address::ZERO)))
}

/// Curve's, whatever its kind: what its own maths is not known of. <https://docs.curve.finance>
fn curve(probe: &mut dyn Ask, contract: Address) -> Result<Option<Described>, String> {
    let mut coins = Vec::new();
    for place in 0..3_u64 {
        let unsigned = unsigned::coinsCall { place: U256::from(place) }.abi_encode();
        let signed = signed::coinsCall { place: place.into() }.abi_encode();
        let coin = match named(probe, contract, &unsigned)? {
            None => named(probe, contract, &signed)?,
            coin => coin,
        };
        coins.extend(coin);
    }
    if coins.len() != 2 {
        return Ok(None);
    }
    let amount = U256::from(LITTLE);
    let signed = signed::get_dyCall { i: 0, j: 1, dx: amount }.abi_encode();
    let unsigned = unsigned::get_dyCall { i: U256::ZERO, j: U256::from(1), dx: amount }.abi_encode();
    let index = match (answers(probe, contract, &signed)?, answers(probe, contract, &unsigned)?) {
        (true, _) => "int128",
        (false, true) => "uint256",
        (false, false) => return Ok(None),
    };
    let arguments = format!("({index} index_in, {index} index_out, uint256 amount_in");
    Ok(Some(row(coins, [format!("get_dy{arguments})"), format!("exchange{arguments}, uint256 0)")], CURVE_ETHER)))
}

/// The address that is answered, if it is one and not nobody's.
fn named(probe: &mut dyn Ask, contract: Address, data: &[u8]) -> Result<Option<Address>, String> {
    let said = probe.ask(contract, data)?.filter(|said| said.len() == 32);
    let word = said.map(|said| U256::from_be_slice(&said)).filter(|word| *word >> 160 == U256::ZERO && !word.is_zero());
    Ok(word.map(|word| Address::from_word(word.into())))
}

fn answers(probe: &mut dyn Ask, contract: Address, data: &[u8]) -> Result<bool, String> {
    let said = probe.ask(contract, data)?;
    // More than a word's sign would show: a contract that answers anything answers with all bits.
    let amount = |said: Vec<u8>| I256::try_from_be_slice(&said).is_some_and(|amount| !amount.is_negative());
    Ok(said.is_some_and(amount))
}
