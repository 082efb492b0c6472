//! Which pool a factory made for two tokens and a fee: CREATE2's arithmetic, done once a pool and never on the way of an event.

use alloy_primitives::Address;
use alloy_primitives::B256;
use alloy_primitives::U256;
use alloy_primitives::address;
use alloy_primitives::b256;
use alloy_primitives::keccak256;

/// Whose pools a router trades through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factory {
    /// Uniswap V2.
    UniswapV2,
    /// Sushi.
    Sushi,
    /// Uniswap V3.
    UniswapV3,
}

/// Hash of the creation code of Uniswap's pair: `keccak256(UniswapV2Pair.bytecode)` of @uniswap/v2-core 1.0.1.
const PAIR: B256 = b256!("96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f");
/// The same of Sushi's pair, as its router computes it.
const SUSHI_PAIR: B256 = b256!("e18a34eb0e04b04f7a0ac29a6e80748dca96319b42c54d679cb821dca90c6303");
/// The same of Uniswap's V3 pool: @uniswap/v3-core 1.0.1.
const POOL: B256 = b256!("e34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54");

impl Factory {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UniswapV2, Self::Sushi, Self::UniswapV3];

    /// The protocol of its pools.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::UniswapV2 | Self::Sushi => "uniswap_v2",
            Self::UniswapV3 => "uniswap_v3",
        }
    }

    /// The contract.
    const fn address(self) -> Address {
        match self {
            Self::UniswapV2 => address!("5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"),
            Self::Sushi => address!("C0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac"),
            Self::UniswapV3 => address!("1F98431c8aD98523631AE4a59f267346ea31F984"),
        }
    }

    /// Creation codes it may use. The devnet's Sushi makes Uniswap's pairs; on one chain there is only one of them.
    const fn codes(self) -> &'static [B256] {
        match self {
            Self::UniswapV2 => &[PAIR],
            Self::Sushi => &[SUSHI_PAIR, PAIR],
            Self::UniswapV3 => &[POOL],
        }
    }

    /// It made the pool at `pool` for these tokens, in the contract's order, and this fee.
    #[must_use]
    pub fn made(self, pool: Address, tokens: [Address; 2], fee: u32) -> bool {
        let salt = match self {
            Self::UniswapV2 | Self::Sushi => keccak256([tokens[0].as_slice(), tokens[1].as_slice()].concat()),
            Self::UniswapV3 => {
                let fee = U256::from(fee).to_be_bytes::<32>();
                keccak256([&tokens[0].into_word()[..], &tokens[1].into_word()[..], &fee].concat())
            }
        };
        self.codes().iter().any(|code| self.address().create2(salt, code) == pool)
    }
}
