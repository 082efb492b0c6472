//! Asks the devnet's contracts and acts on them, by hand: the contracts' own routers and quoter are the judges.

#![allow(dead_code, reason = "shared by tests that each use a part")]

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U160;
use alloy_primitives::U256;
use alloy_primitives::aliases::U24;
use peregrine::protocols::amm::Amm;
use peregrine::protocols::uniswap_v2;
use peregrine_devnet::Devnet;
use peregrine_devnet::Pool;
use peregrine_devnet::Venue;
use peregrine_devnet::Wallet;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

alloy::sol! {
    function balanceOf(address owner) external view returns (uint256);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 at);
    function getAmountsOut(uint256 amountIn, address[] path) external view returns (uint256[] amounts);
    function swapExactTokensForTokens(uint256 amountIn, uint256 minOut, address[] path, address to, uint256 deadline)
        external;
    struct Quote { address tokenIn; address tokenOut; uint256 amountIn; uint24 fee; uint160 limit; }
    function quoteExactInputSingle(Quote params) external returns (uint256 amountOut, uint160 price, uint32 crossed,
        uint256 gas);
}

/// A mined transaction.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    pub status: U64,
    pub logs: Vec<Log>,
}

/// What a contract said.
#[derive(Debug, Deserialize)]
pub struct Log {
    pub address: Address,
    pub topics: Vec<B256>,
}

pub struct Hand<'a>(pub &'a Devnet);

impl Hand<'_> {
    pub async fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let data = Bytes::from(call.abi_encode());
        let answer: Bytes =
            self.0.rpc.call("eth_call", json!([{"to": to, "data": data}, "latest"])).await.expect("an answer");
        C::abi_decode_returns(&answer).expect("decodes")
    }

    pub async fn block_number(&self) -> u64 {
        self.0.rpc.call::<U64>("eth_blockNumber", json!([])).await.expect("a number").to()
    }

    pub async fn balance(&self, token: Address, owner: Address) -> U256 {
        self.ask(token, &balanceOfCall { owner }).await
    }

    /// What the router, or QuoterV2, says that a pool pays for `amount` of the token at a place.
    pub async fn quote(&self, pool: &Pool, token_in: usize, amount: U256) -> U256 {
        let token_out = pool.tokens[usize::from(pool.tokens[0] == token_in)];
        let path = [token_in, token_out].map(|token| self.0.tokens[token].address);
        let contracts = &self.0.contracts;
        let router = match pool.venue {
            Venue::UniswapV2 => contracts.v2_router,
            Venue::Sushi => contracts.sushi_router,
            Venue::UniswapV3 => {
                let (fee, [token_in, token_out]) = (U24::from(pool.fee_pips), path);
                let params = Quote { tokenIn: token_in, tokenOut: token_out, amountIn: amount, fee, limit: U160::ZERO };
                return self.ask(contracts.quoter, &quoteExactInputSingleCall { params }).await.amountOut;
            }
        };
        self.ask(router, &getAmountsOutCall { amountIn: amount, path: path.to_vec() }).await[1]
    }

    /// What each hop pays: pairs by our own maths, V3 by QuoterV2.
    pub async fn walk(&self, path: &[(Pool, usize)], amount_in: u128) -> Option<Vec<u128>> {
        let (mut amount, mut outs) = (U256::from(amount_in), Vec::new());
        for (pool, token_in) in path {
            amount = match pool.venue {
                Venue::UniswapV3 => self.quote(pool, *token_in, amount).await,
                Venue::UniswapV2 | Venue::Sushi => self.pair(pool, *token_in, amount).await?,
            };
            outs.push(amount.to());
        }
        Some(outs)
    }

    async fn pair(&self, pool: &Pool, token_in: usize, amount: U256) -> Option<U256> {
        let reserves = self.ask(pool.address, &getReservesCall {}).await;
        let reserves = [reserves.reserve0.to(), reserves.reserve1.to()];
        let tokens = pool.tokens.map(|token| self.0.tokens[token].address);
        let fee = uniswap_v2::Fee::new(pool.fee_pips / 1_000, 1_000)?;
        let layout = uniswap_v2::Layout::Packed { slot: U256::from(8) };
        let pair = uniswap_v2::Pool::new(pool.address, tokens, [fee; 2], layout, reserves)?;
        let token_in = self.0.tokens[token_in].address;
        let token_out = if tokens[0] == token_in { tokens[1] } else { tokens[0] };
        pair.quote_in(pair.leg(token_in, token_out)?, amount).ok()
    }

    /// The first sender sells a token for WETH on Uniswap V2, at any price.
    pub async fn sell(&self, token: Address, amount: U256) {
        let sender = &self.0.senders[0];
        let call = swapExactTokensForTokensCall {
            amountIn: amount,
            minOut: U256::ZERO,
            path: vec![token, self.0.contracts.weth],
            to: sender.address(),
            deadline: U256::MAX,
        };
        let receipt = self.send(sender, self.0.contracts.v2_router, U256::ZERO, call.abi_encode().into()).await;
        assert!(!receipt.status.is_zero(), "the sale reverted");
    }

    /// Sends one transaction and mines it.
    pub async fn send(&self, from: &Wallet, to: Address, value: U256, input: Bytes) -> Receipt {
        let rpc = &self.0.rpc;
        let nonce = rpc.call::<U64>("eth_getTransactionCount", json!([from.address(), "pending"])).await;
        let signed = from.sign(TxEip1559 {
            chain_id: 1,
            nonce: nonce.expect("a nonce").to(),
            gas_limit: 2_000_000,
            max_fee_per_gas: 1_000_000_000_000,
            to: TxKind::Call(to),
            value,
            input,
            ..TxEip1559::default()
        });
        let hash: B256 = rpc.call("eth_sendRawTransaction", json!([signed.raw])).await.expect("taken");
        assert_eq!(hash, signed.hash);
        self.0.mine().await.expect("mines");
        rpc.call("eth_getTransactionReceipt", json!([hash])).await.expect("a receipt")
    }

    /// Of every transaction since that block.
    pub async fn receipts(&self, first: u64) -> Vec<Receipt> {
        let blocks: Vec<Value> =
            (first..=self.block_number().await).map(|block| json!([format!("{block:#x}")])).collect();
        let blocks: Vec<Vec<Receipt>> = self.0.rpc.batch("eth_getBlockReceipts", &blocks).await.expect("receipts");
        blocks.into_iter().flatten().collect()
    }
}
