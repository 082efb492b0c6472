//! ERC-3156: one interface of many lenders. Of those that ask nothing: Sky's flash mint of DAI, tokens that mint themselves.

use alloy::sol_types::SolCall;
use alloy_primitives::U256;

use crate::execution::call_data;
use crate::flash::{FlashLender, LoanRequest, Repaid, StockQuestion};

alloy::sol! {
    function flashLoan(address receiver, address token, uint256 amount, bytes data) external returns (bool);
    function maxFlashLoan(address token) external view returns (uint256);
}

/// Whoever keeps to it, as a lender.
pub const FLASH: FlashLender = FlashLender { protocol: "erc3156", repaid: Repaid::Hashed, ask, stock };

fn ask(request: &LoanRequest, data: &mut Vec<u8>) {
    let words = [
        request.own.into_word().into(),
        request.token.into_word().into(),
        U256::from(request.amount),
        U256::from(4 * 32),
    ];
    data.extend_from_slice(&call_data::<{ 4 + 4 * 32 }, 4>(flashLoanCall::SELECTOR, words));
}

/// A token that mints itself holds nothing: it says what it would mint.
fn stock(request: &LoanRequest) -> StockQuestion {
    (request.lender, call_data(maxFlashLoanCall::SELECTOR, [request.token.into_word().into()]))
}
