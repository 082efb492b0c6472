//! Units of gas and ether that cannot stand in for one another.

use std::ops::Mul;

use alloy_primitives::U256;

/// Gas units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gas(pub u64);

/// Price of one unit of gas, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeiPerGas(pub u128);

/// Ether, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wei(pub U256);

/// The only product of gas and a price. 64 + 128 bits always fit.
impl Mul<WeiPerGas> for Gas {
    type Output = Wei;

    fn mul(self, price: WeiPerGas) -> Wei {
        Wei(U256::from(self.0) * U256::from(price.0))
    }
}
