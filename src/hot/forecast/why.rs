//! Why a transaction is for the EVM to resolve.

use crate::protocols::amm::QuoteError;
use crate::protocols::calldata::Unread;

macro_rules! reasons {
    ($($variant:ident $name:literal $help:literal)+) => {
        /// The reason, first met first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Why {
            $(
                #[doc = $help]
                $variant,
            )+
        }

        impl Why {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is counted.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    NoRouter "no_router" "It calls no contract whose calldata is read."
    Function "function" "It calls a function, or gives a command, that is not understood."
    Shape "shape" "Its arguments are not of the function's shape."
    Balance "balance" "An amount is what the router holds."
    Refuses "refuses" "The router will refuse it."
    NoTrade "no_trade" "It moves no pool."
    Barred "barred" "Calldata of its shape was resolved wrongly before."
    Code "code" "The router's code is not the one that the maths agreed with, or none is known yet."
    Sender "sender" "The sender's account is not known."
    Nonce "nonce" "It is not the sender's next."
    Terms "terms" "It pays less than the base fee, or carries blobs or delegations."
    Funds "funds" "The sender cannot pay for it."
    Gas "gas" "It may run out of gas."
    Deadline "deadline" "Its deadline has passed."
    NoPool "no_pool" "A pool on its path is not in the table, or is quarantined."
    Fee "fee" "It reckons with another fee than the pair's."
    Repeats "repeats" "Its path goes through a pool twice."
    Broken "broken" "Its path does not hang together."
    Unproven "unproven" "A pool, or its tokens, have not been proven plain in that direction."
    Limit "limit" "Its limit on the price is not met."
    Purse "purse" "What its sender holds and has allowed, or its recipient holds, may not be known."
    PaysPool "pays_pool" "It pays what it gets to a pool."
    Quote "quote" "A pool refuses the swap."
    Tick "tick" "A pool's tick or bitmap is not known."
}

impl From<Unread> for Why {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Function => Self::Function,
            Unread::Shape => Self::Shape,
            Unread::Balance => Self::Balance,
            Unread::Refuses => Self::Refuses,
        }
    }
}

impl From<QuoteError> for Why {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::UnknownTick => Self::Tick,
            QuoteError::TooSmall | QuoteError::TooLarge => Self::Quote,
        }
    }
}
