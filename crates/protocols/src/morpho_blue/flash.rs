//! Morpho lends all that it holds of any token, whatever market it is of, and asks nothing for it.

use alloy::sol_types::SolCall;
use alloy_primitives::U256;

use crate::execution::call_data;
use crate::flash::{FlashLender, LoanRequest, Repaid, balance};
use crate::morpho_blue::abi;

/// Morpho as a lender.
pub const FLASH: FlashLender = FlashLender { protocol: "morpho_blue", repaid: Repaid::Taken, ask, stock: balance };

fn ask(request: &LoanRequest, data: &mut Vec<u8>) {
    let words = [request.token.into_word().into(), U256::from(request.amount), U256::from(3 * 32)];
    data.extend_from_slice(&call_data::<{ 4 + 3 * 32 }, 3>(abi::flashLoanCall::SELECTOR, words));
}
