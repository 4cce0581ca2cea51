//! Ten thousand QR codes of random otpauth URIs, read back by two decoders that share no code with each other or with ours.

use crate::table::{Section, thousands};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::domain::otpauth::{self, Label};
use shared::domain::qr;
use shared::domain::totp::Secret;
use std::fs;
use std::io::Cursor;
use std::process::Command;
use zeroize::Zeroizing;

const CODES: usize = 10_000;
/// How many zbarimg reads per process.
const BATCH: usize = 500;

pub fn section() -> Section {
    let mut rng = StdRng::seed_from_u64(0);
    let dir = tempfile::tempdir().unwrap();
    let (mut uris, mut files, mut turned) = (Vec::new(), Vec::new(), 0);
    for number in 0..CODES {
        let uri = random_uri(&mut rng);
        let image = qr::data_uri(&uri).unwrap();
        let encoded = image.strip_prefix("data:image/png;base64,").unwrap();
        let file = STANDARD.decode(encoded).unwrap();
        let upright = read(&file, false);
        turned += usize::from(upright.is_none());
        assert_eq!(upright.or_else(|| read(&file, true)).as_ref(), Some(&*uri), "rqrr reads another text");
        let path = dir.path().join(format!("{number}.png"));
        fs::write(&path, file).unwrap();
        uris.push(uri);
        files.push(path);
    }
    for (uris, files) in uris.chunks(BATCH).zip(files.chunks(BATCH)) {
        let mut zbarimg = Command::new("zbarimg");
        zbarimg.args(["--nodbus", "--quiet", "--raw", "--set", "*.enable=0", "--set", "qrcode.enable=1"]);
        let output = zbarimg.args(files).output().expect("zbarimg (Debian's zbar-tools)");
        let lines: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
        assert_eq!(
            lines,
            uris.iter().map(|uri| uri.as_str()).collect::<Vec<_>>(),
            "zbarimg reads another text"
        );
    }
    let count = thousands(&CODES.to_string());
    let text = format!(
        "Of {count} QR codes of random otpauth URIs, rqrr reads {count} ({turned} of them only when turned around) and zbarimg \
         {count}.",
    );
    Section::new("qr", text, Vec::new())
}

fn random_uri(rng: &mut StdRng) -> Zeroizing<String> {
    let (issuer, account) = (label(rng), label(rng));
    let secret = (0..rng.random_range(16..=64)).map(|_| rng.random()).collect();
    otpauth::uri(&issuer, &account, &Secret::from_bytes(Zeroizing::new(secret)).unwrap())
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
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let side = usize::try_from(reader.next_frame(&mut pixels).unwrap().width).unwrap();
    if turned {
        pixels.reverse();
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| pixels[y * side + x]);
    Some(image.detect_grids().first()?.decode().ok()?.1)
}
