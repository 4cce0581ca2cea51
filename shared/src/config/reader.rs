//! Reads environment variables one by one and collects the errors.

use std::fmt;

/// The missing and invalid environment variables, one line each. Lambda prints the `Debug` form of a startup error, so
/// it is the same as `Display`.
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
        write!(f, "invalid environment variables:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place that reads environment variables")]
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads variables and collects errors. An empty variable counts as absent.
pub(crate) struct Reader<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    errors: std::cell::RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { source, errors: std::cell::RefCell::default() }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        (self.source)(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            self.invalid(name, "is not set");
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
            self.invalid(name, rule);
        }
        parsed
    }

    pub(crate) fn invalid(&self, name: &str, rule: &str) {
        self.errors.borrow_mut().push(format!("{name} {rule}"));
    }

    pub(crate) fn finish<T>(&self, value: T) -> Result<T, InvalidVariables> {
        let errors = self.errors.take();
        if errors.is_empty() { Ok(value) } else { Err(InvalidVariables(errors)) }
    }
}
