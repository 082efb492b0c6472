//! The files under `src/` and under each `crates/*/src`, parsed, each with the module path its place gives it.

use std::fmt;
use std::fs;
use std::path::Path;

use syn::{Attribute, Item, Meta};

/// A parsed file.
pub struct Source {
    /// From the package's root, with `/`.
    pub path: String,
    /// Module path: `src/hot/evm/whatif.rs` is `hot, evm, whatif`, `src/hot/mod.rs` is `hot`. A member is a room of its folder's
    /// name: `crates/protocols/src/math/tick.rs` is `protocols, math, tick`, its `lib.rs` is `protocols`.
    pub module: Vec<String>,
    /// The member that it is a file of; `None` for the root package.
    pub member: Option<String>,
    /// Compiled for tests only: declared under `#[cfg(test)]`, or below such a module.
    pub test_only: bool,
    /// Lines of text.
    pub lines: usize,
    pub ast: syn::File,
}

/// A broken rule, where, and the way out.
#[derive(Debug)]
pub struct Violation {
    pub at: String,
    pub line: usize,
    pub found: String,
    pub way_out: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    way out: {}", self.at, self.line, self.found, self.way_out)
    }
}

impl Source {
    /// Parses `text` as the file at `path`.
    pub fn parse(path: &str, text: &str) -> Self {
        let ast = syn::parse_file(text).unwrap_or_else(|e| panic!("{path}:{}: {e}", e.span().start().line));
        let test_only = is_test(&ast.attrs);
        let member = path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
        Self { path: path.to_owned(), module: module_of(path), member, test_only, lines: text.lines().count(), ast }
    }

    pub fn violation(&self, line: usize, found: String, way_out: impl Into<String>) -> Violation {
        Violation { at: self.path.clone(), line, found, way_out: way_out.into() }
    }
}

/// Every file of the root package and of each member, in order of path.
pub fn load() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for member in members() {
        walk(root, &format!("crates/{member}/src"), &mut sources);
    }
    walk(root, "src", &mut sources);
    mark_tests(&mut sources);
    sources
}

/// The folders of `crates/`. Each is a package, `peregrine-` and its name, and a room of that name.
pub fn members() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("crates: {e}"));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn walk(root: &Path, folder: &str, into: &mut Vec<Source>) {
    let mut names: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap_or_else(|e| panic!("{folder}: {e}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            walk(root, &path, into);
        } else if name.ends_with(".rs") {
            into.push(Source::parse(&path, &fs::read_to_string(root.join(&path)).unwrap()));
        }
    }
}

/// Files are test code when a `#[cfg(test)] mod name;` leads to them, whatever they are called.
pub fn mark_tests(sources: &mut [Source]) {
    let mut roots = Vec::new();
    for source in sources.iter() {
        for item in &source.ast.items {
            if let Item::Mod(declared) = item
                && declared.content.is_none()
                && is_test(&declared.attrs)
            {
                roots.push([source.module.as_slice(), &[declared.ident.to_string()]].concat());
            }
        }
    }
    for source in sources {
        source.test_only |= roots.iter().any(|root| source.module.starts_with(root));
    }
}

fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if let Some((member, inner)) = inner.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) {
        let below = inner.split('/').filter(|name| *name != "lib");
        return [member].into_iter().chain(below).map(str::to_owned).collect();
    }
    inner.split('/').map(str::to_owned).collect()
}

/// Where a path leads that begins at `crate` or at a package of the workspace: in the house a member is a room. A member may have
/// itself under the name that the root package has it by: `crate::protocols::amm` in `crates/protocols`.
pub fn in_house(member: Option<&str>, path: &[String]) -> Option<Vec<String>> {
    let (first, mut rest) = path.split_first()?;
    let room = match first.as_str() {
        "crate" => member,
        "peregrine" => None,
        name => Some(name.strip_prefix("peregrine_")?),
    };
    if first == "crate" && room.is_some() && rest.first().map(String::as_str) == room {
        rest = &rest[1..];
    }
    Some(room.into_iter().map(str::to_owned).chain(rest.iter().cloned()).collect())
}

/// `#[test]`, `#[cfg(test)]` or `#[cfg(all(test, ..))]`. Anything else may be compiled without tests.
pub fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        if attr.path().is_ident("test") {
            return true;
        }
        let Meta::List(list) = &attr.meta else { return false };
        let condition: String = list.tokens.to_string().split_whitespace().collect();
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
    })
}

/// The attributes of an item; none for the kinds that hold no code.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}
