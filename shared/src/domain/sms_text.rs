//! Templates for text messages: a text with `{{code}}` in it that must fit one SMS segment.

use super::code::Code;
use super::policy::{CODE_DIGITS, DEFAULT_SMS_TEMPLATE, MAX_SMS_SEGMENTS};
use super::text::is_visible;
use zeroize::Zeroizing;

const PLACEHOLDER: &str = "{{code}}";

/// A message text with a placeholder for the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsTemplate(String);

/// The rule that a template breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text does not contain `{{code}}` exactly once.
    #[error("must contain {{{{code}}}} exactly once")]
    Placeholder,
    /// The text contains a hidden character other than a line break, which could reverse the displayed code.
    #[error("must not contain control or format characters")]
    Hidden,
    /// With the code, the text would take more than one SMS segment.
    #[error("must fit one SMS: 160 characters of GSM-7, or 70 of any other text")]
    TooLong,
}

impl SmsTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] with the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.matches(PLACEHOLDER).count() != 1 {
            return Err(TemplateError::Placeholder);
        }
        if !text.split('\n').all(is_visible) {
            return Err(TemplateError::Hidden);
        }
        if segments(&text.replace(PLACEHOLDER, &"0".repeat(CODE_DIGITS))) > MAX_SMS_SEGMENTS {
            return Err(TemplateError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// The message text for `code`.
    #[must_use]
    pub fn render(&self, code: &Code) -> Zeroizing<String> {
        Zeroizing::new(self.0.replace(PLACEHOLDER, code.expose()))
    }
}

impl Default for SmsTemplate {
    fn default() -> Self {
        Self(DEFAULT_SMS_TEMPLATE.to_owned())
    }
}

/// How many SMS segments `text` takes (3GPP TS 23.038 and 23.040 §9.2.3.24.1).
fn segments(text: &str) -> usize {
    let septets: Option<usize> = text.chars().map(septets).sum();
    let (units, single, multipart) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(multipart) }
}

/// Septets of a character in the GSM 7-bit default alphabet and its extension table; `None` outside both.
fn septets(c: char) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ\
                         ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: &str = "^{}\\[~]|€";
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_code_replaces_the_placeholder() {
        let template = SmsTemplate::parse("{{code}} is your Foo Corp code").unwrap();
        assert_eq!(*template.render(&Code::parse("001234").unwrap()), "001234 is your Foo Corp code");
        let default = SmsTemplate::default();
        assert_eq!(SmsTemplate::parse(&default.0), Ok(default));
    }

    /// F17: a code after U+202E would be displayed in reverse.
    #[test]
    fn sms_07_a_template_contains_the_placeholder_once_and_no_hidden_character() {
        for text in ["", "no code", "{{code}} {{code}}", "{{ code }}", "{code}", "{{CODE}}"] {
            assert_eq!(SmsTemplate::parse(text), Err(TemplateError::Placeholder), "{text}");
        }
        for text in [
            "{{code}}\0",
            "{{code}}\u{1b}[31m",
            "{{code}}\r",
            "\u{7f}{{code}}",
            "\u{202e}{{code}}",
            "{{code}}\u{200b}",
            "\u{feff}{{code}}",
            "a\u{2066}{{code}}",
            "a\u{2028}{{code}}",
            "a\u{200d}\n{{code}}",
        ] {
            assert_eq!(SmsTemplate::parse(text), Err(TemplateError::Hidden), "{text:?}");
        }
        for text in ["{{code}}\nFoo Corp", "{{code}} 👩\u{200d}🚀", "{{code}} می\u{200c}خواهم"] {
            assert!(SmsTemplate::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn sms_07_a_message_is_one_segment() {
        for (filler, fits) in [("a", 154), ("€", 77), ("ж", 64), ("😀", 32)] {
            let text = |count: usize| format!("{}{{{{code}}}}", filler.repeat(count));
            assert!(SmsTemplate::parse(&text(fits)).is_ok(), "{filler} × {fits}");
            assert_eq!(SmsTemplate::parse(&text(fits + 1)), Err(TemplateError::TooLong), "{filler}");
        }
    }

    proptest! {
        #[test]
        fn sms_07_an_accepted_template_renders_to_one_segment_with_the_code(before in "\\PC{0,90}", after in "\\PC{0,90}") {
            let code = Code::parse("987654").unwrap();
            if let Ok(template) = SmsTemplate::parse(&format!("{before}{{{{code}}}}{after}")) {
                let text = template.render(&code);
                prop_assert!(segments(&text) == 1 && text.contains("987654") && !text.contains(PLACEHOLDER));
            }
        }
    }
}
