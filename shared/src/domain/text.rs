//! Rules for displayed text: characters that would be invisible, or hide or reorder the text around them.

use super::policy::MAX_LABEL_BYTES;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// U+200C and U+200D, which Persian and Indic words and many emoji require.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// Whether `c` has no glyph of its own: a control character (Cc), a format character (Cf) such as a right-to-left
/// override, or a line or paragraph separator (Zl, Zp).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

/// Whether every character of one line of text is visible. A joiner is allowed between two visible characters.
#[must_use]
pub fn is_visible(line: &str) -> bool {
    let has_glyph = |c: char| !is_hidden(c) && !c.is_whitespace();
    let (mut before, mut rest) = (None, line.chars().peekable());
    while let Some(c) = rest.next() {
        let joins = JOINERS.contains(&c)
            && before.is_some_and(has_glyph)
            && rest.peek().is_some_and(|next| has_glyph(*next));
        if is_hidden(c) && !joins {
            return false;
        }
        before = Some(c);
    }
    true
}

/// Whether `text` is usable as a displayed name: 1 to 255 bytes, visible, and not only white space.
#[must_use]
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= MAX_LABEL_BYTES && !text.trim().is_empty() && is_visible(text)
}

/// `text` with hidden characters escaped, safe for a terminal: `\u{202e}`.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// F17: each of these is invisible, or moves other characters to another position or line.
    #[test]
    fn format_characters_and_line_separators_are_hidden() {
        for c in [
            '\u{0}',
            '\n',
            '\u{1b}',
            '\u{85}',
            '\u{ad}',
            '\u{600}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{feff}',
            '\u{fffb}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            for text in [format!("{c}"), format!("a{c}b"), format!("a{c}"), format!("{c}b")] {
                assert!(!is_visible(&text), "{text:?}");
            }
            assert!(escaped(&format!("a{c}b")).chars().all(|c| !is_hidden(c)));
        }
        assert_eq!(escaped("a\u{202e}b\u{1b}[2J"), "a\\u{202e}b\\u{1b}[2J");
    }

    /// F17: words and emoji that contain a joiner are allowed.
    #[test]
    fn a_joiner_is_allowed_only_between_two_visible_characters() {
        for text in
            ["می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}🚀", "❤\u{fe0f}\u{200d}🔥", "Foo Corp", "jürgen 🔑"]
        {
            assert!(is_visible(text) && is_name(text), "{text:?}");
        }
        for text in ["\u{200d}", "a\u{200d}", "\u{200c}a", "a\u{200d}\u{200d}b", "a \u{200d}b", "a\u{200c} b"]
        {
            assert!(!is_visible(text), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_not_only_white_space() {
        for text in ["", " ", "\u{a0}\u{3000}", "\u{2003} "] {
            assert!(!is_name(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn escaped_text_is_visible_and_visible_text_is_unchanged(text in "\\PC{0,20}|[\\x00-\\x{ffff}]{0,20}") {
            let shown = escaped(&text);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert!(text.chars().any(is_hidden) || shown == text);
        }
    }
}
