//! Recognises a pool by asking it, and learns where it keeps its state by watching what the getters read.
//!
//! # Invariants
//! - A layout is believed only when every slot decodes to what its getter said.
//! - A pool whose `fee()` reads its own storage has a fee that can change with a swap: not ours. Of its own it may read what never
//!   changes, its factory and its spacing; what it reads of others is a term of the pool.
//! - Where the layout cannot be learned the state comes from calls, and the pool says it is [log-fed](Amm::log_fed).
//!
//! # Cost
//! About ten calls. Without a layout one more for each word and tick of the spacing.

use crate::amm::Amm;
use crate::discover::Answer;
use crate::discover::Creation;
use crate::discover::Probe;
use crate::discover::Venue;
use crate::discover::View;
use crate::math::concentrated::words;
use crate::math::tick;
use crate::site::Term;
use crate::types::pool_key::PoolKey;
use crate::uniswap_v3::Flavour;
use crate::uniswap_v3::Immutables;
use crate::uniswap_v3::Layout;
use crate::uniswap_v3::Layouts;
use crate::uniswap_v3::Liquidity;
use crate::uniswap_v3::Pool;
use crate::uniswap_v3::storage;
use alloy::sol_types::SolCall;
use alloy::sol_types::SolEvent;
use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::aliases::I24;

alloy::sol! {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function fee() external view returns (uint24);
    function tickSpacing() external view returns (int24);
    function factory() external view returns (address);
    /// Slipstream leaves out the sixth field.
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint32, bool);
    function liquidity() external view returns (uint128);
    function tickBitmap(int16 position) external view returns (uint256);
    function ticks(int24 tick) external view returns (uint128, int128, uint256, uint256, int56, uint160, uint32, bool);

    /// What a factory emits.
    event PoolCreated(
        address indexed token0, address indexed token1, uint24 indexed fee, int24 tickSpacing, address pool
    );
}

/// What Slipstream's factory emits.
mod by_spacing {
    alloy::sol! {
        event PoolCreated(address indexed token0, address indexed token1, int24 indexed tickSpacing, address pool);
    }
}

/// Who asks where slots are written: an address nobody has. A contract could not be the sender (EIP-3607).
const NOBODY: Address = address!("0x7065726567726e6500000000000000000000f0e3");

/// Ticks that are held against the contract: those next to the price, half of them on either side.
const VIEWED_TICKS: usize = 8;

impl Venue for Pool {
    const PROTOCOL: &'static str = "uniswap_v3";

    const CREATION: Creation = Creation {
        topic: PoolCreated::SIGNATURE_HASH,
        pool: |_factory, topics, data| {
            let topics = topics.iter().copied();
            let created = PoolCreated::decode_raw_log(topics.clone(), data).map(|created| created.pool);
            let or = |_| by_spacing::PoolCreated::decode_raw_log(topics, data).map(|created| created.pool);
            created.or_else(or).ok().map(PoolKey::from)
        },
    };

    const OTHER_CREATIONS: &'static [B256] = &[by_spacing::PoolCreated::SIGNATURE_HASH];

    type Cache = Layouts;

    /// What cannot be used now (no price yet) is taken for no pool.
    fn discover(
        probe: &mut impl Probe,
        layouts: &mut Layouts,
        key: PoolKey,
        assume_empty: bool,
    ) -> Result<Option<Self>, String> {
        if key.id.is_some() {
            return Ok(None);
        }
        let pool = discover(probe, layouts, key.contract);
        Ok(pool.map(|pool| Self { assume_empty, ..pool }))
    }
}

impl Pool {
    /// What the contract must answer if the state is right: price, tick, liquidity, and the ticks nearest to the price.
    pub(super) fn viewed(&self) -> Vec<View> {
        let price = vec![(0, self.sqrt_price_x96()), (1, word(i128::from(self.tick())))];
        let mut views = vec![
            View { data: slot0Call {}.abi_encode(), due: price },
            View { data: liquidityCall {}.abi_encode(), due: vec![(0, U256::from(self.liquidity()))] },
        ];
        let ticks = self.ticks().list();
        let here = ticks.partition_point(|t| t.tick <= self.tick());
        let near = here.saturating_sub(VIEWED_TICKS / 2)..(here + VIEWED_TICKS / 2).min(ticks.len());
        for near in ticks.get(near).unwrap_or_default() {
            if let (Some(held), Ok(tick)) = (near.liquidity, I24::try_from(near.tick)) {
                let due = vec![(0, U256::from(held.gross)), (1, word(held.net))];
                views.push(View { data: ticksCall { tick }.abi_encode(), due });
            }
        }
        views
    }
}

/// A signed number as the ABI writes it.
fn word(value: i128) -> U256 {
    let low = U256::from(value as u128);
    if value < 0 { low | (U256::MAX << 128usize) } else { low }
}

/// Highest mapping slot tried. Uniswap's and PancakeSwap's are 5 to 7; forks that add fields stay below this.
const LAST_MAPPING_SLOT: u64 = 40;

/// What `slot0()` said.
struct Slot0 {
    sqrt_price: U256,
    tick: i32,
    /// `None`: it has none.
    fee_protocol: Option<U256>,
}

impl Slot0 {
    /// Whose contract it is, as far as that shows. Pancake's shares are two times 16 bits, Uniswap's two times 4.
    fn flavour(&self) -> Flavour {
        match self.fee_protocol {
            None => Flavour::Slipstream,
            Some(shares) if shares > U256::from(u8::MAX) => Flavour::Pancake,
            Some(_) => Flavour::Uniswap,
        }
    }
}

/// Asks the contract at `address` whether it is a V3 pool, and reads all of its state that is known.
/// `None` when it is not one, or its price or liquidity is not known.
pub fn discover(probe: &mut impl Probe, layouts: &mut Layouts, address: Address) -> Option<Pool> {
    let (mut of, terms) = immutables(probe, address)?;
    let answer = probe.call(address, &slot0Call {}.abi_encode());
    let said = slot0(&answer)?;
    let learned = learn(probe, &of, &answer, &said);
    if let Some(layout) = learned {
        let slots = layouts.slots(layout, of.tick_spacing)?;
        let pool = Pool::load(&slots, address, of.tokens, of.fee_pips, |slot| probe.slot(address, slot));
        if let Some(pool) = pool {
            return Some(pool.with_terms(terms));
        }
    }
    of.flavour = said.flavour();
    by_calls(probe, of, &said).map(|pool| pool.with_terms(terms))
}

/// What never changes of a pool, and what its fee hangs on.
fn immutables(probe: &mut impl Probe, address: Address) -> Option<(Immutables, Vec<Term>)> {
    let fee = probe.call(address, &feeCall {}.abi_encode());
    let terms = fee_terms(probe, address, &fee)?;
    let fee_pips = fee.word(0).and_then(|w| u32::try_from(w).ok())?;
    let spacing = probe.call(address, &tickSpacingCall {}.abi_encode()).word(0)?;
    let token0 = address_word(probe.call(address, &token0Call {}.abi_encode()).word(0)?)?;
    let token1 = address_word(probe.call(address, &token1Call {}.abi_encode()).word(0)?)?;
    // Every fork has a factory; a look-alike without one is something else.
    let factory = address_word(probe.call(address, &factoryCall {}.abi_encode()).word(0)?)?;
    let of = Immutables {
        address,
        tokens: [token0, token1],
        fee_pips,
        tick_spacing: words::int24_word(spacing)?,
        flavour: Flavour::Uniswap,
    };
    (of.are_sane() && !factory.is_zero()).then_some((of, terms))
}

/// What other contracts told the fee out of. `None`: it hangs on what a swap may change, or on what is not known.
fn fee_terms(probe: &mut impl Probe, address: Address, fee: &Answer) -> Option<Vec<Term>> {
    let reads: Vec<_> = fee.reads.iter().copied().filter(|(_, slot)| !is_proxy_slot(*slot)).collect();
    // Most pools: a constant in the code.
    if reads.is_empty() {
        return Some(Vec::new());
    }
    let factory = own(&probe.call(address, &factoryCall {}.abi_encode()), address);
    let spacing = own(&probe.call(address, &tickSpacingCall {}.abi_encode()), address);
    let mut terms = Vec::new();
    for (at, slot) in reads {
        let value = probe.slot(at, slot)?;
        if at != address {
            terms.push(Term { at, slot, value });
        } else if spacing.contains(&slot) {
            // The spacing shares its slot with what moves: that, below it, must make no difference.
            let moved = probe.call_with(
                NOBODY,
                address,
                &feeCall {}.abi_encode(),
                &[(at, slot, value ^ U256::from(u128::MAX))],
            );
            moved.output.filter(|output| Some(output) == fee.output.as_ref())?;
        } else if !factory.contains(&slot) {
            return None;
        }
    }
    // Of its own alone it can be nothing that never changes.
    (!terms.is_empty()).then_some(terms)
}

/// EIP-1967 implementation and beacon slots: a proxy reads one before anything else.
fn is_proxy_slot(slot: U256) -> bool {
    use alloy_primitives::uint;
    slot == uint!(0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc_U256)
        || slot == uint!(0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50_U256)
}

fn address_word(word: U256) -> Option<Address> {
    (word.bit_len() <= 160).then(|| Address::from_word(word.into()))
}

fn slot0(answer: &Answer) -> Option<Slot0> {
    let (sqrt_price, tick) = (answer.word(0)?, words::int24_word(answer.word(1)?)?);
    answer.word(5)?;
    let fee_protocol = answer.word(6).and(answer.word(5));
    // At a tick's own price the pool stands on it, or, having come from above, one below.
    let own = tick::tick_at(sqrt_price)?;
    (tick == own || tick + 1 == own).then_some(Slot0 { sqrt_price, tick, fee_protocol })
}

fn learn(probe: &mut impl Probe, of: &Immutables, answer: &Answer, said: &Slot0) -> Option<Layout> {
    let address = of.address;
    let slot0 = own(answer, address).into_iter().find(|slot| {
        let word = probe.slot(address, *slot).map(storage::unpack_slot0);
        word.is_some_and(|(price, tick, _)| price == said.sqrt_price && tick == said.tick)
    })?;
    let first = probe.slot(address, slot0)?;
    let beside = slot0.wrapping_add(U256::ONE);
    let flavour = match said.fee_protocol {
        None => Flavour::Slipstream,
        Some(_) if own(answer, address).contains(&beside) => Flavour::Pancake,
        Some(_) => Flavour::Uniswap,
    };
    let stored = match flavour {
        Flavour::Pancake => Some(probe.slot(address, beside)? & U256::from(u32::MAX)),
        Flavour::Uniswap => Some(U256::from(storage::unpack_slot0(first).2)),
        Flavour::Slipstream => None,
    };
    if stored != said.fee_protocol {
        return None;
    }
    let liquidity = learn_liquidity(probe, address)?;
    // Any key does: a cold call still shows which slot it asked for. The current word is the likeliest to be known.
    let position = (said.tick.div_euclid(of.tick_spacing) >> 8) as i16;
    let answer = probe.call(address, &tickBitmapCall { position }.abi_encode());
    let bitmap = mapping(&own(&answer, address), i32::from(position))?;
    let word = probe.slot(address, words::mapped(i32::from(position), bitmap));
    if answer.output.is_some() && answer.word(0) != word {
        return None;
    }
    let key = said.tick;
    let answer = probe.call(address, &ticksCall { tick: I24::try_from(key).ok()? }.abi_encode());
    let ticks = mapping(&own(&answer, address), key)?;
    let stored = probe.slot(address, words::mapped(key, ticks)).map(words::unpack_tick);
    if answer.output.is_some() && liquidity_of(&answer) != stored {
        return None;
    }
    Some(Layout { slot0, liquidity, ticks, bitmap, flavour })
}

fn learn_liquidity(probe: &mut impl Probe, address: Address) -> Option<U256> {
    let answer = probe.call(address, &liquidityCall {}.abi_encode());
    let slot = *own(&answer, address).last()?;
    let stored = probe.slot(address, slot)? & U256::from(u128::MAX);
    (stored == answer.word(0)?).then_some(slot)
}

/// The pool's own slots among the reads.
fn own(answer: &Answer, address: Address) -> Vec<U256> {
    answer.reads.iter().filter(|(at, _)| *at == address).map(|(_, slot)| *slot).collect()
}

/// The mapping whose slot for `key` is among the reads.
fn mapping(reads: &[U256], key: i32) -> Option<U256> {
    (0..=LAST_MAPPING_SLOT).map(U256::from).find(|p| reads.contains(&words::mapped(key, *p)))
}

/// Gross and net as `ticks()` returns them; the net's sign fills its word.
fn liquidity_of(answer: &Answer) -> Option<Liquidity> {
    let gross = u128::try_from(answer.word(0)?).ok()?;
    let net = answer.word(1)?;
    let low = words::unpack_tick(net << 128usize).net;
    let high = if low < 0 { U256::MAX << 127 } else { U256::ZERO };
    (net & (U256::MAX << 127) == high).then_some(Liquidity { gross, net: low })
}

/// Fills a pool through its getters alone.
fn by_calls(probe: &mut impl Probe, of: Immutables, said: &Slot0) -> Option<Pool> {
    let mut pool = Pool::new(of)?;
    let liquidity = probe.call(of.address, &liquidityCall {}.abi_encode()).word(0)?;
    pool.set_price(said.sqrt_price, said.tick, u128::try_from(liquidity).ok()?);
    pool.state.fee_protocol = u32::try_from(said.fee_protocol.unwrap_or_default()).ok()?;
    let positions: Vec<i16> = pool.ticks().grid().positions().collect();
    for position in positions {
        if let Some(bits) = probe.call(of.address, &tickBitmapCall { position }.abi_encode()).word(0) {
            pool.set_word(position, bits);
        }
    }
    let ticks: Vec<i32> = pool.ticks().list().iter().map(|t| t.tick).collect();
    for tick in ticks {
        let answer = probe.call(of.address, &ticksCall { tick: I24::try_from(tick).ok()? }.abi_encode());
        if let Some(liquidity) = liquidity_of(&answer) {
            pool.set_tick(tick, liquidity);
        }
    }
    debug_assert!(pool.log_fed(), "no slots were given");
    Some(pool)
}
