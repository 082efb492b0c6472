//! Names that were retired (docs/glossary.md), and names of one chain where no code knows one chain from another.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Ident, Item, LitStr};

use crate::source::{Source, Violation, attributes, is_test};

/// Words that name nothing any more, and what is said instead. Words that have another, standard meaning as well (a line of a
/// file, a source of transactions, a seed of random numbers, a builder of blocks) are not among them.
#[rustfmt::skip]
const RETIRED: &[(&str, &str)] = &[
    ("desk", "worker"), ("crew", "worker set"), ("seat", "core placement"), ("lane", "worker I/O"), ("ear", "node socket"),
    ("pen", "request encoder"), ("dialler", "reconnector"), ("diallers", "reconnector"), ("keeper", "dispatcher"),
    ("settler", "inclusion tracker"), ("tape", "journal"), ("tap", "journal handle"), ("book", "stats"), ("reckon", "forecast"),
    ("reckoner", "forecaster"), ("reckoning", "forecasting"), ("reckoned", "forecast"), ("purse", "sender funds"),
    ("purses", "sender funds"), ("trust", "confidence"), ("faith", "confidence"), ("penance", "confidence"),
    ("promise", "provisional bundle"), ("promises", "provisional bundles"), ("news", "update"), ("told", "fetched"),
    ("want", "state key, or missing"), ("wants", "state keys, or missing"), ("adrift", "desync"), ("lore", "discovery cache"),
    ("sunk", "liquidatable"), ("sinks_at", "liquidatable_at"), ("laid", "overlay"), ("lay", "apply"), ("lift", "revert"),
    ("kept", "by what it is"), ("rehearse", "prewarm"), ("rehearsal", "prewarm"), ("deal", "opportunity"), 
    ("sieve", "rounding search"), ("polish", "refine"), ("way", "edge, or route"), ("ways", "routes"), ("victim", "target"),
    ("ground", "initial state"), ("pledge", "collateral"), ("pledged", "collateral"), ("owe", "debt"), ("owed", "debt"),
    ("lend", "supply"),
];

/// Names that hold such a word and are right: each with its reason.
#[rustfmt::skip]
const RIGHT: &[&str] = &[
    // The field's own term for running a pending transaction on the side.
    "whatif", "WhatIf", "what_if",
    // An idiom: a thread lets others go first; a request is on its way.
    "give_way", "under_way",
];

/// Constants of `chain` that are one chain's.
const CHAINS: &[&str] = &["MAINNET", "SEPOLIA", "BASE", "OP_MAINNET", "ARBITRUM_ONE"];

/// Retired words in what is declared.
pub fn retired(sources: &[Source]) -> Vec<Violation> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !source.test_only) {
        Declared { source, broken: &mut broken }.visit_file(&source.ast);
    }
    broken
}

struct Declared<'a> {
    source: &'a Source,
    broken: &'a mut Vec<Violation>,
}

impl Declared<'_> {
    fn name(&mut self, ident: &Ident) {
        let name = ident.to_string();
        if RIGHT.contains(&name.as_str()) {
            return;
        }
        let words = words(&name);
        let found = RETIRED.iter().find(|(word, _)| *word == name || words.iter().any(|part| part == word));
        if let Some((word, now)) = found {
            let found = format!("`{name}` holds `{word}`");
            self.broken.push(self.source.violation(ident.span().start().line, found, format!("say {now}")));
        }
    }
}

/// `OpenOrders`, `open_orders` and `OPEN_ORDERS` are `open`, `orders`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let upper = name.chars().all(|c| !c.is_lowercase());
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && !upper) {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("one").extend(letter.to_lowercase());
        }
    }
    words
}

impl<'ast> Visit<'ast> for Declared<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            Item::Const(item) => self.name(&item.ident),
            Item::Enum(item) => self.name(&item.ident),
            Item::Mod(item) => self.name(&item.ident),
            Item::Static(item) => self.name(&item.ident),
            Item::Struct(item) => self.name(&item.ident),
            Item::Trait(item) => self.name(&item.ident),
            Item::Type(item) => self.name(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.name(&signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.name(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(ident) = &field.ident {
            self.name(ident);
        }
        visit::visit_field(self, field);
    }

    // What a macro makes of ABI text has the contract's own names.
    fn visit_macro(&mut self, _: &'ast syn::Macro) {}
}

/// Names and addresses of one chain outside `chain` and the devnet, which is a world of its own.
pub fn chains(sources: &[Source]) -> Vec<Violation> {
    let mut broken = Vec::new();
    let of_one_chain = |source: &&Source| {
        let top = source.module.first().map_or("", String::as_str);
        !source.test_only && !matches!(top, "chain" | "devnet")
    };
    for source in sources.iter().filter(of_one_chain) {
        Chains { source, broken: &mut broken }.visit_file(&source.ast);
    }
    broken
}

struct Chains<'a> {
    source: &'a Source,
    broken: &'a mut Vec<Violation>,
}

impl Chains<'_> {
    fn found(&mut self, line: usize, what: &str) {
        let found = format!("{what} is one chain's");
        self.broken.push(self.source.violation(line, found, "take it from the ChainSpec that you are given"));
    }

    fn text(&mut self, line: usize, text: &str) {
        let known = peregrine::chain::KNOWN.iter().flat_map(|spec| {
            let routers = spec.routers.iter().map(|router| router.address);
            let factories = spec.factories.iter().map(|factory| factory.address);
            spec.base_tokens.iter().copied().chain(routers).chain(factories)
        });
        let lower = text.to_lowercase();
        if let Some(address) = known.into_iter().find(|address| lower.contains(&format!("{address:#x}")[2..])) {
            self.found(line, &address.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Chains<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_ident(&mut self, ident: &'ast Ident) {
        let name = ident.to_string();
        if CHAINS.contains(&name.as_str()) {
            self.found(ident.span().start().line, &format!("`{name}`"));
        }
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.text(text.span().start().line, &text.value());
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.text(mac.span().start().line, &mac.tokens.to_string());
        visit::visit_macro(self, mac);
    }
}
