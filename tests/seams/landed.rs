//! The toy strategy on a devnet: what it finds in a state that was loaded from a real node is signed, sent to the block builder as any
//! bundle is, and lands with the profit that was proven, to the wei.

use std::sync::Arc;

use alloy_primitives::{U64, U256};
use peregrine::chain::MAINNET;
use peregrine::edge::bootstrap::{Config, Keep, Loaded};
use peregrine::edge::submit::DialectName;
use peregrine::hot::bundle::config::{Bid, Executor, Limits};
use peregrine::hot::bundle::{BundleSigner, SignedBundle, TargetBlock};
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::plan::{InitialState, Plan};
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::fork;
use peregrine::hot::evm::own::Own;
use peregrine::hot::search;
use peregrine::hot::send::header;
use peregrine::types::secret::{Key, Place};
use peregrine_devnet::block_builder::{BlockBuilder, Options};
use peregrine_devnet::{Venue, Wallet};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hand::Hand;
use crate::round_trip::RoundTrip;
use crate::world::World;

fn key(wallet: &Wallet) -> Key {
    Key::from_hex(&alloy_primitives::hex::encode(wallet.secret())).expect("a key")
}

/// One of wrapped ether's pairs at Uniswap gets a price of its own.
async fn out_of_line(world: &World) {
    let net = &world.net;
    let pair =
        net.pools.iter().find(|pool| pool.venue == Venue::UniswapV2 && pool.tokens.contains(&0)).expect("a pair");
    let token = &net.tokens[pair.tokens[usize::from(pair.tokens[0] == 0)]];
    Hand(net).sell(token.address, token.worth(pair.depth_usd / 10)).await;
}

/// An engine that runs the toy and nothing else, behind what was loaded.
fn engine(world: &World, loaded: &Loaded) -> Engine<((), RoundTrip)> {
    let own = Own { owner: world.net.owner.address(), executor: world.net.executor, weth: MAINNET.wrapped_native };
    let plan = Plan {
        chain_id: 1,
        rules: fork::Rules::always(fork::Fork::PRAGUE),
        slot_seconds: 12,
        search: search::config::Config::default(),
        base: true,
        bid: Bid::default(),
        own,
        forecast: false,
        contracts: MAINNET.contracts(),
    };
    let Loaded { head, accounts, hashes, pools, markets, .. } = loaded;
    let ground = InitialState { head, accounts, hashes, pools, markets };
    plan.running(((), RoundTrip::default()), &ground)
}

/// Looks until nothing is missing.
async fn look(engine: &mut Engine<((), RoundTrip)>, keep: &Keep) -> Outcome {
    loop {
        let outcome = engine.on_event(Event::Head);
        if outcome.wanted.is_empty() {
            return outcome;
        }
        let at = engine.tip().expect("it follows").head().hash;
        engine.on_event(Event::FetchedState(Arc::new(keep.fetch(at, &outcome.wanted).await.expect("answered"))));
    }
}

/// As the searcher writes it to a relay of this dialect.
async fn send(builder: &BlockBuilder, bundle: &SignedBundle) -> Value {
    let (mut body, mut signature) = (Vec::new(), Vec::new());
    DialectName::Flashbots.dialect().bundle(bundle, &Uuid::from_u128(7), &mut body);
    let identity = key(&Wallet::fresh().expect("a key"));
    header::write(&identity, None, &body, &mut signature).expect("signed");
    let request = reqwest::Client::new().post(builder.url()).header("content-type", "application/json");
    let request = request.header("X-Flashbots-Signature", String::from_utf8(signature).expect("text"));
    let reply = request.body(body).send().await.expect("answered").bytes().await.expect("whole");
    serde_json::from_slice(&reply).expect("json")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_toy_finds_lands_on_a_devnet_with_the_profit_that_was_proven() {
    let world = World::start(5).await;
    out_of_line(&world).await;
    let chain = world.chain();
    let loaded = world.load(&chain, &Config::default(), &mut |_| ()).await.expect("loaded");
    let keep = Keep::new(chain, world.rules(), &loaded);
    let mut engine = engine(&world, &loaded);
    let outcome = look(&mut engine, &keep).await;
    let best = outcome.proven.iter().max_by_key(|proof| proof.opportunity().gross());
    let proof = best.unwrap_or_else(|| panic!("the toy sees nothing: {outcome:?}"));
    assert_eq!(proof.opportunity().strategy(), "round_trip");

    let contract = Executor {
        address: world.net.executor,
        owner: Place::Env("OWNER".to_owned()),
        identity: None,
        access_list: false,
        gas_margin_bps: 1_000,
    };
    let mut signer = BundleSigner::new(key(&world.net.owner), 1, contract, Bid::default(), Limits::default());
    let target_block = TargetBlock::after(&engine.tip().expect("it follows").parent(), engine.nonce());
    let bundle = signer.build(proof, engine.pools(), None, &target_block).expect("passes the limits");

    let (hand, weth) = (Hand(&world.net), MAINNET.wrapped_native);
    let before = hand.balance(weth, world.net.executor).await;
    let ether: U256 =
        world.net.rpc.call("eth_getBalance", json!([world.net.executor, "latest"])).await.expect("a balance");
    let options = Options { timer: false, ..Options::new(&world.net.node.http()) };
    let builder = BlockBuilder::start(options).await.expect("a builder");
    let reply = send(&builder, &bundle).await;
    assert!(reply["result"]["bundleHash"].is_string(), "{reply}");
    builder.build_now().await.expect("a block");
    let receipt: Value = world.net.rpc.call("eth_getTransactionReceipt", json!([bundle.ours()])).await.expect("landed");
    assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
    assert_eq!(receipt["blockNumber"], json!(U64::from(loaded.head.number + 1)));
    // The bid is paid out of the ether that was here, and the rest of it is unwrapped out of the profit.
    let gained = hand.balance(weth, world.net.executor).await - before;
    let unwrapped = bundle.terms().bid.0.saturating_sub(ether);
    assert_eq!(gained, U256::from(proof.opportunity().gross()) - unwrapped);
    builder.stop().await;
}
