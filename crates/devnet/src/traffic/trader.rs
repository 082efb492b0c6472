//! Signs and sends the traffic's deals, and keeps the senders' nonces.

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U64;
use alloy_primitives::U128;
use peregrine_rpc::Rpc;
use peregrine_rpc::RpcError;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::Devnet;
use crate::abi;
use crate::dice::Dice;
use crate::seed::Pool;
use crate::seed::Position;
use crate::traffic::Counts;
use crate::traffic::drift;
use crate::traffic::intent::Intent;
use crate::traffic::intent::Market;
use crate::wallet::Wallet;

/// Sent on one reading of the base fee and the nonces. A builder may drop what it was sent: whoever keeps
/// counting from there leaves a gap, and is stuck.
const READING: u64 = 32;
/// Wei per gas offered to the builder, from and to.
const TIP: [u64; 2] = [10_000_000, 3_000_000_000];
/// How many of a hundred take liquidity out, or collect what is due to a position.
const BURN_PERCENT: u64 = 4;
/// How many of a hundred are thought better of.
const REPLACE_PERCENT: u64 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    base_fee_per_gas: U128,
}

/// The hand that signs.
pub(super) struct Trader {
    /// Where it reads.
    rpc: Rpc,
    /// Where transactions go.
    builder_rpc: Rpc,
    market: Market,
    wallets: Vec<Wallet>,
    /// Next nonce of each sender; `None` when only the node knows.
    nonces: Vec<Option<u64>>,
    /// Base fee, and how many may still be sent on it.
    base_fee: (u128, u64),
    /// The block at which prices were read.
    looked: Option<U64>,
    pub(super) dice: Dice,
    pub(super) counts: Counts,
}

impl Trader {
    pub(super) fn new(devnet: &Devnet, builder_rpc: Rpc) -> Self {
        Self {
            rpc: devnet.rpc.clone(),
            builder_rpc,
            market: Market::new(devnet),
            wallets: devnet.senders.clone(),
            nonces: vec![None; devnet.senders.len()],
            base_fee: (0, 0),
            looked: None,
            dice: Dice::new(devnet.options.seed, 2),
            counts: Counts::default(),
        }
    }

    /// One deal, and perhaps another in its place. What goes wrong is counted.
    pub(super) async fn act(&mut self) {
        if let Err(error) = self.try_act().await {
            self.counts.refused += 1;
            // A base fee that has outgrown the last reading is one reason.
            self.base_fee.1 = 0;
            tracing::debug!(%error, "the traffic was refused");
        }
    }

    async fn try_act(&mut self) -> Result<(), RpcError> {
        self.look_at_prices().await?;
        let intent =
            if self.dice.chance(BURN_PERCENT) { self.burn().await? } else { self.market.intent(&mut self.dice) };
        let Some(intent) = intent else { return Ok(()) };
        let tip = self.dice.magnitude(TIP[0], TIP[1]).into();
        let base_fee = self.base_fee().await?;
        let nonce = self.nonce(intent.sender).await?;
        let fees = [2 * base_fee + tip, tip];
        self.send(&intent, nonce, fees).await?;
        if !self.dice.chance(REPLACE_PERCENT) {
            return Ok(());
        }
        let Some(better) = self.market.intent(&mut self.dice) else { return Ok(()) };
        // A quarter more than before: nodes ask for a tenth.
        let fees = fees.map(|fee| fee + fee / 4 + 1);
        self.send(&Intent { sender: intent.sender, ..better }, nonce, fees).await?;
        self.counts.replacements += 1;
        Ok(())
    }

    /// Takes liquidity out of a position, or collects what is due to it.
    async fn burn(&mut self) -> Result<Option<Intent>, RpcError> {
        let Some(position) = self.market.position(&mut self.dice) else { return Ok(None) };
        if self.dice.chance(40) {
            return Ok(Some(self.market.collect(&position)));
        }
        let held = self.held(&position).await?;
        Ok(Some(self.market.burn(&position, held, &mut self.dice)))
    }

    async fn held(&self, position: &Position) -> Result<u128, RpcError> {
        let data: Bytes = abi::positionsCall { tokenId: position.id }.abi_encode().into();
        let call = json!([{"to": self.market.contracts.position_manager, "data": data}, "latest"]);
        let answer: Bytes = self.rpc.call("eth_call", call).await?;
        Ok(abi::positionsCall::abi_decode_returns(&answer).map_or(0, |state| state.liquidity))
    }

    async fn send(&mut self, intent: &Intent, nonce: u64, fees: [u128; 2]) -> Result<(), RpcError> {
        let signed = self.wallets[intent.sender].sign(TxEip1559 {
            nonce,
            gas_limit: intent.gas,
            max_fee_per_gas: fees[0],
            max_priority_fee_per_gas: fees[1],
            to: TxKind::Call(intent.to),
            value: intent.value,
            input: intent.data.clone(),
            ..TxEip1559::default()
        });
        // Until the node says yes, only the node knows.
        self.nonces[intent.sender] = None;
        self.builder_rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await?;
        self.nonces[intent.sender] = Some(nonce + 1);
        self.counts.count(intent.kind);
        Ok(())
    }

    async fn nonce(&self, sender: usize) -> Result<u64, RpcError> {
        if let Some(nonce) = self.nonces[sender] {
            return Ok(nonce);
        }
        let params = json!([self.wallets[sender].address(), "pending"]);
        Ok(self.rpc.call::<U64>("eth_getTransactionCount", params).await?.to())
    }

    async fn base_fee(&mut self) -> Result<u128, RpcError> {
        if self.base_fee.1 == 0 {
            let head: Head = self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
            self.base_fee = (head.base_fee_per_gas.to(), READING);
            self.nonces.fill(None);
        }
        self.base_fee.1 -= 1;
        Ok(self.base_fee.0)
    }

    /// Right after a block: later nothing would be seen of what has been sent since, and a price be traded back twice.
    async fn look_at_prices(&mut self) -> Result<(), RpcError> {
        let head: U64 = self.rpc.call("eth_blockNumber", json!([])).await?;
        if self.looked == Some(head) {
            return Ok(());
        }
        let market = &mut self.market;
        let ask = |(to, data): (Address, Bytes)| json!([{"to": to, "data": data}, "latest"]);
        let questions: Vec<Value> = market.pools.iter().map(|pool| ask(drift::question(pool))).collect();
        let answers: Vec<Bytes> = self.rpc.batch("eth_call", &questions).await?;
        let strayed = |(pool, answer): (&Pool, &Bytes)| drift::strayed(pool, &market.tokens, answer);
        market.strayed = market.pools.iter().zip(&answers).map(strayed).collect();
        self.looked = Some(head);
        Ok(())
    }
}
