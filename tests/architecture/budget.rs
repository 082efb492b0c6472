//! How large folders, files and functions may grow, and how deep.

use std::collections::BTreeMap;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Block, Expr, ExprForLoop, ExprIf, ExprLoop, ExprMatch, ExprWhile, ImplItemFn, Item, ItemFn, Local, Signature,
    TraitItemFn,
};

use crate::source::{Source, Violation, attributes, is_test};
use crate::{FILE_LINES, FOLDER_FILES, FUNCTION_LINES, MAIN_LINES, NESTING};

/// Everything over budget.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut broken = folders(sources);
    for source in sources {
        let most = if source.path == "src/main.rs" { MAIN_LINES } else { FILE_LINES };
        if source.lines > most {
            let found = format!("{} lines, {most} at most", source.lines);
            broken.push(source.violation(most + 1, found, "split it by topic; 300 is the habit"));
        }
        if !source.test_only {
            let mut reader = Reader { source, depth: 0, broken: &mut broken };
            reader.visit_file(&source.ast);
        }
    }
    broken
}

fn folders(sources: &[Source]) -> Vec<Violation> {
    let mut files: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        let (folder, _) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        files.entry(folder).or_default().push(source);
    }
    let full = files.values().filter(|held| held.len() > FOLDER_FILES);
    full.map(|held| {
        let found = format!("one of {} files in its folder, {FOLDER_FILES} at most", held.len());
        held[FOLDER_FILES].violation(1, found, "gather those of one topic in a folder of their own")
    })
    .collect()
}

struct Reader<'a> {
    source: &'a Source,
    /// Control-flow blocks around the present expression, within its function.
    depth: usize,
    broken: &'a mut Vec<Violation>,
}

impl Reader<'_> {
    fn function(&mut self, sig: &Signature, body: Option<&Block>) {
        let Some(body) = body else { return };
        let (start, end) = (sig.span().start().line, body.span().end().line);
        let lines = end + 1 - start;
        if lines > FUNCTION_LINES {
            let found = format!("`{}` has {lines} lines, {FUNCTION_LINES} at most", sig.ident);
            self.broken.push(self.source.violation(start, found, "name its steps and make them functions"));
        }
    }

    /// Runs `inside` one level deeper, and complains of the first level too many.
    fn deeper(&mut self, at: Span, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        if self.depth == NESTING + 1 {
            let found = format!("control flow nested {} deep, {NESTING} at most", self.depth);
            let way_out = "leave early, combine conditions, or make the inner part a function";
            self.broken.push(self.source.violation(at.start().line, found, way_out));
        }
        inside(self);
        self.depth -= 1;
    }

    fn at_zero(&mut self, inside: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.depth);
        inside(self);
        self.depth = outer;
    }

    /// A chain of `else if` is one level, as a match is.
    fn branches(&mut self, chain: &ExprIf) {
        self.visit_block(&chain.then_branch);
        match chain.else_branch.as_ref().map(|(_, branch)| branch.as_ref()) {
            Some(Expr::If(next)) => {
                self.visit_expr(&next.cond);
                self.branches(next);
            }
            Some(branch) => self.visit_expr(branch),
            None => {}
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, Some(&item.block));
        self.at_zero(|reader| visit::visit_item_fn(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if is_test(&item.attrs) {
            return;
        }
        self.function(&item.sig, Some(&item.block));
        self.at_zero(|reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        self.at_zero(|reader| visit::visit_trait_item_fn(reader, item));
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.visit_expr(&expr.cond);
        self.deeper(expr.span(), |reader| reader.branches(expr));
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        self.visit_expr(&expr.expr);
        self.deeper(expr.span(), |reader| {
            expr.arms.iter().for_each(|arm| reader.visit_arm(arm));
        });
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.visit_expr(&expr.expr);
        self.deeper(expr.span(), |reader| reader.visit_block(&expr.body));
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.visit_expr(&expr.cond);
        self.deeper(expr.span(), |reader| reader.visit_block(&expr.body));
    }

    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.deeper(expr.span(), |reader| reader.visit_block(&expr.body));
    }

    fn visit_local(&mut self, local: &'ast Local) {
        let Some(init) = &local.init else { return };
        self.visit_expr(&init.expr);
        if let Some((_, diverge)) = &init.diverge {
            self.deeper(diverge.span(), |reader| reader.visit_expr(diverge));
        }
    }
}
