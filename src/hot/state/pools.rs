//! The dense table of pools, tokens and edges. An edge is one leg of one pool; what it pays for a vanishing input is
//! cached in one flat array ([`Margins`]), so that a screen reads nothing else.
//!
//! # Invariants
//! - Ids are handed out in order and never taken back: an id below a length is valid for ever.
//! - A pool of `n` tokens has `n * (n - 1)` edges in a row, by token in, then token out.
//! - The margins of an edge are those of the pool as it now stands, or zero when it is quarantined. Every change to
//!   a pool goes through [`Pools::edit`], which keeps this true, and notes the pool: [`Pools::changed_since`].
//!
//! # Cost
//! Adding allocates (discovery, cold). `edit` costs the edit and `n * (n - 1)` margins. Nothing else allocates.

use std::ops::Range;

use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use alloy_primitives::map::HashMap;

use crate::hot::state::margins::Margins;
use crate::hot::state::sites::Sites;
use crate::protocols::amm::Amm;
use crate::protocols::amm::Leg;
use crate::protocols::execution::{PlannedSwap, Steps};
use crate::types::id::PoolId;
use crate::types::id::TokenId;
use crate::types::pool_key::PoolKey;

/// Changes that are remembered one by one, for what follows the table. A busy block of 36 million gas makes a few hundred.
const NOTED: usize = 4096;

/// Index of an [`Edge`] in [`Pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(u32);

impl EdgeId {
    /// No edge: fills rows of edges up to a fixed width.
    pub const NONE: Self = Self(0);

    /// # Panics
    /// Past `u32::MAX` edges, which is more than the chain can hold.
    const fn new(index: usize) -> Self {
        assert!(index <= u32::MAX as usize, "more than u32::MAX edges");
        Self(index as u32)
    }

    /// Position in [`Margins`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One leg of one pool, with its tokens by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The pool.
    pub pool: PoolId,
    /// The way through it.
    pub leg: Leg,
    /// What goes in.
    pub token_in: TokenId,
    /// What comes out.
    pub token_out: TokenId,
}

/// Why a pool was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The key is already in the table.
    #[error("pool is known already, as number {}", .0.index())]
    Known(PoolId),
    /// Fewer than two tokens, or one of them twice.
    #[error("pool has {have} distinct tokens where each of {listed} is due")]
    Tokens {
        /// Distinct tokens found.
        have: usize,
        /// Tokens listed.
        listed: usize,
    },
}

/// Pools, tokens and edges by dense id.
#[derive(Clone, Debug)]
pub struct Pools<P> {
    pools: Vec<P>,
    /// Those that are their contract.
    by_contract: AddressMap<PoolId>,
    /// Those of which a contract holds many.
    by_id: HashMap<PoolKey, PoolId>,
    /// Where their state lives.
    sites: Sites<PoolId>,
    tokens: Vec<Address>,
    token_ids: AddressMap<TokenId>,
    /// The edge at position `p` of `margins` is at `p - 1` here.
    edges: Vec<Edge>,
    margins: Margins,
    /// First edge of each pool, by its position in `margins`, and one past the last.
    first_edge: Vec<usize>,
    quarantined: Vec<bool>,
    /// How often a pool was added or changed.
    version: u64,
    /// Whose change made version `v + 1`, at `v % NOTED`.
    noted: Vec<PoolId>,
}

impl<P> Default for Pools<P> {
    fn default() -> Self {
        Self {
            pools: Vec::new(),
            by_contract: AddressMap::default(),
            by_id: HashMap::default(),
            sites: Sites::default(),
            tokens: Vec::new(),
            token_ids: AddressMap::default(),
            edges: Vec::new(),
            margins: Margins::default(),
            first_edge: vec![1],
            quarantined: Vec::new(),
            version: 0,
            noted: Vec::with_capacity(NOTED),
        }
    }
}

impl<P: Amm> Pools<P> {
    /// Adds a pool and interns its tokens.
    pub fn add(&mut self, pool: P) -> Result<PoolId, AddError> {
        if let Some(id) = self.find(pool.key()) {
            return Err(AddError::Known(id));
        }
        let (have, listed) = (distinct(pool.tokens()), pool.tokens().len());
        if have != listed || have < 2 {
            return Err(AddError::Tokens { have, listed });
        }
        let id = PoolId::new(self.pools.len());
        for (i, token_in) in pool.tokens().iter().enumerate() {
            for (o, token_out) in pool.tokens().iter().enumerate() {
                // No leg only when both are the same token.
                let Some(leg) = pool.leg(*token_in, *token_out) else { continue };
                debug_assert_eq!((leg.token_in(), leg.token_out()), (i, o));
                let (token_in, token_out) = (self.intern(*token_in), self.intern(*token_out));
                self.edges.push(Edge { pool: id, leg, token_in, token_out });
                self.margins.push(&pool, leg);
            }
        }
        self.first_edge.push(self.edges.len() + 1);
        let key = pool.key();
        match key.id {
            None => self.by_contract.insert(key.contract, id),
            Some(_) => self.by_id.insert(key, id),
        };
        self.settle_at(id, &pool);
        self.quarantined.push(false);
        self.pools.push(pool);
        self.note(id);
        Ok(id)
    }

    /// Changes a pool and brings its cached rates up to date.
    pub fn edit<R>(&mut self, id: PoolId, change: impl FnOnce(&mut P) -> R) -> R {
        let pool = &mut self.pools[id.index()];
        let seen = pool.sites_seen();
        let answer = change(pool);
        if pool.sites_seen() != seen {
            self.settle_again(id);
        }
        self.refresh(id);
        answer
    }

    /// Puts another state of the same pool in its place, wherever that says that it lives.
    pub fn replace(&mut self, id: PoolId, pool: P) {
        self.pools[id.index()] = pool;
        self.settle_again(id);
        self.refresh(id);
    }

    fn settle_at(&mut self, id: PoolId, pool: &P) {
        pool.sites().iter().for_each(|site| self.sites.add(id, site));
    }

    #[cold]
    fn settle_again(&mut self, id: PoolId) {
        let sites = self.pools[id.index()].sites();
        sites.iter().for_each(|site| self.sites.add(id, site));
    }

    /// Takes a pool out of every search, or lets it back in, without touching its state.
    pub fn quarantine(&mut self, id: PoolId, out: bool) {
        self.quarantined[id.index()] = out;
        self.refresh(id);
    }

    fn refresh(&mut self, id: PoolId) {
        self.note(id);
        let (pool, edges) = (&self.pools[id.index()], self.edge_range(id));
        if self.quarantined[id.index()] {
            return self.margins.silence(edges);
        }
        for at in edges {
            self.margins.set(at, pool, self.edges[at - 1].leg);
        }
    }
}

impl<P> Pools<P> {
    fn note(&mut self, id: PoolId) {
        let at = self.version as usize % NOTED;
        match self.noted.get_mut(at) {
            Some(place) => *place = id,
            None => self.noted.push(id),
        }
        self.version += 1;
    }

    /// How often a pool was added or changed.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The pools added or changed since a version, some more than once. `None` when that is too long ago to be known.
    pub fn changed_since(&self, version: u64) -> Option<impl Iterator<Item = PoolId> + '_> {
        let known = self.version.saturating_sub(version) <= NOTED as u64;
        known.then(|| (version..self.version).map(|version| self.noted[version as usize % NOTED]))
    }

    /// The id of a token, given on first sight.
    pub fn intern(&mut self, token: Address) -> TokenId {
        *self.token_ids.entry(token).or_insert_with(|| {
            self.tokens.push(token);
            TokenId::new(self.tokens.len() - 1)
        })
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> &P {
        &self.pools[id.index()]
    }

    /// All pools, by id.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.pools.iter()
    }

    /// The pool of a key; or, of an address, the one that is that contract.
    #[must_use]
    pub fn find(&self, key: impl Into<PoolKey>) -> Option<PoolId> {
        let key = key.into();
        if key.id.is_some() { self.by_id.get(&key).copied() } else { self.by_contract.get(&key.contract).copied() }
    }

    /// From contracts, slots and logs to the pools whose state they are.
    #[must_use]
    pub const fn sites(&self) -> &Sites<PoolId> {
        &self.sites
    }

    /// The token at an address.
    #[must_use]
    pub fn find_token(&self, address: Address) -> Option<TokenId> {
        self.token_ids.get(&address).copied()
    }

    /// The address of a token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Address {
        self.tokens[id.index()]
    }

    /// Has the pool write its step of our contract's path: through this edge, with so much going in and coming out.
    pub fn write_step(&self, edge: &Edge, [amount_in, amount_out]: [u128; 2], next: Option<&Edge>, steps: &mut Steps)
    where
        P: Amm,
    {
        let payee = |next: &Edge| {
            let venue = self.pool(next.pool);
            venue.execution().payee(venue.address(), steps.own())
        };
        let recipient = next.map_or(steps.own(), payee);
        let token_in = self.token(edge.token_in);
        let swap = PlannedSwap { leg: edge.leg, token_in, amount_in, amount_out, recipient };
        let pool = self.pool(edge.pool);
        pool.write_step(&swap, steps);
        debug_assert_eq!(steps.last(), Some(pool.execution()), "a venue writes the form that it says it has");
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self, id: EdgeId) -> Edge {
        self.edges[id.index() - 1]
    }

    /// The same pool the other way.
    #[must_use]
    pub fn reverse(&self, id: EdgeId) -> EdgeId {
        let edge = self.edge(id);
        let (i, o) = (edge.leg.token_out(), edge.leg.token_in());
        let edges = self.edge_range(edge.pool);
        // `n * (n - 1)` edges by token in, then token out, the diagonal left out.
        let others = edge_others(edges.len());
        EdgeId::new(edges.start + i * others + o - usize::from(o > i))
    }

    /// The edges of a pool.
    pub fn edges_of(&self, id: PoolId) -> impl Iterator<Item = EdgeId> + use<P> {
        self.edge_range(id).map(EdgeId::new)
    }

    /// Positions of a pool's edges in [`Margins`].
    #[must_use]
    pub fn edge_range(&self, id: PoolId) -> Range<usize> {
        self.first_edge[id.index()]..self.first_edge[id.index() + 1]
    }

    /// What edges pay at the margin.
    #[must_use]
    pub const fn margins(&self) -> &Margins {
        &self.margins
    }

    /// True when the pool is kept out of every search.
    #[must_use]
    pub fn is_quarantined(&self, id: PoolId) -> bool {
        self.quarantined[id.index()]
    }

    /// Number of pools.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pools.len()
    }

    /// True without pools.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    /// Number of tokens.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }
}

/// `n - 1` for `n * (n - 1)` edges.
const fn edge_others(edges: usize) -> usize {
    let mut others = 1;
    while others * (others + 1) < edges {
        others += 1;
    }
    others
}

fn distinct(tokens: &[Address]) -> usize {
    tokens.iter().enumerate().filter(|(i, token)| !tokens[..*i].contains(token)).count()
}
