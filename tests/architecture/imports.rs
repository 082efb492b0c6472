//! The form of imports, so that an arrow can be read off the line it stands on.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, Macro, UseTree};

use crate::source::{Source, Violation, attributes, in_house, is_test};

/// Every import of the crate that hides where it leads, and every trick that lets a file stand elsewhere than its path.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let modules: BTreeSet<&[String]> = sources.iter().map(|source| source.module.as_slice()).collect();
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !source.test_only) {
        let mut reader = Reader { source, modules: &modules, depth: 0, broken: &mut broken };
        reader.visit_file(&source.ast);
    }
    broken
}

struct Reader<'a> {
    source: &'a Source,
    modules: &'a BTreeSet<&'a [String]>,
    /// Inline modules around the present item: so far may `super` climb within the file.
    depth: usize,
    broken: &'a mut Vec<Violation>,
}

impl Reader<'_> {
    fn refuse(&mut self, line: usize, found: &str, way_out: &str) {
        self.broken.push(self.source.violation(line, found.to_owned(), way_out));
    }

    fn check_group(&mut self, line: usize, path: &[String], tree: &UseTree) {
        let name = match tree {
            UseTree::Name(leaf) => leaf.ident.to_string(),
            UseTree::Rename(leaf) => leaf.ident.to_string(),
            _ => String::new(),
        };
        let module = [path, std::slice::from_ref(&name)].concat();
        if name.is_empty() || name == "self" || path.is_empty() || self.modules.contains(module.as_slice()) {
            let way_out = "one `use crate::..` a module; braces may hold the items of that one module";
            self.refuse(line, "braces hide a module path", way_out);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.attrs.iter().any(|attr| attr.path().is_ident("path")) {
            let line = item.span().start().line;
            self.refuse(line, "`#[path]` puts a file into another room", "let the file lie where its module is");
        }
        self.depth += 1;
        visit::visit_item_mod(self, item);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let line = item.span().start().line;
        let mut path = Vec::new();
        let mut tree = &item.tree;
        while let UseTree::Path(step) = tree {
            path.push(step.ident.to_string());
            tree = &step.tree;
        }
        let climbs = path.iter().take_while(|name| *name == "super").count();
        if climbs > self.depth {
            let way_out = "write it from `crate::`, so that the arrow can be seen";
            self.refuse(line, "the import climbs out of its file with `super::`", way_out);
        }
        let UseTree::Group(group) = tree else { return };
        if let Some(path) = in_house(self.source.member.as_deref(), &path) {
            group.items.iter().for_each(|tree| self.check_group(line, &path, tree));
        } else if group.items.iter().any(|tree| begins_with_crate(tree) && path.is_empty()) {
            self.refuse(line, "braces hide a module path", "one `use crate::..` a module");
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if call.path.is_ident("include") && call.tokens.to_string().contains(".rs\"") {
            let line = call.span().start().line;
            self.refuse(line, "`include!` puts a file into another room", "make it a module");
        }
        visit::visit_macro(self, call);
    }
}

fn begins_with_crate(tree: &UseTree) -> bool {
    matches!(tree, UseTree::Path(step) if step.ident == "crate")
}
