//! `UniversalRouter`: a byte a command, an argument each. Swaps of V2 and V3 are read; payments and permits move no pool.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::calldata::Amount;
use crate::calldata::Call;
use crate::calldata::Plan;
use crate::calldata::Router;
use crate::calldata::TradeBounds;
use crate::calldata::Unread;
use crate::calldata::v2;
use crate::calldata::v3;
use crate::calldata::words::Words;

pub(super) mod abi {
    alloy::sol! {
        function execute(bytes commands, bytes[] inputs, uint256 deadline) external payable;
    }
}

pub(super) mod always {
    alloy::sol! {
        function execute(bytes commands, bytes[] inputs) external payable;
    }
}

// Commands, of the router's `Commands.sol`.
const V3_IN: u8 = 0x00;
const V3_OUT: u8 = 0x01;
const PERMIT2_BATCH: u8 = 0x03;
const SWEEP: u8 = 0x04;
const PAY_PORTION: u8 = 0x06;
const V2_IN: u8 = 0x08;
const V2_OUT: u8 = 0x09;
const PERMIT2: u8 = 0x0a;
const WRAP: u8 = 0x0b;
const UNWRAP: u8 = 0x0c;
const CHECK_BALANCE: u8 = 0x0e;
/// The transaction goes on when the command fails.
const MAY_FAIL: u8 = 0x80;
const TYPE: u8 = 0x3f;

/// "All that I hold": the highest bit, of V3's input and of payments.
const BALANCE: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

pub(super) fn decode(
    router: &Router,
    call: &Call<'_>,
    selector: [u8; 4],
    args: Words<'_>,
    plan: &mut Plan,
) -> Result<(), Unread> {
    match selector {
        abi::executeCall::SELECTOR => plan.due(args.word(2).ok_or(Unread::Shape)?),
        always::executeCall::SELECTOR => (),
        _ => return Err(Unread::Function),
    }
    let commands = args.bytes(0).ok_or(Unread::Shape)?;
    let (length, inputs) = args.list(1).ok_or(Unread::Shape)?;
    if length != commands.len() {
        return Err(Unread::Refuses);
    }
    plan.mix(commands);
    for (index, command) in commands.iter().enumerate() {
        let input = Words::new(inputs.bytes(index).ok_or(Unread::Shape)?);
        one(router, call, (*command, input), plan)?;
    }
    Ok(())
}

fn one(router: &Router, call: &Call<'_>, (command, input): (u8, Words<'_>), plan: &mut Plan) -> Result<(), Unread> {
    let word = |index: usize| input.word(index).ok_or(Unread::Shape);
    match command & TYPE {
        // A swap that may fail may also not have been.
        V3_IN | V3_OUT | V2_IN | V2_OUT if command & MAY_FAIL != 0 => Err(Unread::Function),
        swap @ (V3_IN | V3_OUT | V2_IN | V2_OUT) => {
            let recipient = recipient(router, call, input.address(0).ok_or(Unread::Shape)?);
            let exact_in = matches!(swap, V3_IN | V2_IN);
            let amount = amount(exact_in, swap == V2_IN, word(1)?)?;
            let limit = word(2)?;
            if matches!(swap, V2_IN | V2_OUT) {
                return v2::trade(input, (amount, limit), (3, recipient), plan);
            }
            let first_hop = plan.hops.len();
            v3::path(input.bytes(3).ok_or(Unread::Shape)?, !exact_in, plan)?;
            plan.trade(first_hop, TradeBounds { amount, limit, price_limit: None, recipient })
        }
        SWEEP => {
            let token = input.address(0).ok_or(Unread::Shape)?;
            // Ether is swept as address zero: it was unwrapped before, and held against its limit there.
            if !token.is_zero() {
                plan.floor(token, word(2)?);
            }
            Ok(())
        }
        UNWRAP => {
            plan.floor(call.wrapped_native, word(1)?);
            Ok(())
        }
        PAY_PORTION => {
            let portion = u64::try_from(word(2)?).map_err(|_| Unread::Refuses)?;
            plan.less_bps = plan.less_bps.saturating_add(portion);
            Ok(())
        }
        PERMIT2 | PERMIT2_BATCH | WRAP | CHECK_BALANCE => Ok(()),
        // Tokens sent to somebody else could be a pair's payment: these are not understood.
        _ => Err(Unread::Function),
    }
}

fn amount(exact_in: bool, pair: bool, word: U256) -> Result<Amount, Unread> {
    match exact_in {
        // Zero, of a pair: it has been paid before.
        true if word == BALANCE || (pair && word.is_zero()) => Err(Unread::Balance),
        true => Ok(Amount::In(word)),
        false => Ok(Amount::Out(word)),
    }
}

fn recipient(router: &Router, call: &Call<'_>, named: Address) -> Address {
    let small = |number: u64| named == Address::from_word(U256::from(number).into());
    if small(1) {
        call.from
    } else if small(2) {
        router.address
    } else {
        named
    }
}
