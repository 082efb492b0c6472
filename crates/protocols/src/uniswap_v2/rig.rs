//! A pair on the bench: its own swap executed on staged balances, to see what it pays.
//!
//! Its tokens are replaced by plain ones, so what is seen is the pair's own doing: a token that taxes, rebases or sells in
//! its `transfer` cannot blur the fee. A payment is staged by giving the pair more of the plain token.
//!
//! # Invariants
//! - On a stage the balance of the token that comes out equals its reserve, so no surplus counts as a second payment.
//! - Slots that are not known count as zero in these calls. [`Rig::unsure`] names those a result may hang on.

use alloy::sol_types::SolCall;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::Bytes;
use alloy_primitives::U256;
use alloy_primitives::address;

use crate::amm::QuoteError;
use crate::discover::Answer;
use crate::discover::Probe;
use crate::discover::plain_balance_slot;
use crate::uniswap_v2::abi;
use crate::uniswap_v2::curve;
use crate::uniswap_v2::curve::Fee;
use crate::uniswap_v2::curve::MAX_RESERVE;
use crate::uniswap_v2::discover::Reason;

/// Who calls, and who receives: an address nobody has. A contract could not be the sender (EIP-3607).
pub(super) const NOBODY: Address = address!("0x7065726567726e650000000000000000000070be");

/// Smallest balance of the token that goes in: a thousandth of it is still whole units.
const MIN_IN: u128 = 2_000;

/// A storage slot somewhere and the value to put there.
type Override = (Address, U256, U256);

/// How much of the pool goes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    /// About a thousandth of the reserve.
    Small,
    /// About the reserve: where the output is most sensitive to the fee.
    Even,
    /// About a thousand times the reserve: the pool nearly drained.
    Large,
}

impl Size {
    pub(super) const ALL: [Self; 3] = [Self::Small, Self::Even, Self::Large];
}

/// One situation the pair can be asked in.
#[derive(Debug)]
pub(super) struct Stage {
    /// Position of the token that goes in.
    pub token_in: usize,
    /// What has been paid in.
    pub x: u128,
    /// Reserve the pair believes in, of the token that goes in.
    pub r_in: u128,
    /// Reserve of the token that comes out.
    pub r_out: u128,
    overrides: Vec<Override>,
}

/// What is known of a pair while its fee is being found.
pub(super) struct Rig<'a> {
    probe: &'a mut dyn Probe,
    pub pool: Address,
    pub tokens: [Address; 2],
    reserves: [u128; 2],
    /// Slots assumed in every call, besides the stage's own.
    assumed: Vec<Override>,
}

impl<'a> Rig<'a> {
    /// A pair with its reserves.
    pub(super) fn new(probe: &'a mut dyn Probe, pool: Address, tokens: [Address; 2], reserves: [u128; 2]) -> Self {
        Self { probe, pool, tokens, reserves, assumed: Vec::new() }
    }

    /// What is in the pair, as the stages will see it.
    pub(super) const fn depth(&self) -> [u128; 2] {
        self.reserves
    }

    /// A payment of `size` in the token at `token_in`.
    pub(super) fn stage(&self, token_in: usize, size: Size) -> Result<Stage, Reason> {
        let [r_in, r_out] = [self.reserves[token_in], self.reserves[1 - token_in]];
        if r_in < MIN_IN {
            return Err(Reason::Shallow);
        }
        let x = match size {
            Size::Small => r_in / 1000,
            Size::Even => r_in,
            Size::Large => r_in.saturating_mul(999),
        };
        let x = x.min(MAX_RESERVE - r_in);
        let held = plain_balance_slot(self.pool);
        let balance = |token: usize, amount: u128| (self.tokens[token], held, U256::from(amount));
        let overrides = vec![balance(token_in, r_in + x), balance(1 - token_in, r_out)];
        Ok(Stage { token_in, x, r_in, r_out, overrides })
    }

    /// Executes the swap, with `more` slots assumed.
    pub(super) fn swap(&mut self, stage: &Stage, y: u128, more: &[Override]) -> Answer {
        let (out, none) = (U256::from(y), U256::ZERO);
        let [amount0, amount1] = if stage.token_in == 0 { [none, out] } else { [out, none] };
        let data =
            abi::swapCall { amount0Out: amount0, amount1Out: amount1, to: NOBODY, data: Bytes::new() }.abi_encode();
        let overrides = [&stage.overrides, &self.assumed, more].concat();
        self.probe.call_staged(NOBODY, self.pool, &data, &overrides, &self.tokens)
    }

    /// Does the pair pay `y` here?
    pub(super) fn pays(&mut self, stage: &Stage, y: u128) -> bool {
        self.swap(stage, y, &[]).output.is_some()
    }

    /// Is `fee` exactly what the pair charges here: the quoted output passes and one more does not?
    pub(super) fn charges(&mut self, stage: &Stage, fee: Fee) -> bool {
        self.charges_with(stage, fee, &[])
    }

    /// The same, and nothing that it hangs on is unknown or assumed.
    pub(super) fn charges_for_sure(&mut self, stage: &Stage, fee: Fee) -> bool {
        let Ok(y) = curve::largest_out(stage.x, stage.r_in, stage.r_out, fee) else { return false };
        let paid = self.swap(stage, y, &[]);
        let is_sure = self.assumed.is_empty() && paid.output.is_some() && self.unknown(stage, paid.reads).is_empty();
        is_sure && self.swap(stage, y + 1, &[]).output.is_none()
    }

    /// The same with more slots assumed.
    pub(super) fn charges_with(&mut self, stage: &Stage, fee: Fee, more: &[Override]) -> bool {
        let y = match curve::largest_out(stage.x, stage.r_in, stage.r_out, fee) {
            Ok(y) => y,
            // Less than one unit comes out: one must revert.
            Err(QuoteError::TooSmall) => 0,
            Err(_) => return false,
        };
        let enough = y == 0 || self.swap(stage, y, more).output.is_some();
        enough && self.swap(stage, y + 1, more).output.is_none()
    }

    /// Makes sure that the swap executes at all, asking for next to nothing. A record may lack the reentrancy lock,
    /// which reads as zero (locked) though it is one between transactions: such a slot is then assumed to be one.
    pub(super) fn unlock(&mut self, stage: &Stage) -> Result<(), Reason> {
        let y = (stage.r_out / 1_000_000).max(1);
        let answer = self.swap(stage, y, &[]);
        if answer.output.is_some() {
            return Ok(());
        }
        let locks: Vec<_> = answer.reads.into_iter().filter(|(at, _)| *at == self.pool).collect();
        for (at, slot) in locks {
            let lock = (at, slot, U256::ONE);
            if self.probe.slot(at, slot).is_none() && self.swap(stage, y, &[lock]).output.is_some() {
                self.assumed.push(lock);
                return Ok(());
            }
        }
        Err(Reason::NotExecutable)
    }

    /// Slots the swap reads outside the tokens whose values are not known and not assumed. A token's own slots are left
    /// out: the K check sees only balances, and the pair's are known.
    pub(super) fn unsure(&mut self, stage: &Stage, y: u128) -> Vec<(Address, U256)> {
        let reads = self.swap(stage, y, &[]).reads;
        self.unknown(stage, reads)
    }

    fn unknown(&mut self, stage: &Stage, reads: Vec<(Address, U256)>) -> Vec<(Address, U256)> {
        let staged = |read: &(Address, U256)| {
            let same = |o: &&Override| (o.0, o.1) == *read;
            stage.overrides.iter().chain(&self.assumed).find(same).is_some()
        };
        let mine = reads.into_iter().filter(|read| !self.tokens.contains(&read.0) && !staged(read));
        let mine: Vec<_> = mine.collect();
        mine.into_iter().filter(|(at, slot)| self.probe.slot(*at, *slot).is_none()).collect()
    }

    /// Hash of the pair's code.
    pub(super) fn code_hash(&mut self) -> Option<B256> {
        self.probe.code_hash(self.pool)
    }
}
