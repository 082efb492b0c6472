//! Lending markets at the edge, on a devnet of real ones: what is loaded and kept says of every account what the market itself
//! says, who borrows later is followed, the next start goes on where the last ended, and a node that lies is found out.

#[path = "borrowers/follower.rs"]
mod follower;
#[path = "common/liquidations.rs"]
mod liquidations;
#[path = "borrowers/morpho.rs"]
mod morpho;
#[path = "common/requests.rs"]
mod proxy;
#[path = "borrowers/transactions.rs"]
mod transactions;
#[path = "borrowers/verb.rs"]
mod verb;
#[path = "bootstrap/world.rs"]
mod world;

use std::time::Duration;

use alloy::consensus::TxEip1559;
use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use follower::Follower;
use peregrine::edge::bootstrap::{self, BootstrapError, Config, Keep, LendingRow, Loaded, Progress, Wanted};
use peregrine::edge::chain::Chain;
use peregrine::live::session;
use peregrine_devnet::Wallet;
use proxy::Proxy;
use serde_json::{Value, json};
use world::World;

alloy::sol! {
    function deposit() external payable;
    // Both versions of the pool know it by this name.
    function deposit(address asset, uint256 amount, address owner, uint16 referral) external;
    function approve(address spender, uint256 amount) external;
    function borrow(address asset, uint256 amount, uint256 mode, uint16 referral, address owner) external;
}

fn rows(world: &World) -> Vec<LendingRow> {
    session::lending(world.net.lending.as_ref())
}

fn wanted(world: &World) -> Wanted {
    Wanted { lending: rows(world), ..Wanted::default() }
}

async fn load(world: &World, chain: &Chain, config: &Config) -> Result<Loaded, BootstrapError> {
    bootstrap::load(chain, config, world.rules(), &wanted(world), &mut |_| ()).await
}

/// What a transaction does: to whom, with how much, by what.
type Deed = (TxKind, U256, Vec<u8>);

/// Sends transactions, in this order, and mines none; the nonce that the first has.
async fn send(world: &World, from: &Wallet, deeds: Vec<Deed>) -> u64 {
    let rpc = &world.net.rpc;
    let first: U64 = rpc.call("eth_getTransactionCount", json!([from.address(), "pending"])).await.unwrap();
    for ((kind, value, input), nonce) in deeds.into_iter().zip(first.to::<u64>()..) {
        let signed = from.sign(TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit: if kind.is_create() { 6_000_000 } else { 1_000_000 },
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 5_000_000_000,
            to: kind,
            value,
            input: Bytes::from(input),
            ..TxEip1559::default()
        });
        rpc.call::<B256>("eth_sendRawTransaction", json!([signed.raw])).await.unwrap();
    }
    first.to()
}

/// The owner pledges ether with the market and borrows on it, in the next block.
async fn borrow(world: &World, pool: Address) {
    let (net, ether) = (&world.net, U256::from(10).pow(U256::from(18)));
    let (owner, weth, usdc) = (net.owner.address(), net.contracts.weth, net.tokens[1].address);
    let (amount, mode, none) = (U256::from(500_000_000), U256::from(2), U256::ZERO);
    let deeds = vec![
        (weth.into(), ether, deposit_0Call {}.abi_encode()),
        (weth.into(), none, approveCall { spender: pool, amount: ether }.abi_encode()),
        (pool.into(), none, deposit_1Call { asset: weth, amount: ether, owner, referral: 0 }.abi_encode()),
        (pool.into(), none, borrowCall { asset: usdc, amount, mode, referral: 0, owner }.abi_encode()),
    ];
    send(world, &net.owner, deeds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_health_is_the_markets_own_at_the_load_and_behind_every_block_and_a_new_borrower_is_followed() {
    let world = World::lending(51).await;
    let (chain, net) = (world.chain(), &world.net);
    let loaded = load(&world, &chain, &world.config(None)).await.unwrap();
    assert!(loaded.notes.is_empty() && loaded.unusable.is_empty(), "{:?}", loaded.notes);
    let keep = Keep::new(chain.clone(), world.rules(), &loaded);
    let mut follower = Follower::new(&loaded, world.rules());
    let mut due: Vec<Address> = net.lending.as_ref().unwrap().borrowers.iter().map(|b| b.account).collect();
    let mut followed = follower.accounts();
    due.sort_unstable();
    followed.sort_unstable();
    assert_eq!(followed, due);
    follower.hold(&chain).await;

    let watched: Vec<Address> = rows(&world).iter().map(|row| row.address).collect();
    // Blocks first, since the traffic goes by the clock and anvil takes its time over a trace.
    let traffic = net.trade(200.0).unwrap();
    let prices = net.answer_prices(&net.rpc, Duration::from_millis(2)).unwrap();
    for block in 1..=20 {
        assert!(traffic.reached(block * 8).await && prices.reached(block).await);
        if block == 7 {
            borrow(&world, loaded.markets[0].address).await;
        }
        net.mine().await.unwrap();
    }
    traffic.stop().await;
    let sent = prices.sent();
    drop(prices);
    let (mut compared, mut liquidatable) = (0, 0);
    for block in 1..=20 {
        let head = chain.at(loaded.head.number + block).await.unwrap().unwrap();
        let logs = chain.logs(head.hash, &watched).await.unwrap();
        follower.block(&keep, keep.update(&head, &logs).await.unwrap()).await;
        let found = follower.hold(&chain).await;
        (compared, liquidatable) =
            (compared + found.len(), liquidatable + found.iter().filter(|health| health.is_liquidatable()).count());
    }
    assert!(follower.accounts().contains(&net.owner.address()));
    assert_eq!(follower.accounts().len(), due.len() + 1);
    println!("{compared} healths compared, {liquidatable} of them sunk, {sent:?} prices taken and refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_of_borrowers_goes_on_where_it_was_and_values_are_never_the_snapshots() {
    let world = World::lending(52).await;
    world.net.rpc.call::<Value>("anvil_mine", json!(["0xc8"])).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Config { page_blocks: 16, ..world.config(Some(&folder.path().join("snapshot"))) };
    let mut spans = Vec::new();
    let mut hear = |progress: Progress<'_>| match progress {
        Progress::Borrowers { lending, done, of, accounts } if done == of => {
            spans.push((lending.to_owned(), of, accounts));
        }
        _ => (),
    };
    let (chain, rules) = (world.chain(), world.rules());
    let first = bootstrap::load(&chain, &config, rules, &wanted(&world), &mut hear).await.unwrap();
    let asked = chain.requests();
    borrow(&world, first.markets[1].address).await;
    world.net.mine().await.unwrap();
    let again = world.chain();
    let second = bootstrap::load(&again, &config, rules, &wanted(&world), &mut hear).await.unwrap();
    assert!(again.requests() * 2 < asked, "{} requests after {asked}", again.requests());
    let accounts = |loaded: &Loaded| loaded.markets.iter().map(|seed| seed.accounts.len()).collect::<Vec<_>>();
    let (mut due, owing) = (accounts(&first), world.net.lending.as_ref().unwrap().borrowers.len());
    assert_eq!(due.iter().sum::<usize>(), owing);
    due[1] += 1;
    assert_eq!(accounts(&second), due);
    // A scan twice a load: up to the tip, and once more for blocks that came meanwhile, of which the last 64 are not final.
    let blocks = |name: &str| spans.iter().filter(|(of, ..)| of == name).map(|(_, of, _)| *of).collect::<Vec<_>>();
    for row in rows(&world) {
        let [all, rest, later, end] = blocks(&row.name)[..] else { panic!("{spans:?}") };
        assert!(all > 200 && rest == 64 && later == 65 && end == 64, "{spans:?}");
    }
    Follower::new(&second, rules).hold(&again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_market_is_listed_with_its_reason_and_the_run_goes_on() {
    let world = World::lending(53).await;
    let [v3, v2, ..] = &rows(&world)[..] else { panic!("two versions of Aave due") };
    let lender = v3.address;
    // A pool of a later revision answers as this one does, but for its number.
    let modern = Proxy::before(&world.net.node.http(), move |call: &Value, mut reply: Value| {
        if call["method"] == "eth_getCode" && call["params"][0] == json!(Address::repeat_byte(0x36)) {
            // PUSH1 4, MSTORE at 0, RETURN the word.
            reply["result"] = json!("0x600460005260206000f3");
        }
        reply
    })
    .await;
    let chain = Chain::new(&modern.url, Duration::from_secs(30)).unwrap();
    let row = |name: &str, address| LendingRow { name: name.to_owned(), address, ..v3.clone() };
    let morpho = LendingRow {
        protocol: "morpho_blue".to_owned(),
        market: Some(B256::repeat_byte(7)),
        oracle: None,
        ..row("morpho", lender)
    };
    let known = world.net.lending.as_ref().unwrap().borrowers[0].account;
    let few = LendingRow { accounts: vec![known, Address::repeat_byte(9)], ..v3.clone() };
    let lending = vec![
        row("nothing", Address::repeat_byte(0x42)),
        row("token", world.net.tokens[1].address),
        row("modern", Address::repeat_byte(0x36)),
        row("v2", v2.address),
        morpho,
        few,
    ];
    let wanted = Wanted { lending, ..Wanted::default() };
    let loaded = bootstrap::load(&chain, &world.config(None), world.rules(), &wanted, &mut |_| ()).await.unwrap();
    let [nothing, token, modern, v2, morpho] = &loaded.notes[..] else { panic!("{:?}", loaded.notes) };
    assert!(nothing.contains("lending nothing") && nothing.contains("has no code"), "{nothing}");
    assert!(token.contains("lending token") && token.contains("does not say its revision"), "{token}");
    assert!(modern.contains("is of pool revision 4: 1 to 3 (aave 3.0) are known here"), "{modern}");
    assert!(v2.contains("lending v2") && v2.contains("does not say its revision"), "{v2}");
    assert!(morpho.contains("has no market 0x0707"), "{morpho}");
    assert_eq!(loaded.unusable.len(), 5);
    let [seed] = &loaded.markets[..] else { panic!("{:?}", loaded.markets) };
    // Whose accounts are listed is not looked for in logs, and who owes nothing is watched all the same.
    assert_eq!((seed.address, seed.accounts.len()), (lender, 2));
    Follower::new(&loaded, world.rules()).hold(&world.chain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_loaded_wrong_is_named_with_its_block() {
    let world = World::lending(54).await;
    let honest = load(&world, &world.chain(), &world.config(None)).await.unwrap();
    let borrower = world.net.lending.as_ref().unwrap().borrowers[3];
    let slot = B256::from(peregrine::protocols::lending::slots::of_address(borrower.account, 56));
    let lies = move |call: &Value, mut reply: Value| {
        // What the account owes, as the token of variable debt keeps it: somewhat more than there is.
        if call["method"] == "eth_getStorageAt" && call["params"][1] == json!(slot) {
            let text = reply["result"].as_str().unwrap().to_owned();
            let zero = text[2..].chars().all(|digit| digit == '0');
            let last = if text.ends_with('7') { '8' } else { '7' };
            // The last digit, of a hundred millionth part of a cent; the third to last byte, of much more.
            reply["result"] = json!(if zero { text } else { format!("{}{last}{}", &text[..59], &text[60..]) });
        }
        reply
    };
    let liar = Proxy::before(&world.net.node.http(), lies).await;
    let chain = Chain::new(&liar.url, Duration::from_secs(30)).unwrap();
    let config = Config { verify_pools: 1_000, ..world.config(None) };
    let error = load(&world, &chain, &config).await.unwrap_err();
    let BootstrapError::Wrong { pool, block, .. } = &error else { panic!("{error}") };
    assert_eq!((*pool, *block), (borrower.pool.into(), honest.head.number), "{error}");
    assert!(error.to_string().contains(&format!("of account {}", borrower.account)), "{error}");
}
