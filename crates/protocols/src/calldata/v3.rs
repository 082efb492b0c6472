//! `SwapRouter` and `SwapRouter02`: V3's four ways to swap, `multicall` one deep, and the calls beside them that move no pool.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::calldata::Amount;
use crate::calldata::Call;
use crate::calldata::MOST_HOPS;
use crate::calldata::Maker;
use crate::calldata::Plan;
use crate::calldata::Router;
use crate::calldata::RouterHop;
use crate::calldata::TradeBounds;
use crate::calldata::Unread;
use crate::calldata::v2;
use crate::calldata::words::Words;

pub(super) mod abi {
    alloy::sol! {
        struct InSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
            uint256 amountIn; uint256 minOut; uint160 limit; }
        function exactInputSingle(InSingle params) external payable;
        struct OutSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
            uint256 amountOut; uint256 maxIn; uint160 limit; }
        function exactOutputSingle(OutSingle params) external payable;
        struct In { bytes path; address recipient; uint256 deadline; uint256 amountIn; uint256 minOut; }
        function exactInput(In params) external payable;
        struct Out { bytes path; address recipient; uint256 deadline; uint256 amountOut; uint256 maxIn; }
        function exactOutput(Out params) external payable;
        function multicall(bytes[] data) external payable;
        function unwrapWETH9(uint256 least, address recipient) external payable;
        function sweepToken(address token, uint256 least, address recipient) external payable;
        function refundETH() external payable;
        function selfPermit(address token, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
            external payable;
        function selfPermitIfNecessary(address token, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
            external payable;
        function selfPermitAllowed(address token, uint256 nonce, uint256 expiry, uint8 v, bytes32 r, bytes32 s)
            external payable;
        function selfPermitAllowedIfNecessary(address token, uint256 nonce, uint256 expiry, uint8 v, bytes32 r,
            bytes32 s) external payable;
    }
}

/// What `SwapRouter02` has in another form.
pub(super) mod both {
    alloy::sol! {
        struct InSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 amountIn;
            uint256 minOut; uint160 limit; }
        function exactInputSingle(InSingle params) external payable;
        struct OutSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 amountOut;
            uint256 maxIn; uint160 limit; }
        function exactOutputSingle(OutSingle params) external payable;
        struct In { bytes path; address recipient; uint256 amountIn; uint256 minOut; }
        function exactInput(In params) external payable;
        struct Out { bytes path; address recipient; uint256 amountOut; uint256 maxIn; }
        function exactOutput(Out params) external payable;
        function swapExactTokensForTokens(uint256 amountIn, uint256 minOut, address[] path, address to)
            external payable;
        function swapTokensForExactTokens(uint256 amountOut, uint256 maxIn, address[] path, address to)
            external payable;
        function wrapETH(uint256 value) external payable;
    }
}

/// `multicall` with something before the list, and what pays out to the sender.
pub(super) mod due {
    alloy::sol! {
        function multicall(uint256 deadline, bytes[] data) external payable;
        function unwrapWETH9(uint256 least) external payable;
        function sweepToken(address token, uint256 least) external payable;
    }
}

/// A router and who called it, as far as recipients depend on it.
struct CallContext<'a> {
    router: &'a Router,
    call: &'a Call<'a>,
    /// Of `SwapRouter02`: no deadlines, and names for the sender and itself.
    both: bool,
}

/// Of `SwapRouter`.
pub(super) fn decode(
    router: &Router,
    call: &Call<'_>,
    (selector, args): ([u8; 4], Words<'_>),
    plan: &mut Plan,
) -> Result<(), Unread> {
    CallContext { router, call, both: false }.outer(selector, args, plan)
}

/// Of `SwapRouter02`.
pub(super) fn decode_both(
    router: &Router,
    call: &Call<'_>,
    (selector, args): ([u8; 4], Words<'_>),
    plan: &mut Plan,
) -> Result<(), Unread> {
    CallContext { router, call, both: true }.outer(selector, args, plan)
}

impl CallContext<'_> {
    fn outer(&self, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<(), Unread> {
        let list = match selector {
            abi::multicallCall::SELECTOR => 0,
            due::multicallCall::SELECTOR if self.both => {
                plan.due(args.word(0).ok_or(Unread::Shape)?);
                1
            }
            _ => return self.inner(selector, args, plan),
        };
        let (length, calls) = args.list(list).ok_or(Unread::Shape)?;
        for index in 0..length {
            let data = calls.bytes(index).ok_or(Unread::Shape)?;
            let (selector, rest) = data.split_first_chunk::<4>().ok_or(Unread::Function)?;
            plan.mix(selector);
            self.inner(*selector, Words::new(rest), plan)?;
        }
        Ok(())
    }

    fn inner(&self, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<(), Unread> {
        if self.swap(selector, args, plan)? || self.pay_out(selector, args, plan)? {
            return Ok(());
        }
        match selector {
            abi::refundETHCall::SELECTOR
            | abi::selfPermitCall::SELECTOR
            | abi::selfPermitIfNecessaryCall::SELECTOR
            | abi::selfPermitAllowedCall::SELECTOR
            | abi::selfPermitAllowedIfNecessaryCall::SELECTOR
            | both::wrapETHCall::SELECTOR => Ok(()),
            _ => Err(Unread::Function),
        }
    }

    fn swap(&self, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<bool, Unread> {
        let (single, exact_in) = match selector {
            abi::exactInputSingleCall::SELECTOR if !self.both => (true, true),
            abi::exactOutputSingleCall::SELECTOR if !self.both => (true, false),
            abi::exactInputCall::SELECTOR if !self.both => (false, true),
            abi::exactOutputCall::SELECTOR if !self.both => (false, false),
            both::exactInputSingleCall::SELECTOR if self.both => (true, true),
            both::exactOutputSingleCall::SELECTOR if self.both => (true, false),
            both::exactInputCall::SELECTOR if self.both => (false, true),
            both::exactOutputCall::SELECTOR if self.both => (false, false),
            both::swapExactTokensForTokensCall::SELECTOR if self.both => return self.pairs(true, args, plan),
            both::swapTokensForExactTokensCall::SELECTOR if self.both => return self.pairs(false, args, plan),
            _ => return Ok(false),
        };
        let tuple = if single { args } else { args.tail(0).ok_or(Unread::Shape)? };
        let first_hop = plan.hops.len();
        let recipient = if single {
            plan.hops.push(one_hop(tuple).ok_or(Unread::Shape)?);
            3
        } else {
            path(tuple.bytes(0).ok_or(Unread::Shape)?, !exact_in, plan)?;
            1
        };
        let word = |index: usize| tuple.word(index).ok_or(Unread::Shape);
        let mut next = recipient + 1;
        if !self.both {
            plan.due(word(next)?);
            next += 1;
        }
        let amount = self.amount(exact_in, word(next)?)?;
        let limit = word(next + 1)?;
        let price_limit = if single { Some(word(next + 2)?).filter(|limit| !limit.is_zero()) } else { None };
        let recipient = self.recipient(tuple.address(recipient).ok_or(Unread::Shape)?);
        plan.trade(first_hop, TradeBounds { amount, limit, price_limit, recipient })?;
        Ok(true)
    }

    fn pairs(&self, exact_in: bool, args: Words<'_>, plan: &mut Plan) -> Result<bool, Unread> {
        let word = |index: usize| args.word(index).ok_or(Unread::Shape);
        let amount = self.amount(exact_in, word(0)?)?;
        let recipient = self.recipient(args.address(3).ok_or(Unread::Shape)?);
        v2::trade(args, (amount, word(1)?), (2, recipient), plan)?;
        Ok(true)
    }

    fn amount(&self, exact_in: bool, word: U256) -> Result<Amount, Unread> {
        match exact_in {
            // `Constants.CONTRACT_BALANCE` of SwapRouter02.
            true if self.both && word.is_zero() => Err(Unread::Balance),
            true => Ok(Amount::In(word)),
            false => Ok(Amount::Out(word)),
        }
    }

    fn recipient(&self, named: Address) -> Address {
        let small = |number: u64| named == Address::from_word(U256::from(number).into());
        match self.both {
            false if named.is_zero() => self.router.address,
            true if small(1) => self.call.from,
            true if small(2) => self.router.address,
            _ => named,
        }
    }

    /// What must be left over at the end. Pays out all of it, so that it moves no pool.
    fn pay_out(&self, selector: [u8; 4], args: Words<'_>, plan: &mut Plan) -> Result<bool, Unread> {
        let (token, least) = match selector {
            abi::unwrapWETH9Call::SELECTOR => (Some(self.call.wrapped_native), args.word(0)),
            abi::sweepTokenCall::SELECTOR => (args.address(0), args.word(1)),
            due::unwrapWETH9Call::SELECTOR if self.both => (Some(self.call.wrapped_native), args.word(0)),
            due::sweepTokenCall::SELECTOR if self.both => (args.address(0), args.word(1)),
            _ => return Ok(false),
        };
        plan.floor(token.ok_or(Unread::Shape)?, least.ok_or(Unread::Shape)?);
        Ok(true)
    }
}

fn one_hop(tuple: Words<'_>) -> Option<RouterHop> {
    let (token_in, token_out, fee) = (tuple.address(0)?, tuple.address(1)?, tuple.uint24(2)?);
    Some(RouterHop::Made { by: Maker::UniswapV3, fee, token_in, token_out })
}

/// Pushes the hops of a packed path: token, fee, token, and so on. `backwards`: what comes out stands first.
pub(super) fn path(packed: &[u8], backwards: bool, plan: &mut Plan) -> Result<(), Unread> {
    let first_hop = plan.hops.len();
    let (mut token, mut rest) = packed.split_first_chunk::<20>().ok_or(Unread::Shape)?;
    while !rest.is_empty() && plan.hops.len() - first_hop <= MOST_HOPS {
        let (fee, further) = rest.split_first_chunk::<3>().ok_or(Unread::Shape)?;
        let (next, further) = further.split_first_chunk::<20>().ok_or(Unread::Shape)?;
        let fee = u32::from_be_bytes([0, fee[0], fee[1], fee[2]]);
        let (a, b) = if backwards { (next, token) } else { (token, next) };
        let (token_in, token_out) = (Address::from(a), Address::from(b));
        plan.hops.push(RouterHop::Made { by: Maker::UniswapV3, fee, token_in, token_out });
        (token, rest) = (next, further);
    }
    if backwards && let Some(pushed) = plan.hops.get_mut(first_hop..) {
        pushed.reverse();
    }
    Ok(())
}
