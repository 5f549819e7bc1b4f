//! Reads a complete, balanced element where it lies: name, attributes, children, text. Builds no
//! tree.

use std::borrow::Cow;

/// A view of one element; costs nothing until something is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// From `<` to the last `>`.
    text: &'a str,
    /// Length of the start tag with its brackets.
    tag: usize,
}

impl<'a> Element<'a> {
    /// Views `text`, which a scanner has found balanced (or a start tag alone).
    pub fn new(text: &'a str) -> Self {
        Element {
            text,
            tag: tag_length(text),
        }
    }

    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The name without its prefix.
    pub fn name(&self) -> &'a str {
        let name = self.qualified_name();
        name.split_once(':').map_or(name, |(_, local)| local)
    }

    pub fn namespace(&self) -> Option<Cow<'a, str>> {
        self.attribute("xmlns")
    }

    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.text[1..self.tag - 1].get(self.qualified_name().len()..)?;
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after
                .chars()
                .next()
                .filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, after) = after[1..].split_once(quote)?;
            if key.trim() == name {
                return Some(unescape(value));
            }
            rest = after;
        }
    }

    pub fn children(&self) -> Children<'a> {
        Children {
            rest: self.content(),
        }
    }

    pub fn child(&self, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.name() == name)
    }

    /// The text directly in this element, up to its first child.
    pub fn text(&self) -> Cow<'a, str> {
        let content = self.content();
        unescape(&content[..content.find('<').unwrap_or(content.len())])
    }

    /// `type` of a stanza, empty where it has none.
    pub fn kind(&self) -> Cow<'a, str> {
        self.attribute("type").unwrap_or_default()
    }

    /// The condition of the `<error/>` inside a stanza of type error.
    pub fn condition(&self) -> Option<&'a str> {
        let error = self.child("error")?;
        error
            .children()
            .map(|child| child.name())
            .find(|&name| name != "text")
    }

    fn qualified_name(&self) -> &'a str {
        let tag = &self.text[1..];
        let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
        &tag[..end.unwrap_or(tag.len())]
    }

    fn content(&self) -> &'a str {
        if self.tag == self.text.len() {
            return "";
        }
        let end = self.text.rfind("</").unwrap_or(self.text.len());
        &self.text[self.tag..end.max(self.tag)]
    }
}

/// The child elements, in order; text between them is skipped.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Children<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let from = self.rest.find('<')?;
        let rest = &self.rest[from..];
        let (child, after) = rest.split_at(element_length(rest));
        self.rest = after;
        Some(Element::new(child))
    }
}

/// Writes text so that it can stand in an attribute or between tags.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '\'', '"']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Undoes the five predefined entities and character references; leaves what it does not know.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = rest
            .find(';')
            .and_then(|end| Some((reference(&rest[1..end])?, end + 1)));
        let (c, length) = known.unwrap_or(('&', 1));
        plain.push(c);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn reference(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

fn tag_length(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match quote {
            Some(open) if open == byte => quote = None,
            Some(_) => {}
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if byte == b'>' => return at + 1,
            None => {}
        }
    }
    text.len()
}

/// Length of the element that `text` begins with.
fn element_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(next) = text[at..].find('<') {
        at += next;
        let length = tag_length(&text[at..]);
        let tag = &text[at..at + length];
        at += length;
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with("/>") {
            depth += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{Element, escape};

    #[test]
    fn reads_names_attributes_children_and_text() {
        let message = Element::new(
            "<message id='1' from = \"a&amp;b>c\" type='chat'><x a='/>'/><body lang='en'>2 &lt; \
             3 &#252;&#x21; &odd;</body><y><body>not this</body></y></message>",
        );
        assert_eq!(message.name(), "message");
        assert_eq!(message.attribute("id").as_deref(), Some("1"));
        assert_eq!(message.attribute("from").as_deref(), Some("a&b>c"));
        assert_eq!(message.attribute("to"), None);
        assert_eq!(message.kind(), "chat");
        let names: Vec<_> = message.children().map(|child| child.name()).collect();
        assert_eq!(names, ["x", "body", "y"]);
        assert_eq!(message.child("body").unwrap().text(), "2 < 3 ü! &odd;");
        assert_eq!(message.child("x").unwrap().text(), "");
        assert_eq!(
            message.child("y").unwrap().child("body").unwrap().text(),
            "not this"
        );
    }

    #[test]
    fn reads_prefixes_and_conditions() {
        let error = Element::new("<stream:error><text>no</text></stream:error>");
        assert_eq!(error.name(), "error");
        let iq = Element::new(
            "<iq type='error'><error type='cancel'><text xmlns='s'>t</text><gone xmlns='s'/>\
             </error></iq>",
        );
        assert_eq!(iq.condition(), Some("gone"));
        assert_eq!(Element::new("<a/>").attribute("id"), None);
        assert_eq!(
            Element::new("<a id='1'/>").attribute("id").as_deref(),
            Some("1")
        );
    }

    #[test]
    fn what_is_escaped_reads_back() {
        let body = "<&>'\" ü";
        let text = format!("<b>{}</b>", escape(body));
        assert_eq!(Element::new(&text).text(), body);
    }
}
