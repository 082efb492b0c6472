//! A venue as a stranger would write one, in a folder of its own (`tests/toy_pool`) and a line of the registry: pools of three tokens,
//! many at one contract, whose state lives at two, and which take what goes in by an allowance. What the rest of the house takes for
//! granted of a pool shows here.

mod common;

#[path = "toy_venue/bank.rs"]
mod bank;
#[path = "toy_venue/exact.rs"]
mod exact;
#[path = "toy_venue/found.rs"]
mod found;
#[path = "toy_venue/landed.rs"]
mod landed;
#[path = "seams/naming.rs"]
#[allow(dead_code, reason = "`seams` uses all of it")]
mod naming;
#[path = "common/geth.rs"]
mod pinned_geth;
#[path = "toy_venue/proven.rs"]
mod proven;
#[path = "common/requests.rs"]
mod requests;
#[path = "live/rig.rs"]
#[allow(dead_code, reason = "`live` uses all of it")]
mod rig;
#[path = "common/socket.rs"]
mod socket;
#[path = "common/traces.rs"]
mod traces;
#[path = "live/truth.rs"]
mod truth;

use std::path::Path;
use std::process::Command;

#[test]
fn one_file_outside_its_folder_names_it() {
    let by = naming::files_that_name(naming::PROTOCOLS, "toy_pool", &["toy_pool"]);
    assert_eq!(by, ["crates/protocols/src/lib.rs"]);
}

#[test]
fn its_bytecode_is_what_its_source_compiles_to() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !here.join("contracts/node_modules/solc").is_dir() {
        println!("SKIPPED: the compiler is not installed: run scripts/setup");
        return;
    }
    let build = Command::new("node").arg(here.join("tests/toy_pool/build.mjs")).arg("--check").output().expect("node");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
}
