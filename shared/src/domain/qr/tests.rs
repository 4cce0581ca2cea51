use super::*;
use crate::domain::otpauth::{self, Label};
use crate::domain::totp::Secret;
use proptest::prelude::*;
use qrcode::{Color, QrCode};

/// The pixels of the image and their number per side, read by the crate `png`.
fn pixels(uri: &str) -> (Vec<u8>, usize) {
    let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    let mut decoder = ::png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    reader.finish().unwrap();
    assert_eq!(frame.width, frame.height);
    (pixels, frame.width as usize)
}

/// Decodes with a PNG reader and a QR reader that share no code with the writers. About one image in ten thousand `rqrr` only
/// reads when it is turned around.
fn read(uri: &str) -> String {
    let (mut pixels, side) = pixels(uri);
    let decode = |pixels: &[u8]| {
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| pixels[y * side + x]);
        Some(image.detect_grids().first()?.decode().ok()?.1)
    };
    let upright = decode(&pixels);
    pixels.reverse();
    upright.or_else(|| decode(&pixels)).unwrap()
}

fn example() -> Zeroizing<String> {
    otpauth::uri(
        &Label::parse("Foo Corp").unwrap(),
        &Label::parse("alice.anderson@foo-corp.com").unwrap(),
        &Secret::from_base32("LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW").unwrap(),
    )
}

#[test]
fn otp_10_the_image_decodes_to_the_uri() {
    let (uri, image) = (example(), data_uri(&example()).unwrap());
    assert_eq!(read(&image), *uri);
    assert_eq!(uri.len(), 145, "{}", *uri);
    assert!(image.len() <= 1_200, "{} characters", image.len());
}

#[test]
fn the_longest_labels_of_the_widest_characters_fit() {
    let label = Label::parse(&"\u{10ffff}".repeat(63)).unwrap();
    let secret = Secret::from_bytes(Zeroizing::new(vec![0xff; 64])).unwrap();
    assert!(data_uri(&otpauth::uri(&label, &label, &secret)).is_ok());
    assert_eq!(data_uri(&"x".repeat(2_954)).err(), Some(TooLong));
}

/// Symbols of all forty sizes: every module is where `qrcode` itself puts it, under the mask it would choose, eight pixels
/// wide and high, four modules from the edge.
#[test]
fn every_pixel_is_that_of_the_crates_own_symbol() {
    let mut sizes = std::collections::BTreeSet::new();
    for length in (10..300).step_by(14).chain((300..2_953).step_by(30)) {
        let text: String =
            "otpauth://totp/Foo%20Corp:alice?secret=LNASAT3P&".chars().cycle().take(length).collect();
        let code = QrCode::with_error_correction_level(&text, EcLevel::L).unwrap();
        let width = code.width();
        if !sizes.insert(width) {
            continue;
        }
        let (pixels, side) = pixels(&data_uri(&text).unwrap());
        assert_eq!(side, (width + 8) * 8);
        for (at, pixel) in pixels.iter().enumerate() {
            let module = |pixel: usize| (pixel / 8).checked_sub(4).filter(|module| *module < width);
            let dark =
                module(at % side).zip(module(at / side)).is_some_and(|(x, y)| code[(x, y)] == Color::Dark);
            assert_eq!(*pixel, if dark { 0 } else { 255 }, "{width} modules, pixel {at}");
        }
    }
    assert_eq!(sizes.len(), 40, "{sizes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_mask_is_the_one_the_crate_would_choose(text in "[ -~]{1,300}") {
        let (symbol, version) = symbol(&text).unwrap();
        let code = QrCode::with_error_correction_level(&text, EcLevel::L).unwrap();
        prop_assert_eq!(mask::apply_best(&symbol, version), code.into_colors());
    }

    #[test]
    fn any_text_reads_back(text in "[a-zA-Z0-9:/?=&%]{1,300}") {
        prop_assert_eq!(read(&data_uri(&text).unwrap()), text);
    }

    #[test]
    fn any_otpauth_uri_reads_back(
        issuer in "[^:\\p{C}\\p{Z}]{1,20}",
        account in "[^:\\p{C}\\p{Z}]{1,20}",
        secret in proptest::collection::vec(any::<u8>(), 16..=64),
    ) {
        let (Ok(issuer), Ok(account)) = (Label::parse(&issuer), Label::parse(&account)) else { return Ok(()) };
        let uri = otpauth::uri(&issuer, &account, &Secret::from_bytes(Zeroizing::new(secret)).unwrap());
        prop_assert_eq!(read(&data_uri(&uri).unwrap()), uri.as_str());
    }
}
