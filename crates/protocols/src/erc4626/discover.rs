//! Is it a vault, where do its numbers lie, and does its own code pay as we count.
//!
//! - `trial`: a vault whose two slots are known, put into any state and asked. `rests`: what its answers hang on besides.
//!
//! # Invariants
//! - `Ok(None)`: no vault. `Err`: it is one, or says so, and cannot be used now, and why.
//! - Both slots are those that its getters answer out of: another value there is that other answer, to the unit.
//! - It converts, previews, deposits and redeems by one rate, in states of every size and in its own, and a year later too.

mod rests;
mod trial;

use alloy::sol_types::{SolCall, SolEvent};
use alloy_primitives::{Address, FixedBytes, U256, address};

use crate::discover::{Creation, Probe, Venue, asked};
use crate::erc4626::Place;
use crate::erc4626::Pool;
use crate::erc4626::State;
use crate::erc4626::Terms;
use crate::erc4626::abi;
use crate::erc4626::discover::trial::Trial;
use crate::types::pool_key::PoolKey;

/// Who deposits and redeems: an address nobody has.
const NOBODY: Address = address!("0x7065726567726e65000000000000000000004626");

/// What a slot is given to see whether an answer follows.
const FOLLOWED: [u128; 2] = [3, 1_000_000_000_000_000_000_000_007];

/// A vault has no factory that all know: it announces itself by whoever deposits.
impl Venue for Pool {
    const PROTOCOL: &'static str = "erc4626";

    const CREATION: Creation = Creation {
        topic: abi::Deposit::SIGNATURE_HASH,
        pool: |vault, topics, data| {
            abi::Deposit::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(vault.into())
        },
    };

    type Cache = ();

    fn discover(probe: &mut impl Probe, (): &mut (), key: PoolKey, assume_empty: bool) -> Result<Option<Self>, String> {
        let vault = key.contract;
        if key.id.is_some() || probe.code_hash(vault).is_none() {
            return Ok(None);
        }
        let Some(asset) = asset_of(probe, vault) else { return Ok(None) };
        // There are contracts that answer anything with whatever.
        if probe.code_hash(asset).is_none() {
            return Ok(None);
        }
        let total = asked(probe, vault, &abi::totalAssetsCall {}.abi_encode())?;
        let one = asked(probe, vault, &abi::convertToSharesCall { assets: U256::ONE }.abi_encode())?;
        if total.word(0).is_none() || (one.word(0).is_none() && total.word(0) != Some(U256::ZERO)) {
            return Ok(None);
        }
        learn(probe, [asset, vault], assume_empty).map(Some)
    }
}

/// What it says that goes in: an address, and not its own.
fn asset_of(probe: &mut impl Probe, vault: Address) -> Option<Address> {
    let answer = probe.call(vault, &abi::assetCall {}.abi_encode());
    let word = answer.word(0).filter(|_| answer.output.as_ref().is_some_and(|said| said.len() == 32))?;
    let asset = Address::from_word(word.into());
    (word >> 160 == U256::ZERO && !asset.is_zero() && asset != vault).then_some(asset)
}

/// A vault of these tokens, if all that it says and does is by one rate.
fn learn(probe: &mut impl Probe, tokens: [Address; 2], assume_empty: bool) -> Result<Pool, String> {
    let [_, vault] = tokens;
    refuse_asynchronous(probe, vault)?;
    let supply = followed(probe, vault, &abi::totalSupplyCall {}.abi_encode())?;
    let supply = supply.ok_or("its supply is no slot's whole word, or of another token")?;
    let assets = followed(probe, vault, &abi::totalAssetsCall {}.abi_encode())?;
    let assets = assets.ok_or("what it counts as assets is no slot's whole word: it moves, or is a sum")?;
    let shares = share_slot(probe, vault)?;
    let number = |(_, word): (Place, U256)| u128::try_from(word).map_err(|_| "it holds more than 128 bits".to_owned());
    let own = State { supply: number(supply)?, assets: number(assets)? };
    let (supply, assets) = (supply.0, assets.0);
    if supply == assets {
        return Err("its supply and its assets are one number".to_owned());
    }
    let mut trial = Trial { probe, tokens, supply, assets, shares, own };
    let rate = trial.rate()?;
    trial.stands_still()?;
    let limit = trial.limit()?;
    trial.pays((rate, limit))?;
    let others = trial.others((rate, limit), assume_empty)?;
    let pool = Pool::new(Terms { tokens, rate, limit, supply, assets, others }, own);
    pool.ok_or_else(|| "it holds more than 128 bits".to_owned())
}

/// One that is asked first and claimed from later says so.
fn refuse_asynchronous(probe: &mut impl Probe, vault: Address) -> Result<(), String> {
    for id in abi::ASYNCHRONOUS {
        let question = abi::supportsInterfaceCall { id: FixedBytes(id) }.abi_encode();
        if asked(probe, vault, &question)?.word(0) == Some(U256::ONE) {
            return Err("it is asynchronous (ERC-7540): what is asked for is claimed later".to_owned());
        }
    }
    Ok(())
}

/// The slot, of whatever contract, whose whole word a getter answers, and that word.
fn followed(probe: &mut impl Probe, at: Address, data: &[u8]) -> Result<Option<(Place, U256)>, String> {
    let answer = asked(probe, at, data)?;
    let Some(word) = answer.word(0) else { return Ok(None) };
    let place = answer.reads.iter().rev().map(|(at, slot)| Place { at: *at, slot: *slot });
    let place = place.into_iter().find(|place| follows(probe, at, data, *place));
    Ok(place.map(|place| (place, word)))
}

/// Whatever the slot is given is the answer.
fn follows(probe: &mut impl Probe, at: Address, data: &[u8], place: Place) -> bool {
    FOLLOWED
        .map(U256::from)
        .into_iter()
        .all(|word| probe.call_with(NOBODY, at, data, &[(place.at, place.slot, word)]).word(0) == Some(word))
}

/// Where the shares of whoever tries it lie. What is there is no matter: it is written over.
fn share_slot(probe: &mut impl Probe, vault: Address) -> Result<Place, String> {
    let data = abi::balanceOfCall { owner: NOBODY }.abi_encode();
    let reads = probe.call_with(NOBODY, vault, &data, &[]).reads;
    let mut places = reads.iter().rev().map(|(at, slot)| Place { at: *at, slot: *slot });
    let place = places.find(|place| follows(probe, vault, &data, *place));
    place.ok_or_else(|| "a holder's shares are no slot's whole word".to_owned())
}
