//! `UniswapV2Router02`: every swap function. A path is a list of tokens; each pair is the factory's.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

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
        function swapExactTokensForTokens(uint256 amountIn, uint256 minOut, address[] path, address to, uint256 deadline)
            external;
        function swapTokensForExactTokens(uint256 amountOut, uint256 maxIn, address[] path, address to, uint256 deadline)
            external;
        function swapExactETHForTokens(uint256 minOut, address[] path, address to, uint256 deadline) external payable;
        function swapTokensForExactETH(uint256 amountOut, uint256 maxIn, address[] path, address to, uint256 deadline)
            external;
        function swapExactTokensForETH(uint256 amountIn, uint256 minOut, address[] path, address to, uint256 deadline)
            external;
        function swapETHForExactTokens(uint256 amountOut, address[] path, address to, uint256 deadline)
            external payable;
        function swapExactTokensForTokensSupportingFeeOnTransferTokens(uint256 amountIn, uint256 minOut,
            address[] path, address to, uint256 deadline) external;
        function swapExactETHForTokensSupportingFeeOnTransferTokens(uint256 minOut, address[] path, address to,
            uint256 deadline) external payable;
        function swapExactTokensForETHSupportingFeeOnTransferTokens(uint256 amountIn, uint256 minOut,
            address[] path, address to, uint256 deadline) external;
    }
}

/// Which end of the path is ether to the user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ether {
    None,
    In,
    Out,
}

pub(super) fn decode(
    factory: Maker,
    call: &Call<'_>,
    selector: [u8; 4],
    args: Words<'_>,
    plan: &mut Plan,
) -> Result<(), Unread> {
    let (exact_in, ether) = match selector {
        abi::swapExactTokensForTokensCall::SELECTOR
        | abi::swapExactTokensForTokensSupportingFeeOnTransferTokensCall::SELECTOR => (true, Ether::None),
        abi::swapExactETHForTokensCall::SELECTOR
        | abi::swapExactETHForTokensSupportingFeeOnTransferTokensCall::SELECTOR => (true, Ether::In),
        abi::swapExactTokensForETHCall::SELECTOR
        | abi::swapExactTokensForETHSupportingFeeOnTransferTokensCall::SELECTOR => (true, Ether::Out),
        abi::swapTokensForExactTokensCall::SELECTOR => (false, Ether::None),
        abi::swapTokensForExactETHCall::SELECTOR => (false, Ether::Out),
        abi::swapETHForExactTokensCall::SELECTOR => (false, Ether::In),
        _ => return Err(Unread::Function),
    };
    // The value takes the place of one amount, and all else moves up by a word.
    let head = if ether == Ether::In { 1 } else { 2 };
    let (first, last) = path(factory, args, head, plan).ok_or(Unread::Shape)?;
    let swapped = |index| args.word(index).ok_or(Unread::Shape);
    let (fixed, limit) = match (ether, exact_in) {
        (Ether::In, true) => (call.value, swapped(0)?),
        (Ether::In, false) => (swapped(0)?, call.value),
        _ => (swapped(0)?, swapped(1)?),
    };
    let ends = match ether {
        Ether::None => call.value.is_zero(),
        Ether::In => first == call.wrapped_native,
        Ether::Out => last == call.wrapped_native && call.value.is_zero(),
    };
    if !ends {
        return Err(Unread::Refuses);
    }
    let recipient = args.address(head + 1).ok_or(Unread::Shape)?;
    plan.due(swapped(head + 2)?);
    let amount = if exact_in { Amount::In(fixed) } else { Amount::Out(fixed) };
    plan.trade(0, TradeBounds { amount, limit, price_limit: None, recipient })
}

/// Pushes the hops of the list of tokens that word `index` leads to; says what goes in first and comes out last.
pub(super) fn path(factory: Maker, args: Words<'_>, index: usize, plan: &mut Plan) -> Option<(Address, Address)> {
    let (length, tokens) = args.list(index)?;
    if !(2..=MOST_HOPS + 1).contains(&length) {
        return None;
    }
    let first = tokens.address(0)?;
    let mut token_in = first;
    for place in 1..length {
        let token_out = tokens.address(place)?;
        plan.hops.push(RouterHop::Made { by: factory, fee: 0, token_in, token_out });
        token_in = token_out;
    }
    Some((first, token_in))
}

/// A trade of `SwapRouter02` and of `UniversalRouter`, its path where word `index` leads. Both forecast what must go in, and then
/// swap by the balances that the pairs see.
pub(super) fn trade(
    args: Words<'_>,
    (amount, limit): (Amount, U256),
    (index, recipient): (usize, Address),
    plan: &mut Plan,
) -> Result<(), Unread> {
    let amount = if let Amount::Out(out) = amount { Amount::AtLeast(out) } else { amount };
    let first_hop = plan.hops.len();
    path(Maker::UniswapV2, args, index, plan).ok_or(Unread::Shape)?;
    plan.trade(first_hop, TradeBounds { amount, limit, price_limit: None, recipient })
}
