//! A swap, as the vault reads it; and a flash loan, as it reads that.
//!
//! # Invariants
//! - The vault takes exactly what goes in from our contract, and pays the recipient itself: no less than what is due, or it reverts.
//! - It asks nothing for a loan while its fee for that is zero, as it has been on Ethereum since it was made; were it raised, a proof
//!   would say so before anything is sent.
//!
//! # Limits
//! - While it lends it swaps for nobody: a path through one of its own pools is not begun by it.
//!
//! # Cost
//! A buffer of fixed size: a step is written while a bundle waits, and nothing there allocates.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::balancer_v2::abi;
use crate::balancer_v2::pool::Terms;
use crate::execution::{PlannedSwap, call_data};
use crate::flash::{FlashLender, LoanRequest, Repaid, balance};

/// Words of the arguments: seven of the head, seven of the swap.
const WORDS: usize = 14;
/// Of a call.
pub(super) const SIZE: usize = 4 + WORDS * 32;

/// `swap` of exactly what goes in, by `own`.
pub(super) fn swap(terms: &Terms, swap: &PlannedSwap, own: Address) -> [u8; SIZE] {
    let word = |address: Address| U256::from_be_bytes(address.into_word().0);
    let token = |place: usize| word(terms.tokens.get(place).copied().unwrap_or_default());
    let words: [U256; WORDS] = [
        // Where the swap begins: behind the head.
        U256::from(7 * 32),
        // The funds: the caller's, and not what the vault keeps for him; to the recipient, and not to keep for him.
        word(own),
        U256::ZERO,
        word(swap.recipient),
        U256::ZERO,
        U256::from(swap.amount_out),
        // No deadline: our contract runs in one block alone.
        U256::MAX,
        U256::from_be_bytes(terms.id.0),
        U256::from(abi::SwapKind::GIVEN_IN as u8),
        token(swap.leg.token_in()),
        token(swap.leg.token_out()),
        U256::from(swap.amount_in),
        // Where the data for the pool begin, in the swap; and how long they are.
        U256::from(6 * 32),
        U256::ZERO,
    ];
    call_data(abi::swapCall::SELECTOR, words)
}

/// The vault as a lender.
pub const FLASH: FlashLender = FlashLender { protocol: "balancer_v2", repaid: Repaid::Sent, ask, stock: balance };

fn ask(request: &LoanRequest, data: &mut Vec<u8>) {
    // Of lists with one entry: where they begin, and the bytes, from the end of the selector.
    let [tokens, amounts, bytes] = [4 * 32, 6 * 32, 8 * 32].map(U256::from);
    let [own, token] = [request.own, request.token].map(|address| address.into_word().into());
    let words = [own, tokens, amounts, bytes, U256::ONE, token, U256::ONE, U256::from(request.amount)];
    data.extend_from_slice(&call_data::<{ 4 + 8 * 32 }, 8>(abi::flashLoanCall::SELECTOR, words));
}
