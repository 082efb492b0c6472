//! What is signed is what was proven, within the limits; what is not, is refused by name.

mod common;
#[path = "build/market.rs"]
mod market;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy};
use alloy::eips::eip1559::BaseFeeParams;
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use market::{BLOCK, Market, OTHER_KEY, OWNER_KEY, ether, key, target_block};
use peregrine::hot::bundle::bid::{Cost, settle};
use peregrine::hot::bundle::config::{Bid, Limits};
use peregrine::hot::bundle::fees::Parent;
use peregrine::hot::bundle::{BundleSigner, SignedBundle, Target, TargetBlock};
use peregrine::hot::refused::Refused;
use peregrine::types::amount::{Gas, Wei, WeiPerGas};
use peregrine::types::gas::GasCost;
use proptest::prelude::*;
use revm::context::TxEnv;

fn next(gas_limit: u64, gas_used: u64, base_fee: u128) -> u128 {
    let parent = Parent {
        number: 1,
        hash: B256::ZERO,
        gas_limit: Gas(gas_limit),
        gas_used: Gas(gas_used),
        base_fee: WeiPerGas(base_fee),
        rule: peregrine::chain::BaseFee::LONDON,
    };
    parent.next_base_fee().0
}

#[test]
fn the_next_base_fee_is_the_known_one() {
    for (limit, used, base, due) in [
        // go-ethereum, consensus/misc/eip1559: TestCalcBaseFee.
        (20_000_000, 10_000_000, 1_000_000_000, 1_000_000_000),
        (20_000_000, 9_000_000, 1_000_000_000, 987_500_000),
        (20_000_000, 11_000_000, 1_000_000_000, 1_012_500_000),
        // Mainnet: London's first block and the one after it.
        (30_029_122, 30_025_257, 1_000_000_000, 1_124_967_822),
        // A rise is at least one wei; a fall may be none.
        (30_000_000, 15_000_001, 1_000_000_000, 1_000_000_008),
        (30_000_000, 30_000_000, 7, 8),
        (30_000_000, 0, 7, 7),
        (30_000_000, 0, 0, 0),
        (30_000_000, 30_000_000, 0, 1),
        // From outside, and senseless.
        (0, 5, 9, 9),
        (1, 5, 9, 9),
    ] {
        assert_eq!(next(limit, used, base), due, "{limit} {used} {base}");
    }
}

fn recorded(block: &str) -> Option<serde_json::Value> {
    let path = common::mainnet(&format!("blocks/{block}/block.json.zst"))?;
    let bytes = zstd::decode_all(std::fs::File::open(path).expect("the record")).expect("zstd");
    Some(serde_json::from_slice(&bytes).expect("json"))
}

fn number(header: &serde_json::Value, key: &str) -> u128 {
    let text = header[key].as_str().unwrap_or_else(|| panic!("{key}"));
    u128::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex")
}

#[test]
fn the_next_base_fee_is_what_the_next_recorded_header_charges() {
    // The only two neighbours among the records.
    let (Some(parent), Some(child)) = (recorded("15537393"), recorded("15537394")) else { return };
    let [limit, used] = ["gasLimit", "gasUsed"].map(|key| number(&parent, key) as u64);
    assert_eq!(parent["hash"], child["parentHash"]);
    assert_eq!(next(limit, used, number(&parent, "baseFeePerGas")), number(&child, "baseFeePerGas"));
}

thread_local! {
    static MARKET: Market = Market::new(2, 1);
}

/// The market's one opportunity, signed by `signer`.
fn build(
    signer: &mut BundleSigner,
    target: Option<&Target>,
    target_block: &TargetBlock,
) -> Result<SignedBundle, Refused> {
    MARKET.with(|market| signer.build(&market.proven[0], market.engine.pools(), target, target_block))
}

fn signer(bid: Bid, limits: Limits) -> BundleSigner {
    MARKET.with(|market| market.signer(bid, limits))
}

fn ours(bundle: &SignedBundle) -> TxEip1559 {
    let raw = *bundle.txs().last().expect("ours");
    let tx = TxEnvelope::decode_2718_exact(raw).expect("decodes to its end");
    assert_eq!(*tx.tx_hash(), bundle.ours());
    assert_eq!(keccak256(raw), bundle.ours());
    let TxEnvelope::Eip1559(signed) = tx else { panic!("type {:?}", tx.tx_type()) };
    signed.strip_signature()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_next_base_fee_is_alloys(limit in 2u64..100_000_000, used in 0u64..100_000_000, base in 0u64..1 << 50) {
        let used = used % (limit + 1);
        let due = BaseFeeParams::ethereum().next_block_base_fee(used, limit, base);
        prop_assert_eq!(next(limit, used, u128::from(base)), u128::from(due));
    }

    #[test]
    fn the_transaction_decodes_to_what_was_asked_and_its_signer_is_the_owner(
        secret in prop::array::uniform32(1u8..255), nonce in 0u64..u64::MAX, base_fee in 0u128..1 << 34,
        block in 1u64..1 << 40, chain_id in 1u64..1 << 50, at in prop::array::uniform20(any::<u8>()), list in any::<bool>(),
    ) {
        let secret = format!("{}", alloy_primitives::hex::display(secret));
        let owner = key(&secret).address();
        let mut contract = market::contract(Address::from(at));
        contract.access_list = list;
        let mut signer = BundleSigner::new(key(&secret), chain_id, contract, Bid::default(), Limits::default());
        prop_assert_eq!(signer.owner(), owner);
        let target_block = TargetBlock { block, parent: B256::ZERO, base_fee: WeiPerGas(base_fee), nonce };
        let bundle = build(&mut signer, None, &target_block).expect("signed");
        let raw = bundle.txs()[0];
        let signed = TxEnvelope::decode_2718_exact(raw).expect("decodes");
        let signer = signed.signature().recover_address_from_prehash(&signed.signature_hash());
        prop_assert_eq!(signer.expect("recovers"), owner);
        prop_assert!(signed.signature().normalize_s().is_none(), "s is high");
        prop_assert_eq!(&signed.encoded_2718()[..], raw);
        let tx = ours(&bundle);
        prop_assert_eq!((tx.nonce, tx.chain_id, tx.to), (nonce, chain_id, TxKind::Call(Address::from(at))));
        prop_assert_eq!((tx.max_fee_per_gas, tx.max_priority_fee_per_gas), (base_fee, 0));
        prop_assert_eq!((tx.value, tx.gas_limit), (U256::ZERO, bundle.gas_limit().0));
        prop_assert_eq!(tx.access_list.is_empty(), !list);
        // Calldata: selector, flags, block, ...
        prop_assert_eq!(&tx.input[..5], &[0xc0, 0x40, 0x62, 0x26, 0]);
        prop_assert_eq!(&tx.input[5..10], &block.to_be_bytes()[3..]);
        prop_assert_eq!(U256::from_be_slice(&tx.input[46..62]), bundle.terms().bid.0);
    }

    #[test]
    fn a_bid_stays_within_its_bounds_and_the_sum_is_the_value(
        value in any::<u128>(), gas in any::<u64>(), share_bps in 0u16..=10_000, floor in any::<u64>(), room in any::<u64>(),
        max_bid in any::<u128>(), min_net in any::<u64>(),
    ) {
        let (value, gas) = (Wei(U256::from(value >> 64)), gas >> 8);
        let (floor_wei, cap_wei) = (U256::from(floor >> 4), U256::from(floor >> 4) + U256::from(room));
        let bid = Bid { share_bps, floor_wei, cap_wei };
        let limits = Limits { max_bid_wei: U256::from(max_bid >> 62), min_net_wei: U256::from(min_net >> 8), ..Limits::default() };
        match settle(value, &cost(gas), &bid, &limits) {
            Ok(terms) => {
                prop_assert!(terms.bid.0 >= floor_wei && terms.bid.0 <= cap_wei && terms.bid.0 <= limits.max_bid_wei);
                prop_assert!(terms.take.0 >= limits.min_net_wei);
                prop_assert_eq!(terms.gas_cost.0 + terms.bid.0 + terms.take.0, value.0);
                let bytes = terms.bid.0.to_be_bytes::<32>().iter().filter(|byte| **byte != 0).count() as u64;
                prop_assert_eq!(terms.gas_cost.0, U256::from(gas + 12 * bytes));
                let share = (value.0 - U256::from(gas)) * U256::from(share_bps) / U256::from(10_000);
                prop_assert_eq!(terms.bid.0, share.max(floor_wei).min(cap_wei));
            }
            Err(Refused::BidTooHigh) => prop_assert!(cap_wei > limits.max_bid_wei),
            Err(reason) => prop_assert_eq!(reason, Refused::Unprofitable),
        }
    }
}

/// So many wei: a unit of gas costs one, and it was proven with a bid of nothing.
fn cost(wei: u64) -> Cost<'static> {
    Cost { gas: GasCost::plain(Gas(wei)), price: WeiPerGas(1), bid: Wei::default(), among: &[] }
}

#[test]
fn a_bid_is_a_share_of_what_gas_leaves_with_a_floor_and_a_cap() {
    let wei = |n: u64| Wei(U256::from(n));
    let bid =
        |share_bps, floor: u64, cap: u64| Bid { share_bps, floor_wei: U256::from(floor), cap_wei: U256::from(cap) };
    let limits =
        |max: u64, net: u64| Limits { max_bid_wei: U256::from(max), min_net_wei: U256::from(net), ..Limits::default() };
    let offer = |value, gas, bid, limits| settle(wei(value), &cost(gas), &bid, &limits).map(|terms| terms.bid);
    assert_eq!(offer(1_000, 100, bid(9_000, 0, 5_000), limits(5_000, 1)), Ok(wei(810)));
    assert_eq!(offer(1_009, 100, bid(9_550, 0, 5_000), limits(5_000, 1)), Ok(wei(868)), "rounded down");
    assert_eq!(offer(1_000, 100, bid(1_000, 500, 5_000), limits(5_000, 1)), Ok(wei(500)), "the floor");
    assert_eq!(offer(1_000, 100, bid(9_000, 0, 300), limits(5_000, 1)), Ok(wei(300)), "the cap");
    assert_eq!(offer(1_000, 100, bid(9_000, 0, 5_000), limits(809, 1)), Err(Refused::BidTooHigh));
    assert_eq!(offer(1_000, 100, bid(9_000, 0, 5_000), limits(5_000, 66)), Ok(wei(810)));
    // 100 wei of gas, 12 for each of the bid's two bytes.
    assert_eq!(offer(1_000, 100, bid(9_000, 0, 5_000), limits(5_000, 67)), Err(Refused::Unprofitable));
    assert_eq!(
        offer(1_000, 100, bid(0, 901, 5_000), limits(5_000, 0)),
        Err(Refused::Unprofitable),
        "floor over profit"
    );
    assert_eq!(offer(99, 100, bid(0, 0, 0), limits(5_000, 0)), Err(Refused::Unprofitable), "gas over value");
    let all = Wei(U256::MAX);
    let greedy = Bid { share_bps: 10_000, floor_wei: U256::ZERO, cap_wei: U256::MAX };
    let open = Limits { max_bid_wei: U256::MAX, min_net_wei: U256::ZERO, ..Limits::default() };
    assert_eq!(
        settle(all, &Cost { price: WeiPerGas(0), ..cost(0) }, &greedy, &open).map(|terms| terms.bid),
        Ok(all),
        "no product overflows"
    );
}

#[test]
fn the_signed_run_pays_its_bid_and_fits_its_gas_in_the_evm() {
    for paid in [0, 1] {
        let mut market = Market::new(2, paid);
        let mut signer = market.signer(Bid::default(), Limits::default());
        let bundle = signer.build(&market.proven[0], market.engine.pools(), None, &target_block()).expect("signed");
        let tx = ours(&bundle);
        let env = TxEnv {
            caller: market.own.owner,
            gas_limit: tx.gas_limit,
            gas_price: tx.max_fee_per_gas,
            kind: tx.to,
            data: tx.input,
            nonce: tx.nonce,
            ..TxEnv::default()
        };
        let machine = market.engine.machine_mut();
        machine.db_mut().set_unknown(peregrine::hot::evm::db::Unknown::AssumeEmpty);
        let coinbase = machine.block().beneficiary;
        let executed = machine.execute(env).expect("runs");
        assert!(executed.is_success(), "{:?}", executed.result);
        let account = &executed.diff[&coinbase];
        assert_eq!(account.info.balance - account.original_info().balance, bundle.terms().bid.0);
        let forecasts = bundle.terms().gas_cost.0 / U256::from(7);
        println!("paid {paid}: {} gas, {forecasts} reckoned, limit {}", executed.gas_used(), tx.gas_limit);
        let charged = U256::from(executed.gas_used());
        if paid == 0 {
            assert!(
                forecasts >= charged && forecasts - charged < U256::from(25_000),
                "a payment is reckoned generously"
            );
        } else {
            assert_eq!(charged, forecasts, "exact: only the bid's bytes differ from the proof");
        }
    }
}

/// One of each kind, signed by somebody.
fn everybodys() -> Vec<TxEnvelope> {
    fn sign<T: SignableTransaction<Signature>>(tx: T) -> alloy::consensus::Signed<T> {
        let signature = key(OTHER_KEY).sign(&tx.signature_hash()).expect("signs");
        tx.into_signed(signature)
    }
    let to = TxKind::Call(Address::repeat_byte(7));
    let input = Bytes::from_static(b"swap");
    let list = alloy::eips::eip2930::AccessList::default();
    vec![
        sign(TxLegacy { chain_id: Some(1), nonce: 3, to, input: input.clone(), ..TxLegacy::default() }).into(),
        sign(TxLegacy { chain_id: None, nonce: 3, to: TxKind::Create, ..TxLegacy::default() }).into(),
        sign(TxEip2930 { chain_id: 1, nonce: 4, to, access_list: list, ..TxEip2930::default() }).into(),
        sign(TxEip1559 { chain_id: 1, nonce: 5, to, value: ether(1), ..TxEip1559::default() }).into(),
        sign(TxEip7702 { chain_id: 1, nonce: 6, input, ..TxEip7702::default() }).into(),
    ]
}

#[test]
fn a_victim_of_every_kind_is_encoded_to_the_bytes_of_its_hash() {
    for tx in everybodys() {
        let hash = *tx.tx_hash();
        let target = Target::encode(&tx, hash).expect("sendable");
        assert_eq!((keccak256(target.bytes()), target.hash()), (hash, hash));
        assert_eq!(Target::raw(target.bytes(), hash).as_ref(), Ok(&target));
        let longer = [target.bytes(), &[0]].concat();
        assert_eq!(Target::raw(&longer, keccak256(&longer)), Err(Refused::TargetMismatch), "a tail");
        let shorter = &target.bytes()[..target.bytes().len() - 1];
        assert_eq!(Target::raw(shorter, keccak256(shorter)), Err(Refused::TargetMismatch), "cut off");
        let mut written = Target::default();
        assert_eq!(written.write(hash, |to| to.extend_from_slice(target.bytes())), Ok(()));
        assert_eq!(written, target);
        assert_eq!(written.write(hash, |to| to.extend_from_slice(shorter)), Err(Refused::TargetMismatch));
        assert_eq!(written, Target::default(), "no bytes, rather than those of another hash");
        assert_eq!(Target::encode(&tx, B256::repeat_byte(9)), Err(Refused::TargetMismatch));
    }
}

#[test]
fn a_victim_whose_node_lied_about_it_is_refused() {
    let mut refused = 0;
    for tx in everybodys() {
        let mut json = serde_json::to_value(&tx).expect("json");
        assert_eq!(json["hash"], serde_json::json!(tx.tx_hash()));
        // The node's own hash stays; decoding caches it.
        json["value"] = serde_json::json!("0x2");
        let Ok(lie) = serde_json::from_value::<TxEnvelope>(json) else { continue };
        assert_eq!(Target::encode(&lie, *tx.tx_hash()), Err(Refused::TargetMismatch));
        refused += 1;
    }
    assert!(refused >= 4, "{refused}");
}

#[test]
fn a_blob_transaction_is_refused() {
    let tx = TxEip4844 { chain_id: 1, blob_versioned_hashes: vec![B256::repeat_byte(1)], ..TxEip4844::default() };
    let signature = key(OTHER_KEY).sign(&tx.signature_hash()).expect("signs");
    let tx = TxEnvelope::from(tx.into_signed(signature));
    assert_eq!(Target::encode(&tx, *tx.tx_hash()), Err(Refused::TargetBlob));
    assert_eq!(Target::raw(&tx.encoded_2718(), *tx.tx_hash()), Err(Refused::TargetBlob));
}

#[test]
fn every_recorded_mainnet_transaction_is_encoded_to_the_bytes_of_its_hash() {
    let mut counts = (0, 0);
    for block in ["10760440", "12047794", "13217637", "15537394", "17034869", "19426587", "19934116"] {
        let Some(block) = recorded(block) else { return };
        for tx in block["transactions"].as_array().expect("transactions") {
            let hash: B256 = tx["hash"].as_str().expect("hash").parse().expect("hex");
            let tx: alloy::rpc::types::Transaction = serde_json::from_value(tx.clone()).expect("a transaction");
            match Target::encode(&tx.inner, hash) {
                Ok(_) => counts.0 += 1,
                Err(reason) => {
                    assert_eq!(reason, Refused::TargetBlob, "{hash}");
                    counts.1 += 1;
                }
            }
        }
    }
    println!("{} encoded, {} blobs", counts.0, counts.1);
    assert!(counts.0 > 900, "{counts:?}");
}

#[test]
fn a_bundle_is_the_victim_and_ours_with_the_hash_of_their_hashes() {
    let target = &everybodys()[3];
    let target = Target::encode(target, *target.tx_hash()).expect("sendable");
    let mut signer = signer(Bid::default(), Limits::default());
    let bundle = build(&mut signer, Some(&target), &target_block()).expect("signed");
    let txs = bundle.txs();
    assert_eq!((txs.len(), txs[0]), (2, target.bytes()));
    assert_eq!(bundle.trigger(), Some(target.hash()));
    assert_eq!(bundle.hash(), keccak256([target.hash().0, bundle.ours().0].concat()));
    assert_eq!((bundle.block(), bundle.nonce(), bundle.price()), (BLOCK, 1, WeiPerGas(7)));
    let alone = build(&mut signer, None, &target_block()).expect("signed");
    assert_eq!(alone.hash(), keccak256(alone.ours()));
    assert_eq!((alone.txs().len(), alone.trigger()), (1, None));
    assert_eq!(alone.txs()[0], txs[1], "the same run: signatures are deterministic");
}

#[test]
fn the_limits_are_the_last_gate_and_name_what_they_refuse() {
    let refuse = |limits: Limits| build(&mut signer(Bid::default(), limits), None, &target_block()).err();
    assert_eq!(refuse(Limits::default()), None);
    assert_eq!(refuse(Limits { max_gas: 100_000, ..Limits::default() }), Some(Refused::GasTooHigh));
    assert_eq!(refuse(Limits { max_bid_wei: U256::from(5), ..Limits::default() }), Some(Refused::BidTooHigh));
    assert_eq!(refuse(Limits { min_net_wei: ether(1_000), ..Limits::default() }), Some(Refused::Unprofitable));
    assert_eq!(refuse(Limits { max_bundles_per_block: 0, ..Limits::default() }), Some(Refused::BlockFull));
    let dear = TargetBlock { base_fee: WeiPerGas(1 << 60), ..target_block() };
    assert_eq!(build(&mut signer(Bid::default(), Limits::default()), None, &dear).err(), Some(Refused::Unprofitable));
    let far = TargetBlock { block: 1 << 40, ..target_block() };
    assert_eq!(build(&mut signer(Bid::default(), Limits::default()), None, &far).err(), Some(Refused::Unencodable));
}

#[test]
fn a_trigger_has_one_bundle_a_block_until_the_head_changes() {
    let targets: Vec<Target> =
        everybodys().iter().map(|tx| Target::encode(tx, *tx.tx_hash()).expect("sendable")).collect();
    let mut signer = signer(Bid::default(), Limits { max_bundles_per_block: 2, ..Limits::default() });
    let mut build =
        |target: usize, target_block: &TargetBlock| build(&mut signer, targets.get(target), target_block).err();
    assert_eq!(build(0, &target_block()), None);
    assert_eq!(build(0, &target_block()), Some(Refused::Duplicate));
    // What was refused for another reason used nothing up.
    let dear = TargetBlock { base_fee: WeiPerGas(1 << 60), ..target_block() };
    assert_eq!(build(1, &dear), Some(Refused::Unprofitable));
    assert_eq!(build(1, &target_block()), None);
    assert_eq!(build(2, &target_block()), Some(Refused::BlockFull));
    // A reorg: the same number on another parent.
    let again = TargetBlock { parent: B256::repeat_byte(2), ..target_block() };
    assert_eq!(build(0, &again), None);
    assert_eq!(build(99, &again), None, "ours alone");
    assert_eq!(build(99, &again), Some(Refused::Duplicate));
}

#[test]
fn a_builder_shows_no_key() {
    let text = format!("{:?}", signer(Bid::default(), Limits::default()));
    let digits = OWNER_KEY.trim_start_matches("0x");
    assert!(text.contains("***") && !text.to_lowercase().contains(&digits[..16]), "{text}");
}
