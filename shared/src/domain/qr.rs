//! A QR code as a `data:` URI: a 1-bit PNG, eight pixels a module, with the quiet zone the standard asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

const PIXELS_PER_MODULE: usize = 8;
/// Modules of white around the symbol (ISO/IEC 18004 §9.1).
const QUIET_ZONE: usize = 4;

/// The text does not fit a QR code: more than 2,953 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text does not fit a QR code")]
pub struct TooLong;

/// `data:image/png;base64,…` with `text` as a QR code of error correction level L: screens do not get scratched.
///
/// # Errors
///
/// [`TooLong`] for more than 2,953 bytes. An otpauth URI stays below that by the bounds of its labels.
pub fn data_uri(text: &str) -> Result<Zeroizing<String>, TooLong> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| TooLong)?;
    let png = png(&code).map_err(|_| TooLong)?;
    let mut uri = Zeroizing::new(String::from("data:image/png;base64,"));
    STANDARD.encode_string(png.as_slice(), &mut uri);
    Ok(uri)
}

fn png(code: &QrCode) -> Result<Zeroizing<Vec<u8>>, png::EncodingError> {
    let modules = code.width();
    let side =
        modules.saturating_add(QUIET_ZONE).saturating_add(QUIET_ZONE).saturating_mul(PIXELS_PER_MODULE);
    let pixels = u32::try_from(side).unwrap_or(u32::MAX);
    let dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|&at| at < modules);
        matches!((inside(x), inside(y)), (Some(x), Some(y)) if code[(x, y)] == Color::Dark)
    };
    // One module is eight pixels wide and a byte holds eight pixels: a module is a byte, zero where it is dark.
    let mut image = Vec::with_capacity(side.saturating_mul(side) / 8);
    for row in 0..side / PIXELS_PER_MODULE {
        let line: Vec<u8> =
            (0..side / PIXELS_PER_MODULE).map(|column| if dark(column, row) { 0 } else { 0xff }).collect();
        for _ in 0..PIXELS_PER_MODULE {
            image.extend_from_slice(&line);
        }
    }
    let mut file = Zeroizing::new(Vec::new());
    let mut encoder = png::Encoder::new(&mut *file, pixels, pixels);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header()?.write_image_data(&image)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::otpauth::{self, Label};
    use crate::domain::totp::Secret;
    use proptest::prelude::*;

    /// Decodes with a PNG reader and a QR reader that share no code with the writers' symbol logic.
    fn read(uri: &str) -> String {
        let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (frame.width as usize, frame.height as usize);
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        image.detect_grids()[0].decode().unwrap().1
    }

    #[test]
    fn otp_10_the_image_decodes_to_the_uri() {
        let uri = otpauth::uri(
            &Label::parse("Foo Corp").unwrap(),
            &Label::parse("alice@foo-corp.com").unwrap(),
            &Secret::from_base32("LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW").unwrap(),
        );
        let image = data_uri(&uri).unwrap();
        assert_eq!(read(&image), *uri);
        assert!(image.len() < 2_000, "{} characters", image.len());
    }

    #[test]
    fn the_longest_labels_of_the_widest_characters_fit() {
        let label = Label::parse(&"\u{10ffff}".repeat(63)).unwrap();
        let secret = Secret::from_bytes(Zeroizing::new(vec![0xff; 64])).unwrap();
        assert!(data_uri(&otpauth::uri(&label, &label, &secret)).is_ok());
        assert_eq!(data_uri(&"x".repeat(2_954)).err(), Some(TooLong));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn any_text_reads_back(text in "[a-zA-Z0-9:/?=&%]{1,300}") {
            prop_assert_eq!(read(&data_uri(&text).unwrap()), text);
        }
    }
}
