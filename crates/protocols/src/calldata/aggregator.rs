//! Aggregators, where the whole path stands in the call: 1inch's packed pools, 0x's list of tokens.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::calldata::Amount;
use crate::calldata::Call;
use crate::calldata::MOST_HOPS;
use crate::calldata::Maker;
use crate::calldata::Plan;
use crate::calldata::RouterHop;
use crate::calldata::TradeBounds;
use crate::calldata::Unread;
use crate::calldata::words::Words;

pub(super) mod abi {
    alloy::sol! {
        function unoswap(address token, uint256 amount, uint256 least, uint256[] pools) external payable;
        function uniswapV3Swap(uint256 amount, uint256 least, uint256[] pools) external payable;
        function sellToUniswap(address[] tokens, uint256 amount, uint256 least, bool sushi) external payable;
    }
}

/// The same with the pools as `bytes32`, in V4.
pub(super) mod four {
    alloy::sol! {
        function unoswap(address token, uint256 amount, uint256 least, bytes32[] pools) external payable;
    }
}

/// Ether, as aggregators name it.
const ETHER: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");
/// The second token goes in, in 1inch's word for a pool.
const ONE_FOR_ZERO: usize = 255;

pub(super) fn one_inch(call: &Call<'_>, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<(), Unread> {
    let (head, pairs) = match selector {
        abi::unoswapCall::SELECTOR | four::unoswapCall::SELECTOR => (1, true),
        abi::uniswapV3SwapCall::SELECTOR => (0, false),
        _ => return Err(Unread::Function),
    };
    let word = |index: usize| args.word(index).ok_or(Unread::Shape);
    let (length, pools) = args.list(head + 2).ok_or(Unread::Shape)?;
    for index in 0..length.min(MOST_HOPS + 1) {
        let packed = pools.word(index).ok_or(Unread::Shape)?;
        let pool = Address::from_word(B256::from(packed & (U256::MAX >> 96)));
        // A pair's word says what reaches the curve, in 32 bits above the address.
        let keeps = pairs.then(|| (packed >> 160usize).as_limbs()[0] as u32);
        plan.hops.push(RouterHop::At { pool, first_in: !packed.bit(ONE_FOR_ZERO), keeps });
    }
    let amount = word(head)?;
    if !call.value.is_zero() && call.value != amount {
        return Err(Unread::Refuses);
    }
    let limit = word(head + 1)?;
    plan.trade(0, TradeBounds { amount: Amount::In(amount), limit, price_limit: None, recipient: call.from })
}

pub(super) fn zero_ex(call: &Call<'_>, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<(), Unread> {
    if selector != abi::sellToUniswapCall::SELECTOR {
        return Err(Unread::Function);
    }
    let word = |index: usize| args.word(index).ok_or(Unread::Shape);
    let (length, tokens) = args.list(0).ok_or(Unread::Shape)?;
    let sushi = word(3)?;
    if !(2..=MOST_HOPS + 1).contains(&length) || sushi > U256::ONE {
        return Err(Unread::Shape);
    }
    let by = if sushi.is_zero() { Maker::UniswapV2 } else { Maker::Sushi };
    let token = |index: usize| {
        let token = tokens.address(index).ok_or(Unread::Shape)?;
        Ok(if token == ETHER { call.wrapped_native } else { token })
    };
    for index in 1..length {
        plan.hops.push(RouterHop::Made { by, fee: 0, token_in: token(index - 1)?, token_out: token(index)? });
    }
    let (amount, limit) = (Amount::In(word(1)?), word(2)?);
    plan.trade(0, TradeBounds { amount, limit, price_limit: None, recipient: call.from })
}
