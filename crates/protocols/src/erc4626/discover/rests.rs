//! What a vault's answers hang on besides its two numbers: every other slot that its code reads is changed, a byte at a time.
//!
//! # Invariants
//! - A slot that another rate comes out of is refused: time, a fee or a sum that would move without our hearing of it.
//! - A slot that stops the vault, or moves a limit, is a term: a pause, a cap, the code behind a proxy. The rest is bookkeeping.
//!
//! # Limits
//! - Vaults that read more than [`MOST`] other slots are refused.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256};

use crate::discover::Probe;
use crate::erc4626::Place;
use crate::erc4626::State;
use crate::erc4626::abi;
use crate::erc4626::discover::NOBODY;
use crate::erc4626::discover::trial;
use crate::erc4626::discover::trial::Trial;
use crate::erc4626::rate::{Limit, Rate};
use crate::site::Term;

/// Slots that are looked at.
const MOST: usize = 24;
/// Bytes of an address, which lies at a word's low end.
const ADDRESS: usize = 20;

/// What a vault says and does in one state.
type Answers = [Option<U256>; 6];

/// A vault in one state, and what it answered there.
struct Stage {
    state: State,
    /// Shares that are redeemed, assets that are deposited.
    amounts: [u128; 2],
    due: Answers,
}

/// What another value of a slot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    Stops,
    Moves,
}

impl<P: Probe> Trial<'_, P> {
    /// The slots that must stay as they are.
    pub(super) fn others(&mut self, by: (Rate, Limit), assume_empty: bool) -> Result<Vec<Term>, String> {
        let (state, amounts) = self.workable(by);
        let mut stage = Stage { state, amounts, due: [None; 6] };
        stage.due = self.answers(&stage, None);
        let places = self.read(&stage);
        if places.len() > MOST {
            return Err(format!(
                "it reads {} slots besides supply and assets, {MOST} at most are looked at",
                places.len()
            ));
        }
        let mut terms = Vec::new();
        for Place { at, slot } in places {
            let value = self.probe.slot(at, slot).or(assume_empty.then_some(U256::ZERO));
            let value = value.ok_or_else(|| format!("needs slot {slot:?} of {at}, which is not known"))?;
            match self.effect(&stage, (at, slot, value)) {
                Effect::None => {}
                Effect::Stops => terms.push(Term { at, slot, value }),
                Effect::Moves => {
                    return Err(format!("its rate hangs on slot {slot} of {at} too: on time, a fee or a sum"));
                }
            }
        }
        Ok(terms)
    }

    /// Every slot that it reads, but for both numbers, what is whose, and those of the plain asset.
    fn read(&mut self, stage: &Stage) -> Vec<Place> {
        let [asset, vault] = self.tokens;
        let mut reads = Vec::new();
        for data in questions() {
            reads.extend(self.probe.call_with(NOBODY, vault, &data, &[]).reads);
        }
        for (deposits, amount) in [(false, stage.amounts[0]), (true, stage.amounts[1])] {
            let done = self.does((deposits, amount), stage.state, None).1;
            reads.extend(done.into_iter().filter(|(at, _)| *at != asset));
        }
        let mut places: Vec<Place> = Vec::new();
        for place in reads.into_iter().map(|(at, slot)| Place { at, slot }) {
            if ![self.supply, self.assets, self.shares].contains(&place) && !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    fn answers(&mut self, stage: &Stage, more: Option<(Address, U256, U256)>) -> Answers {
        let [shares, assets, deposit, redeem] = questions();
        let [shares, assets] = [shares, assets].map(|data| self.says_later(&data, stage.state, more, trial::YEAR));
        let [deposit, redeem] = [deposit, redeem].map(|data| self.says(&data, stage.state, more));
        let redeemed = self.does((false, stage.amounts[0]), stage.state, more).0;
        let deposited = self.does((true, stage.amounts[1]), stage.state, more).0;
        [shares, assets, deposit, redeem, redeemed, deposited]
    }

    /// The most that any other value is seen to do.
    fn effect(&mut self, stage: &Stage, (at, slot, value): (Address, U256, U256)) -> Effect {
        let points = value >> 64 != U256::ZERO && self.probe.code_hash(Address::from_word(value.into())).is_some();
        let mut worst = Effect::None;
        for (other, is_pointer) in others_of(value, points) {
            let answers = self.answers(stage, Some((at, slot, other)));
            let moved = |at: usize| answers[at].is_some() && answers[at] != stage.due[at];
            if !is_pointer && (moved(0) || moved(1)) {
                return Effect::Moves;
            }
            if answers != stage.due {
                worst = Effect::Stops;
            }
        }
        worst
    }
}

/// What is asked: both conversions, of an amount that shows the least change, and both limits.
fn questions() -> [Vec<u8>; 4] {
    [
        trial::fine(true),
        trial::fine(false),
        abi::maxDepositCall { receiver: NOBODY }.abi_encode(),
        abi::maxRedeemCall { owner: NOBODY }.abi_encode(),
    ]
}

/// Other words: every byte turned over, every byte that is not zero made so, nought and one. With each, whether it is another contract's
/// address; of a pointer to a contract one other is enough. Never all ones: bookkeeping that counts up would stop there.
fn others_of(value: U256, points: bool) -> impl Iterator<Item = (U256, bool)> {
    let bytes = move |at: usize| {
        let byte = U256::from(0xff) << (8 * at);
        let turned = value ^ byte;
        let emptied = Some(value & !byte).filter(|emptied| *emptied != value && *emptied != turned);
        [Some(turned), emptied].into_iter().flatten()
    };
    let first = if points { ADDRESS } else { 0 };
    let elsewhere = points.then(|| (value ^ U256::from(0xff), true));
    let ends = [U256::ZERO, U256::ONE].into_iter().filter(move |word| !points && *word != value);
    (first..32).flat_map(bytes).chain(ends).map(|word| (word, false)).chain(elsewhere)
}
