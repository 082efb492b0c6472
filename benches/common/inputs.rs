//! Where the recorded inputs are. They lie outside the repository; whoever lacks one is told, loudly.

use std::path::{Path, PathBuf};

/// `part` of the recorded mainnet folder: `PEREGRINE_MAINNET`, else `../shared/mainnet` beside the repository.
pub fn mainnet(part: &str) -> Option<PathBuf> {
    input("PEREGRINE_MAINNET", "../shared/mainnet", part)
}

/// `part` of the newer blocks' folder: `PEREGRINE_NEWER_MAINNET`, else `../shared/mainnet-2024-2026` beside the repository.
pub fn newer_mainnet(part: &str) -> Option<PathBuf> {
    input("PEREGRINE_NEWER_MAINNET", "../shared/mainnet-2024-2026", part)
}

/// `part` of the recorded quotes: `PEREGRINE_QUOTES`, else `../shared/quotes` beside the repository.
pub fn quotes(part: &str) -> Option<PathBuf> {
    input("PEREGRINE_QUOTES", "../shared/quotes", part)
}

fn input(variable: &str, default: &str, part: &str) -> Option<PathBuf> {
    // `benches/peers` is a package of its own, two folders further down.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().find(|folder| folder.join("benches/common").is_dir()).unwrap_or(root);
    let folder = std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from);
    let path = folder.join(part);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: {} is not there; set {variable} to the folder to run this bench", path.display());
    eprintln!("SKIPPED: {} is not there; set {variable} to the folder to run this bench", path.display());
    None
}
