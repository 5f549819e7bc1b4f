//! Cuts a stream of octets into frames, under limits, in one pass. Not for trees: see `parse`.
//!
//! ```text
//! push(octets) ─▶ buffer ─▶ scanner (one character, once) ─▶ tokens ─▶ nesting ─▶ next() = Frame
//! ```
//!
//! Whatever the chunking, the same octets give the same frames, and an idle stream holds no buffer.

use std::ops::Range;

use bytes::Bytes;

use crate::chars::{is_plain, is_space};
use crate::declaration;
use crate::frame::{Frame, FrameError, Restricted};
use crate::limits::Limits;
use crate::scanner::{Scanner, Token};
use crate::utf8::Utf8;

/// A buffer that is larger than this and mostly unused is given back while the rest waits for more.
const SLACK_BYTES_MAX: usize = 4096;

/// Where in the stream the next frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before the stream header, and before anything else.
    Beginning,
    /// Before the stream header, after the declaration or after whitespace.
    Prolog,
    /// Between or within first-level elements.
    Stream,
    /// The header was an empty tag: the end is the next frame.
    Closing,
    Closed,
}

/// One for each stream.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: Vec<u8>,
    /// Where the frame begins that is being read.
    start: usize,
    /// How far the scanner has come.
    scanned: usize,
    /// Octets before the stream header: they are part of its size.
    prolog_bytes: usize,
    position: Position,
    /// The frame has begun: its `<` has been read.
    in_frame: bool,
    scanner: Scanner,
    utf8: Utf8,
    /// The name of the stream element, for its end tag.
    root: Box<[u8]>,
    /// Names of the open elements within the frame.
    open: Vec<Range<usize>>,
    elements: u32,
    failed: Option<FrameError>,
}

impl Framer {
    pub fn new(limits: Limits) -> Framer {
        Framer {
            limits,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            prolog_bytes: 0,
            position: Position::Beginning,
            in_frame: false,
            scanner: Scanner::new(),
            utf8: Utf8::default(),
            root: Box::default(),
            open: Vec::new(),
            elements: 0,
            failed: None,
        }
    }

    /// Begins a phase: other limits, and the count of elements from zero.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.elements = 0;
    }

    /// Adds what was read from the peer. The caller takes the frames out before it reads more.
    pub fn push(&mut self, octets: &[u8]) {
        if self.failed.is_some() || self.position == Position::Closed {
            return;
        }
        // Moving the rest is paid for by the octets that have left.
        if self.start > self.buffer.len() / 2 {
            self.compact();
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Octets that are held.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Octets that are allocated: none on an idle stream.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// A new stream on the same connection (RFC 6120 sections 4.3.3, 5.4.3.3, 6.4.6). What is
    /// buffered belongs to it, but whitespace that still followed the last element of the old one.
    pub fn restart(&mut self) {
        let rest = self.take_buffered();
        *self = Framer::new(self.limits);
        let spaces = rest
            .iter()
            .take_while(|&&byte| is_space(char::from(byte)))
            .count();
        self.push(&rest[spaces..]);
    }

    /// Takes out what has not become a frame. RFC 6120 section 5.4.3.3: what came in plain text
    /// after `<starttls/>` must not be taken for something that came under TLS.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.buffer);
        rest.drain(..self.start);
        self.forget_frame();
        rest
    }

    /// The next complete frame, none while it is incomplete, or why there will be none. After an
    /// error the same error.
    #[expect(
        clippy::should_implement_trait,
        reason = "a frame that is none yet does not end it"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance();
        if let Err(error) = result {
            self.failed = Some(error);
            self.take_buffered();
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.position {
            Position::Closing => {
                self.position = Position::Closed;
                return Ok(Some(Frame::Close));
            }
            Position::Closed => {
                self.take_buffered();
                return Ok(None);
            }
            _ => {}
        }
        if !self.in_frame {
            if self.skip_spaces()? && self.position == Position::Stream {
                return Ok(Some(Frame::Whitespace));
            }
            if self.buffered() == 0 {
                return Ok(None);
            }
            self.begin_frame()?;
        }
        let frame = self.scan()?;
        if frame.is_none() {
            self.give_back();
        }
        Ok(frame)
    }

    /// Drops whitespace between frames; says whether there was any.
    fn skip_spaces(&mut self) -> Result<bool, FrameError> {
        let rest = &self.buffer[self.start..];
        let count = rest
            .iter()
            .take_while(|&&byte| is_space(char::from(byte)))
            .count();
        if count == 0 {
            return Ok(false);
        }
        self.drop_front(count);
        if self.position != Position::Stream {
            self.position = Position::Prolog;
            self.prolog_bytes = self.prolog_bytes.saturating_add(count);
            if self.prolog_bytes > self.limits.bytes_max {
                return Err(self.too_big());
            }
        }
        Ok(true)
    }

    fn begin_frame(&mut self) -> Result<(), FrameError> {
        let byte = self.buffer[self.start];
        if byte == b'<' {
            self.in_frame = true;
            return Ok(());
        }
        // XML 1.0 appendix F: these octets begin a document in UTF-16 or UTF-32.
        if matches!(byte, 0x00 | 0xFE | 0xFF) {
            return Err(FrameError::UnsupportedEncoding);
        }
        match self.position {
            Position::Stream => Err(FrameError::TextBetweenElements),
            _ => Err(FrameError::NotWellFormed("text before the stream header")),
        }
    }

    /// Reads on until a frame ends, or the octets do.
    fn scan(&mut self) -> Result<Option<Frame>, FrameError> {
        let allowed = self.limits.bytes_max.saturating_sub(self.prolog_bytes);
        let end = self.buffer.len().min(self.start.saturating_add(allowed));
        while self.scanned < end {
            if self.scanner.skips_plain() && is_plain(self.buffer[self.scanned]) {
                self.scanner.skipped_plain();
                let rest = &self.buffer[self.scanned..end];
                self.scanned += rest.iter().take_while(|&&byte| is_plain(byte)).count();
                continue;
            }
            let byte = self.buffer[self.scanned];
            self.scanned += 1;
            let Some(c) = self.utf8.push(byte)? else {
                continue;
            };
            // `<` and a zero octet are the first character of a document in UTF-16.
            if c == '\0' && self.position == Position::Beginning {
                return Err(FrameError::UnsupportedEncoding);
            }
            let at = self.scanned - self.start - c.len_utf8();
            if let Some(token) = self.scanner.step(c, at, &self.limits)?
                && let Some(frame) = self.nest(token)?
            {
                return Ok(Some(frame));
            }
            if !self.in_frame {
                // The declaration has ended; whitespace may follow it.
                return self.advance();
            }
        }
        if end < self.buffer.len() {
            Err(self.too_big())
        } else {
            Ok(None)
        }
    }

    fn nest(&mut self, token: Token) -> Result<Option<Frame>, FrameError> {
        match token {
            Token::Declaration => self.declaration().map(|()| None),
            Token::Start { name, is_empty } => self.start_tag(name, is_empty),
            Token::End { name } => self.end_tag(name),
        }
    }

    fn declaration(&mut self) -> Result<(), FrameError> {
        if self.position != Position::Beginning {
            return Err(FrameError::Restricted(Restricted::ProcessingInstruction));
        }
        let bytes = &self.buffer[self.start..self.scanned];
        declaration::check(bytes)?;
        self.prolog_bytes = self.prolog_bytes.saturating_add(bytes.len());
        self.position = Position::Prolog;
        self.in_frame = false;
        self.drop_front(self.scanned - self.start);
        Ok(())
    }

    fn start_tag(
        &mut self,
        name: Range<usize>,
        is_empty: bool,
    ) -> Result<Option<Frame>, FrameError> {
        self.elements = self.elements.saturating_add(1);
        if let Some(elements_max) = self.limits.elements_max
            && self.elements > elements_max
        {
            return Err(FrameError::ElementsTooMany { elements_max });
        }
        if self.position != Position::Stream {
            self.root = self.name(&name).into();
            self.position = if is_empty {
                Position::Closing
            } else {
                Position::Stream
            };
            self.prolog_bytes = 0;
            return Ok(Some(Frame::Open(self.cut())));
        }
        if self.open.len() >= usize::from(self.limits.depth_max) {
            return Err(FrameError::TooDeep {
                depth_max: self.limits.depth_max,
            });
        }
        if !is_empty {
            self.open.push(name);
            return Ok(None);
        }
        Ok(self.open.is_empty().then(|| Frame::Element(self.cut())))
    }

    fn end_tag(&mut self, name: Range<usize>) -> Result<Option<Frame>, FrameError> {
        let expected = match self.open.pop() {
            Some(open) => self.name(&open),
            None if self.position == Position::Stream => &self.root,
            None => {
                return Err(FrameError::NotWellFormed(
                    "an end tag before the stream header",
                ));
            }
        };
        if expected != self.name(&name) {
            return Err(FrameError::NotWellFormed(
                "an end tag does not match its start tag",
            ));
        }
        if !self.open.is_empty() {
            return Ok(None);
        }
        // The end tag alone was the frame: it closes the stream. `</` begins where the frame does.
        if self.buffer[self.start + 1] == b'/' {
            self.position = Position::Closed;
            self.take_buffered();
            return Ok(Some(Frame::Close));
        }
        Ok(Some(Frame::Element(self.cut())))
    }

    fn name(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[self.start + range.start..self.start + range.end]
    }

    /// Takes the frame out of the buffer: the buffer itself when there is nothing else in it, a
    /// copy otherwise, so that a small frame that is kept does not keep a large buffer.
    fn cut(&mut self) -> Bytes {
        self.in_frame = false;
        if self.start == 0 && self.scanned == self.buffer.len() {
            let mut whole = std::mem::take(&mut self.buffer);
            whole.shrink_to_fit();
            self.forget_frame();
            return whole.into();
        }
        let frame = Bytes::copy_from_slice(&self.buffer[self.start..self.scanned]);
        self.drop_front(frame.len());
        frame
    }

    /// Leaves so many octets behind, and the buffer with the last of them.
    fn drop_front(&mut self, count: usize) {
        self.start += count;
        self.scanned = self.start;
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.forget_frame();
        }
    }

    /// Nothing is buffered and no frame has begun.
    fn forget_frame(&mut self) {
        self.start = 0;
        self.scanned = 0;
        self.in_frame = false;
        self.open = Vec::new();
        self.scanner = Scanner::new();
        self.utf8 = Utf8::default();
    }

    /// An incomplete frame waits in a buffer of about its size.
    fn give_back(&mut self) {
        if self.buffer.capacity() > SLACK_BYTES_MAX && self.buffered() < self.buffer.capacity() / 4
        {
            self.compact();
            self.buffer.shrink_to(2 * self.buffer.len());
        }
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
    }

    fn too_big(&self) -> FrameError {
        FrameError::FrameTooBig {
            bytes_max: self.limits.bytes_max,
        }
    }
}
