//! What a package is built from, through all that it names, as `Cargo.lock` has it.
//!
//! # Limits
//! The lock file knows no features: it names what any package of the workspace asks of a crate. So what is not found here is not
//! there, and what is found may be asked for by another package alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::CLOSED;

/// Every closed package that a member is built from, with the way that leads to it.
pub fn check(lock: &str) -> Vec<String> {
    let needs = packages(lock);
    let mut broken = Vec::new();
    for (package, closed) in CLOSED {
        let ways = ways(&needs, package);
        assert!(ways.len() > 1, "{package} is not in Cargo.lock, or is built from nothing");
        let found = closed.iter().filter_map(|name| ways.get(*name));
        broken.extend(found.map(|way| format!("{} is closed to {package}\n    way out: cut it", way.join(" > "))));
    }
    broken
}

/// Package by package, what it needs. Versions of one name are taken together.
fn packages(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let lock: toml::Table = lock.parse().expect("Cargo.lock parses");
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let listed = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        // `name`, or `name version` where there are several.
        let names = listed.filter_map(|one| one.as_str()?.split(' ').next()).map(str::to_owned);
        needs.entry(name.to_owned()).or_default().extend(names);
    }
    needs
}

/// All that `package` is built from, each with the shortest way to it.
fn ways(needs: &BTreeMap<String, BTreeSet<String>>, package: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::from([(package.to_owned(), vec![package.to_owned()])]);
    let mut edge = vec![package.to_owned()];
    while !edge.is_empty() {
        let mut next = Vec::new();
        for name in &edge {
            for needed in needs.get(name).into_iter().flatten() {
                if !found.contains_key(needed) {
                    found.insert(needed.clone(), [&found[name][..], std::slice::from_ref(needed)].concat());
                    next.push(needed.clone());
                }
            }
        }
        edge = next;
    }
    found
}
