//! Where state is kept, learnt by writing other words there and asking the getters again.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, B256, U256, address};

use crate::balancer_v2::abi;
use crate::balancer_v2::discover::balance_said;
use crate::balancer_v2::storage::{Balance, Field, Layout, packed};
use crate::discover::{Answer, Probe};

/// Who asks: an address nobody has.
pub(super) const NOBODY: Address = address!("0x7065726567726e650000000000000000000ba1a2");

/// Words of no meaning, every part of which differs from every other.
const RANDOM: [U256; 2] = [
    U256::from_limbs([0x9e37_79b9_7f4a_7c15, 0xf39c_c060_5ced_c834, 0x1082_276b_f3a2_7251, 0xf86c_6a11_d0c1_8e95]),
    U256::from_limbs([0x2767_f0b1_53d2_7b7f, 0x0347_045b_5bf1_827f, 0x0188_6f09_2840_3002, 0xc1d6_4ba4_0f33_5e36]),
];

/// Amounts and blocks that no pool has together, short enough that two make no overflow.
const PATTERNS: [([u128; 2], u32); 2] = [
    ([0x1234_5678_9abc_def0_1122_3344_5566, 0x0fed_cba9_8765_4321_0099_8877_6655], 0x1357_9bdf),
    ([0x0a5a_5a5a_1111_2222_3333_4444_5555, 0x0b6b_6b6b_7777_8888_9999_aaaa_bbbb], 0),
];

/// A vault and a pool of it.
type Place = (Address, B256);

/// The slots in which the vault keeps a pool's balances, and these.
pub(super) fn balances(
    probe: &mut impl Probe,
    (vault, id): Place,
    tokens: &[Address],
    answer: &Answer,
) -> Result<(Layout, Vec<Balance>), String> {
    let slots: Vec<U256> = answer.reads.iter().filter(|(at, _)| *at == vault).map(|(_, slot)| *slot).collect();
    let mut getter = Getter { probe, vault, id };
    let layout = match getter.own(tokens, &slots) {
        Some(layout) => Some(layout),
        None => getter.shared(tokens, &slots),
    };
    let layout = layout.ok_or("the vault keeps its balances elsewhere")?;
    let mut words = Vec::new();
    for slot in layout.slots() {
        words.push((slot, probe.slot(vault, slot).ok_or("a slot of its balances is not known")?));
    }
    let mut held = vec![Balance::default(); tokens.len()];
    layout.apply(&mut held, &words).map_err(|_| "a slot holds what is no balance")?;
    let totals = answer.word(1).and_then(|offset| usize::try_from(offset / U256::from(32)).ok());
    let said = |at: usize| totals.and_then(|list| answer.word(list + 1 + at));
    let same = held.iter().enumerate().all(|(at, held)| said(at) == Some(U256::from(held.total())));
    if same { Ok((layout, held)) } else { Err("the vault keeps its balances elsewhere".to_owned()) }
}

/// The vault's getter of one balance, asked of slots that hold what they do not.
struct Getter<'a, P> {
    probe: &'a mut P,
    vault: Address,
    id: B256,
}

impl<P: Probe> Getter<'_, P> {
    fn says(&mut self, token: Address, written: &[(U256, U256)]) -> Option<(Balance, u32)> {
        let data = abi::getPoolTokenInfoCall { poolId: self.id, token }.abi_encode();
        let overrides: Vec<_> = written.iter().map(|(slot, word)| (self.vault, *slot, *word)).collect();
        balance_said(&self.probe.call_with(NOBODY, self.vault, &data, &overrides))
    }

    /// A slot a token: its own word is its own balance.
    fn own(&mut self, tokens: &[Address], slots: &[U256]) -> Option<Layout> {
        let follows = |getter: &mut Self, token: Address, slot: U256| {
            PATTERNS.iter().all(|(amounts, block)| {
                let due = Balance { cash: amounts[0], managed: amounts[1] };
                getter.says(token, &[(slot, packed(*amounts, *block))]) == Some((due, *block))
            })
        };
        let of = |token: &Address| slots.iter().copied().find(|slot| follows(self, *token, *slot));
        tokens.iter().map(of).collect::<Option<Vec<_>>>().map(Layout::Own)
    }

    /// A slot for the cash of both, and one for what is managed of both.
    fn shared(&mut self, tokens: &[Address], slots: &[U256]) -> Option<Layout> {
        let [first, second] = tokens else { return None };
        let follows = |getter: &mut Self, [cash, managed]: [U256; 2]| {
            let [(of_cash, block), (of_managed, _)] = PATTERNS;
            let written = [(cash, packed(of_cash, block)), (managed, packed(of_managed, 0))];
            let due = |at: usize| Some((Balance { cash: of_cash[at], managed: of_managed[at] }, block));
            getter.says(*first, &written) == due(0) && getter.says(*second, &written) == due(1)
        };
        let pairs = slots.iter().flat_map(|cash| slots.iter().map(move |managed| [*cash, *managed]));
        let mut pairs = pairs.filter(|[cash, managed]| cash != managed);
        let [cash, managed] = pairs.find(|pair| follows(self, *pair))?;
        Some(Layout::Shared { cash, managed })
    }
}

/// What a getter says when one slot holds another word.
fn says(probe: &mut impl Probe, at: Address, data: &[u8], slot: U256, word: U256) -> Option<U256> {
    probe.call_with(NOBODY, at, data, &[(at, slot, word)]).word(0)
}

/// The bits that a getter answers out of.
pub(super) fn field(probe: &mut impl Probe, at: Address, data: &[u8], answer: &Answer) -> Option<Field> {
    let slots = answer.reads.iter().filter(|(of, _)| *of == at).map(|(_, slot)| *slot);
    slots.into_iter().find_map(|slot| {
        let full = says(probe, at, data, slot, U256::MAX)?;
        let width = full.bit_len();
        // All ones, and no fewer than tell one place in a word from the next.
        let plain = (32..=256).contains(&width) && full == U256::MAX >> (256 - width);
        let said = RANDOM.map(|word| says(probe, at, data, slot, word));
        let of = |shift| Field { at, slot, shift, width };
        let fits = |field: &Field| RANDOM.iter().zip(said).all(|(word, said)| said == Some(field.read(*word)));
        if plain { (0..=256 - width).map(of).find(fits) } else { None }
    })
}

/// The byte that a getter of a flag answers out of: a word may hold more than one.
pub(super) fn flag(probe: &mut impl Probe, at: Address, data: &[u8], answer: &Answer) -> Option<Field> {
    let slots: Vec<U256> = answer.reads.iter().filter(|(of, _)| *of == at).map(|(_, slot)| *slot).collect();
    for slot in slots {
        let held = probe.slot(at, slot)?;
        let byte = |shift: usize| U256::from(0xff) << shift;
        let mut set =
            |shift: usize, to: u64| says(probe, at, data, slot, held & !byte(shift) | U256::from(to) << shift);
        let follows = |shift: &usize| set(*shift, 1) == Some(U256::ONE) && set(*shift, 0) == Some(U256::ZERO);
        if let Some(shift) = (0..256).step_by(8).find(follows) {
            return Some(Field { at, slot, shift, width: 8 });
        }
    }
    None
}
