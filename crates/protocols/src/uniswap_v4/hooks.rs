//! What a pool's hooks can do to a swap, by the last 14 bits of their address: `Hooks.sol` asks nothing else before it calls.
//!
//! # Invariants
//! - Native is only what no swap calls. A hook that is called may refuse, by state that is not the pool's; and one that is called
//!   before a swap may move the pool itself, without any bit that says so. So both are quoted by running them.
//!
//! # Limits
//! Hooks of a dynamic pool may set its fee at any time (`updateDynamicLPFee`), with no log of the manager's: the first slot tells.

use crate::uniswap_v4::key::DYNAMIC_FEE;
use alloy_primitives::Address;

/// Bits of a hook's address (`Hooks.sol` of v4-core 1.0.2).
const AFTER_ADD: u16 = 1 << 10;
const AFTER_REMOVE: u16 = 1 << 8;
const BEFORE_SWAP: u16 = 1 << 7;
const AFTER_SWAP: u16 = 1 << 6;
const BEFORE_SWAP_DELTA: u16 = 1 << 3;
const AFTER_SWAP_DELTA: u16 = 1 << 2;
const AFTER_ADD_DELTA: u16 = 1 << 1;
const AFTER_REMOVE_DELTA: u16 = 1;
const ALL: u16 = (1 << 14) - 1;

/// What the hooks of a pool can do to a swap; the gravest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hooks {
    /// There are none.
    None,
    /// They are called, but by nothing that a swap does: pools being made, liquidity, donations.
    OffSwap,
    /// They are called behind a swap.
    AfterSwap,
    /// They are called before a swap.
    BeforeSwap,
    /// They are called before a swap of a dynamic pool, whose fee they may set for it.
    SetsFee,
    /// They may take of what a swap pays or gives, or add to it.
    ChangesAmounts,
}

impl Hooks {
    /// Those of a pool with this address and this fee in its key.
    #[must_use]
    pub fn of(hooks: Address, fee: u32) -> Self {
        let has = |bit| flags(hooks) & bit != 0;
        if hooks.is_zero() {
            Self::None
        } else if has(BEFORE_SWAP_DELTA) || has(AFTER_SWAP_DELTA) {
            Self::ChangesAmounts
        } else if has(BEFORE_SWAP) && fee == DYNAMIC_FEE {
            Self::SetsFee
        } else if has(BEFORE_SWAP) {
            Self::BeforeSwap
        } else if has(AFTER_SWAP) {
            Self::AfterSwap
        } else {
            Self::OffSwap
        }
    }

    /// Whether the manager lets a pool be made with them (`isValidHookAddress`).
    #[must_use]
    pub fn are_valid(hooks: Address, fee: u32) -> bool {
        // Who may return a delta of something must be called for it.
        let pairs = [
            (BEFORE_SWAP, BEFORE_SWAP_DELTA),
            (AFTER_SWAP, AFTER_SWAP_DELTA),
            (AFTER_ADD, AFTER_ADD_DELTA),
            (AFTER_REMOVE, AFTER_REMOVE_DELTA),
        ];
        let flags = flags(hooks);
        let is_called = |(call, delta): &(u16, u16)| flags & delta == 0 || flags & call != 0;
        let has_use = if hooks.is_zero() { fee != DYNAMIC_FEE } else { flags != 0 || fee == DYNAMIC_FEE };
        has_use && pairs.iter().all(is_called)
    }

    /// A swap is the pool's own arithmetic and nothing else.
    #[must_use]
    pub const fn is_native(self) -> bool {
        matches!(self, Self::None | Self::OffSwap)
    }

    /// Why it is native, or not.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::None => "it has no hooks",
            Self::OffSwap => "no swap calls its hooks",
            Self::AfterSwap => "its hooks are called after a swap and may refuse it",
            Self::BeforeSwap => "its hooks are called before a swap and may refuse it, or move the pool",
            Self::SetsFee => "its hooks are called before a swap and may set its fee",
            Self::ChangesAmounts => "its hooks may change what a swap takes and pays",
        }
    }
}

/// The bits that count.
fn flags(hooks: Address) -> u16 {
    let [.., high, low] = hooks.into_array();
    u16::from_be_bytes([high, low]) & ALL
}
