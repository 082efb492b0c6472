//! A swap, as the vault reads it.
//!
//! # Invariants
//! - The vault takes exactly what goes in from our contract, and pays the recipient itself: no less than what is due, or it reverts.
//!
//! # Cost
//! A buffer of fixed size: a step is written while a bundle waits, and nothing there allocates.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::U256;

use crate::balancer_v2::abi;
use crate::balancer_v2::pool::Terms;
use crate::execution::{PlannedSwap, call_data};

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
