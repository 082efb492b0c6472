//! The published vault on a small chain in memory, and pools of the three codes that weighted pools have had.

use alloy::sol_types::{SolCall, SolValue};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use peregrine::hot::evm::fork::Fork;
use peregrine::hot::evm::machine::Executed;
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols;
use peregrine::protocols::amm::{Amm, Leg};
use peregrine::protocols::balancer_v2::{Balance, Layout, Pool};
use peregrine::protocols::{AnyPool, DiscoveryCache};
use peregrine::types::pool_key::PoolKey;

use revm::state::AccountInfo;

use crate::common::chain::{Chain, USER, creation_code};

alloy::sol! {
    struct SingleSwap { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
    struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }
    struct JoinPoolRequest { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
    struct ExitPoolRequest { address[] assets; uint256[] minAmountsOut; bytes userData; bool toInternalBalance; }
    struct PoolBalanceOp { uint8 kind; bytes32 poolId; address token; uint256 amount; }

    function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) external payable returns (uint256);
    function joinPool(bytes32 poolId, address sender, address recipient, JoinPoolRequest request) external payable;
    function exitPool(bytes32 poolId, address sender, address recipient, ExitPoolRequest request) external;
    function managePoolBalance(PoolBalanceOp[] ops) external;
    function setPaused(bool paused) external;
    function pause() external;
    function unpause() external;
    function setSwapFeePercentage(uint256 fee) external;
    function getActionId(bytes4 selector) external view returns (bytes32);
    function grantRole(bytes32 role, address account) external;
    function create(string name, string symbol, address[] tokens, uint256[] weights, uint256 swapFeePercentage, address owner,
        bool swapEnabledOnStart) external returns (address);
    function getPoolId() external view returns (bytes32);
    function approve(address spender, uint256 amount) external returns (bool);
    function mint(uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function getProtocolFeesCollector() external view returns (address);

    struct TwoTokens {
        address vault; string name; string symbol; address token0; address token1; uint256 weight0; uint256 weight1; uint256 fee;
        uint256 pauseWindow; uint256 buffer; bool oracle; address owner;
    }
    struct NewPool {
        string name; string symbol; address[] tokens; uint256[] weights; address[] rateProviders; address[] assetManagers; uint256 fee;
    }
}

const TASKS: &str = "@balancer-labs/v2-deployments/dist/tasks";
/// 90 and 30 days: while these last, a vault or a pool can be paused.
pub const WINDOWS: [u64; 2] = [7_776_000, 2_592_000];
/// One per cent in eighteen decimals.
pub const PER_CENT: u64 = 10_000_000_000_000_000;

/// The codes of weighted pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `WeightedPool` of 2021.
    First,
    /// `WeightedPool2Tokens` of 2021, with a price oracle.
    TwoTokens,
    /// `WeightedPool` of 2023, the third version.
    Third,
}

pub struct World {
    pub chain: Chain,
    pub vault: Address,
    pub authorizer: Address,
    /// In order of their addresses.
    pub tokens: Vec<Address>,
    provider: Address,
    windows: [u64; 2],
    made: Vec<Log>,
}

impl World {
    /// Tokens of these decimals, in whatever order.
    pub fn new(decimals: &[u8], windows: [u64; 2]) -> Self {
        let mut chain = Chain::new();
        let weth = chain.deploy("@uniswap/v2-periphery/build/WETH9.json", &[]);
        let mintable = "@aave/core-v3/artifacts/contracts/mocks/tokens/MintableERC20.sol/MintableERC20.json";
        let token = |decimals: &u8| {
            chain.deploy(mintable, &("a token".to_owned(), "T".to_owned(), U256::from(*decimals)).abi_encode_params())
        };
        let tokens = decimals.iter().map(token).collect();
        Self::on(chain, weth, tokens, windows)
    }

    /// On a chain where these tokens are. The user must have some of each, or be able to mint it.
    pub fn on(mut chain: Chain, weth: Address, mut tokens: Vec<Address>, windows: [u64; 2]) -> Self {
        tokens.sort_unstable();
        let task = |path: &str| format!("{TASKS}/{path}");
        let authorizer = chain.deploy(&task("20210418-authorizer/artifact/Authorizer.json"), &USER.abi_encode());
        let [pause, buffer] = windows.map(U256::from);
        let arguments = (authorizer, weth, pause, buffer).abi_encode_params();
        let vault = chain.deploy(&task("20210418-vault/artifact/Vault.json"), &arguments);
        let fees = task("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider.json");
        let whole = U256::from(100 * PER_CENT);
        let provider = chain.deploy(&fees, &(vault, whole, whole).abi_encode_params());
        for token in &tokens {
            chain.call(*token, &approveCall { spender: vault, amount: U256::MAX });
        }
        Self { chain, vault, authorizer, tokens, provider, windows, made: Vec::new() }
    }

    /// The next block is built, so many seconds later.
    pub fn pass(&mut self, seconds: u64) {
        let mut block = self.chain.machine.block().clone();
        block.number += U256::ONE;
        block.timestamp += U256::from(seconds);
        let fork = Fork::of(&peregrine::chain::MAINNET, block.number.to(), block.timestamp.to()).expect("a fork");
        self.chain.machine.enter(fork, block);
    }

    /// Gives the user and the vault more of each than pools can hold.
    pub fn fund(&mut self) {
        for token in self.tokens.clone() {
            self.chain.call(token, &mintCall { amount: U256::from(1_u128 << 125) });
            self.chain.call(token, &transferCall { to: self.vault, amount: U256::from(1_u128 << 124) });
        }
    }

    /// A pool of the first tokens, with weights in per cent. It is empty.
    pub fn pool(&mut self, code: Code, weights: &[u64], fee: u64) -> PoolKey {
        let tokens = self.tokens[..weights.len()].to_vec();
        let weights: Vec<U256> = weights.iter().map(|weight| U256::from(weight * PER_CENT)).collect();
        let ([pause, buffer], fee) = (self.windows.map(U256::from), U256::from(fee));
        let [name, symbol] = ["a pool", "P"].map(str::to_owned);
        let (path, arguments) = match code {
            Code::First => {
                let arguments =
                    (self.vault, name, symbol, tokens, weights, fee, pause, buffer, USER).abi_encode_params();
                ("20210418-weighted-pool/bytecode/WeightedPool.json", arguments)
            }
            Code::TwoTokens => {
                let params = TwoTokens {
                    vault: self.vault,
                    name,
                    symbol,
                    token0: tokens[0],
                    token1: tokens[1],
                    weight0: weights[0],
                    weight1: weights[1],
                    fee,
                    pauseWindow: pause,
                    buffer,
                    oracle: true,
                    owner: USER,
                };
                ("20210418-weighted-pool/bytecode/WeightedPool2Tokens.json", params.abi_encode())
            }
            Code::Third => {
                let none = vec![Address::ZERO; tokens.len()];
                // The user manages what the pool has of its first token.
                let mut managers = none.clone();
                managers[0] = USER;
                let params =
                    NewPool { name, symbol, tokens, weights, rateProviders: none, assetManagers: managers, fee };
                let rest = (params, self.vault, self.provider, pause, buffer, USER, "3".to_owned());
                ("20230206-weighted-pool-v3/artifact/WeightedPool.json", rest.abi_encode_params())
            }
        };
        let place = USER.create(self.chain.nonce());
        self.vacant(&[place]);
        let code = [creation_code(&format!("{TASKS}/{path}")), arguments].concat();
        self.made = self.chain.send(TxKind::Create, code, U256::ZERO).logs().to_vec();
        self.key_of(place)
    }

    /// A pool whose weights its owner may change over time, by its factory.
    pub fn bootstrapping(&mut self, weights: &[u64; 2], fee: u64, amounts: &[u128; 2]) -> PoolKey {
        let factory = USER.create(self.chain.nonce());
        // It keeps the creation code of pools in two contracts of its own.
        self.vacant(&[factory.create(2), factory.create(3)]);
        let artifact = "20211202-no-protocol-fee-lbp/artifact/NoProtocolFeeLiquidityBootstrappingPoolFactory.json";
        self.chain.deploy(&format!("{TASKS}/{artifact}"), &self.vault.abi_encode());
        let made = createCall {
            name: "a pool".to_owned(),
            symbol: "P".to_owned(),
            tokens: self.tokens[..2].to_vec(),
            weights: weights.iter().map(|weight| U256::from(weight * PER_CENT)).collect(),
            swapFeePercentage: U256::from(fee),
            owner: USER,
            swapEnabledOnStart: true,
        };
        self.chain.call(factory, &made);
        let key = self.key_of(factory.create(3));
        self.join(key, (U256::ZERO, amounts.map(U256::from).to_vec()).abi_encode_params(), 2).expect("it begins");
        key
    }

    fn key_of(&mut self, contract: Address) -> PoolKey {
        let id = B256::from(self.look(contract, &getPoolIdCall {}).expect("an id"));
        PoolKey { contract: self.vault, id: Some(id) }
    }

    fn vacant(&mut self, places: &[Address]) {
        for place in places {
            self.chain.machine.db_mut().tell_whole_account(*place, AccountInfo::default());
        }
    }

    /// What the creation of the last pool was announced with.
    pub fn announced(&self) -> &[Log] {
        &self.made
    }

    /// With its first liquidity.
    pub fn filled(&mut self, code: Code, weights: &[u64], fee: u64, amounts: &[u128]) -> PoolKey {
        let key = self.pool(code, weights, fee);
        let amounts: Vec<U256> = amounts.iter().copied().map(U256::from).collect();
        self.join(key, (U256::ZERO, amounts).abi_encode_params(), weights.len()).expect("it begins");
        key
    }

    pub fn join(&mut self, key: PoolKey, user_data: Vec<u8>, count: usize) -> Option<Executed> {
        let request = JoinPoolRequest {
            assets: self.tokens[..count].to_vec(),
            maxAmountsIn: vec![U256::MAX; count],
            userData: user_data.into(),
            fromInternalBalance: false,
        };
        let vault = self.vault;
        self.attempt(vault, &joinPoolCall { poolId: id(key), sender: USER, recipient: USER, request })
    }

    pub fn exit(&mut self, key: PoolKey, user_data: Vec<u8>, count: usize) -> Option<Executed> {
        let request = ExitPoolRequest {
            assets: self.tokens[..count].to_vec(),
            minAmountsOut: vec![U256::ZERO; count],
            userData: user_data.into(),
            toInternalBalance: false,
        };
        let vault = self.vault;
        self.attempt(vault, &exitPoolCall { poolId: id(key), sender: USER, recipient: USER, request })
    }

    /// A transaction of the user's, if it succeeds.
    pub fn attempt(&mut self, to: Address, call: &impl SolCall) -> Option<Executed> {
        let looked = self.chain.machine.call(USER, to, call.abi_encode().into()).expect("nothing is unknown");
        let succeeds = looked.is_success();
        self.chain.machine.take_back(looked.diff);
        succeeds.then(|| self.chain.call(to, call))
    }

    /// The first word of an answer. `None`: it reverts.
    pub fn look(&mut self, to: Address, call: &impl SolCall) -> Option<U256> {
        let looked = self.chain.machine.call(USER, to, call.abi_encode().into()).expect("nothing is unknown");
        let word = looked.is_success().then(|| U256::from_be_slice(&looked.result.output().expect("an answer")[..32]));
        self.chain.machine.take_back(looked.diff);
        word
    }

    /// What the vault answers to a swap by the user. `None`: it reverts.
    pub fn would_answer(&mut self, pool: &Pool, leg: Leg, given_out: bool, amount: U256) -> Option<U256> {
        let vault = self.vault;
        self.look(vault, &swap(pool, leg, given_out, amount))
    }

    pub fn swap(&mut self, pool: &Pool, leg: Leg, given_out: bool, amount: U256) -> Executed {
        let vault = self.vault;
        self.chain.send(TxKind::Call(vault), swap(pool, leg, given_out, amount).abi_encode(), U256::ZERO)
    }

    pub fn discover(&mut self, key: PoolKey) -> Result<Option<AnyPool>, String> {
        let mut probe = EvmProbe::new(&mut self.chain.machine);
        protocols::discover(&mut probe, &mut DiscoveryCache::default(), key, false)
    }

    pub fn found(&mut self, key: PoolKey) -> Pool {
        let AnyPool::BalancerV2(pool) = self.discover(key).expect("usable").expect("a pool") else {
            panic!("another's")
        };
        pool
    }

    /// The user may do on `at` what `selector` does.
    pub fn allow(&mut self, at: Address, selector: [u8; 4]) {
        let role = self.look(at, &getActionIdCall { selector: selector.into() }).expect("an id");
        let authorizer = self.authorizer;
        self.chain.call(authorizer, &grantRoleCall { role: role.into(), account: USER });
    }

    /// Writes balances where the vault keeps them.
    pub fn put(&mut self, pool: &Pool, held: &[Balance]) {
        let word = |low: u128, high: u128| U256::from(low) | U256::from(high) << 112 | U256::from(19_999_999) << 224;
        let words: Vec<(U256, U256)> = match &pool.terms().layout {
            Layout::Shared { cash, managed } => vec![
                (*cash, word(held[0].cash, held[1].cash)),
                (*managed, word(held[0].managed, held[1].managed) << 32 >> 32),
            ],
            Layout::Own(slots) => {
                slots.iter().zip(held).map(|(slot, held)| (*slot, word(held.cash, held.managed))).collect()
            }
        };
        let words: Vec<_> = words.into_iter().map(|(slot, word)| (self.vault, slot, word)).collect();
        self.chain.machine.db_mut().override_slots(&words);
    }
}

pub fn id(key: PoolKey) -> B256 {
    key.id.expect("a pool of the vault has an id")
}

pub fn swap(pool: &Pool, leg: Leg, given_out: bool, amount: U256) -> swapCall {
    let token = |place: usize| pool.tokens()[place];
    let single = SingleSwap {
        poolId: pool.terms().id,
        kind: u8::from(given_out),
        assetIn: token(leg.token_in()),
        assetOut: token(leg.token_out()),
        amount,
        userData: Bytes::new(),
    };
    let funds = FundManagement { sender: USER, fromInternalBalance: false, recipient: USER, toInternalBalance: false };
    let limit = if given_out { U256::MAX } else { U256::ZERO };
    swapCall { singleSwap: single, funds, limit, deadline: U256::MAX }
}

/// Both ways between each two tokens.
pub fn legs(pool: &Pool) -> Vec<Leg> {
    let tokens = pool.tokens();
    let pairs = tokens.iter().flat_map(|token_in| tokens.iter().map(move |token_out| (*token_in, *token_out)));
    pairs.filter_map(|(token_in, token_out)| pool.leg(token_in, token_out)).collect()
}
