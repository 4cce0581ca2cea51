//! Bar charts as SVG files: readable on light and on dark pages, and as text by a screen reader.

use crate::table::number;
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
/// Where the bars begin, and the longest ends.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 620.0;
const ROW: f64 = 26.0;
const TOP: f64 = 44.0;

/// A bar chart: one bar per line, the shorter the better.
pub struct Plot {
    /// The file's name in docs/performance, without `.svg`.
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub label: String,
    pub value: f64,
    /// Whether it is Latchkey's, which gets another color.
    pub ours: bool,
}

impl Bar {
    pub fn ours(label: impl Into<String>, value: f64) -> Self {
        Self { label: label.into(), value, ours: true }
    }
}

impl Plot {
    /// The alternative text: every value in words.
    pub fn description(&self) -> String {
        let bars = self.bars.iter().map(|bar| format!("{} {} {}", bar.label, number(bar.value), self.unit));
        format!("{}: {}.", self.title, bars.collect::<Vec<_>>().join(", "))
    }

    pub fn svg(&self) -> String {
        let longest = self.bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        let (mut rows, mut top) = (String::new(), TOP);
        for bar in &self.bars {
            let width = ((RIGHT - LEFT) * bar.value / longest).max(1.0);
            let (text, end) = (top + 14.0, LEFT + width + 6.0);
            let (class, label) = (if bar.ours { "ours" } else { "other" }, escape(&bar.label));
            let value = number(bar.value);
            writeln!(
                rows,
                r#"<text x="{x}" y="{text}" text-anchor="end">{label}</text><rect class="{class}" x="{LEFT}" y="{top}" width="{width:.1}" height="18" rx="2"/><text x="{end:.1}" y="{text}">{value}</text>"#,
                x = LEFT - 8.0,
            )
            .unwrap();
            top += ROW;
        }
        let (title, description, unit) = (escape(self.title), escape(&self.description()), escape(self.unit));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">
<title id="t">{title}</title>
<desc id="d">{description}</desc>
<style>text{{font:13px system-ui,sans-serif;fill:#1f2328}}.h{{font-weight:600}}.ours{{fill:#1a7f64}}.other{{fill:#8c959f}}@media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}.ours{{fill:#3fb98f}}.other{{fill:#6e7681}}}}</style>
<text class="h" x="8" y="24">{title}, {unit}</text>
{rows}</svg>
"#,
            height = top + 8.0,
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_bar_and_words_for_each_value() {
        let bars = vec![Bar::ours("a & b", 10.0), Bar { label: "c".to_owned(), value: 40.0, ours: false }];
        let plot = Plot { name: "n", title: "T", unit: "ms", bars };
        assert_eq!(plot.description(), "T: a & b 10.0 ms, c 40.0 ms.");
        let svg = plot.svg();
        assert!(svg.contains("<desc id=\"d\">T: a &amp; b 10.0 ms, c 40.0 ms.</desc>"));
        assert!(svg.contains(r#"class="ours" x="190" y="44" width="107.5""#), "{svg}");
        assert!(svg.contains(r#"class="other" x="190" y="70" width="430.0""#), "{svg}");
    }
}
