//! Text from outside, before it is stored, shown or logged.

/// At most `most` characters of it, of which none moves a terminal's cursor, colours what follows, turns the direction of
/// reading or hides: each such run is a space. Cut text ends in `..`.
///
/// An escape sequence goes whole (`ESC [ 31 m`), not only the byte that begins it.
#[must_use]
pub fn printable(text: &str, most: usize) -> String {
    let mut clean = String::new();
    let mut count = 0;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let shown = if is_hidden(letter) {
            skip_sequence(letter, &mut letters);
            if clean.ends_with(' ') || clean.is_empty() {
                continue;
            }
            ' '
        } else {
            letter
        };
        if count == most {
            cut(&mut clean, most);
            break;
        }
        clean.push(shown);
        count += 1;
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// The last two of them say that there was more.
fn cut(clean: &mut String, most: usize) {
    let keep = most.saturating_sub(2);
    let end = clean.char_indices().nth(keep).map_or(clean.len(), |(at, _)| at);
    clean.truncate(end);
    clean.push_str(&".."[..most.min(2)]);
}

/// What is no letter to the eye: controls, marks of direction, joiners, tags, separators of lines.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Takes the rest of an escape sequence (ECMA-48): CSI to its final byte, OSC and the like to their terminator.
fn skip_sequence(first: char, letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match first {
        // Behind it any other letter is one that was meant to be read, or may as well be.
        '\u{1b}' => {
            letters.next_if(|letter| matches!(letter, '[' | ']' | 'P' | 'X' | '^' | '_' | '\\' | '#' | '%' | '('..='/'))
        }
        '\u{9b}' => Some('['),
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Some(']'),
        _ => None,
    };
    match kind {
        Some('[') => {
            while letters.next_if(|letter| matches!(letter, '\u{20}'..='\u{3f}')).is_some() {}
            let _last = letters.next_if(|letter| matches!(letter, '\u{40}'..='\u{7e}'));
        }
        // Its end is a control, and is left out as one. Where there is none, it was no sequence but text.
        Some(']' | 'P' | 'X' | '^' | '_') if letters.clone().any(char::is_control) => {
            while letters.next_if(|letter| !letter.is_control()).is_some() {}
        }
        // A charset or the like.
        Some('#' | '%' | '('..='/') => {
            let _last = letters.next_if(|letter| letter.is_ascii_graphic());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_hides_is_left_out_whole() {
        for (text, due) in [
            ("nonce too low", "nonce too low"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}[2J\u{1b}[1;1Hb", "a b"),
            ("\u{1b}]0;title\u{7}c", "c"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}31mred", "red"),
            ("a\u{1b}(Bb", "a b"),
            ("a\r\nb\tc\u{0}d", "a b c d"),
            ("abc\u{202e}fed", "abc fed"),
            ("ze\u{200b}ro", "ze ro"),
            ("\u{feff}x\u{e0041}", "x"),
            ("a\u{1b}", "a"),
            ("a\u{1b}[", "a"),
            ("a\u{1b}]never ended", "a never ended"),
            ("slow\u{1b}down", "slow down"),
            ("a\u{1b}(", "a"),
            ("\u{2028}", ""),
            ("", ""),
            ("größe 価格", "größe 価格"),
        ] {
            assert_eq!(printable(text, 80), due, "{text:?}");
        }
    }

    #[test]
    fn what_is_cut_says_so_and_is_no_longer_than_asked() {
        assert_eq!(printable("123456", 6), "123456");
        assert_eq!(printable("1234567", 6), "1234..");
        assert_eq!(printable("ééééééé", 6), "éééé..");
        assert_eq!([0, 1, 2].map(|most| printable("12345", most)), ["", ".", ".."]);
        assert!(printable(&"\u{1b}".repeat(100_000), 6).is_empty());
    }
}
