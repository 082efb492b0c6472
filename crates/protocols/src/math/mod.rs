//! Exact integer maths shared by protocols. Everything here gives the contract's own integer, or `None` where the
//! contract would revert; floats are named as such and only steer.

pub mod concentrated;
pub mod ray;
pub mod sqrt_price;
pub mod swap_step;
pub mod tangents;
pub mod tick;
pub mod weighted;
pub mod wide;

#[cfg(test)]
mod tests;
