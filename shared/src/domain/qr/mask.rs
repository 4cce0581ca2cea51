//! The mask of a QR code: of eight, the one that leaves the fewest shapes that confuse a reader (ISO/IEC 18004 §7.8).
//!
//! `qrcode` looks for these shapes module by module, which takes 820 of its 835 µs for a symbol of 145 bytes. Here a row of
//! modules is one integer, and a shape is found in the whole row by a few shifts: 26 µs. The choice is the same; a test
//! compares them.

use super::LEVEL;
use qrcode::canvas::{Canvas, MaskPattern, Module};
use qrcode::{Color, Version};
use std::sync::OnceLock;

const MASKS: [MaskPattern; 8] = [
    MaskPattern::Checkerboard,
    MaskPattern::HorizontalLines,
    MaskPattern::VerticalLines,
    MaskPattern::DiagonalLines,
    MaskPattern::LargeCheckerboard,
    MaskPattern::Fields,
    MaskPattern::Diamonds,
    MaskPattern::Meadow,
];

/// A row of modules, the first one in the lowest bit. What is outside the symbol is zero.
type Row = u128;

/// Versions whose rows fit: those for texts of at most 1,465 bytes.
const VERSIONS: usize = 27;

/// By version, the symbols without data under each mask. They do not depend on the text, so they are made once.
static EMPTY: [OnceLock<[Vec<Row>; 8]>; VERSIONS] = [const { OnceLock::new() }; VERSIONS];

/// The modules of `symbol`, row by row, under its best mask. Of larger symbols `qrcode` chooses the mask.
pub(super) fn apply_best(symbol: &Canvas, version: Version) -> Vec<Color> {
    let Some(empty) = empty(version) else { return symbol.apply_best_mask().into_colors() };
    let data = rows(symbol, version.width(), |module| module == Module::Unmasked(Color::Dark));
    // A mask inverts modules, so it and the data combine by exclusive or.
    let masked = empty.iter().map(|mask| mask.iter().zip(&data).map(|(a, b)| a ^ b).collect::<Vec<Row>>());
    let best = masked.min_by_key(|rows| penalty(rows)).unwrap_or_default();
    best.into_iter().flat_map(|row| (0..version.width()).map(move |x| color(row, x))).collect()
}

fn color(row: Row, x: i16) -> Color {
    if row.wrapping_shr(x.unsigned_abs().into()) & 1 == 1 { Color::Dark } else { Color::Light }
}

fn empty(version: Version) -> Option<&'static [Vec<Row>; 8]> {
    let Version::Normal(number) = version else { return None };
    let symbols = EMPTY.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
    Some(symbols.get_or_init(|| MASKS.map(|mask| masked(version, mask))))
}

fn masked(version: Version, mask: MaskPattern) -> Vec<Row> {
    let mut empty = Canvas::new(version, LEVEL);
    empty.draw_all_functional_patterns();
    empty.apply_mask(mask);
    rows(&empty, version.width(), Module::is_dark)
}

fn rows(symbol: &Canvas, width: i16, is: impl Fn(Module) -> bool) -> Vec<Row> {
    let row = |y| (0..width).rev().fold(0, |row, x| row << 1 | Row::from(is(symbol.get(x, y))));
    (0..width).map(row).collect()
}

/// The penalty points of table 11 in §7.8.3.1, with `qrcode`'s reading of what it leaves open.
fn penalty(dark: &[Row]) -> u32 {
    let width = u32::try_from(dark.len()).unwrap_or(Row::BITS);
    let inside = Row::MAX.wrapping_shr(Row::BITS.saturating_sub(width));
    let light: Vec<Row> = dark.iter().map(|row| !row & inside).collect();
    let lines = (0..dark.len()).map(|y| {
        let right = |rows: &[Row], by| shift(below(rows, y, 0), by);
        let down = |rows: &[Row], by| below(rows, y, by);
        let horizontal = line(|by| right(dark, by), |by| right(&light, by));
        horizontal.saturating_add(line(|by| down(dark, by), |by| down(&light, by)))
    });
    let squares = squares(dark).saturating_add(squares(&light)).saturating_mul(3);
    lines.sum::<u32>().saturating_add(squares).saturating_add(balance(dark, width))
}

fn shift(row: Row, by: isize) -> Row {
    let bits = u32::try_from(by.unsigned_abs()).unwrap_or(0);
    if by < 0 { row.wrapping_shl(bits) } else { row.wrapping_shr(bits) }
}

fn below(rows: &[Row], y: usize, by: isize) -> Row {
    y.checked_add_signed(by).and_then(|y| rows.get(y)).copied().unwrap_or(0)
}

/// Points of the shapes in a line. `dark(n)` has a bit for each module whose `n`th neighbour along the line is dark.
fn line(dark: impl Fn(isize) -> Row, light: impl Fn(isize) -> Row) -> u32 {
    // Like a finder: dark and light in the proportions 1:1:3:1:1, beside four light modules.
    let finder = dark(0) & light(1) & dark(2) & dark(3) & dark(4) & light(5) & dark(6);
    let before = dark(-4) | dark(-3) | dark(-2) | dark(-1);
    let after = dark(7) | dark(8) | dark(9) | dark(10);
    let finders = (finder & !(before & after)).count_ones();
    finders.saturating_mul(40).saturating_add(runs(dark)).saturating_add(runs(light))
}

/// A run of five modules or more costs its length less two: one point for each five in a row, and two where the run begins.
fn runs(same: impl Fn(isize) -> Row) -> u32 {
    let five = same(0) & same(1) & same(2) & same(3) & same(4);
    let begins = five & !same(-1);
    five.count_ones().saturating_add(begins.count_ones().saturating_mul(2))
}

/// Squares of two by two modules of one colour, overlapping ones included.
fn squares(rows: &[Row]) -> u32 {
    let pairs = rows.iter().zip(rows.iter().skip(1));
    pairs.map(|(upper, lower)| (upper & upper >> 1 & lower & lower >> 1).count_ones()).sum()
}

/// How far the share of dark modules is from a half, in half percents.
fn balance(dark: &[Row], width: u32) -> u32 {
    let dark: u32 = dark.iter().map(|row| row.count_ones()).sum();
    dark.saturating_mul(200).checked_div(width.saturating_mul(width)).unwrap_or(0).abs_diff(100)
}
