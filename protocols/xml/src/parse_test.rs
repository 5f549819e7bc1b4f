//! Namespaces, text and their refusals; and the one written form.

use crate::{Element, Node, ParseError, STREAM_NAMESPACE, StreamNamespaces, StreamOpen};

fn parse(input: &str) -> Result<Element, ParseError> {
    Element::parse(input.as_bytes(), &StreamNamespaces::new("jabber:client"))
}

/// The one written form of an input.
fn check(input: &str, expected: &str) {
    let element = parse(input).unwrap_or_else(|error| panic!("{input}: {error}"));
    let written = element.to_bytes("jabber:client");
    assert_eq!(std::str::from_utf8(&written).unwrap(), expected, "{input}");
    assert_eq!(parse(expected), Ok(element), "{input}");
}

#[test]
fn one_form_is_written() {
    check("<message/>", "<message/>");
    check("<message></message>", "<message/>");
    check(
        "<message xmlns=\"jabber:client\" to = \"a\" />",
        "<message to='a'/>",
    );
    check(
        "<iq><query xmlns='a'><b/><c xmlns='d'/></query></iq>",
        "<iq><query xmlns='a'><b/><c xmlns='d'/></query></iq>",
    );
    check("<p:iq xmlns:p='a'><p:b/></p:iq>", "<iq xmlns='a'><b/></iq>");
    check(
        "<p:iq xmlns:p='a'><b/></p:iq>",
        "<iq xmlns='a'><b xmlns='jabber:client'/></iq>",
    );
    check("<a xmlns=''><b/></a>", "<a xmlns=''><b/></a>");
    check(
        "<stream:features><a/></stream:features>",
        "<stream:features><a/></stream:features>",
    );
    check(
        "<x xmlns='http://etherx.jabber.org/streams'><a xmlns='b'/></x>",
        "<stream:x><a xmlns='b'/></stream:x>",
    );
    check(
        "<a xml:lang='en' b='&apos;&#10;&lt;'/>",
        "<a xml:lang='en' b='&apos;&#xA;&lt;'/>",
    );
    check(
        "<a xmlns:p='u' p:b='c' b='d'/>",
        "<a xmlns:n0='u' n0:b='c' b='d'/>",
    );
    check(
        "<a>a&#13;b<![CDATA[<c>]]>&gt;]]&gt;</a>",
        "<a>a&#xD;b&lt;c&gt;&gt;]]&gt;</a>",
    );
    check("<a> b\r\n<c/> d </a>", "<a> b\n<c/> d </a>");
}

#[test]
fn texts_join() {
    let element = parse("<a>x&amp;<![CDATA[y]]>&#122;<b/>w</a>").unwrap();
    assert_eq!(element.nodes().len(), 3);
    assert!(matches!(&element.nodes()[0], Node::Text(text) if *text == "x&yz"));
    assert_eq!(element.text_content(), "x&yzw");
}

#[test]
fn lookups() {
    let element =
        parse("<iq id='1' xml:lang='en'><query xmlns='q'><item a='1'/></query></iq>").unwrap();
    assert!(element.is("jabber:client", "iq"));
    assert_eq!(
        (element.attribute("id"), element.attribute("xml:lang")),
        (Some("1"), Some("en"))
    );
    let query = element.find("q", "query").unwrap();
    assert_eq!(
        query.find("q", "item").and_then(|item| item.attribute("a")),
        Some("1")
    );
    assert!(element.find("jabber:client", "query").is_none());
}

#[test]
fn built_is_as_parsed() {
    let built = Element::new("jabber:client", "message")
        .attr("to", "b@c".to_owned())
        .child(
            Element::new("jabber:client", "body")
                .text("a ")
                .text("")
                .text("b"),
        )
        .attr("to", "c@d");
    assert_eq!(
        parse("<message to='c@d'><body>a b</body></message>"),
        Ok(built)
    );
}

#[test]
fn refusals() {
    for (input, expected) in [
        ("", ParseError::Malformed),
        ("a", ParseError::Malformed),
        ("<a>", ParseError::Malformed),
        ("</a>", ParseError::Malformed),
        ("<a></b>", ParseError::Malformed),
        ("<a/><b/>", ParseError::Malformed),
        ("<a/>b", ParseError::Malformed),
        ("b<a/>", ParseError::Malformed),
        ("<a><!-- b --></a>", ParseError::Malformed),
        ("<a>&b;</a>", ParseError::Malformed),
        ("<a b='&#0;'/>", ParseError::Malformed),
        ("<a b='1' b='2'/>", ParseError::DuplicateAttribute),
        ("<a xmlns='u' xmlns='u'/>", ParseError::DuplicateAttribute),
        (
            "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
            ParseError::DuplicateAttribute,
        ),
        ("<p:a/>", ParseError::UnboundPrefix),
        ("<a p:b='c'/>", ParseError::UnboundPrefix),
        ("<a><b xmlns:p='u'/><p:c/></a>", ParseError::UnboundPrefix),
        ("<a:b:c xmlns:a='u'/>", ParseError::Name),
        ("<:a/>", ParseError::Name),
        ("<a: xmlns:a='u'/>", ParseError::Name),
        ("<xml:a/>", ParseError::Name),
        ("<xmlns:a/>", ParseError::Name),
        ("<a xmlns:p=''/>", ParseError::Declaration),
        ("<a xmlns:xmlns='u'/>", ParseError::Declaration),
        ("<a xmlns:xml='u'/>", ParseError::Declaration),
        (
            "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
            ParseError::Declaration,
        ),
        (
            "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
            ParseError::Declaration,
        ),
    ] {
        assert_eq!(parse(input), Err(expected), "{input}");
    }
    assert_eq!(parse(&"<a>".repeat(100_000)), Err(ParseError::TooComplex));
}

#[test]
fn a_stream_header_binds_for_the_whole_stream() {
    let frame = "<stream:stream to='a' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams' \
                 xmlns:db='jabber:server:dialback'>";
    let open = StreamOpen::parse(frame.as_bytes()).unwrap();
    assert!(open.element.is(STREAM_NAMESPACE, "stream"));
    assert_eq!(open.prefix.as_deref(), Some("stream"));
    assert_eq!(open.namespaces.default_namespace(), "jabber:client");
    let result = Element::parse(b"<db:result/>", &open.namespaces).unwrap();
    assert!(result.is("jabber:server:dialback", "result"));
    assert_eq!(
        StreamOpen::parse(b"<stream:stream>"),
        Err(ParseError::UnboundPrefix)
    );
    assert!(StreamOpen::parse(b"<stream xmlns='a'></stream>").is_err());
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", parse("<auth a='secret'>secret</auth>").unwrap());
    assert!(
        shown.contains("auth") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn many_references_are_read_in_linear_time() {
    let element = parse(&format!("<a>{}</a>", "&amp;".repeat(300_000))).unwrap();
    assert_eq!(element.text_content().len(), 300_000);
}
