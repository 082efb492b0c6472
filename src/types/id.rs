//! Dense ids: an address is looked up once, at the edge of a room; from there on a pool is an index.

/// Index of a pool in `hot::state::Pools`. Pools are never removed, so an id stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(u32);

/// Index of a token in `hot::state::Pools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(u32);

macro_rules! dense {
    ($id:ident) => {
        impl $id {
            /// The id of the `index`th entry.
            ///
            /// # Panics
            /// Past `u32::MAX` entries, which is more than the chain can hold.
            #[must_use]
            pub const fn new(index: usize) -> Self {
                assert!(index <= u32::MAX as usize, "more than u32::MAX dense ids");
                Self(index as u32)
            }

            /// Position in the table the id came from.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense!(PoolId);
dense!(TokenId);
