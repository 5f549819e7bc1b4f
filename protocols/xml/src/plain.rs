//! An element that may be passed on as it is written: its root's attributes are read, the rest is
//! kept as octets. Not for what has to be understood: see `parse`.
//!
//! What a tree would have to change or refuse is not plain: prefixes, sections of character data,
//! attributes that stand twice, values with references. A frame that is not plain is parsed.

use crate::open::StreamNamespaces;

/// Attributes of one tag that are looked at; a tag with more is not plain.
const ATTRIBUTES_MAX: usize = 8;

/// Reserved namespaces begin so (Namespaces in XML 1.0 section 3).
const RESERVED: &str = "http://www.w3.org/";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain<'a> {
    name: &'a str,
    attributes: Attributes<'a>,
    rest: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attributes<'a> {
    pairs: [(&'a str, &'a str); ATTRIBUTES_MAX],
    count: usize,
}

impl<'a> Plain<'a> {
    /// Looks at one whole frame, as a [`Framer`](crate::Framer) has cut it: it has judged names,
    /// nesting, characters and references. None where a tree is needed, also for what is wrong.
    ///
    /// `namespace`: what the element must be in, and with it all its children without a namespace
    /// of their own. `is_plain` is shown the name of each child, and its namespace where that is
    /// another, and says whether it may be passed on without a look at what it says.
    pub fn scan(
        frame: &'a [u8],
        context: &StreamNamespaces,
        namespace: &str,
        mut is_plain: impl FnMut(&'a str, Option<&'a str>) -> bool,
    ) -> Option<Plain<'a>> {
        let text = std::str::from_utf8(frame).ok()?;
        let mut at = text.strip_prefix('<')?;
        let (name, attributes, rest) = tag(&mut at)?;
        let of_stream = context.default.as_str();
        if attributes.get("xmlns").unwrap_or(of_stream) != namespace {
            return None;
        }
        if attributes.pairs().any(|(_, value)| !is_literal(value)) {
            return None;
        }
        let mut depth = usize::from(!at.starts_with('/'));
        while let Some(less) = at.bytes().position(|byte| byte == b'<') {
            at = &at[less + 1..];
            match at.as_bytes().first()? {
                b'/' => depth = depth.saturating_sub(1),
                b'!' | b'?' => return None,
                _ => {
                    let (name, attributes, _) = tag(&mut at)?;
                    let of_its_own = attributes.get("xmlns").filter(|own| *own != namespace);
                    if depth == 1 && !is_plain(name, of_its_own) {
                        return None;
                    }
                    depth += usize::from(!at.starts_with('/'));
                }
            }
        }
        Some(Plain {
            name,
            attributes,
            rest,
        })
    }

    pub fn name(&self) -> &'a str {
        self.name
    }

    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.get(name)
    }

    /// Its attributes, in their order, but for the declaration of its namespace.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.attributes.pairs.into_iter();
        let all = all.take(self.attributes.count);
        all.filter(|(name, _)| *name != "xmlns")
    }

    /// All that stands behind the attributes: from the end of the start tag on.
    pub fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Attributes<'a> {
    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs.into_iter().take(self.count)
    }

    fn get(&self, wanted: &str) -> Option<&'a str> {
        let found = self.pairs().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value)
    }

    fn put(&mut self, name: &'a str, value: &'a str) -> Option<()> {
        if self.get(name).is_some() {
            return None;
        }
        *self.pairs.get_mut(self.count)? = (name, value);
        self.count += 1;
        Some(())
    }
}

/// Means what it says, letter by letter, also between other quotes.
fn is_literal(value: &str) -> bool {
    !value
        .bytes()
        .any(|byte| matches!(byte, b'&' | b'\n' | b'\r' | b'\t' | b'\'' | b'"'))
}

/// Name and attributes of a start tag behind its `<`, and all that follows them.
fn tag<'a>(at: &mut &'a str) -> Option<(&'a str, Attributes<'a>, &'a str)> {
    let name = name(at)?;
    let mut attributes = Attributes {
        pairs: [("", ""); ATTRIBUTES_MAX],
        count: 0,
    };
    loop {
        *at = at.trim_ascii_start();
        if matches!(at.as_bytes().first()?, b'>' | b'/') {
            return (!name.contains(':')).then_some((name, attributes, *at));
        }
        let (name, value) = attribute(at)?;
        // `xml:` is bound to its namespace everywhere.
        if name.contains(':') && name != "xml:lang" {
            return None;
        }
        if name == "xmlns" && (!is_literal(value) || value.starts_with(RESERVED)) {
            return None;
        }
        attributes.put(name, value)?;
    }
}

fn name<'a>(at: &mut &'a str) -> Option<&'a str> {
    let ends = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>' | b'=');
    let end = at.bytes().position(ends)?;
    let (name, rest) = at.split_at(end);
    *at = rest;
    (!name.is_empty()).then_some(name)
}

fn attribute<'a>(at: &mut &'a str) -> Option<(&'a str, &'a str)> {
    let name = name(at)?;
    let value = at.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let quote = char::from(*value.as_bytes().first()?);
    if !matches!(quote, '\'' | '"') {
        return None;
    }
    let (value, rest) = value[1..].split_once(quote)?;
    *at = rest;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    const CLIENT: &str = "jabber:client";

    fn scan(text: &str) -> Option<Plain<'_>> {
        Plain::scan(
            text.as_bytes(),
            &StreamNamespaces::new(CLIENT),
            CLIENT,
            |name, namespace| name != "tree" && namespace != Some("urn:tree"),
        )
    }

    #[test]
    fn the_root_is_read_and_the_rest_is_kept() {
        let plain = scan(
            "<message to='a@b/c' type=\"chat\" xml:lang='en'><body a='1'>x &lt; y</body>\
             <x xmlns='urn:x' n='&amp;'/></message>",
        )
        .unwrap();
        assert_eq!(plain.name(), "message");
        assert_eq!(plain.attribute("to"), Some("a@b/c"));
        assert_eq!(plain.attribute("from"), None);
        let attributes: Vec<_> = plain.attributes().collect();
        let all = [("to", "a@b/c"), ("type", "chat"), ("xml:lang", "en")];
        assert_eq!(attributes, all);
        assert!(plain.rest().starts_with("><body a='1'>"));
        assert_eq!(scan("<a\n b = 'c' />").unwrap().rest(), "/>");
        assert!(scan("<a xmlns='jabber:client'/>").is_some());
        // What lies deeper is its parent's business.
        assert!(scan("<a><b><tree/><c xmlns='urn:tree'/></b></a>").is_some());
    }

    #[test]
    fn what_a_tree_would_change_or_refuse_is_not_plain() {
        for text in [
            "",
            "<",
            "<a",
            "<a b>",
            "<a b='>",
            "<p:a/>",
            "<a p:b='c'/>",
            "<a b='1' b='2'/>",
            "<a b='&amp;'/>",
            "<a b='\t'/>",
            "<a b=\"'\"/>",
            "<a xmlns='urn:other'/>",
            "<a><b/><c xmlns='urn:tree'/></a>",
            "<a><b><d/></b><tree/></a>",
            "<a><b xmlns:p='urn:p'/></a>",
            "<a><p:b/></a>",
            "<a><b c='1' c='2'/></a>",
            "<a><b xmlns='http://www.w3.org/2000/xmlns/'/></a>",
            "<a><![CDATA[x]]></a>",
            "<a><!-- x --></a>",
            "<a a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8='' a9=''/>",
        ] {
            assert_eq!(scan(text), None, "{text}");
        }
        let server = StreamNamespaces::new("jabber:server");
        assert_eq!(Plain::scan(b"<a/>", &server, CLIENT, |_, _| true), None);
    }

    #[test]
    fn its_octets_make_the_same_element() {
        let context = StreamNamespaces::new(CLIENT);
        for text in [
            "<m a='1'><b>t</b><c xmlns='urn:c'><d xmlns=''/></c></m>",
            "<m xmlns='jabber:client' a='1'>x<b/>y</m>",
        ] {
            let plain = scan(text).unwrap();
            let mut again = format!("<{}", plain.name());
            for (name, value) in plain.attributes() {
                again += &format!(" {name}='{value}'");
            }
            again += plain.rest();
            let parse = |text: &str| Element::parse(text.as_bytes(), &context).unwrap();
            assert_eq!(parse(&again), parse(text));
        }
    }
}
