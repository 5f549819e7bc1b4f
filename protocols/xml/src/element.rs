//! An element as a value. Not for octets: see `parse` and `write`.

use std::fmt;

use crate::text::Text;

/// A complete element. Children hold no empty text and no two texts in a row, so equal elements are
/// equal values.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    pub(crate) name: Text,
    pub(crate) namespace: Text,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Node>,
}

/// An attribute. `xml:lang` keeps its prefix in the name; other prefixed ones have a namespace and
/// the local name.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    pub(crate) namespace: Text,
    pub(crate) name: Text,
    pub(crate) value: Text,
}

/// What an element contains.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    Element(Element),
    Text(Text),
}

// === building ===

impl Element {
    /// The name is a constant of the program or was parsed: it is written as it is.
    pub fn new(namespace: impl Into<Text>, name: impl Into<Text>) -> Element {
        Element {
            name: name.into(),
            namespace: namespace.into(),
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    pub fn attr(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Element {
        self.set_attribute(name, value);
        self
    }

    /// Adds the attribute where there is a value.
    pub fn attr_opt(self, name: impl Into<Text>, value: Option<impl Into<Text>>) -> Element {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    pub fn child(mut self, child: Element) -> Element {
        self.push(child);
        self
    }

    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children
            .extend(children.into_iter().map(Node::Element));
        self
    }

    pub fn text(mut self, text: impl Into<Text>) -> Element {
        self.push_text(text);
        self
    }

    pub fn push(&mut self, child: Element) {
        self.children.push(Node::Element(child));
    }

    /// Appends to the text that is last, if it is.
    pub fn push_text(&mut self, text: impl Into<Text>) {
        let text = text.into();
        if text.is_empty() {
            return;
        }
        match self.children.last_mut() {
            Some(Node::Text(last)) => *last = format!("{last}{text}").into(),
            _ => self.children.push(Node::Text(text)),
        }
    }

    /// Replaces the attribute of this name, or adds it.
    pub fn set_attribute(&mut self, name: impl Into<Text>, value: impl Into<Text>) {
        let (name, value) = (name.into(), value.into());
        match self
            .attributes
            .iter_mut()
            .find(|a| a.namespace.is_empty() && a.name == name)
        {
            Some(attribute) => attribute.value = value,
            None => self.attributes.push(Attribute {
                namespace: Text::EMPTY,
                name,
                value,
            }),
        }
    }

    /// The child elements alone; text between them is dropped.
    pub fn into_elements(self) -> impl Iterator<Item = Element> {
        self.children.into_iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Moves the element, and its children as far as they inherit it, from one namespace to the
    /// other (RFC 6120 section 4.8.3: content goes from `jabber:client` to `jabber:server` and
    /// back, what lies within extensions stays).
    pub fn rescope(&mut self, from: &str, to: &'static str) {
        if self.namespace != *from {
            return;
        }
        self.namespace = Text::Static(to);
        for node in &mut self.children {
            if let Node::Element(element) = node {
                element.rescope(from, to);
            }
        }
    }
}

// === looking ===

impl Element {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == *name && self.namespace == *namespace
    }

    /// The value of the attribute without a namespace, or of `xml:lang`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| a.is_named(name))
            .map(|a| a.value.as_str())
    }

    /// As [`Element::attribute`], to be kept.
    pub fn attribute_text(&self, name: &str) -> Option<Text> {
        self.attributes
            .iter()
            .find(|a| a.is_named(name))
            .map(|a| a.value.clone())
    }

    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    pub fn nodes(&self) -> &[Node] {
        &self.children
    }

    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child element of this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(namespace, name))
    }

    /// The text of the element itself, not of its children; a copy only where child elements
    /// interrupt it.
    pub fn text_content(&self) -> Text {
        let mut texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text),
            Node::Element(_) => None,
        });
        let Some(first) = texts.next() else {
            return Text::EMPTY;
        };
        let Some(second) = texts.next() else {
            return first.clone();
        };
        let mut joined = format!("{first}{second}");
        joined.extend(texts.map(Text::as_str));
        joined.into()
    }

    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
}

impl Attribute {
    /// Empty for an attribute without a prefix and for `xml:lang`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn value(&self) -> &str {
        &self.value
    }

    fn is_named(&self, name: &str) -> bool {
        self.namespace.is_empty() && self.name == *name
    }
}

// === Debug shows the shape; what people write and their passwords never reach a log ===

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} xmlns='{}'", self.name, self.namespace)?;
        for attribute in &self.attributes {
            write!(f, " {attribute:?}")?;
        }
        f.write_str(">")?;
        f.debug_list().entries(&self.children).finish()
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=[{} octets]", self.name, self.value.len())
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Element(element) => element.fmt(f),
            Node::Text(text) => write!(f, "[{} octets]", text.len()),
        }
    }
}
