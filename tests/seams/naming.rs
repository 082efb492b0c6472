//! Which files name a strategy or a protocol: by its folder's path, or by a name of what it finds. Comments, help and tests may speak
//! of anything, and so may the devnet, which stands up real ones.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// Where one kind of plug-in lives.
#[derive(Clone, Copy)]
pub struct Home {
    /// The folder of all of them, with `/` behind.
    pub path: &'static str,
    /// Modules that a path to one of them goes through last.
    pub modules: &'static [&'static str],
}

pub const STRATEGIES: Home = Home { path: "src/hot/strategy/", modules: &["strategy"] };
pub const PROTOCOLS: Home =
    Home { path: "crates/protocols/src/", modules: &["protocols", "peregrine_protocols", "crate"] };

/// All files of `src` and `crates` that name it, but its own and the devnet's.
pub fn files_that_name(home: Home, folder: &str, names: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = format!("{}{folder}/", home.path);
    let mut all = Vec::new();
    for top in ["src", "crates"].into_iter().filter(|top| root.join(top).is_dir()) {
        walk(root, top, &mut |path, text| {
            let apart = path.starts_with(&own) || path.starts_with("crates/devnet/");
            if !apart && names_it(home, path, text, folder, names) {
                all.push(path.to_owned());
            }
        });
    }
    all
}

fn walk(root: &Path, folder: &str, see: &mut impl FnMut(&str, &str)) {
    let entries = std::fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        let is_tests = matches!(name.as_str(), "tests" | "tests.rs" | "benches" | "examples" | "target");
        if root.join(&path).is_dir() && !is_tests {
            walk(root, &path, see);
        } else if name.ends_with(".rs") && !is_tests {
            see(&path, &std::fs::read_to_string(root.join(&path)).expect("text"));
        }
    }
}

/// Whether a file names it. In a file beside the folders of its kind its bare name is enough; elsewhere it is a path from there.
pub fn names_it(home: Home, path: &str, text: &str, folder: &str, names: &[&str]) -> bool {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let is_beside = path.strip_prefix(home.path).is_some_and(|file| !file.contains('/'));
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    let quoted = |word: &String| names.iter().any(|name| *word == format!("\"{name}\""));
    if words.iter().any(quoted) {
        return true;
    }
    words.iter().enumerate().any(|(at, word)| word == folder && (is_beside || comes_from(home, &words[..at])))
}

/// What stands before a word leads to it from its home's module, straight or out of a group that is still open.
fn comes_from(home: Home, before: &[String]) -> bool {
    let is_home = |word: &String| home.modules.contains(&word.as_str());
    let mut closed = 0;
    for (at, word) in before.iter().enumerate().rev() {
        match word.as_str() {
            "}" => closed += 1,
            "{" if closed > 0 => closed -= 1,
            "{" => return matches!(&before[..at], [.., word, a, b] if is_home(word) && a == ":" && b == ":"),
            ";" => return false,
            _ if at + 3 == before.len() && is_home(word) && before[at + 1..] == [":", ":"] => return true,
            _ => {}
        }
    }
    false
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    let mut after_doc = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let text = group.stream().to_string();
                // A doc comment is an attribute.
                if after_doc && text.starts_with("doc") {
                    continue;
                }
                let braces = group.delimiter() == proc_macro2::Delimiter::Brace;
                // Tests may speak of anything.
                if braces && words.ends_with(&["mod".to_owned(), "tests".to_owned()]) {
                    continue;
                }
                if braces {
                    words.push("{".to_owned());
                }
                flatten(group.stream(), words);
                if braces {
                    words.push("}".to_owned());
                }
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), '#' | '!') => after_doc = true,
            other => {
                words.push(other.to_string());
                after_doc = false;
            }
        }
    }
}
