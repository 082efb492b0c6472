//! The state of an Aave market, learnt from the storage of its pool and of its reserves' tokens. The versions share it;
//! what they do with it stands in their folders.
//!
//! # Invariants
//! - Every value is a storage word as it was read; nothing is derived before it is asked for.
//! - A slot is recognised by its number and its contract: an account's slots are the same in all tokens of a kind.
//!
//! # Cost
//! A changed slot: two lookups in hash maps. Nothing hashes but a new reserve and a new account (seven keccaks at most).

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::map::HashMap;
use std::collections::BTreeMap;

use crate::amm::Applied;
use crate::amm::ApplyError;
use crate::lending::Refusal;
use crate::lending::aave::position::Field;
use crate::lending::aave::position::Position;
use crate::lending::aave::reserve::Config;
use crate::lending::aave::reserve::Reserve;
use crate::lending::aave::reserve::TOKENS;
use crate::lending::slots;
use crate::lending::slots::Layout;
use crate::lending::slots::RESERVE_WORDS;
use crate::site::Logs;
use crate::site::Slots;
use crate::site::StateSite;

/// An account's flags are two bits a reserve, so there are no more.
const MOST_RESERVES: u64 = 128;

/// What a contract of the market is.
#[derive(Clone, Copy, Debug)]
enum ContractRole {
    Pool,
    Supply(usize),
    Stable(usize),
    Variable(usize),
}

/// What a slot of the pool holds.
#[derive(Clone, Copy, Debug)]
enum SlotContent {
    Count,
    Paused,
    Asset(usize),
    Word(usize, usize),
    Category(u8),
}

/// A market's reserves and positions.
#[derive(Clone, Debug)]
pub struct Reserves {
    pool: Address,
    oracle: Address,
    layout: Layout,
    count: Option<usize>,
    paused: Option<bool>,
    reserves: Vec<Reserve>,
    /// First word of the record of each category that a reserve or an account has named; `None`: not known.
    categories: BTreeMap<u8, Option<U256>>,
    positions: Vec<Position>,
    by_account: HashMap<Address, u32>,
    /// Slots of accounts: position, and number of the mapping.
    by_slot: HashMap<U256, (u32, u64)>,
    sites: HashMap<Address, ContractRole>,
    targets: HashMap<U256, SlotContent>,
    prices: HashMap<Address, U256>,
}

impl Reserves {
    /// Nothing is known yet but where the pool is and how its storage is laid out.
    #[must_use]
    pub fn new(pool: Address, layout: Layout) -> Self {
        let mut targets = HashMap::default();
        targets.insert(U256::from(layout.count.0), SlotContent::Count);
        targets.extend(layout.paused.map(|slot| (U256::from(slot), SlotContent::Paused)));
        Self {
            pool,
            oracle: Address::ZERO,
            layout,
            count: None,
            paused: layout.paused.is_none().then_some(false),
            reserves: Vec::new(),
            categories: BTreeMap::new(),
            positions: Vec::new(),
            by_account: HashMap::default(),
            by_slot: HashMap::default(),
            sites: std::iter::once((pool, ContractRole::Pool)).collect(),
            targets,
            prices: HashMap::default(),
        }
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> Address {
        self.pool
    }

    /// Priced by this oracle.
    #[must_use]
    pub const fn priced_by(mut self, oracle: Address) -> Self {
        self.oracle = oracle;
        self
    }

    /// Who prices the assets.
    #[must_use]
    pub const fn oracle(&self) -> Address {
        self.oracle
    }

    /// The pool, which alone speaks of borrowers, and the tokens of its reserves.
    #[must_use]
    pub fn sites(&self) -> Vec<StateSite> {
        let logs = |at: &Address| if *at == self.pool { Logs::All } else { Logs::None };
        self.sites.keys().map(|at| StateSite { at: *at, slots: Slots::All, logs: logs(at) }).collect()
    }

    /// The receipt token of an asset.
    #[must_use]
    pub fn receipt(&self, asset: Address) -> Option<Address> {
        let reserve = self.id(asset).and_then(|id| self.reserves.get(id))?;
        reserve.word(TOKENS[0]).ok().map(slots::word_address)
    }

    /// How the storage is laid out.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The pool is paused as a whole.
    ///
    /// # Errors
    /// It is not known.
    pub fn paused(&self) -> Result<bool, Refusal> {
        self.paused.ok_or(Refusal::Cold)
    }

    /// A reserve by its id.
    ///
    /// # Errors
    /// It is not known.
    pub fn reserve(&self, id: usize) -> Result<&Reserve, Refusal> {
        self.reserves.get(id).ok_or(Refusal::Cold)
    }

    /// The reserves that are not dropped, with their ids and assets.
    pub fn listed(&self) -> impl Iterator<Item = (usize, Address)> + '_ {
        let asset = |reserve: &Reserve| reserve.asset.filter(|asset| !asset.is_zero());
        self.reserves.iter().enumerate().filter_map(move |(id, reserve)| Some((id, asset(reserve)?)))
    }

    /// The id of an asset's reserve.
    #[must_use]
    pub fn id(&self, asset: Address) -> Option<usize> {
        self.listed().find(|(_, listed)| *listed == asset).map(|(id, _)| id)
    }

    /// How many reserves the pool counts, dropped ones included.
    ///
    /// # Errors
    /// It is not known.
    pub fn count(&self) -> Result<usize, Refusal> {
        self.count.ok_or(Refusal::Cold)
    }

    /// First word of a category's record.
    ///
    /// # Errors
    /// It is not known.
    pub fn category(&self, id: u8) -> Result<U256, Refusal> {
        self.categories.get(&id).copied().flatten().ok_or(Refusal::Cold)
    }

    /// The categories known.
    pub fn categories(&self) -> impl Iterator<Item = U256> + '_ {
        self.categories.values().copied().flatten()
    }

    /// A position by its account.
    ///
    /// # Errors
    /// It is not watched.
    pub fn position(&self, account: Address) -> Result<&Position, Refusal> {
        let at = self.by_account.get(&account).ok_or(Refusal::Stranger)?;
        self.positions.get(*at as usize).ok_or(Refusal::Stranger)
    }

    /// All positions, in the order in which they were taken.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// The oracle's answer for an asset, or what `instead` says of it.
    ///
    /// # Errors
    /// It is not known.
    pub fn price(&self, asset: Address, instead: Option<(Address, U256)>) -> Result<U256, Refusal> {
        match instead {
            Some((feed, price)) if feed == asset => Ok(price),
            _ => self.prices.get(&asset).copied().ok_or(Refusal::Unpriced(asset)),
        }
    }

    /// Takes the oracle's answer for an asset.
    pub fn set_price(&mut self, asset: Address, price: U256) {
        self.prices.insert(asset, price);
    }

    /// Takes what an asset's receipt token holds of it.
    pub fn set_cash(&mut self, asset: Address, units: U256) {
        if let Some(reserve) = self.id(asset).and_then(|id| self.reserves.get_mut(id)) {
            reserve.cash = Some(units);
        }
    }

    /// Takes an account into the positions; says whether it was new.
    pub fn watch(&mut self, account: Address) -> bool {
        let Ok(at) = u32::try_from(self.positions.len()) else { return false };
        if self.by_account.contains_key(&account) {
            return false;
        }
        self.by_account.insert(account, at);
        self.positions.push(Position::new(account));
        for number in self.layout.by_account() {
            self.by_slot.insert(slots::of_address(account, number), (at, number));
        }
        true
    }

    /// Takes note of the account that a log of the pool with this signature names second: `Borrow` of V2 and V3.
    ///
    /// # Errors
    /// The log has fewer topics than the signature promises.
    pub fn borrowed(&mut self, at: Address, topics: &[B256], signature: B256) -> Result<Option<Address>, ApplyError> {
        match topics {
            [first, rest @ ..] if at == self.pool && *first == signature => {
                let account = rest.get(1).ok_or(ApplyError::Topics { have: topics.len(), due: 4 })?;
                let account = Address::from_word(*account);
                Ok(self.watch(account).then_some(account))
            }
            _ => Ok(None),
        }
    }

    /// Whether a slot holds what governance sets of a reserve or a category.
    #[must_use]
    pub fn is_term(&self, at: Address, slot: U256) -> bool {
        let target = self.targets.get(&slot).filter(|_| at == self.pool);
        matches!(target, Some(SlotContent::Word(_, 0) | SlotContent::Category(_)))
    }

    /// Whose position a slot is a part of.
    #[must_use]
    pub fn owner(&self, slot: U256) -> Option<Address> {
        let (position, _) = self.by_slot.get(&slot)?;
        self.positions.get(*position as usize).map(|position| position.account)
    }

    /// Contracts and slots that are still to be read, of the pool and of these accounts.
    #[must_use]
    pub fn missing_of(&self, accounts: &[Address]) -> Vec<(Address, U256)> {
        let pool = |slot| (self.pool, slot);
        let mut missing = Vec::new();
        if self.count.is_none() {
            missing.push(pool(U256::from(self.layout.count.0)));
        }
        if let (None, Some(slot)) = (self.paused, self.layout.paused) {
            missing.push(pool(U256::from(slot)));
        }
        for (id, reserve) in self.reserves.iter().enumerate() {
            match reserve.asset {
                None => missing.push(pool(slots::of(U256::from(id), self.layout.list))),
                Some(asset) if asset.is_zero() => {}
                Some(asset) => {
                    let first = slots::of_address(asset, self.layout.reserves);
                    let unknown = (0..RESERVE_WORDS).filter(|word| reserve.words[*word].is_none());
                    missing.extend(unknown.map(|word| pool(first.wrapping_add(U256::from(word)))));
                }
            }
        }
        if let Some((categories, _)) = self.layout.categories {
            let unknown = self.categories.iter().filter(|(_, word)| word.is_none());
            missing.extend(unknown.map(|(id, _)| pool(slots::of(U256::from(*id), categories))));
        }
        let positions = accounts.iter().filter_map(|account| self.position(*account).ok());
        positions.for_each(|position| self.missing_by(position, &mut missing));
        missing
    }

    fn missing_by(&self, position: &Position, missing: &mut Vec<(Address, U256)>) {
        let of = |number| slots::of_address(position.account, number);
        if position.flags.is_none() {
            missing.push((self.pool, of(self.layout.users)));
        }
        if let (None, Some((_, users))) = (position.category, self.layout.categories) {
            missing.push((self.pool, of(users)));
        }
        for id in position.uses() {
            let Some(reserve) = self.reserves.get(id) else { continue };
            let mut ask = |word: usize, field: Field, number: u64| {
                if let (Ok(token), None) = (reserve.word(word), position.value(id, field)) {
                    missing.push((slots::word_address(token), of(number)));
                }
            };
            if position.secures(id) {
                ask(TOKENS[0], Field::Supply, self.layout.supply);
            }
            if position.borrows(id) {
                ask(TOKENS[2], Field::Variable, self.layout.variable);
                ask(TOKENS[1], Field::Principal, self.layout.principal);
            }
            let stable = position.value(id, Field::Principal).is_some_and(|principal| principal != 0);
            // A rate with a mapping of its own is read by the token whether or not there is a principal: whoever sinks first must not
            // be missed for it.
            if position.borrows(id) && (stable || self.layout.rate.is_some()) {
                ask(TOKENS[1], Field::Rate, self.layout.rate.unwrap_or(self.layout.principal));
            }
            if position.borrows(id) && stable {
                ask(TOKENS[1], Field::Since, self.layout.since);
            }
        }
    }

    /// Applies slots of a contract.
    ///
    /// # Errors
    /// A count of reserves that the flags of an account have no room for.
    pub fn apply_slots(&mut self, at: Address, changes: &[(U256, U256)]) -> Result<Applied, ApplyError> {
        let Some(site) = self.sites.get(&at).copied() else {
            return Ok(Applied::Irrelevant);
        };
        let mut changed = false;
        for (slot, value) in changes {
            changed |= match (self.targets.get(slot).copied(), self.by_slot.get(slot).copied()) {
                (Some(target), _) if matches!(site, ContractRole::Pool) => self.set_target(target, *value)?,
                (_, Some((position, number))) => self.set_position(site, position, number, *value),
                _ => false,
            };
        }
        Ok(if changed { Applied::Changed } else { Applied::Irrelevant })
    }

    fn set_target(&mut self, target: SlotContent, value: U256) -> Result<bool, ApplyError> {
        match target {
            SlotContent::Count => self.set_count(slots::field(value, self.layout.count.1, 16)),
            SlotContent::Paused => {
                let paused = slots::field(value, 0, 8) != 0;
                Ok(self.paused.replace(paused) != Some(paused))
            }
            SlotContent::Category(id) => Ok(self.categories.insert(id, Some(value)) != Some(Some(value))),
            SlotContent::Asset(id) => Ok(self.set_asset(id, slots::word_address(value))),
            SlotContent::Word(id, word) => Ok(self.set_word(id, word, value)),
        }
    }

    fn set_count(&mut self, count: u64) -> Result<bool, ApplyError> {
        if count > MOST_RESERVES {
            return Err(ApplyError::Contradiction);
        }
        let count = count as usize;
        for id in self.reserves.len()..count {
            self.targets.insert(slots::of(U256::from(id), self.layout.list), SlotContent::Asset(id));
            self.reserves.push(Reserve::default());
        }
        Ok(self.count.replace(count) != Some(count))
    }

    fn set_asset(&mut self, id: usize, asset: Address) -> bool {
        let Some(reserve) = self.reserves.get_mut(id) else { return false };
        if reserve.asset == Some(asset) {
            return false;
        }
        *reserve = Reserve { asset: Some(asset), ..Reserve::default() };
        let first = slots::of_address(asset, self.layout.reserves);
        let slot = |word| first.wrapping_add(U256::from(word));
        self.targets.extend((0..RESERVE_WORDS).map(|word| (slot(word), SlotContent::Word(id, word))));
        true
    }

    fn set_word(&mut self, id: usize, word: usize, value: U256) -> bool {
        let Some(reserve) = self.reserves.get_mut(id) else { return false };
        if reserve.words[word].replace(value) == Some(value) {
            return false;
        }
        let sites = [ContractRole::Supply(id), ContractRole::Stable(id), ContractRole::Variable(id)];
        if let Some((_, site)) = TOKENS.into_iter().zip(sites).find(|(token, _)| *token == word) {
            self.sites.insert(slots::word_address(value), site);
        }
        if word == 0 {
            self.name_category(Config(value).category());
        }
        true
    }

    /// A category that has to be known from now on.
    fn name_category(&mut self, id: u8) {
        if let Some((categories, _)) = self.layout.categories
            && id != 0
        {
            self.targets.insert(slots::of(U256::from(id), categories), SlotContent::Category(id));
            self.categories.entry(id).or_default();
        }
    }

    fn set_position(&mut self, site: ContractRole, position: u32, number: u64, value: U256) -> bool {
        if let (ContractRole::Pool, Some((_, users))) = (site, self.layout.categories)
            && users == number
        {
            let category = slots::field(value, 0, 8) as u8;
            self.name_category(category);
            let position = self.positions.get_mut(position as usize);
            return position.is_some_and(|position| position.category.replace(category) != Some(category));
        }
        let Self { layout, positions, .. } = self;
        let Some(position) = positions.get_mut(position as usize) else { return false };
        let (low, high) = (slots::low(value), slots::high(value));
        match site {
            ContractRole::Pool => number == layout.users && position.flags.replace(value) != Some(value),
            ContractRole::Supply(id) => number == layout.supply && position.set(id, Field::Supply, low),
            ContractRole::Variable(id) => number == layout.variable && position.set(id, Field::Variable, low),
            ContractRole::Stable(id) if number == layout.since => position.set(id, Field::Since, low),
            ContractRole::Stable(id) if layout.rate == Some(number) => position.set(id, Field::Rate, low),
            ContractRole::Stable(id) if number == layout.principal => {
                let packed = layout.rate.is_none() && position.set(id, Field::Rate, high);
                position.set(id, Field::Principal, low) | packed
            }
            ContractRole::Stable(_) => false,
        }
    }
}
