//! Calldata as the ABI encodes it, read back; and damaged calldata, which is refused and nothing worse.

use alloy::sol_types::SolCall;
use alloy_primitives::aliases::U24;
use alloy_primitives::{Address, Bytes, U160, U256, address};
use peregrine::chain::{Dialect, MAINNET, Maker, Router};
use peregrine::protocols::calldata;
use peregrine::protocols::calldata::{Amount, Call, Floor, Plan, RouterHop, Unread, decode};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

mod v2 {
    alloy::sol! {
        function swapExactTokensForTokens(uint256 a, uint256 b, address[] path, address to, uint256 deadline) external;
        function swapTokensForExactTokens(uint256 a, uint256 b, address[] path, address to, uint256 deadline) external;
        function swapExactTokensForETH(uint256 a, uint256 b, address[] path, address to, uint256 deadline) external;
        function swapTokensForExactETH(uint256 a, uint256 b, address[] path, address to, uint256 deadline) external;
        function swapExactETHForTokens(uint256 b, address[] path, address to, uint256 deadline) external payable;
        function swapETHForExactTokens(uint256 a, address[] path, address to, uint256 deadline) external payable;
        function swapExactTokensForETHSupportingFeeOnTransferTokens(uint256 a, uint256 b, address[] path, address to,
            uint256 deadline) external;
    }
}

mod v3 {
    alloy::sol! {
        struct InSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline;
            uint256 amount; uint256 least; uint160 limit; }
        function exactInputSingle(InSingle params) external payable;
        struct Out { bytes path; address recipient; uint256 deadline; uint256 amountOut; uint256 maxIn; }
        function exactOutput(Out params) external payable;
        function multicall(bytes[] data) external payable;
        function unwrapWETH9(uint256 least, address recipient) external payable;
        function increaseObservationCardinalityNext(uint16 many) external;
    }
}

mod both {
    alloy::sol! {
        struct InSingle { address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 amount;
            uint256 least; uint160 limit; }
        function exactInputSingle(InSingle params) external payable;
        function swapExactTokensForTokens(uint256 a, uint256 b, address[] path, address to) external payable;
        function multicall(uint256 deadline, bytes[] data) external payable;
    }
}

mod universal {
    alloy::sol! {
        function execute(bytes commands, bytes[] inputs, uint256 deadline) external payable;
        function v3(address recipient, uint256 amount, uint256 limit, bytes path, bool payer) external;
        function v2(address recipient, uint256 amount, uint256 limit, address[] path, bool payer) external;
        function pay(address token, address recipient, uint256 amount) external;
        function unwrap(address recipient, uint256 least) external;
    }
}

mod others {
    alloy::sol! {
        function unoswap(address token, uint256 amount, uint256 least, uint256[] pools) external payable;
        function uniswapV3Swap(uint256 amount, uint256 least, uint256[] pools) external payable;
        function sellToUniswap(address[] tokens, uint256 amount, uint256 least, bool sushi) external payable;
    }
}

const WETH: Address = MAINNET.wrapped_native;
const SENDER: Address = address!("00000000000000000000000000000000000e0a00");

fn router(dialect: Dialect) -> Router {
    *MAINNET.routers.iter().find(|router| router.dialect == dialect).expect("in the table")
}

fn read_at(router: &Router, value: U256, data: &[u8]) -> Result<Plan, Unread> {
    let mut plan = Plan::default();
    decode(router, &Call { from: SENDER, wrapped_native: WETH, value, data }, &mut plan).map(|()| plan)
}

fn read(dialect: Dialect, value: U256, data: &[u8]) -> Result<Plan, Unread> {
    read_at(&router(dialect), value, data)
}

fn made(by: Maker, fee: u32, path: &[Address]) -> Vec<RouterHop> {
    path.windows(2).map(|pair| RouterHop::Made { by, fee, token_in: pair[0], token_out: pair[1] }).collect()
}

fn packed(path: &[Address], fee: u32) -> Vec<u8> {
    let mut bytes = path[0].to_vec();
    for token in &path[1..] {
        bytes.extend_from_slice(&fee.to_be_bytes()[1..]);
        bytes.extend_from_slice(token.as_slice());
    }
    bytes
}

/// A plan of one trade: its hops, what is fixed, the limit, who gets it.
fn one(plan: &Plan) -> (Vec<RouterHop>, Amount, U256, Address) {
    let [trade] = plan.trades() else { panic!("{plan:?}") };
    (plan.hops(trade).to_vec(), trade.amount, trade.limit, trade.recipient)
}

fn token() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn path() -> impl Strategy<Value = Vec<Address>> {
    prop::collection::vec(token(), 2..6)
}

fn amount() -> impl Strategy<Value = U256> {
    any::<u128>().prop_map(|amount| U256::from(amount) + U256::ONE)
}

const V2: Dialect = Dialect::V2(Maker::UniswapV2);

proptest! {
    #[test]
    fn every_swap_of_the_v2_router_is_read_back(tokens in path(), a in amount(), b in amount(), to in token(), due in amount()) {
        let ends = |first: Option<Address>, last: Option<Address>| {
            let mut path = tokens.clone();
            let end = path.len() - 1;
            path[0] = first.unwrap_or(path[0]);
            path[end] = last.unwrap_or(path[end]);
            path
        };
        let (plain, from, into) = (ends(None, None), ends(Some(WETH), None), ends(None, Some(WETH)));
        let none = U256::ZERO;
        let (path, deadline) = (plain.clone(), due);
        let calls = [
            (plain.clone(), none, Amount::In(a), b, v2::swapExactTokensForTokensCall { a, b, path: path.clone(), to, deadline }.abi_encode()),
            (plain, none, Amount::Out(a), b, v2::swapTokensForExactTokensCall { a, b, path, to, deadline }.abi_encode()),
            (into.clone(), none, Amount::In(a), b, v2::swapExactTokensForETHCall { a, b, path: into.clone(), to, deadline }.abi_encode()),
            (into.clone(), none, Amount::Out(a), b, v2::swapTokensForExactETHCall { a, b, path: into.clone(), to, deadline }.abi_encode()),
            (into.clone(), none, Amount::In(a), b, v2::swapExactTokensForETHSupportingFeeOnTransferTokensCall { a, b, path: into, to, deadline }.abi_encode()),
            (from.clone(), a, Amount::In(a), b, v2::swapExactETHForTokensCall { b, path: from.clone(), to, deadline }.abi_encode()),
            (from.clone(), b, Amount::Out(a), b, v2::swapETHForExactTokensCall { a, path: from, to, deadline }.abi_encode()),
        ];
        for (path, value, fixed, limit, data) in calls {
            for dialect in [V2, Dialect::V2(Maker::Sushi)] {
                let plan = read(dialect, value, &data).expect("read");
                let Dialect::V2(by) = dialect else { unreachable!() };
                prop_assert_eq!(one(&plan), (made(by, 0, &path), fixed, limit, to));
                prop_assert_eq!(plan.deadline(), Some(due));
            }
        }
    }

    #[test]
    fn v3s_paths_are_read_from_what_goes_in_to_what_comes_out(tokens in path(), fee in 0u32..1 << 24, a in amount(), b in amount(), to in token()) {
        let params = v3::InSingle {
            tokenIn: tokens[0], tokenOut: tokens[1], fee: U24::from(fee), recipient: to, deadline: b, amount: a, least: b,
            limit: U160::from(7),
        };
        let plan = read(Dialect::V3, U256::ZERO, &v3::exactInputSingleCall { params }.abi_encode()).expect("read");
        prop_assert_eq!(one(&plan), (made(Maker::UniswapV3, fee, &tokens[..2]), Amount::In(a), b, to));
        prop_assert_eq!(plan.trades()[0].price_limit, Some(U256::from(7)));

        let mut back = tokens.clone();
        back.reverse();
        let params = v3::Out { path: packed(&back, fee).into(), recipient: Address::ZERO, deadline: b, amountOut: a, maxIn: b };
        let inner = [
            v3::exactOutputCall { params }.abi_encode(),
            v3::unwrapWETH9Call { least: a, recipient: to }.abi_encode(),
        ];
        let data = v3::multicallCall { data: inner.map(Bytes::from).to_vec() }.abi_encode();
        let plan = read(Dialect::V3, U256::ZERO, &data).expect("read");
        let itself = router(Dialect::V3).address;
        prop_assert_eq!(one(&plan), (made(Maker::UniswapV3, fee, &tokens), Amount::Out(a), b, itself));
        prop_assert_eq!(plan.floors(), &[Floor { token: WETH, least: a, less_bps: 0 }][..]);
    }

    #[test]
    fn swap_router_02_takes_both_kinds_and_names_sender_and_itself(tokens in path(), a in amount(), b in amount()) {
        let named = |number: u64| Address::from_word(U256::from(number).into());
        let single = both::InSingle {
            tokenIn: tokens[0], tokenOut: tokens[1], fee: U24::from(500), recipient: named(2), amount: a, least: b, limit: U160::ZERO,
        };
        let pairs = both::swapExactTokensForTokensCall { a, b, path: tokens.clone(), to: named(1) };
        let inner = [both::exactInputSingleCall { params: single }.abi_encode(), pairs.abi_encode()];
        let data = both::multicallCall { deadline: b, data: inner.map(Bytes::from).to_vec() }.abi_encode();
        let plan = read(Dialect::Both, U256::ZERO, &data).expect("read");
        let [first, second] = plan.trades() else { panic!("{plan:?}") };
        prop_assert_eq!(plan.hops(first), &made(Maker::UniswapV3, 500, &tokens[..2])[..]);
        prop_assert_eq!(plan.hops(second), &made(Maker::UniswapV2, 0, &tokens)[..]);
        prop_assert_eq!((first.recipient, second.recipient), (router(Dialect::Both).address, SENDER));
        prop_assert_eq!(plan.deadline(), Some(b));
    }

    #[test]
    fn commands_of_the_universal_router_are_read_one_by_one(tokens in path(), a in amount(), b in amount(), fee in 0u32..1 << 24) {
        let itself = Address::from_word(U256::from(2).into());
        let path = Bytes::from(packed(&tokens, fee));
        let inputs = [
            universal::unwrapCall { recipient: itself, least: a }.abi_encode(),
            universal::v3Call { recipient: itself, amount: a, limit: b, path, payer: false }.abi_encode(),
            universal::v2Call { recipient: SENDER, amount: b, limit: a, path: tokens.clone(), payer: true }.abi_encode(),
            universal::payCall { token: tokens[0], recipient: SENDER, amount: U256::from(25) }.abi_encode(),
            universal::unwrapCall { recipient: SENDER, least: b }.abi_encode(),
        ];
        // Arguments without a selector.
        let inputs: Vec<Bytes> = inputs.iter().map(|input| Bytes::copy_from_slice(&input[4..])).collect();
        let data = |commands: &'static [u8]| {
            universal::executeCall { commands: commands.into(), inputs: inputs.clone(), deadline: b }.abi_encode()
        };
        let plan = read(Dialect::Universal, a, &data(&[0x0b, 0x00, 0x09, 0x06, 0x0c])).expect("read");
        let [first, second] = plan.trades() else { panic!("{plan:?}") };
        prop_assert_eq!(plan.hops(first), &made(Maker::UniswapV3, fee, &tokens)[..]);
        prop_assert_eq!((first.amount, first.limit), (Amount::In(a), b));
        prop_assert_eq!((second.amount, second.limit, second.recipient), (Amount::AtLeast(b), a, SENDER));
        prop_assert_eq!(plan.floors(), &[Floor { token: WETH, least: b, less_bps: 25 }][..]);
        // A swap that may fail, and what is not understood.
        prop_assert_eq!(read(Dialect::Universal, a, &data(&[0x0b, 0x80, 0x09, 0x06, 0x0c])).err(), Some(Unread::Function));
        prop_assert_eq!(read(Dialect::Universal, a, &data(&[0x0b, 0x00, 0x10, 0x06, 0x0c])).err(), Some(Unread::Function));
        let other = read(Dialect::Universal, a, &data(&[0x0b, 0x00, 0x08, 0x06, 0x0c])).expect("read");
        prop_assert!(other.shape() != plan.shape());
    }

    #[test]
    fn packed_pools_of_aggregators_are_read(pool in token(), a in amount(), b in amount(), tokens in path()) {
        let word = U256::from_be_slice(pool.as_slice()) | U256::from(997_000_000u64) << 160 | U256::ONE << 255;
        let data = others::unoswapCall { token: tokens[0], amount: a, least: b, pools: vec![word] }.abi_encode();
        let hop = RouterHop::At { pool, first_in: false, keeps: Some(997_000_000) };
        prop_assert_eq!(one(&read(Dialect::OneInch, U256::ZERO, &data).expect("read")), (vec![hop], Amount::In(a), b, SENDER));
        let word = U256::from_be_slice(pool.as_slice());
        let data = others::uniswapV3SwapCall { amount: a, least: b, pools: vec![word, word] }.abi_encode();
        let hop = RouterHop::At { pool, first_in: true, keeps: None };
        prop_assert_eq!(one(&read(Dialect::OneInch, a, &data).expect("read")), (vec![hop; 2], Amount::In(a), b, SENDER));
        let data = others::sellToUniswapCall { tokens: tokens.clone(), amount: a, least: b, sushi: true }.abi_encode();
        let plan = read(Dialect::ZeroEx, U256::ZERO, &data).expect("read");
        prop_assert_eq!(one(&plan), (made(Maker::Sushi, 0, &tokens), Amount::In(a), b, SENDER));
    }

    #[test]
    fn no_bytes_break_a_reader(head in 0usize..40, noise in prop::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
        let selectors = [
            v2::swapExactTokensForTokensCall::SELECTOR, v2::swapExactETHForTokensCall::SELECTOR,
            v3::exactInputSingleCall::SELECTOR, v3::exactOutputCall::SELECTOR, v3::multicallCall::SELECTOR,
            both::multicallCall::SELECTOR, universal::executeCall::SELECTOR, others::unoswapCall::SELECTOR,
            others::uniswapV3SwapCall::SELECTOR, others::sellToUniswapCall::SELECTOR,
        ];
        let mut data = selectors[head % selectors.len()].to_vec();
        data.extend_from_slice(&noise);
        data.truncate(cut);
        for router in MAINNET.routers {
            let answer = read_at(router, U256::from(cut), &data);
            prop_assert!(answer.is_err() || answer.is_ok_and(|plan| plan.trades().iter().all(|trade| trade.hops > 0)));
        }
    }
}

#[test]
fn what_depends_on_the_routers_balance_or_is_not_understood_is_left_to_the_evm() {
    let named = Address::ZERO;
    let params = both::InSingle {
        tokenIn: WETH,
        tokenOut: SENDER,
        fee: U24::from(500),
        recipient: named,
        amount: U256::ZERO,
        least: U256::ZERO,
        limit: U160::ZERO,
    };
    let data = both::exactInputSingleCall { params }.abi_encode();
    assert_eq!(read(Dialect::Both, U256::ZERO, &data).err(), Some(Unread::Balance));
    let strange = v3::increaseObservationCardinalityNextCall { many: 3 }.abi_encode();
    let data = v3::multicallCall { data: vec![strange.clone().into()] }.abi_encode();
    assert_eq!(read(Dialect::V3, U256::ZERO, &data).err(), Some(Unread::Function));
    assert_eq!(read(Dialect::V3, U256::ZERO, &strange).err(), Some(Unread::Function));
    // A path that must end at wrapped ether, and does not.
    let path = vec![WETH, SENDER];
    let (a, b, to, deadline) = (U256::ONE, U256::ONE, SENDER, U256::MAX);
    let data = v2::swapExactTokensForETHCall { a, b, path, to, deadline }.abi_encode();
    assert_eq!(read(V2, U256::ZERO, &data).err(), Some(Unread::Refuses));
    // An address with something above its twenty bytes.
    let path = vec![SENDER, WETH];
    let mut data = v2::swapExactTokensForETHCall { a, b, path, to, deadline }.abi_encode();
    data[4 + 3 * 32] = 1;
    assert_eq!(read(V2, U256::ZERO, &data).err(), Some(Unread::Shape));
}

#[test]
fn factories_make_the_pools_that_mainnet_has() {
    let usdc = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
    let made = |factory: Maker, pool, fee| calldata::made(&MAINNET.contracts(), factory, pool, [usdc, WETH], fee);
    assert!(made(Maker::UniswapV2, address!("B4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc"), 0));
    assert!(made(Maker::Sushi, address!("397FF1542f962076d0BFE58eA045FfA2d347ACa0"), 0));
    assert!(made(Maker::UniswapV3, address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"), 500));
    assert!(!made(Maker::UniswapV3, address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640"), 3_000));
}
