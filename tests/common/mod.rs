//! Where tests find their inputs.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};

pub mod chain;
pub mod pools;

/// `part` of the recorded mainnet folder: `PEREGRINE_MAINNET`, else `../shared/mainnet`. Says loudly when absent.
#[must_use]
pub fn mainnet(part: &str) -> Option<PathBuf> {
    input("PEREGRINE_MAINNET", "../shared/mainnet", part)
}

/// `part` of the newer blocks' folder: `PEREGRINE_NEWER_MAINNET`, else `../shared/mainnet-2024-2026`. Says loudly when absent.
#[must_use]
pub fn newer_mainnet(part: &str) -> Option<PathBuf> {
    input("PEREGRINE_NEWER_MAINNET", "../shared/mainnet-2024-2026", part)
}

fn input(variable: &str, default: &str, part: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os(variable).map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default), PathBuf::from);
    let path = folder.join(part);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: {} is not there; set {variable} to the folder to run this test", path.display());
    eprintln!("SKIPPED: {} is not there; set {variable} to the folder to run this test", path.display());
    None
}
