//! What a part prints: a sentence and a table, in Markdown, the same on the screen and in docs/PERFORMANCE.md.

use crate::plot::Plot;
use std::fmt;
use std::time::Duration;

/// The result of one part.
pub struct Section {
    /// Its name between the markers of docs/PERFORMANCE.md.
    pub name: &'static str,
    /// Its text, in Markdown.
    pub text: String,
    /// Its plots.
    pub plots: Vec<Plot>,
    /// The counts that are more than they should be. The program fails if there is one.
    pub exceeded: Vec<String>,
}

impl Section {
    /// A section whose counts are as they should be.
    pub fn new(name: &'static str, text: String, plots: Vec<Plot>) -> Self {
        Self { name, text, plots, exceeded: Vec::new() }
    }
}

/// A table with a heading per column.
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub fn new(columns: &[&str]) -> Self {
        let text = format!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
        Self { columns: columns.len(), text }
    }

    pub fn row<const N: usize>(&mut self, cells: &[String; N]) {
        assert_eq!(self.columns, N, "a cell per column");
        self.text += "\n| ";
        self.text += &cells.join(" | ");
        self.text += " |";
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Measurements of one thing, in order of size.
#[derive(Clone)]
pub struct Spread(Vec<f64>);

impl Spread {
    pub fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn milliseconds(times: &[Duration]) -> Self {
        Self::new(times.iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    pub fn microseconds(times: &[Duration]) -> Self {
        Self::new(times.iter().map(|time| time.as_secs_f64() * 1e6).collect())
    }

    /// The value that so many percent do not exceed.
    pub fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() * percent).div_ceil(100).clamp(1, self.0.len()) - 1]
    }

    pub fn median(&self) -> f64 {
        self.percentile(50)
    }
}

/// The median, and the 5th to the 95th percentile.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, median, high] = [5, 50, 95].map(|percent| number(self.percentile(percent)));
        write!(f, "{median} ({low} to {high})")
    }
}

/// Three digits, or all digits of a large number.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => thousands(&format!("{value:.0}")),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// An integer with a comma between thousands.
pub fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count as a number to calculate with.
pub fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a count below four billion"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let spread = Spread::new((1..=100).rev().map(f64::from).collect());
        assert_eq!(
            [1, 5, 50, 95, 100].map(|p| number(spread.percentile(p))),
            ["1.00", "5.00", "50.0", "95.0", "100"]
        );
        assert_eq!(Spread::new(vec![7.0]).to_string(), "7.00 (7.00 to 7.00)");
    }

    #[test]
    fn numbers_have_three_digits_or_all() {
        assert_eq!(
            [0.034, 1.5, 12.34, 123.4, 1_234_567.8].map(number),
            ["0.03", "1.50", "12.3", "123", "1,234,568"]
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a", "b"]);
        table.row(&["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.to_string(), "| a | b |\n|---|---|\n| 1 | 2 |");
    }
}
