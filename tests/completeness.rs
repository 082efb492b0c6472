//! What a registry names has its evidence.

use peregrine::protocols::LENDING_PROTOCOLS;
use peregrine::protocols::PROTOCOLS;
use std::path::Path;

#[test]
fn every_protocol_is_tested_on_real_bytecode() {
    for name in PROTOCOLS.iter().chain(LENDING_PROTOCOLS) {
        let test = format!("tests/{name}_bytecode.rs");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&test).is_file(), "{name} has no {test}");
    }
}
