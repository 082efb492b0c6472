//! Holds what a file names against its row of the table.

use std::collections::BTreeSet;
use std::path::Path;

use crate::references::{Reference, Root, collect};
use crate::source::{Source, Violation, members};
use crate::{ARMED, LINTS, ROOMS};

/// One row of the table.
#[derive(Debug)]
pub struct Room {
    pub at: &'static str,
    pub may: &'static [&'static str],
    pub doors: &'static [&'static str],
    pub crates: Crates,
    /// Paths of `std` and of other crates, closed with all below them.
    pub bans: &'static [&'static str],
}

/// Which other crates a room may name. `std` is always one of them.
#[derive(Clone, Copy, Debug)]
pub enum Crates {
    Any,
    Only(&'static [&'static str]),
}

impl Room {
    /// The part of `path` this row's pattern takes up, with the name that `*` stands for.
    fn place<'p>(&self, path: &'p [String]) -> Option<&'p [String]> {
        matches(self.at, path).then(|| &path[..length(self.at)])
    }

    fn has_rows_below(&self) -> bool {
        ROOMS.iter().any(|room| room.at.strip_prefix(self.at).is_some_and(|rest| rest.starts_with("::")))
    }
}

fn length(pattern: &str) -> usize {
    pattern.split("::").count()
}

fn matches(pattern: &str, path: &[String]) -> bool {
    length(pattern) <= path.len() && pattern.split("::").zip(path).all(|(want, have)| want == "*" || want == have)
}

/// The longest row that fits; a row with a name goes before one with `*`.
fn room_of(path: &[String]) -> Option<&'static Room> {
    ROOMS.iter().filter(|room| matches(room.at, path)).max_by_key(|room| (length(room.at), !room.at.ends_with('*')))
}

/// Every path that no arrow allows, and every file that is in no room.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let crates = known_crates();
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !source.test_only) {
        match room_of(&source.module) {
            Some(room) if !room.has_rows_below() || source.module.len() == length(room.at) => {
                check_file(source, room, &crates, &mut broken);
            }
            _ => broken.push(source.violation(
                1,
                format!("`{}` is in no room", source.module.join("::")),
                "put it into a room, or give it a row in ROOMS of tests/architecture.rs and say why",
            )),
        }
    }
    broken
}

fn check_file(source: &Source, room: &Room, crates: &BTreeSet<String>, broken: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for reference in collect(source) {
        let fault = match reference.root {
            Root::Crate => inner_fault(room, &source.module, &reference.segments),
            Root::Name => outer_fault(room, &reference, crates),
        };
        let Some((found, way_out)) = fault else { continue };
        if seen.insert((reference.line, found.clone())) {
            broken.push(source.violation(reference.line, found, way_out));
        }
    }
}

/// What is wrong with naming a path of the house.
fn inner_fault(room: &Room, module: &[String], path: &[String]) -> Option<(String, String)> {
    let own = room_of(path).is_some_and(|target| target.at == room.at && target.place(path) == room.place(module));
    if own || room.at == "lib" || room.may.iter().any(|open| matches(open, path)) {
        return None;
    }
    let door = room.doors.iter().find(|door| matches(door, path));
    let below = door.and_then(|door| path.get(length(door)..)).unwrap_or_default();
    // Behind the door: a name in lower case that something follows is a submodule.
    let is_inside = below.len() > 1 && below[0].starts_with(char::is_lowercase);
    if door.is_some() && !is_inside {
        return None;
    }
    let found = format!("`{}` may not name `crate::{}`", room.at, path.join("::"));
    let way_out = if is_inside {
        "a sibling shows what others may use in its mod.rs; name that, or have it re-exported there".to_owned()
    } else {
        let open: Vec<&str> = room.may.iter().chain(room.doors).copied().collect();
        format!("it may name [{}]; move what both need down to one of these, or pass it in as a value", open.join(", "))
    };
    Some((found, way_out))
}

/// What is wrong with naming a path of another crate or of `std`.
fn outer_fault(room: &Room, reference: &Reference, crates: &BTreeSet<String>) -> Option<(String, String)> {
    let mut path = reference.segments.clone();
    if !crates.contains(&path[0]) {
        return None;
    }
    if path[0] == "core" || path[0] == "alloc" {
        "std".clone_into(&mut path[0]);
    }
    let shown = reference.segments.join("::");
    let is_open = match room.crates {
        Crates::Any => true,
        Crates::Only(open) => path[0] == "std" || open.contains(&path[0].as_str()),
    };
    if !is_open {
        let way_out = "let a room that may hold it do the work and hand in the result (see ROOMS)".to_owned();
        return Some((format!("`{}` may not name `{shown}`: the crate is not on its list", room.at), way_out));
    }
    let ban = room.bans.iter().find(|ban| matches(ban, &path) || is_whole_of(&path, ban))?;
    let way_out =
        "do it in edge, config, cli or live and hand in the result; import the leaf, not the whole".to_owned();
    Some((format!("`{}` may not name `{shown}`: `{ban}` is banned there", room.at), way_out))
}

/// `use std as s` or `use alloy::*` would carry a ban in under another name.
fn is_whole_of(path: &[String], ban: &str) -> bool {
    let ban: Vec<&str> = ban.split("::").collect();
    path.len() < ban.len() && path.iter().zip(&ban).all(|(have, want)| have == want)
}

/// Crates a path can begin with: the manifests', the standard ones, and all that the table speaks of.
fn known_crates() -> BTreeSet<String> {
    let folders = members().into_iter().map(|member| format!("crates/{member}/"));
    let listed = folders.chain([String::new()]).flat_map(|folder| dependencies(&folder));
    let spoken = ROOMS.iter().flat_map(|room| {
        let crates = match room.crates {
            Crates::Any => &[],
            Crates::Only(open) => open,
        };
        crates.iter().chain(room.bans).filter_map(|path| path.split("::").next())
    });
    let standard = ["std", "core", "alloc"];
    listed.map(|name| name.replace('-', "_")).chain(spoken.chain(standard).map(str::to_owned)).collect()
}

/// What a package says that it depends on, by the names that it has for them.
fn dependencies(folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let manifest: toml::Table = text.parse().expect("Cargo.toml parses");
    manifest["dependencies"].as_table().expect("[dependencies] is a table").keys().cloned().collect()
}

/// The rooms that must deny clock, lock and sleep and do not. An empty room has nothing to arm.
pub fn check_armed(sources: &[Source]) -> Vec<Violation> {
    let is_room = |source: &&Source| source.module.len() == 1 && ARMED.contains(&source.module[0].as_str());
    let mut broken = Vec::new();
    for source in sources.iter().filter(is_room).filter(|source| !source.ast.items.is_empty()) {
        let denied: String = source
            .ast
            .attrs
            .iter()
            .filter_map(|attr| attr.meta.require_list().ok())
            .filter(|list| list.path.is_ident("deny") || list.path.is_ident("forbid"))
            .map(|list| list.tokens.to_string())
            .collect();
        if !LINTS.iter().all(|lint| denied.contains(lint)) {
            broken.push(source.violation(
                1,
                format!("`{}` does not arm its lints", source.module[0]),
                "#![deny(clippy::disallowed_types, clippy::disallowed_methods)] at the top of its mod.rs, or of its lib.rs",
            ));
        }
    }
    broken
}
