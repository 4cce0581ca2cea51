//! `qr`: measures the QR code of an enrolment, and writes many of them for other programs to read.
//!
//! ```text
//! qr time                 median time (first to last decile) and size for an otpauth URI of 145 bytes
//! qr write DIR COUNT      PNG files of random otpauth URIs, each read back with rqrr first; the URIs are in DIR/uris
//! ```

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool that goes wrong fails"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::domain::otpauth::{self, Label};
use shared::domain::qr;
use shared::domain::totp::Secret;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::Instant;
use zeroize::Zeroizing;

/// The same text as in node.mjs.
const URI: &str = "otpauth://totp/Foo%20Corp:alice.anderson@foo-corp.com?secret=LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW\
                   &issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30";
const RUNS: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["time"] => time(),
        ["write", dir, count] => write(Path::new(dir), count.parse().expect("COUNT is a number")),
        _ => println!("usage: qr time | qr write DIR COUNT"),
    }
}

fn time() {
    let mut nanoseconds: Vec<u128> = (0..RUNS).map(|_| nanoseconds()).skip(RUNS / 10).collect();
    nanoseconds.sort_unstable();
    let [low, median, high] = [1, 5, 9].map(|tenths| nanoseconds[nanoseconds.len() * tenths / 10] / 100);
    let length = qr::data_uri(URI).expect("it fits").len();
    let microseconds = |tenths: u128| format!("{}.{}", tenths / 10, tenths % 10);
    println!(
        "latchkey: {} µs ({} to {}), {length} characters, {} bytes of text",
        microseconds(median),
        microseconds(low),
        microseconds(high),
        URI.len()
    );
}

fn nanoseconds() -> u128 {
    let start = Instant::now();
    black_box(qr::data_uri(black_box(URI))).expect("it fits");
    start.elapsed().as_nanos()
}

fn write(dir: &Path, count: usize) {
    let mut rng = StdRng::seed_from_u64(0);
    let mut uris = File::create(dir.join("uris")).expect("DIR exists");
    let mut turned = 0;
    for number in 0..count {
        let uri = random_uri(&mut rng);
        let image = qr::data_uri(&uri).expect("it fits");
        let encoded = image.strip_prefix("data:image/png;base64,").expect("a data URI of a PNG");
        let file = STANDARD.decode(encoded).expect("Base64");
        let upright = read(&file, false);
        turned += usize::from(upright.is_none());
        assert_eq!(upright.or_else(|| read(&file, true)).as_ref(), Some(&*uri), "rqrr reads another text");
        fs::write(dir.join(format!("{number:06}.png")), file).expect("DIR can be written to");
        writeln!(uris, "{}", *uri).expect("DIR can be written to");
    }
    println!("rqrr: {count} of {count}, {turned} of them only when turned around");
}

fn random_uri(rng: &mut StdRng) -> Zeroizing<String> {
    let (issuer, account) = (label(rng), label(rng));
    let secret = (0..rng.random_range(16..=64)).map(|_| rng.random()).collect();
    otpauth::uri(&issuer, &account, &Secret::from_bytes(Zeroizing::new(secret)).expect("16 to 64 bytes"))
}

/// Mostly ASCII, sometimes of any script.
fn label(rng: &mut StdRng) -> Label {
    loop {
        let ascii = rng.random_bool(0.8);
        let length = rng.random_range(1..=if ascii { 63 } else { 20 });
        let text: String = (0..length)
            .map(|_| if ascii { char::from(rng.random_range(b' '..=b'~')) } else { rng.random() })
            .collect();
        if let Ok(label) = Label::parse(&text) {
            return label;
        }
    }
}

fn read(file: &[u8], turned: bool) -> Option<String> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a small image")];
    let side = usize::try_from(reader.next_frame(&mut pixels).expect("pixels").width).expect("a small image");
    if turned {
        pixels.reverse();
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| pixels[y * side + x]);
    Some(image.detect_grids().first()?.decode().ok()?.1)
}
