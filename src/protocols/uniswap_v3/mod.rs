//! Uniswap V3 and its forks.
