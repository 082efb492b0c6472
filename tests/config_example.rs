//! The example says what the program does: it parses, holds every key, and each at its default.

use std::path::Path;

use peregrine::config::Config;

fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml"))
}

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("write");
    file
}

#[test]
fn the_example_holds_every_key_at_its_default() {
    let config = Config::read(example()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.search, Config::default().search);
    let text = std::fs::read_to_string(example()).expect("the example");
    // The debug form names every field.
    let fields = format!("{:#?}", Config::default().search);
    for line in fields.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")) {
        let Some((key, _)) = line.trim().split_once(':') else { continue };
        assert!(text.contains(&format!("\n{key} = ")), "{key} is not in the example");
    }
}

#[test]
fn an_unknown_key_or_a_value_out_of_range_is_named() {
    for (text, named) in [
        ("[search]\nmax_hop = 4\n", "max_hop"),
        ("[serach]\n", "serach"),
        ("[search]\nmax_hops = 7\n", "search.max_hops is 7, 2 to 6 due"),
        ("[search]\nbase_tokens = []\n", "search.base_tokens"),
        ("[search]\nbase_tokens = [\"0x12\"]\n", "base_tokens"),
        ("[search]\nevaluations = 0\n", "search.evaluations"),
    ] {
        let file = written(text);
        let error = Config::read(file.path()).expect_err(text).to_string();
        assert!(error.contains(named), "{error}");
        assert!(error.contains(&file.path().display().to_string()), "{error} names no file");
    }
}
