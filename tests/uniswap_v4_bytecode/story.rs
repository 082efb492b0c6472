//! Random pools, and what happens to them.

use alloy_primitives::Address;
use alloy_primitives::U256;
use peregrine::protocols::math::tick;
use peregrine::protocols::uniswap_v4::DYNAMIC_FEE;
use peregrine::protocols::uniswap_v4::Key;
use proptest::prelude::*;

use crate::v4_evm::FLAGLESS;
use crate::v4_evm::OFF_SWAP;

/// Common spacings, an odd one, and the widest there is. The finest stands apart: a swap that cannot be filled walks seven thousand
/// words of it, in the EVM too.
const SPACINGS: [i32; 6] = [10, 60, 200, 400, 2_501, 32_767];
const FINEST: i32 = 1;

#[derive(Clone, Copy, Debug)]
pub struct Position {
    pub ticks: (i32, i32),
    pub liquidity: u128,
}

#[derive(Clone, Debug)]
pub enum Op {
    Add(Position),
    /// Which of the positions held, and how many 255ths of it; none of it collects fees.
    Remove {
        which: usize,
        share: u8,
    },
    Swap {
        down: bool,
        exact_in: bool,
        amount: U256,
        limit: Option<(i32, i8)>,
    },
    Donate([u64; 2]),
    ProtocolFee([u32; 2]),
    /// Only a dynamic pool lets it happen.
    DynamicFee(u32),
}

#[derive(Clone, Debug)]
pub struct Story {
    /// The first currency is ether.
    pub ether: bool,
    pub fee: u32,
    pub spacing: i32,
    pub hooks: Address,
    /// Where the price starts, as a tick and a share of the step to the next.
    pub start: (i32, u16),
    pub positions: Vec<Position>,
    pub ops: Vec<Op>,
}

impl Story {
    pub fn key(&self, [zero, one]: [Address; 2]) -> Key {
        let currencies = if self.ether { [Address::ZERO, one] } else { [zero, one] };
        Key { currencies, fee: self.fee, tick_spacing: self.spacing, hooks: self.hooks }
    }
}

/// A pool of one fee with a position around its price, and nothing that happens.
pub fn plain(fee: u32) -> Story {
    let positions = vec![Position { ticks: (-6_000, 6_000), liquidity: 10u128.pow(15) }];
    Story { ether: false, fee, spacing: 60, hooks: Address::ZERO, start: (7, 9), positions, ops: Vec::new() }
}

/// A fee as pools have it, and any other, everything included.
fn fee() -> impl Strategy<Value = u32> {
    let common = prop::sample::select(vec![0, 10, 100, 500, 3_000, 10_000, 15_000]);
    prop_oneof![4 => common, 1 => 0..=1_000_000u32, 1 => prop::sample::select(vec![1, 999_999, 1_000_000])]
}

/// Fee and hooks that go together: fixed or dynamic, and none that a swap would call.
fn terms() -> impl Strategy<Value = (u32, Address)> {
    let fixed = (fee(), prop::sample::select(vec![Address::ZERO, Address::ZERO, OFF_SWAP]));
    let dynamic = (Just(DYNAMIC_FEE), prop::sample::select(vec![FLAGLESS, OFF_SWAP]));
    prop_oneof![3 => fixed, 1 => dynamic]
}

/// A position near the start: `low` and `width` count spacings times a stride that spreads them over bitmap words.
fn position(start: i32, spacing: i32, stride: i32) -> impl Strategy<Value = Position> {
    (-60..60i32, 1..60i32, 1..u128::MAX, 28..100u32).prop_map(move |(low, width, bits, cut)| {
        let (most, step) = (tick::MAX_TICK / spacing * spacing, spacing * stride);
        let lower = (start.div_euclid(spacing) * spacing + low * step).clamp(-most, most - spacing);
        Position { ticks: (lower, (lower + width * step).min(most)), liquidity: (bits >> cut).max(1) }
    })
}

fn op(start: i32, spacing: i32, stride: i32) -> impl Strategy<Value = Op> {
    // Up to what int256 holds; the manager keeps no more than int128.
    let cut = prop_oneof![8 => 140..255usize, 2 => 125..140usize, 1 => 1..125usize];
    let amount = (any::<[u64; 4]>(), cut).prop_map(|(limbs, cut)| (U256::from_limbs(limbs) >> cut).max(U256::ONE));
    let limit = prop::option::weighted(0.3, (-40..40i32, -1..=1i8));
    let swap = (any::<bool>(), any::<bool>(), amount, limit).prop_map(move |(down, exact_in, amount, limit)| {
        let limit = limit.map(|(ticks, off)| (start.div_euclid(spacing) * spacing + ticks * spacing * stride, off));
        Op::Swap { down, exact_in, amount, limit }
    });
    let share = prop_oneof![Just(255u8), any::<u8>()];
    prop_oneof![
        12 => swap,
        4 => position(start, spacing, stride).prop_map(Op::Add),
        5 => (any::<usize>(), share).prop_map(|(which, share)| Op::Remove { which, share }),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(zero, one)| Op::Donate([zero.into(), one.into()])),
        2 => (0..=1_000u32, 0..=1_000u32).prop_map(|(zero, one)| Op::ProtocolFee([zero, one])),
        2 => fee().prop_map(Op::DynamicFee),
    ]
}

pub fn story() -> impl Strategy<Value = Story> {
    let start = prop_oneof![4 => -200_000..200_000i32, 1 => -880_000..880_000i32];
    let stride = prop_oneof![Just(1), Just(7), Just(40)];
    let spacing = prop_oneof![15 => prop::sample::select(SPACINGS.to_vec()), 1 => Just(FINEST)];
    (any::<bool>(), terms(), spacing, start, any::<u16>(), stride).prop_flat_map(
        |(ether, (fee, hooks), spacing, tick, share, stride)| {
            // So wide a spacing leaves no room for strides.
            let stride = if spacing > 1_000 { 1 } else { stride };
            let positions = prop::collection::vec(position(tick, spacing, stride), 1..=12);
            let ops = prop::collection::vec(op(tick, spacing, stride), 1..12);
            let start = (tick, share);
            (positions, ops).prop_map(move |(positions, ops)| Story {
                ether,
                fee,
                spacing,
                hooks,
                start,
                positions,
                ops,
            })
        },
    )
}
