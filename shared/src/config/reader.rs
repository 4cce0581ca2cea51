//! Reads variables one by one, and tells all that is wrong with them together.

use std::fmt;

/// Everything that is wrong with the environment, one line each. Lambda prints what keeps a function from starting by
/// its `Debug`, so that says the same.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidVariables(Vec<String>);

impl fmt::Debug for InvalidVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for InvalidVariables {}

impl fmt::Display for InvalidVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment cannot be used:")?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads variables and remembers what was wrong with them. An empty one is an absent one.
pub(crate) struct Reader<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    mistakes: std::cell::RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { source, mistakes: std::cell::RefCell::default() }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        (self.source)(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            self.mistake(name, "is not set");
        }
        text
    }

    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        if parsed.is_none() {
            self.mistake(name, rule);
        }
        parsed
    }

    pub(crate) fn mistake(&self, name: &str, what: &str) {
        self.mistakes.borrow_mut().push(format!("{name} {what}"));
    }

    pub(crate) fn finish<T>(&self, value: T) -> Result<T, InvalidVariables> {
        let mistakes = self.mistakes.take();
        if mistakes.is_empty() { Ok(value) } else { Err(InvalidVariables(mistakes)) }
    }
}
