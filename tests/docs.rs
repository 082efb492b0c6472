//! What a stranger reads first holds: README and docs are of a readable size, their links lead somewhere, and the verbs and
//! flags that they name exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages at the root of the repository, and those of docs/.
fn pages() -> Vec<PathBuf> {
    let folders = [root().to_path_buf(), root().join("docs")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    assert!(pages.len() > 8 && pages.contains(&root().join("README.md")), "{pages:?}");
    pages
}

#[test]
fn the_readme_is_read_in_one_sitting() {
    let text = read(&root().join("README.md"));
    let lines = text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines, at most 150 due");
    for (at, line) in text.lines().enumerate() {
        let width = line.chars().count();
        assert!(width <= 120, "README.md:{}: {width} characters, at most 120 due", at + 1);
    }
}

/// Targets of a page's links and pictures, by line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once("](") {
            let Some((target, behind)) = behind.split_once(')') else { break };
            found.push((at + 1, target.to_owned()));
            rest = behind;
        }
    }
    found
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = read(&page);
        let folder = page.parent().expect("a folder");
        for (line, target) in links(&text) {
            if target.contains("://") {
                continue;
            }
            let (file, section) = target.split_once('#').map_or((target.as_str(), None), |(file, at)| (file, Some(at)));
            let path = if file.is_empty() { page.clone() } else { folder.join(file) };
            let at = format!("{}:{line}: {target}", page.display());
            assert!(path.exists(), "{at} leads to nothing");
            let within = path.canonicalize().expect("a path").starts_with(root().canonicalize().expect("a path"));
            assert!(within, "{at} leaves the repository");
            if let Some(section) = section {
                assert!(anchors(&read(&path)).contains(section), "{at}: no such section");
            }
        }
    }
}

#[test]
fn every_page_of_docs_is_reached_from_the_readme() {
    let linked: BTreeSet<String> = links(&read(&root().join("README.md"))).into_iter().map(|(_, to)| to).collect();
    for page in pages() {
        let page = page.strip_prefix(root()).expect("below the root").display().to_string();
        let is_read_by_others = matches!(page.as_str(), "README.md" | "AGENTS.md");
        assert!(
            is_read_by_others || linked.iter().any(|to| to.split('#').next() == Some(&page)),
            "{page} is not linked"
        );
    }
}

/// What a verb knows: its own verbs, and its flags.
struct Help {
    verbs: BTreeSet<String>,
    flags: BTreeSet<String>,
    text: String,
}

/// What clap says of a verb.
fn help(verb: &[String]) -> Help {
    let output =
        Command::new(env!("CARGO_BIN_EXE_peregrine")).args(verb).arg("--help").output().expect("the program runs");
    assert!(output.status.success(), "{verb:?} is no verb: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let section = |name: &str| {
        let behind = text.split_once(&format!("\n{name}:\n")).map_or("", |(_, behind)| behind);
        behind.split("\n\n").next().unwrap_or_default().lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>()
    };
    let word = |line: &String| line.split([' ', ',']).next().unwrap_or_default().to_owned();
    let verbs = section("Commands").iter().filter(|line| !line.is_empty()).map(word).collect();
    // `-h, --help` or `--json <FILE>`; clap writes an empty line between options that are long.
    let options = text.split_once("\nOptions:\n").map_or("", |(_, behind)| behind);
    let options = options.split_once("\nExamples:\n").map_or(options, |(options, _)| options);
    let flag = |line: &str| line.trim().trim_start_matches("-h, ").split([' ', '=']).next().map(str::to_owned);
    let flags = options.lines().filter(|line| line.trim().starts_with('-')).filter_map(flag).collect();
    Help { verbs, flags, text }
}

/// Every verb, by its words.
fn verbs() -> BTreeMap<Vec<String>, Help> {
    let mut known = BTreeMap::new();
    let mut waiting = vec![Vec::new()];
    while let Some(verb) = waiting.pop() {
        let said = help(&verb);
        for below in said.verbs.iter().filter(|below| *below != "help") {
            waiting.push([&verb[..], std::slice::from_ref(below)].concat());
        }
        known.insert(verb, said);
    }
    assert!(known.len() > 9, "{:?}", known.keys());
    known
}

/// Pieces of code in a page: what stands between backticks, and indented or fenced lines, comments taken off.
fn code(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push((at + 1, line.split(" # ").next().unwrap_or(line).to_owned()));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|piece| (at + 1, piece.to_owned())));
        }
    }
    found
}

/// The verb and flags of a command of ours, or `None` where a piece of code is none.
fn command(piece: &str) -> Option<Vec<String>> {
    let piece = piece.trim();
    let starts = ["peregrine ", "target/release/peregrine ", "target/debug/peregrine "];
    let behind = starts.iter().find_map(|start| piece.strip_prefix(start));
    let behind =
        behind.map(str::to_owned).or_else(|| piece.strip_prefix("scripts/demo").map(|rest| format!("demo{rest}")));
    let cargo = || piece.starts_with("cargo run").then(|| piece.split_once(" -- ").map(|(_, rest)| rest.to_owned()))?;
    let example = piece.contains("--example");
    let line = behind.or_else(|| cargo().filter(|_| !example))?;
    let line = line.split(" | ").next().unwrap_or(&line).replace(['[', ']'], " ");
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn every_verb_and_flag_that_is_named_exists() {
    let (known, mut seen) = (verbs(), 0);
    for page in pages() {
        for (line, piece) in code(&read(&page)) {
            let Some(words) = command(&piece) else { continue };
            let at = format!("{}:{line}: `{}`", page.display(), piece.trim());
            let mut verb = Vec::new();
            for word in &words {
                if !known[&verb].verbs.contains(word) {
                    break;
                }
                verb.push(word.clone());
            }
            let flags: Vec<&String> = words.iter().filter(|word| word.starts_with("--")).collect();
            let is_whole = !verb.is_empty() || words.first().is_some_and(|word| word.starts_with("--"));
            assert!(is_whole, "{at}: no such verb");
            for flag in flags {
                assert!(known[&verb].flags.contains(flag), "{at}: {verb:?} has no {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn the_help_of_every_verb_shows_an_example() {
    for (verb, said) in verbs() {
        let named = format!("\n  peregrine {}", verb.join(" "));
        let shows =
            said.text.split_once("\nExamples:\n").is_some_and(|(_, behind)| format!("\n{behind}").contains(&named));
        assert!(shows, "{verb:?} shows no example of itself:\n{}", said.text);
    }
}

#[test]
fn the_help_names_what_it_earns_by() {
    let said = &verbs()[&Vec::new()].text;
    for word in ["arbitrage", "backrun", "liquidat"] {
        assert!(said.lines().next().is_some_and(|line| line.contains(word)), "{word} is not named:\n{said}");
    }
}
