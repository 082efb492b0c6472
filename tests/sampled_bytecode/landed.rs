//! Vaults of which nothing is known but a row, in cycles with pools of Uniswap's own bytecode: found by the search, their amounts asked for, run by
//! our contract, agreed with by the EVM to the wei; behind what moves them, and behind time.

use std::sync::Arc;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, TxKind, U256};
use peregrine::hot::engine::Engine;
use peregrine::hot::engine::tip::Tip;
use peregrine::hot::event::{Event, Outcome};
use peregrine::hot::evm::fork::{Fork, Rules};
use peregrine::hot::evm::probe::EvmProbe;
use peregrine::protocols::amm::{Amm, Asked};
use peregrine::protocols::discover::{Announced, Described, Probe};
use peregrine::protocols::{AnyPool, DiscoveryCache, discover, sampled};
use peregrine::types::update::{BlockUpdate, Head};
use revm::context::TxEnv;

use crate::common::chain::{USER, transferCall};
use crate::market::{Market, paths};
use crate::world::{ETHER, streamCall};

/// A vault as a row describes it: functions of their own each way.
fn row(asset: Address, vault: Address) -> Described {
    Described {
        tokens: vec![asset, vault],
        quote: "previewDeposit(uint256 amount_in) returns (uint256)".to_owned(),
        swap: "deposit(uint256 amount_in, address recipient)".to_owned(),
        quote_back: Some("previewRedeem(uint256 amount_in)".to_owned()),
        swap_back: Some("redeem(uint256 amount_in, address recipient, address recipient)".to_owned()),
        quoter: None,
        ether: None,
    }
}

/// A market in which a share of a vault of `token` costs so many hundredths of a token, and the vault as its row describes it.
fn market(name: &str, hundredths: u128) -> (Market, Address) {
    let mut market = Market::new();
    let (weth, token) = (market.weth, market.token);
    let vault = match name {
        "FeeVault" => market.vault_of(name, token, &fees(token), [20_000, 5_000]),
        _ => market.vault(name, token, [20_000, 5_000]),
    };
    market.pair([weth, vault], [100 * hundredths, 10_000].map(|amount| U256::from(amount * ETHER)));
    market.concentrated([weth, token], 10_000);
    market.pair([weth, token], [U256::from(5_000 * ETHER); 2]);
    let described = [(vault.into(), row(token, vault))].into();
    let announced = Announced { wrapped_native: Some(weth), described, ..Announced::default() };
    market.chain.machine.db_mut().tell_announced(Arc::new(announced));
    (market, vault)
}

/// What a vault is made with that asks a fee of ten basis points in, and twenty out.
fn fees(asset: Address) -> Vec<u8> {
    use alloy::sol_types::SolValue;
    (asset, U256::from(10), U256::from(20)).abi_encode_params()
}

/// The vault as one that is asked, in the place of what its own maths would make of it.
fn asked(market: &mut Market, vault: Address) -> Vec<AnyPool> {
    let mut found = market.found();
    let place = found.iter().position(|pool| pool.address() == vault).expect("found");
    let reason = "its own maths is left out".to_owned();
    let pool = sampled::instead(&mut EvmProbe::new(&mut market.chain.machine), vault.into(), reason);
    found[place] = pool.expect("it answers").into();
    found
}

fn best(outcome: &Outcome, engine: &Engine, protocol: &str) -> u128 {
    let through = paths(engine, outcome).into_iter().zip(&outcome.proven).filter(|(path, _)| path.contains(&protocol));
    through.map(|(_, proof)| proof.opportunity().gross()).max().unwrap_or(0)
}

#[test]
fn cycles_through_a_vault_whose_maths_is_left_out_earn_what_those_through_it_do() {
    for hundredths in [80, 90, 150, 170] {
        let (mut market, vault) = market("SolmateVault", hundredths);
        let found = asked(&mut market, vault);
        let mut engine = market.engine(found);
        let outcome = engine.on_event(Event::Head);
        assert!(outcome.rejected.is_empty(), "{hundredths}: {:?}", outcome.rejected);
        let ours = best(&outcome, &engine, "sampled");
        let (mut other, _) = self::market("SolmateVault", hundredths);
        let native = other.found();
        let mut engine = other.engine(native);
        let outcome = engine.on_event(Event::Head);
        let theirs = best(&outcome, &engine, "erc4626");
        println!("{hundredths}: {ours} asked for, {theirs} by its own maths");
        assert!(theirs > 0 && ours.abs_diff(theirs) <= theirs / 1_000_000, "{ours} of {theirs}");
    }
}

/// A vault with fees, which its own protocol's maths refuses.
#[test]
fn cycles_through_a_vault_that_asks_fees_are_proven_to_the_wei_in_and_out() {
    let mut seen = Vec::new();
    for hundredths in [80, 90, 150, 170] {
        let (mut market, vault) = market("FeeVault", hundredths);
        let found = market.found();
        let pool = found.iter().find(|pool| pool.address() == vault).expect("found");
        assert_eq!((pool.protocol(), pool.asked()), ("sampled", Asked::WhereItMoves));
        let mut engine = market.engine(found);
        let outcome = engine.on_event(Event::Head);
        assert!(outcome.rejected.is_empty(), "{hundredths}: {:?}", outcome.rejected);
        println!("{hundredths}: {} {:?}", best(&outcome, &engine, "sampled"), paths(&engine, &outcome));
        for proof in &outcome.proven {
            let path = proof.opportunity().path(engine.pools());
            seen.extend(path.hops.iter().filter(|hop| hop.pool.contract == vault).map(|hop| hop.token_in == vault));
        }
    }
    assert!(seen.contains(&true) && seen.contains(&false), "in and out");
}

/// A gift to the vault, which no log of its own tells of, is pending.
#[test]
fn behind_a_transaction_that_moves_it_it_is_asked_anew() {
    let (mut market, vault) = market("FeeVault", 125);
    let found = market.found();
    let (token, nonce) = (market.token, market.chain.nonce());
    let mut engine = market.engine(found);
    let before = best(&engine.on_event(Event::Head), &engine, "sampled");
    let gift = transferCall { to: vault, amount: U256::from(20_000 * ETHER) }.abi_encode();
    let tx = TxEnv {
        caller: USER,
        gas_limit: 200_000,
        gas_price: 7,
        kind: TxKind::Call(token),
        data: gift.into(),
        nonce,
        ..TxEnv::default()
    };
    let outcome = engine.on_event(Event::Pending(Box::new(tx.clone())));
    assert!(outcome.rejected.is_empty() && outcome.wanted.is_empty(), "{:?} {:?}", outcome.rejected, outcome.wanted);
    let behind = best(&outcome, &engine, "sampled");
    println!("{before} before, {behind} behind it");
    assert!(behind > before + before / 2, "{behind} behind it, {before} before");
    // What is not included has moved nothing.
    assert_eq!(best(&engine.on_event(Event::Head), &engine, "sampled"), before);
    engine.on_event(Event::Pending(Box::new(tx)));
    engine.on_event(Event::Included);
    assert_eq!(best(&engine.on_event(Event::Head), &engine, "sampled"), behind);
}

/// Its rate grows with time alone.
#[test]
fn one_whose_answers_are_another_block_s_in_the_next_is_asked_each_block() {
    let (mut market, vault) = market("StreamingVault", 100);
    let per_second = U256::from(ETHER / 10_000);
    market.chain.call(vault, &streamCall { perSecond: per_second });
    let found = market.found();
    let head = Head {
        number: 20_000_000,
        hash: B256::repeat_byte(1),
        timestamp: 1_717_000_000,
        base_fee: 7,
        gas_used: 15_000_000,
        gas_limit: 30_000_000,
        ..Head::default()
    };
    let mut engine = market.engine(found).following(Tip::new(head, Rules::always(Fork::PRAGUE), 12));
    let mut last = head;
    let mut paid = Vec::new();
    for number in 1..=3_u8 {
        let next = Head {
            number: last.number + 1,
            hash: B256::repeat_byte(1 + number),
            parent: last.hash,
            timestamp: last.timestamp + 12,
            ..last
        };
        let update = BlockUpdate { head: next, ..BlockUpdate::default() };
        let outcome = engine.on_event(Event::Block(Arc::new(update)));
        assert!(outcome.desync.is_none() && outcome.broken.is_empty());
        last = next;
        let id = engine.pools().find(vault).expect("held");
        let pool = engine.pools().pool(id).clone();
        assert_eq!(pool.asked(), Asked::EachBlock);
        let leg = pool.leg(vault, pool.tokens()[0]).expect("its tokens");
        let amount = pool.depth(leg) as u128;
        let question = pool.question(leg, amount).expect("a question");
        let answer = EvmProbe::new(engine.machine_mut()).call(question.to, &question.data).word(question.word);
        let quote = pool.quote_in(leg, U256::from(amount)).ok();
        assert_eq!(quote, answer, "at the most there is an answer");
        paid.push(quote.expect("it pays"));
    }
    println!("{paid:?}");
    assert!(paid.is_sorted() && paid[0] < paid[2]);
}

/// A row that promises what its contract does not pay.
#[test]
fn a_row_that_lies_earns_nothing_and_sends_nothing() {
    let (mut market, vault) = market("SolmateVault", 150);
    let token = market.token;
    // Shares are promised one for one with what a thousandth of them is: nobody pays that.
    let lies = Described {
        quote_back: Some("convertToAssets(uint256 amount_in)".to_owned()),
        swap_back: Some("withdraw(uint256 amount_in, address recipient, address recipient)".to_owned()),
        ..row(token, vault)
    };
    let described = [(vault.into(), lies)].into();
    let announced = Announced { described, ..Announced::default() };
    market.chain.machine.db_mut().tell_announced(Arc::new(announced));
    let found = asked(&mut market, vault);
    let mut engine = market.engine(found);
    let outcome = engine.on_event(Event::Head);
    let back = |proof: &peregrine::hot::simulate::Proven| {
        let path = proof.opportunity().path(engine.pools());
        path.hops.iter().any(|hop| hop.pool.contract == vault && hop.token_in == vault)
    };
    assert!(!outcome.proven.iter().any(back), "{:?}", paths(&engine, &outcome));
}

#[test]
fn a_vault_is_no_pool_without_its_row() {
    let (mut market, vault) = market("FeeVault", 100);
    market.chain.machine.db_mut().tell_announced(Arc::default());
    let found =
        discover(&mut EvmProbe::new(&mut market.chain.machine), &mut DiscoveryCache::default(), vault.into(), false);
    assert!(found.is_err(), "{found:?}");
    assert!(EvmProbe::new(&mut market.chain.machine).code_hash(vault).is_some());
}
