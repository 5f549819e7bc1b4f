//! UTF-8, one octet at a time (RFC 3629 section 4). Not for text that is there as a whole: the
//! standard library does that.

use crate::frame::FrameError;

/// A character that has not arrived completely.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Utf8 {
    /// The bits so far.
    bits: u32,
    /// Octets that are missing.
    missing: u8,
    /// The smallest value this length may have; below it the form is overlong.
    least: u32,
}

impl Utf8 {
    /// The character that ends with this octet, or none yet.
    pub(crate) fn push(&mut self, byte: u8) -> Result<Option<char>, FrameError> {
        if self.missing == 0 {
            return self.begin(byte);
        }
        if byte & 0xC0 != 0x80 {
            return Err(FrameError::UnsupportedEncoding);
        }
        self.bits = self.bits << 6 | u32::from(byte & 0x3F);
        self.missing -= 1;
        if self.missing > 0 {
            return Ok(None);
        }
        if self.bits < self.least {
            return Err(FrameError::UnsupportedEncoding);
        }
        // Surrogates and what lies beyond U+10FFFF are no characters.
        char::from_u32(self.bits)
            .map(Some)
            .ok_or(FrameError::UnsupportedEncoding)
    }

    fn begin(&mut self, byte: u8) -> Result<Option<char>, FrameError> {
        let (bits, missing, least) = match byte {
            0..=0x7F => return Ok(Some(char::from(byte))),
            0xC2..=0xDF => (byte & 0x1F, 1, 0x80),
            0xE0..=0xEF => (byte & 0x0F, 2, 0x800),
            0xF0..=0xF4 => (byte & 0x07, 3, 0x1_0000),
            _ => return Err(FrameError::UnsupportedEncoding),
        };
        *self = Utf8 {
            bits: u32::from(bits),
            missing,
            least,
        };
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<String> {
        let mut utf8 = Utf8::default();
        let mut text = String::new();
        for &byte in bytes {
            text.extend(utf8.push(byte).ok()?);
        }
        (utf8.missing == 0).then_some(text)
    }

    #[test]
    fn agrees_with_the_standard_library() {
        let firsts = [
            0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4,
            0xF5, 0xFF,
        ];
        let seconds = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF,
        ];
        for a in firsts {
            for b in seconds {
                for c in seconds {
                    for d in seconds {
                        for len in 1..=4 {
                            let bytes = &[a, b, c, d][..len];
                            let expected = std::str::from_utf8(bytes).ok().map(str::to_owned);
                            assert_eq!(decode(bytes), expected, "{bytes:x?}");
                        }
                    }
                }
            }
        }
    }
}
