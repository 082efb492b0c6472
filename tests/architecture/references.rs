//! Reads every path a file names: imports, inline paths, attributes and the tokens of macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemExternCrate, ItemMod, ItemUse, Macro, Path, UseTree, VisRestricted};

use crate::source::{Source, attributes, in_house, is_test};

/// A path as it was written, `crate`, `self` and `super` resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub line: usize,
    /// Below the house, in which a member is a room; or with the name of a crate of others first.
    pub segments: Vec<String>,
    pub root: Root,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Begins at `crate`, `$crate`, `self` or `super`, or with the name of a package of the workspace.
    Crate,
    /// Begins with a name: another crate, or something in scope.
    Name,
}

/// Everything `source` names outside its test code.
pub fn collect(source: &Source) -> Vec<Reference> {
    // The roots of the library and of the binary are the crate itself, not modules of it.
    let is_root = source.module == ["lib"] || source.module == ["main"];
    let module = if is_root { Vec::new() } else { source.module.clone() };
    let mut reader = Reader { module, member: source.member.clone(), found: Vec::new() };
    if !source.test_only {
        reader.visit_file(&source.ast);
    }
    reader.found
}

struct Reader {
    module: Vec<String>,
    member: Option<String>,
    found: Vec<Reference>,
}

impl Reader {
    fn push(&mut self, line: usize, path: &[String]) {
        let Some(first) = path.first() else { return };
        let (mut segments, rest) = match first.as_str() {
            "self" if path.len() > 1 => (self.module.clone(), &path[1..]),
            "super" => {
                let climbs = path.iter().take_while(|segment| *segment == "super").count();
                let keep = self.module.len().saturating_sub(climbs);
                (self.module[..keep].to_vec(), &path[climbs..])
            }
            _ if let Some(place) = in_house(self.member.as_deref(), path) => (place, &[][..]),
            _ => {
                self.found.push(Reference { line, segments: path.to_vec(), root: Root::Name });
                return;
            }
        };
        segments.extend_from_slice(rest);
        self.found.push(Reference { line, segments, root: Root::Crate });
    }

    fn tree(&mut self, line: usize, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.tree(line, &step.tree, path);
                path.pop();
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree.span().start().line, tree, path))
            }
            UseTree::Glob(_) => self.push(line, path),
            UseTree::Name(name) => self.leaf(line, name.ident.to_string(), path),
            UseTree::Rename(name) => self.leaf(line, name.ident.to_string(), path),
        }
    }

    fn leaf(&mut self, line: usize, name: String, path: &mut Vec<String>) {
        if name == "self" && !path.is_empty() {
            return self.push(line, path);
        }
        path.push(name);
        self.push(line, path);
        path.pop();
    }

    /// Every `a::b` in a stream, groups included. `crate::{a, b::c}` counts as both.
    fn tokens(&mut self, stream: TokenStream, prefix: &[String]) {
        let mut path: Vec<String> = prefix.to_vec();
        let mut colons = if prefix.is_empty() { 0 } else { 2 };
        let mut line = 0;
        for token in stream {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.push_long(line, &path);
                        path.clear();
                    }
                    line = name.span().start().line;
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) if colons == 2 && group.delimiter() == Delimiter::Brace => {
                    self.tokens(group.stream(), &path);
                    (path, colons) = (Vec::new(), 0);
                }
                TokenTree::Punct(mark) if mark.as_char() == ',' && !prefix.is_empty() => {
                    self.push_long(line, &path);
                    (path, colons) = (prefix.to_vec(), 2);
                }
                other => {
                    self.push_long(line, &path);
                    (path, colons) = (Vec::new(), 0);
                    self.nested(other);
                }
            }
        }
        self.push_long(line, &path);
    }

    fn nested(&mut self, token: TokenTree) {
        match token {
            TokenTree::Group(group) => self.tokens(group.stream(), &[]),
            // `#[serde(with = "crate::x::y")]` names a path in a string.
            TokenTree::Literal(text) => {
                let line = text.span().start().line;
                let text = text.to_string();
                if let Some(path) = text.trim_matches('"').strip_prefix("crate::") {
                    let path: Vec<String> = ["crate"].into_iter().chain(path.split("::")).map(str::to_owned).collect();
                    self.push(line, &path);
                }
            }
            _ => {}
        }
    }

    /// A lone word in a macro may be anything; from two on it is a path.
    fn push_long(&mut self, line: usize, path: &[String]) {
        if path.len() > 1 {
            self.push(line, path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(item.span().start().line, &item.tree, &mut Vec::new());
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        self.push(item.span().start().line, &[item.ident.to_string()]);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.push_long(path.span().start().line, &names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone(), &[]);
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if attr.path().is_ident("doc") {
            return;
        }
        visit::visit_attribute(self, attr);
        if let syn::Meta::List(list) = &attr.meta {
            self.tokens(list.tokens.clone(), &[]);
        }
    }

    /// `pub(in crate::hot)` narrows to an ancestor. It is no dependency.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}
