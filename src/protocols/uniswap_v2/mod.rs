//! Uniswap V2 and its forks.
