//! Octets of a frame to an element, with namespaces resolved. Not for incomplete octets: see
//! `framer`.
//!
//! quick-xml finds the tags; names, references and namespaces are judged here, so that any octets
//! at all give an element that can be written and read again, or an error.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::chars::is_nc_name;
use crate::element::{Attribute, Element};
use crate::escape::{Place, unescape};
use crate::open::{StreamNamespaces, StreamOpen};
use crate::text::Text;

/// Nested elements, whatever the framer's limit: trees are written and dropped by recursion.
const DEPTH_MAX: usize = 256;

/// Attributes and declarations of one tag, whatever the framer's limit: each is compared with each.
const ATTRIBUTES_MAX: usize = 256;

/// Declarations in scope: each name is looked up among them.
const BINDINGS_MAX: usize = 512;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// Why octets are no element; each is `not-well-formed` (RFC 6120 sections 4.9.3.13 and 11.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("not well-formed")]
    Malformed,
    #[error("a name is not a qualified name")]
    Name,
    #[error("an attribute stands twice in a tag")]
    DuplicateAttribute,
    #[error("a prefix is not bound to a namespace")]
    UnboundPrefix,
    #[error("a namespace declaration is not allowed")]
    Declaration,
    #[error("too deep, or too many attributes")]
    TooComplex,
}

impl Element {
    /// Parses one complete element within a stream.
    pub fn parse(frame: &[u8], context: &StreamNamespaces) -> Result<Element, ParseError> {
        let text = std::str::from_utf8(frame).map_err(|_| ParseError::Malformed)?;
        let mut reader = Reader::from_str(text);
        let mut scope = Scope::new(context);
        // Elements that have begun, outermost first.
        let mut open: Vec<Element> = Vec::new();
        // Text since the last tag: it comes in pieces, and joining them one by one would be
        // quadratic.
        let mut run = String::new();
        loop {
            let event = reader.read_event().map_err(|_| ParseError::Malformed)?;
            if matches!(event, Event::Start(_) | Event::Empty(_) | Event::End(_)) {
                add_text(&mut open, &mut run)?;
            }
            let complete = match event {
                Event::Start(tag) => {
                    let element = scope.enter(&tag)?;
                    open.push(element);
                    if open.len() > DEPTH_MAX {
                        return Err(ParseError::TooComplex);
                    }
                    continue;
                }
                Event::Empty(tag) => {
                    let element = scope.enter(&tag)?;
                    scope.leave();
                    element
                }
                // quick-xml has compared the names.
                Event::End(_) => {
                    scope.leave();
                    open.pop().ok_or(ParseError::Malformed)?
                }
                Event::Text(text) => {
                    run += &unescape(&text, Place::Content).map_err(|_| ParseError::Malformed)?;
                    continue;
                }
                Event::CData(text) => {
                    let text = text.xml10_content();
                    if !crate::is_legal_text(&text) {
                        return Err(ParseError::Malformed);
                    }
                    run += &text;
                    continue;
                }
                Event::GeneralRef(name) => {
                    let raw = format!("&{};", &*name);
                    run += &unescape(&raw, Place::Content).map_err(|_| ParseError::Malformed)?;
                    continue;
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                    return Err(ParseError::Malformed);
                }
                Event::Eof => return Err(ParseError::Malformed),
            };
            match open.last_mut() {
                Some(parent) => parent.push(complete),
                None => return end(&mut reader, complete),
            }
        }
    }
}

/// Parses the start tag of the stream element.
pub(crate) fn open(frame: &[u8]) -> Result<StreamOpen, ParseError> {
    let text = std::str::from_utf8(frame).map_err(|_| ParseError::Malformed)?;
    let mut reader = Reader::from_str(text);
    let tag = match reader.read_event() {
        Ok(Event::Start(tag) | Event::Empty(tag)) => tag,
        _ => return Err(ParseError::Malformed),
    };
    let nothing = StreamNamespaces {
        default: Text::EMPTY,
        prefixes: Vec::new(),
    };
    let mut scope = Scope::new(&nothing);
    let element = scope.enter(&tag)?;
    if !matches!(reader.read_event(), Ok(Event::Eof)) {
        return Err(ParseError::Malformed);
    }
    let prefix = tag
        .name()
        .prefix()
        .map(|prefix| prefix.as_ref().to_owned().into());
    let mut namespaces = nothing.clone();
    for binding in scope.bindings {
        match binding.prefix.as_str() {
            "" => namespaces.default = binding.namespace,
            _ => namespaces
                .prefixes
                .push((binding.prefix, binding.namespace)),
        }
    }
    Ok(StreamOpen {
        element,
        prefix,
        namespaces,
    })
}

/// A frame is one element and nothing else.
fn end(reader: &mut Reader<&[u8]>, element: Element) -> Result<Element, ParseError> {
    match reader.read_event() {
        Ok(Event::Eof) => Ok(element),
        _ => Err(ParseError::Malformed),
    }
}

/// Text belongs to the innermost element; a frame does not begin with any.
fn add_text(open: &mut [Element], run: &mut String) -> Result<(), ParseError> {
    if !run.is_empty() {
        open.last_mut()
            .ok_or(ParseError::Malformed)?
            .push_text(std::mem::take(run));
    }
    Ok(())
}

// === namespaces ===

struct Binding {
    prefix: Text,
    namespace: Text,
    depth: usize,
}

/// The declarations that hold here, innermost last.
struct Scope<'a> {
    context: &'a StreamNamespaces,
    bindings: Vec<Binding>,
    depth: usize,
}

impl<'a> Scope<'a> {
    fn new(context: &'a StreamNamespaces) -> Scope<'a> {
        Scope {
            context,
            bindings: Vec::new(),
            depth: 0,
        }
    }

    fn enter(&mut self, tag: &BytesStart<'_>) -> Result<Element, ParseError> {
        self.depth += 1;
        let mut raw: Vec<(&str, Text)> = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| ParseError::Malformed)?;
            let value =
                unescape(&attribute.value, Place::Attribute).map_err(|_| ParseError::Malformed)?;
            let name = attribute.key.0;
            if raw.iter().any(|(other, _)| *other == name) {
                return Err(ParseError::DuplicateAttribute);
            }
            if raw.len() == ATTRIBUTES_MAX {
                return Err(ParseError::TooComplex);
            }
            raw.push((name, value.into_owned().into()));
        }
        for (name, value) in &raw {
            self.declare(name, value)?;
        }
        let (prefix, name) = split(tag.name().0)?;
        // No element is in the namespaces of these two; and neither could be written without its
        // prefix.
        if matches!(prefix, Some("xml" | "xmlns")) {
            return Err(ParseError::Name);
        }
        let namespace = self.resolve(prefix).ok_or(ParseError::UnboundPrefix)?;
        let mut element = Element::new(namespace, name.to_owned());
        for (name, value) in raw {
            if name != "xmlns" && !name.starts_with("xmlns:") {
                self.add_attribute(&mut element, name, value)?;
            }
        }
        Ok(element)
    }

    fn leave(&mut self) {
        while self
            .bindings
            .last()
            .is_some_and(|binding| binding.depth == self.depth)
        {
            self.bindings.pop();
        }
        self.depth -= 1;
    }

    /// Takes a declaration, under the constraints of Namespaces in XML 1.0 section 3.
    fn declare(&mut self, name: &str, namespace: &Text) -> Result<(), ParseError> {
        let prefix = match name.strip_prefix("xmlns") {
            Some("") => "",
            Some(rest) => match rest.strip_prefix(':') {
                Some(prefix) => prefix,
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        let is_prefixed = name.len() > "xmlns".len();
        if is_prefixed && (!is_nc_name(prefix) || namespace.is_empty() || prefix == "xmlns") {
            return Err(ParseError::Declaration);
        }
        if *namespace == XMLNS_NAMESPACE || (*namespace == XML_NAMESPACE) != (prefix == "xml") {
            return Err(ParseError::Declaration);
        }
        if self.bindings.len() == BINDINGS_MAX {
            return Err(ParseError::TooComplex);
        }
        let prefix = prefix.to_owned().into();
        self.bindings.push(Binding {
            prefix,
            namespace: self.shared(namespace),
            depth: self.depth,
        });
        Ok(())
    }

    /// One allocation for a namespace that is in scope already.
    fn shared(&self, namespace: &Text) -> Text {
        let known = self.bindings.iter().map(|binding| &binding.namespace);
        known
            .chain([&self.context.default])
            .find(|known| *known == namespace)
            .unwrap_or(namespace)
            .clone()
    }

    fn resolve(&self, prefix: Option<&str>) -> Option<Text> {
        let wanted = prefix.unwrap_or("");
        if wanted == "xml" {
            return Some(Text::Static(XML_NAMESPACE));
        }
        if let Some(binding) = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == *wanted)
        {
            return Some(binding.namespace.clone());
        }
        if wanted.is_empty() {
            return Some(self.context.default.clone());
        }
        let declared = self
            .context
            .prefixes
            .iter()
            .find(|(prefix, _)| *prefix == *wanted);
        declared.map(|(_, namespace)| namespace.clone())
    }

    fn add_attribute(
        &self,
        element: &mut Element,
        name: &str,
        value: Text,
    ) -> Result<(), ParseError> {
        let (prefix, local) = split(name)?;
        let (namespace, name) = match prefix {
            None => (Text::EMPTY, local),
            Some("xml") => (Text::EMPTY, name),
            Some(_) => (
                self.resolve(prefix).ok_or(ParseError::UnboundPrefix)?,
                local,
            ),
        };
        // Two prefixes for one namespace make the same attribute (Namespaces in XML 1.0 section
        // 6.3).
        if element
            .attributes
            .iter()
            .any(|a| a.name == *name && a.namespace == namespace)
        {
            return Err(ParseError::DuplicateAttribute);
        }
        element.attributes.push(Attribute {
            namespace,
            name: name.to_owned().into(),
            value,
        });
        Ok(())
    }
}

/// A qualified name (Namespaces in XML 1.0 section 4).
fn split(name: &str) -> Result<(Option<&str>, &str), ParseError> {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    if prefix.is_some_and(|prefix| !is_nc_name(prefix)) || !is_nc_name(local) {
        return Err(ParseError::Name);
    }
    Ok((prefix, local))
}
