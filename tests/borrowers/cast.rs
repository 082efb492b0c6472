//! Who does what in a run, beside traffic and answers: a customer of all markets, one in an efficiency mode, governance, and
//! somebody who liquidates.

use std::collections::BTreeMap;

use alloy::rpc::types::eth::TransactionReceipt;
use alloy::sol_types::SolCall;
use alloy::sol_types::SolValue;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::TxKind;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::keccak256;
use peregrine::hot::engine::Engine;
use peregrine::protocols::AnyLending;
use peregrine::protocols::lending::Call;
use peregrine::protocols::lending::Lending as _;
use peregrine::protocols::lending::Size;
use peregrine::protocols::lending::choice::WHOLE;
use peregrine_devnet::Token;
use peregrine_devnet::Wallet;
use peregrine_devnet::lending::Feed;
use peregrine_devnet::lending::Lending;
use revm::context::TxEnv;

use crate::liquidations::SLOT;
use crate::morpho::MarketParams;
use crate::world::World;
use crate::{Deed, approveCall, borrowCall, deposit_1Call, morpho};

alloy::sol! {
    // Both versions of Aave know these by the same names.
    function repay(address asset, uint256 amount, uint256 mode, address owner) external;
    function withdraw(address asset, uint256 amount, address to) external;
    function setUserUseReserveAsCollateral(address asset, bool used) external;
    function configureReserveAsCollateral(address asset, uint256 ltv, uint256 threshold, uint256 bonus) external;
    // Aave V3 alone.
    function setUserEMode(uint8 category) external;
    function setEModeCategory(uint8 id, uint16 ltv, uint16 threshold, uint16 bonus, address source, string label) external;
    function setAssetEModeCategory(address asset, uint8 id) external;
    function setAssetSources(address[] assets, address[] sources) external;
    // A receipt token.
    function transfer(address to, uint256 amount) external;
}

/// Aave V3's on mainnet, where the devnet's stands too; and what V2's provider, which stands there likewise, makes second.
const CONFIGURATOR: Address = address!("0x64b761D848206f447Fe2dd461b0c635Ec39EbB27");
const V2_PROVIDER: Address = address!("0xB53C1a33016B2DC2fF3653530bfF1848a515c8c5");
/// The efficiency mode, and what its one price is asked for by.
const CATEGORY: u8 = 1;
const SOURCE: Address = Address::repeat_byte(0x0e);
/// Variable.
const MODE: U256 = U256::from_limbs([2, 0, 0, 0]);

/// A Morpho market's parameters; `None` of Aave.
pub fn params(market: &AnyLending) -> Option<MarketParams> {
    Some(MarketParams::of(&market.pair()?, *market.feeds().first()?))
}

/// What a Morpho market is known by.
pub fn id(params: &MarketParams) -> B256 {
    keccak256(params.abi_encode())
}

pub struct Cast {
    lending: Lending,
    customer: Wallet,
    mode: Wallet,
    liquidator: Wallet,
    governance: Wallet,
    tokens: Vec<Token>,
}

/// Places in the list of tokens.
const WETH: usize = 0;
const USDC: usize = 1;
const USDT: usize = 2;
const DAI: usize = 3;
const WBTC: usize = 4;
const LINK: usize = 5;

impl Cast {
    pub fn new(world: &World, seed: u64) -> Self {
        let net = &world.net;
        let [customer, mode, liquidator] = [0, 1, 2].map(|place| net.senders[place].clone());
        let governance = Wallet::derived("maker", seed, 0).unwrap();
        let (lending, tokens) = (net.lending.clone().unwrap(), net.tokens.clone());
        Self { lending, customer, mode, liquidator, governance, tokens }
    }

    /// What lets the markets take of everybody's tokens.
    pub fn approve(&self) -> Vec<(Wallet, Vec<Deed>)> {
        let [v3, v2, blue] = self.pools();
        let spenders = [v3, v2, blue];
        let one =
            |token: &Token| spenders.map(|spender| deed(token.address, &approveCall { spender, amount: U256::MAX }));
        let all: Vec<Deed> = self.tokens[..=LINK].iter().flat_map(one).collect();
        [&self.customer, &self.mode, &self.liquidator].map(|wallet| (wallet.clone(), all.clone())).into()
    }

    /// Who sends what in which block.
    pub fn act(&self, act: u64, engine: &Engine) -> Vec<(Wallet, Vec<Deed>)> {
        let [v3, v2, _] = self.pools();
        let aave = |deeds: &dyn Fn(Address) -> Vec<Deed>| [deeds(v3), deeds(v2)].concat();
        let customer = self.customer.address();
        let all = match act {
            0 => vec![
                (
                    &self.customer,
                    [aave(&|pool| self.begin(pool, (WETH, 30_000), (USDC, 8_000), customer)), self.begin_blue()]
                        .concat(),
                ),
                (&self.mode, self.begin(v3, (USDC, 20_000), (DAI, 10_000), self.mode.address())),
            ],
            // A side more on either hand, of which nothing was asked before; a category with a price of its own.
            1 => vec![
                (&self.customer, aave(&|pool| self.begin(pool, (WBTC, 5_000), (DAI, 2_000), customer))),
                (&self.governance, self.category()),
            ],
            2 => vec![
                (&self.customer, [aave(&|pool| self.less(pool)), self.less_blue()].concat()),
                (
                    &self.mode,
                    vec![
                        deed(v3, &setUserEModeCall { category: CATEGORY }),
                        self.borrow(v3, (DAI, 7_900), self.mode.address()),
                    ],
                ),
            ],
            // The category's price moves, then its terms: either can sink whoever is in it.
            3 => vec![
                (&self.lending.reporter, vec![self.answer(USDC, 995)]),
                (&self.governance, vec![self.terms([8_500, 8_800])]),
            ],
            4 => vec![(&self.governance, self.stricter())],
            5 => vec![(&self.customer, aave(&|pool| self.out(pool)))],
            6 => vec![(&self.customer, self.give(engine))],
            _ => Vec::new(),
        };
        let liquidations = (self.liquidator.clone(), self.liquidate(engine));
        all.into_iter().map(|(wallet, deeds)| (wallet.clone(), deeds)).chain([liquidations]).collect()
    }

    /// A price's reporter, governance, anybody else.
    pub fn who(&self, sender: Address) -> usize {
        let named = [&self.lending.reporter, &self.governance];
        named.iter().position(|wallet| wallet.address() == sender).unwrap_or(named.len())
    }

    pub fn customer(&self) -> Address {
        self.customer.address()
    }

    /// Counts liquidations. (Those that others' trades and answers have made needless revert.) All else that the cast asks of the
    /// markets is done.
    pub fn watch(
        &self,
        engine: &Engine,
        (tx, receipt): (&TxEnv, &TransactionReceipt),
        made: &mut BTreeMap<&'static str, usize>,
    ) {
        let mut markets = (0..).map_while(|place| engine.markets().market(place));
        let market = markets.find(|market| TxKind::Call(market.address()) == tx.kind);
        let liquidates = tx.caller == self.liquidator.address();
        if let Some(market) = market.filter(|_| liquidates && receipt.status()) {
            *made.entry(market.protocol()).or_default() += 1;
        }
        let must = self.who(tx.caller) == 1 || (market.is_some() && !liquidates);
        assert!(receipt.status() || !must, "{} reverted", receipt.transaction_hash);
    }

    fn pools(&self) -> [Address; 3] {
        [0, 1, 2].map(|place| self.lending.markets[place].pool)
    }

    fn of(&self, (token, usd): (usize, u64)) -> (Address, U256) {
        (self.tokens[token].address, self.tokens[token].worth(usd))
    }

    fn borrow(&self, pool: Address, debt: (usize, u64), owner: Address) -> Deed {
        let (asset, amount) = self.of(debt);
        deed(pool, &borrowCall { asset, amount, mode: MODE, referral: 0, owner })
    }

    fn begin(&self, pool: Address, collateral: (usize, u64), debt: (usize, u64), owner: Address) -> Vec<Deed> {
        let (asset, amount) = self.of(collateral);
        vec![deed(pool, &deposit_1Call { asset, amount, owner, referral: 0 }), self.borrow(pool, debt, owner)]
    }

    fn less(&self, pool: Address) -> Vec<Deed> {
        let (owner, (debt, repaid)) = (self.customer.address(), self.of((USDC, 1_000)));
        let (asset, amount) = self.of((WETH, 1_000));
        let repay = repayCall { asset: debt, amount: repaid, mode: MODE, owner };
        vec![deed(pool, &repay), deed(pool, &withdrawCall { asset, amount, to: owner })]
    }

    /// Nothing of one debt is left, and nothing stands on one collateral.
    fn out(&self, pool: Address) -> Vec<Deed> {
        let [debt, asset] = [DAI, WBTC].map(|token| self.tokens[token].address);
        let repay = repayCall { asset: debt, amount: U256::MAX, mode: MODE, owner: self.customer.address() };
        vec![deed(pool, &repay), deed(pool, &setUserUseReserveAsCollateralCall { asset, used: false })]
    }

    /// A part of what is pledged goes to somebody else.
    fn give(&self, engine: &Engine) -> Vec<Deed> {
        let market = engine.markets().market(0).unwrap();
        let (asset, amount) = self.of((WETH, 1_000));
        let (receipt, to) = (market.receipt(asset).unwrap(), market.accounts()[0]);
        vec![deed(receipt, &transferCall { to, amount })]
    }

    /// Of ether against dollars.
    fn blue(&self) -> MarketParams {
        let market = &self.lending.markets[2];
        MarketParams::of(&market.pair.unwrap(), market.oracle)
    }

    fn begin_blue(&self) -> Vec<Deed> {
        let (owner, params, [_, _, pool]) = (self.customer.address(), self.blue(), self.pools());
        let [(_, held), (_, assets)] = [(WETH, 30_000), (USDC, 8_000)].map(|sum| self.of(sum));
        let pledge = morpho::supplyCollateralCall { params: params.clone(), assets: held, owner, data: Bytes::new() };
        let borrow = morpho::borrowCall { params, assets, shares: U256::ZERO, owner, to: owner };
        vec![deed(pool, &pledge), deed(pool, &borrow)]
    }

    fn less_blue(&self) -> Vec<Deed> {
        let (owner, params, [_, _, pool]) = (self.customer.address(), self.blue(), self.pools());
        let [(_, held), (_, assets)] = [(WETH, 1_000), (USDC, 1_000)].map(|sum| self.of(sum));
        let (shares, data) = (U256::ZERO, Bytes::new());
        let repay = morpho::repayCall { params: params.clone(), assets, shares, owner, data };
        let withdraw = morpho::withdrawCollateralCall { params, assets: held, owner, to: owner };
        vec![deed(pool, &repay), deed(pool, &withdraw)]
    }

    /// A category of dollars, all at the price of one.
    fn category(&self) -> Vec<Deed> {
        let (feed, oracle) = (self.feed(USDC), self.lending.markets[0].oracle);
        let sources = setAssetSourcesCall { assets: vec![SOURCE], sources: vec![feed.proxy] };
        let into = |token: usize| {
            deed(CONFIGURATOR, &setAssetEModeCategoryCall { asset: self.tokens[token].address, id: CATEGORY })
        };
        [vec![deed(oracle, &sources), self.terms([9_000, 9_300])], [USDC, USDT, DAI].map(into).into()].concat()
    }

    fn terms(&self, [ltv, threshold]: [u16; 2]) -> Deed {
        let (id, bonus, label) = (CATEGORY, 10_200, "dollars".to_owned());
        deed(CONFIGURATOR, &setEModeCategoryCall { id, ltv, threshold, bonus, source: SOURCE, label })
    }

    fn reserve(&self, configurator: Address, token: usize, [ltv, threshold]: [u64; 2]) -> Deed {
        let asset = self.tokens[token].address;
        let [ltv, threshold, bonus] = [ltv, threshold, 10_500].map(U256::from);
        deed(configurator, &configureReserveAsCollateralCall { asset, ltv, threshold, bonus })
    }

    /// Less may be owed on what most have pledged.
    fn stricter(&self) -> Vec<Deed> {
        let v2 = V2_PROVIDER.create(2);
        vec![
            self.reserve(CONFIGURATOR, WETH, [7_800, 8_100]),
            self.reserve(v2, WETH, [7_600, 7_900]),
            self.reserve(v2, LINK, [6_300, 6_800]),
        ]
    }

    fn feed(&self, token: usize) -> &Feed {
        self.lending.feeds.iter().find(|feed| feed.token == self.tokens[token].address).unwrap()
    }

    /// The second answer of a feed that moves by nobody else's hand.
    fn answer(&self, token: usize, per_mille: u64) -> Deed {
        let feed = self.feed(token);
        let data = Feed::answer(U256::from(2), feed.opening / 1_000 * per_mille);
        (feed.aggregator.into(), U256::ZERO, data)
    }

    /// Half of what may be taken of the largest that has sunk in each market.
    fn liquidate(&self, engine: &Engine) -> Vec<Deed> {
        let at = engine.tip().unwrap().head().timestamp + SLOT;
        let liquidatable = engine.markets().liquidatable(true, at);
        let one = |place: usize| {
            let account = liquidatable.iter().find(|liquidatable| liquidatable.market == place)?.account;
            let market = engine.markets().market(place)?;
            let (debt, collateral) = *market.pairs(account).first()?;
            let call = Call { account, debt, collateral, size: Size::Repay(U256::MAX), receipt: false };
            let size = market.size(&call, WHOLE / 2, at).ok()?;
            Some((market.address().into(), U256::ZERO, market.encode(&Call { size, ..call }).ok()?))
        };
        (0..self.lending.markets.len()).filter_map(one).collect()
    }
}

fn deed(to: Address, call: &impl SolCall) -> Deed {
    (to.into(), U256::ZERO, call.abi_encode())
}
