//! Text from outside, made fit to be logged, stored and shown.
//!
//! # Invariants
//! - What comes out moves no cursor, breaks no line and turns no writing direction: a line of a log stays one line, and says what it
//!   shows.

/// At most `most` characters, each of them printable: a space stands for what is none.
#[must_use]
pub fn printable(text: &str, most: usize) -> String {
    text.chars().map(|c| if is_steering(c) { ' ' } else { c }).take(most).collect()
}

/// Control characters, and what Unicode has to break lines (U+2028, U+2029), to turn the direction of writing or to hide.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_breaks_a_line_is_a_space_and_the_rest_stays() {
        let dirty = "a\x1b[31mb\r\nc\u{9b}d\u{202e}e\u{2028}f\u{feff}ü";
        assert_eq!(printable(dirty, 99), "a [31mb  c d e f ü");
        assert_eq!(printable(dirty, 3), "a [");
        assert_eq!(printable("{\"jsonrpc\": \"2.0\"}", 99), "{\"jsonrpc\": \"2.0\"}");
    }
}
