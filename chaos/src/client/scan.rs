//! Cuts a stream of bytes into stream headers and complete stanzas. Does not look into them: see
//! element.

use std::ops::Range;

/// What a server may send in one stanza before the client calls it a fault.
pub const STANZA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep elements may be nested, the stream itself included.
pub const DEPTH_MAX: usize = 128;
/// A buffer that grew for one large stanza is given back once it is empty again.
const KEPT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("an end tag that matches no start tag")]
    Unbalanced,
    #[error("a comment, declaration or processing instruction inside the stream")]
    Forbidden,
    #[error("text where only elements are allowed")]
    Text,
    #[error("a tag without a name")]
    Nameless,
    #[error("a stanza larger than {STANZA_BYTES_MAX} bytes")]
    Large,
    #[error("elements deeper than {DEPTH_MAX}")]
    Deep,
    #[error("bytes after the end of the stream")]
    AfterEnd,
    #[error("bytes that are not UTF-8")]
    Encoding,
}

/// One cut of the stream; the range is good until the next `feed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// `<stream:stream …>`: the start tag alone.
    Open(Range<usize>),
    /// A complete child of the stream.
    Stanza(Range<usize>),
    /// `</stream:stream>`.
    Close,
}

/// The scanner's state: bytes not yet consumed, and where in the grammar `cursor` stands.
#[derive(Debug, Default)]
pub struct Scanner {
    buffer: Vec<u8>,
    /// Everything before it belongs to frames already handed out.
    start: usize,
    /// Everything before it has been looked at.
    cursor: usize,
    /// Where the tag under the cursor began.
    tag: Option<usize>,
    /// The quotation mark that the cursor is inside of.
    quote: Option<u8>,
    /// Where the name of each open element stands, the stream excepted, relative to `start`.
    open: Vec<(usize, usize)>,
    in_stream: bool,
    ended: bool,
}

impl Scanner {
    /// The buffer to append received bytes to. Ranges handed out before are void from here on.
    pub fn feed(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.rebase(self.start);
            if self.buffer.capacity() > KEPT_BYTES_MAX {
                self.buffer.shrink_to(0);
            }
        } else if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.rebase(self.start);
        }
        &mut self.buffer
    }

    /// Cuts the next frame off, or `None` until more bytes are fed.
    pub fn cut(&mut self) -> Result<Option<Frame>, ScanError> {
        loop {
            let Some(tag) = self.find_tag()? else {
                if self.buffer.len() - self.start > STANZA_BYTES_MAX {
                    return Err(ScanError::Large);
                }
                return Ok(None);
            };
            if let Some(frame) = self.take_tag(tag)? {
                return Ok(Some(frame));
            }
        }
    }

    /// The text of a frame that was just cut.
    pub fn text(&self, range: Range<usize>) -> Result<&str, ScanError> {
        std::str::from_utf8(&self.buffer[range]).map_err(|_| ScanError::Encoding)
    }

    /// Whether bytes wait that no frame has taken, as must not be before a TLS handshake.
    pub fn has_rest(&self) -> bool {
        self.start < self.buffer.len()
    }

    /// Forgets everything: a new stream begins on the same connection.
    pub fn restart(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let rest = buffer[self.start..].to_vec();
        *self = Scanner {
            buffer: rest,
            ..Scanner::default()
        };
    }

    fn rebase(&mut self, by: usize) {
        self.start -= by;
        self.cursor -= by;
        self.tag = self.tag.map(|tag| tag - by);
    }

    /// Moves the cursor behind the next complete tag and returns the tag with its brackets.
    fn find_tag(&mut self) -> Result<Option<Range<usize>>, ScanError> {
        let from = match self.tag {
            Some(from) => from,
            None => match self.skip_text()? {
                Some(from) => from,
                None => return Ok(None),
            },
        };
        while let Some(&byte) = self.buffer.get(self.cursor) {
            self.cursor += 1;
            match self.quote {
                Some(quote) if byte == quote => self.quote = None,
                Some(_) => {}
                None if byte == b'"' || byte == b'\'' => self.quote = Some(byte),
                None if byte == b'>' => {
                    self.tag = None;
                    return Ok(Some(from..self.cursor));
                }
                None => {}
            }
        }
        Ok(None)
    }

    /// Moves the cursor to the next `<`. Between stanzas only whitespace may stand before it.
    fn skip_text(&mut self) -> Result<Option<usize>, ScanError> {
        let rest = &self.buffer[self.cursor..];
        let text = rest
            .iter()
            .position(|&byte| byte == b'<')
            .unwrap_or(rest.len());
        if self.open.is_empty() {
            if !rest[..text].iter().all(u8::is_ascii_whitespace) {
                return Err(ScanError::Text);
            }
            self.start = self.cursor + text;
        }
        self.cursor += text;
        if self.cursor == self.buffer.len() {
            return Ok(None);
        }
        self.tag = Some(self.cursor);
        Ok(Some(self.cursor))
    }

    /// Takes one complete tag into account; returns the frame that it completes.
    fn take_tag(&mut self, tag: Range<usize>) -> Result<Option<Frame>, ScanError> {
        if self.ended {
            return Err(ScanError::AfterEnd);
        }
        match self.buffer[tag.start + 1] {
            b'?' if !self.in_stream => {
                self.start = tag.end;
                Ok(None)
            }
            b'?' | b'!' => Err(ScanError::Forbidden),
            b'/' => self.close(tag),
            _ => self.open(tag),
        }
    }

    fn open(&mut self, tag: Range<usize>) -> Result<Option<Frame>, ScanError> {
        let name = name_length(&self.buffer[tag.start + 1..tag.end])?;
        if !self.in_stream {
            self.in_stream = true;
            self.start = tag.end;
            return Ok(Some(Frame::Open(tag)));
        }
        if self.buffer[tag.end - 2] != b'/' {
            if self.open.len() + 1 == DEPTH_MAX {
                return Err(ScanError::Deep);
            }
            self.open.push((tag.start + 1 - self.start, name));
            return Ok(None);
        }
        Ok(self.complete(tag.end))
    }

    fn close(&mut self, tag: Range<usize>) -> Result<Option<Frame>, ScanError> {
        let name = name_length(&self.buffer[tag.start + 2..tag.end])?;
        let Some((at, length)) = self.open.pop() else {
            if !self.in_stream {
                return Err(ScanError::Unbalanced);
            }
            self.ended = true;
            self.start = tag.end;
            return Ok(Some(Frame::Close));
        };
        let opened = &self.buffer[self.start + at..self.start + at + length];
        if opened != &self.buffer[tag.start + 2..tag.start + 2 + name] {
            return Err(ScanError::Unbalanced);
        }
        Ok(self.complete(tag.end))
    }

    /// If nothing is open any more, what ends here is a stanza.
    fn complete(&mut self, end: usize) -> Option<Frame> {
        if !self.open.is_empty() {
            return None;
        }
        let range = self.start..end;
        self.start = end;
        Some(Frame::Stanza(range))
    }
}

fn name_length(tag: &[u8]) -> Result<usize, ScanError> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    match tag.iter().position(ends) {
        Some(0) | None => Err(ScanError::Nameless),
        Some(length) => Ok(length),
    }
}

#[cfg(test)]
#[path = "scan_test.rs"]
mod scan_test;
