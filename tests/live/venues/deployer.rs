//! Who deploys venues on the devnet, lists tokens there, makes pools and trades with them.

use alloy::consensus::TxEip1559;
use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use peregrine_devnet::{Token, Wallet, creation_code};
use serde_json::{Value, json};

use crate::rig::Rig;

alloy::sol! {
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);

    /// A pair of Uniswap V2, and its factory.
    function createPair(address a, address b) external returns (address);
    function getPair(address a, address b) external view returns (address);
    function mint(address to) external returns (uint256);
}

mod supply {
    alloy::sol! {
        function mint(address to, uint256 amount) external;
    }
}

const TOKEN: &str = "@uniswap/v4-core/out/mocks/MockERC20.sol/MockERC20.json";
/// Gas limit of a call, and of one that creates contracts: what a block holds is counted by limits.
const CALL: u64 = 1_000_000;
const CREATE: u64 = 8_000_000;
/// Blocks in which all that was sent must be.
const BLOCKS: usize = 20;
/// Dollars of a token that its deployer has of it.
const SUPPLY: u64 = 1_000_000_000;

pub struct Deployer {
    wallet: Wallet,
    nonce: u64,
    /// Sent, and not yet seen in a block: what it was.
    sent: Vec<(String, B256)>,
}

impl Deployer {
    /// The account that made the devnet's pools, and has the tokens for more.
    pub async fn of(rig: &Rig) -> Self {
        let wallet = rig.net.maker().unwrap();
        let nonce = rig.ask("eth_getTransactionCount", json!([wallet.address(), "latest"])).await;
        Self { nonce: serde_json::from_value::<U64>(nonce).unwrap().to(), wallet, sent: Vec::new() }
    }

    pub const fn address(&self) -> Address {
        self.wallet.address()
    }

    /// At the builder's door; dearer than the traffic, so that it is among the first of a block.
    async fn send(&mut self, rig: &Rig, what: String, tx: TxEip1559) {
        let signed = self.wallet.sign(TxEip1559 {
            chain_id: 1,
            nonce: self.nonce,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 50_000_000_000,
            ..tx
        });
        self.nonce += 1;
        self.sent.push((what, signed.hash));
        rig.tell("eth_sendRawTransaction", json!([signed.raw])).await;
    }

    /// Deploys a contract of a package.
    pub async fn deploy(&mut self, rig: &Rig, artifact: &str, arguments: &[u8]) -> Address {
        let code = creation_code(artifact).unwrap_or_else(|error| panic!("{error}"));
        self.create(rig, artifact, [&code[..], arguments].concat()).await
    }

    /// Creates a contract by its creation code.
    pub async fn create(&mut self, rig: &Rig, what: &str, code: Vec<u8>) -> Address {
        let (place, to) = (self.address().create(self.nonce), TxKind::Create);
        let tx = TxEip1559 { to, input: code.into(), gas_limit: CREATE, ..TxEip1559::default() };
        self.send(rig, what.to_owned(), tx).await;
        place
    }

    async fn run<C: SolCall>(&mut self, rig: &Rig, to: Address, call: &C, (value, gas_limit): (U256, u64)) {
        let (to, input) = (TxKind::Call(to), call.abi_encode().into());
        self.send(rig, C::SIGNATURE.to_owned(), TxEip1559 { to, input, value, gas_limit, ..TxEip1559::default() })
            .await;
    }

    pub async fn call(&mut self, rig: &Rig, to: Address, call: &impl SolCall) {
        self.run(rig, to, call, (U256::ZERO, CALL)).await;
    }

    /// The same, with ether.
    pub async fn pay(&mut self, rig: &Rig, to: Address, call: &impl SolCall, value: U256) {
        self.run(rig, to, call, (value, CALL)).await;
    }

    /// The same, of what creates a contract.
    pub async fn make(&mut self, rig: &Rig, to: Address, call: &impl SolCall) {
        self.run(rig, to, call, (U256::ZERO, CREATE)).await;
    }

    /// Through a contract that hands on what its first word names, and what lies behind it.
    pub async fn through<C: SolCall>(&mut self, rig: &Rig, caller: Address, to: Address, call: &C) {
        self.raw(rig, C::SIGNATURE, (caller, [to.into_word().to_vec(), call.abi_encode()].concat())).await;
    }

    /// With whatever data.
    pub async fn raw(&mut self, rig: &Rig, what: &str, (to, data): (Address, Vec<u8>)) {
        let tx = TxEip1559 { to: TxKind::Call(to), input: data.into(), gas_limit: CALL, ..TxEip1559::default() };
        self.send(rig, what.to_owned(), tx).await;
    }

    /// These may take whatever it has of these tokens.
    pub async fn approve(&mut self, rig: &Rig, tokens: &[Token], spenders: &[Address]) {
        for token in tokens {
            for spender in spenders.iter().copied() {
                self.call(rig, token.address, &approveCall { spender, amount: U256::MAX }).await;
            }
        }
    }

    /// What was sent last and is not yet in a block.
    pub fn last(&self) -> B256 {
        self.sent.last().map(|(_, hash)| *hash).unwrap_or_default()
    }

    /// Blocks, until all that was sent is in one. It must have succeeded.
    pub async fn mined(&mut self, rig: &Rig) {
        for _ in 0..BLOCKS {
            if self.seen(rig).await {
                return;
            }
            rig.block(0).await;
        }
        assert!(self.seen(rig).await, "not mined: {:?}", self.sent);
    }

    /// Whether all that was sent is in a block. What is must have succeeded.
    pub async fn seen(&mut self, rig: &Rig) -> bool {
        let mut open = Vec::new();
        for (what, hash) in std::mem::take(&mut self.sent) {
            let receipt = rig.ask("eth_getTransactionReceipt", json!([hash])).await;
            if receipt.is_null() {
                open.push((what, hash));
            } else {
                assert_eq!(receipt["status"], json!("0x1"), "{what}: {receipt}");
            }
        }
        self.sent = open;
        self.sent.is_empty()
    }

    /// A token that no pool has yet: so many millionths of a dollar each.
    pub async fn token(&mut self, rig: &Rig, symbol: &'static str, decimals: u8, micro_usd: u64) -> Token {
        let arguments = (symbol, symbol, U256::from(decimals)).abi_encode_params();
        let token = Token { symbol, address: self.deploy(rig, TOKEN, &arguments).await, decimals, micro_usd };
        let to = self.address();
        self.call(rig, token.address, &supply::mintCall { to, amount: token.worth(SUPPLY) }).await;
        token
    }

    /// A pair of Uniswap V2, with so many dollars on each side.
    pub async fn pair(&mut self, rig: &Rig, tokens: [Token; 2], usd: u64) -> Address {
        let (factory, [a, b]) = (rig.net.contracts.v2_factory, tokens.map(|token| token.address));
        self.make(rig, factory, &createPairCall { a, b }).await;
        self.mined(rig).await;
        let pair = view(rig, factory, &getPairCall { a, b }).await;
        for token in tokens {
            self.call(rig, token.address, &transferCall { to: pair, amount: token.worth(usd) }).await;
        }
        let to = self.address();
        self.call(rig, pair, &mintCall { to }).await;
        self.mined(rig).await;
        pair
    }
}

/// What a contract answers behind the chain's last block.
pub async fn view<C: SolCall>(rig: &Rig, to: Address, call: &C) -> C::Return {
    let call: Value = json!([{"to": to, "data": Bytes::from(call.abi_encode())}, "latest"]);
    let answer: Bytes = serde_json::from_value(rig.ask("eth_call", call).await).unwrap();
    C::abi_decode_returns(&answer).unwrap_or_else(|error| panic!("{}: {error}", C::SIGNATURE))
}
