//! Writes the results into docs/PERFORMANCE.md, between `<!-- bench:NAME -->` and `<!-- /bench -->`, and the plots beside it.

use crate::bench::root;
use crate::table::Section;
use std::fmt::Write as _;
use std::fs;

const END: &str = "<!-- /bench -->";

/// Replaces the results of these sections. Those of other parts stay.
pub fn write(sections: &[Section]) {
    let (page, plots) = (root().join("docs/PERFORMANCE.md"), root().join("docs/performance"));
    fs::create_dir_all(&plots).unwrap();
    let mut text = fs::read_to_string(&page).unwrap();
    for section in sections {
        let mut result = section.text.clone();
        for plot in &section.plots {
            fs::write(plots.join(plot.name).with_extension("svg"), plot.svg()).unwrap();
            write!(result, "\n\n![{}](performance/{}.svg)", plot.description(), plot.name).unwrap();
        }
        text = replaced(&text, section.name, &result)
            .unwrap_or_else(|| panic!("docs/PERFORMANCE.md has no place for {}", section.name));
    }
    fs::write(page, text).unwrap();
}

/// The page with another result in one place; `None` if there is no such place.
fn replaced(page: &str, name: &str, result: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- bench:{name} -->\n"))?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}<!-- bench:{name} -->\n{result}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_place_is_replaced() {
        let page = "a\n<!-- bench:x -->\n1\n<!-- /bench -->\n<!-- bench:y -->\n2\n<!-- /bench -->\nb";
        let expected = "a\n<!-- bench:x -->\n1\n<!-- /bench -->\n<!-- bench:y -->\n3\n4\n<!-- /bench -->\nb";
        assert_eq!(replaced(page, "y", "3\n4").as_deref(), Some(expected));
        assert_eq!(replaced(page, "z", "3"), None);
    }
}
