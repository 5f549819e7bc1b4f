//! Compares what came with what a play expects: attributes in any order, whitespace between
//! elements ignored, everything else exact but for the places that the play leaves open.
//!
//! In a value or a text `{any}` stands for anything, `{capture:name}` too and keeps it, `{name}`
//! for what was kept. A child text `{...}` stands for whatever other children there are, and with
//! `{unordered}` the children are compared in any order.

use std::collections::BTreeMap;

use pollux_xml::{Element, Node};

/// What a play knows by name.
pub type Known = BTreeMap<String, String>;

/// Ok where `actual` is as expected; else what differs first.
pub fn matches(pattern: &Element, actual: &Element, known: &mut Known) -> Result<(), String> {
    // What a failed attempt captured is forgotten.
    let mut captured = known.clone();
    element(pattern, actual, &mut captured)?;
    *known = captured;
    Ok(())
}

/// Puts known values in place of their names; what is not known stays.
pub fn filled(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

fn element(pattern: &Element, actual: &Element, known: &mut Known) -> Result<(), String> {
    if !actual.is(pattern.namespace(), pattern.name()) {
        return Err(format!(
            "expected <{} xmlns='{}'>, not <{} xmlns='{}'>",
            pattern.name(),
            pattern.namespace(),
            actual.name(),
            actual.namespace()
        ));
    }
    for wanted in pattern.attributes() {
        let name = wanted.name();
        let found = actual
            .attribute(name)
            .ok_or(format!("no attribute {name}"))?;
        text(wanted.value(), found, known)
            .map_err(|()| format!("{name}: expected {:?}, not {found:?}", wanted.value()))?;
    }
    for found in actual.attributes() {
        if pattern.attribute(found.name()).is_none() {
            return Err(format!(
                "attribute {}={:?} too many",
                found.name(),
                found.value()
            ));
        }
    }
    children(pattern, actual, known).map_err(|error| format!("in <{}>: {error}", pattern.name()))
}

fn children(pattern: &Element, actual: &Element, known: &mut Known) -> Result<(), String> {
    let marks = pattern.text_content();
    let open = marks.contains("{...}");
    let unordered = marks.contains("{unordered}");
    if pattern.elements().next().is_none() && !open {
        if let Some(more) = actual.elements().next() {
            return Err(format!("<{}> too many", more.name()));
        }
        let (wanted, found) = (pattern.text_content(), actual.text_content());
        return text(&wanted, &found, known)
            .map_err(|()| format!("expected the text {wanted:?}, not {found:?}"));
    }
    let mut left: Vec<&Element> = actual.elements().collect();
    for wanted in pattern.elements() {
        let places = if unordered || open {
            left.len()
        } else {
            left.len().min(1)
        };
        let mut reason = format!("no <{}>", wanted.name());
        let place = (0..places).find(|place| match matches(wanted, left[*place], known) {
            Ok(()) => true,
            Err(error) => {
                reason = error;
                false
            }
        });
        left.remove(place.ok_or(reason)?);
    }
    let texts = actual.nodes().iter().any(|node| match node {
        Node::Text(text) => !text.trim().is_empty(),
        Node::Element(_) => false,
    });
    match left.first() {
        _ if open => Ok(()),
        Some(more) => Err(format!("<{}> too many", more.name())),
        None if texts => Err("text between elements".to_owned()),
        None => Ok(()),
    }
}

/// Compares with a text that has open places.
fn text(pattern: &str, actual: &str, known: &mut Known) -> Result<(), ()> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return if pattern.trim() == actual.trim() {
            Ok(())
        } else {
            Err(())
        };
    };
    let Some((name, after)) = rest.split_once('}') else {
        return Err(());
    };
    let actual = actual.strip_prefix(before).ok_or(())?;
    if let Some(value) = known.get(name) {
        let rest = actual.strip_prefix(value.as_str()).ok_or(())?;
        return text(after, rest, known);
    }
    let keep = name.strip_prefix("capture:");
    if name != "any" && keep.is_none() {
        return Err(());
    }
    // The shortest that lets the rest fit.
    for end in (0..=actual.len()).filter(|end| actual.is_char_boundary(*end)) {
        let mut attempt = known.clone();
        if let Some(keep) = keep {
            attempt.insert(keep.to_owned(), actual[..end].to_owned());
        }
        if text(after, &actual[end..], &mut attempt).is_ok() {
            *known = attempt;
            return Ok(());
        }
    }
    Err(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::client::elements;

    #[track_caller]
    fn check(pattern: &str, actual: &str, expected: Result<(), &str>) -> Known {
        let parse = |text| elements(text).expect("well-formed").remove(0).1;
        let mut known = Known::from([("me".to_owned(), "a@b/c".to_owned())]);
        let found = matches(&parse(pattern), &parse(actual), &mut known);
        match (&found, expected) {
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => assert_eq!(found.is_ok(), expected.is_ok(), "{found:?}"),
        }
        known
    }

    #[test]
    fn order_of_attributes_and_whitespace_do_not_matter() {
        check(
            "<iq id='1' to='{me}'> <q/> </iq>",
            "<iq to='a@b/c' id='1'><q/></iq>",
            Ok(()),
        );
    }

    #[test]
    fn everything_else_does() {
        check(
            "<iq id='1'/>",
            "<iq id='2'/>",
            Err("id: expected \"1\", not \"2\""),
        );
        check("<iq id='1'/>", "<iq/>", Err("no attribute id"));
        check("<iq/>", "<iq id='1'/>", Err("attribute id=\"1\" too many"));
        check(
            "<iq><q/></iq>",
            "<iq><q xmlns='x'/></iq>",
            Err("expected <q xmlns='jabber:client'>"),
        );
        check("<iq><q/></iq>", "<iq/>", Err("no <q>"));
        check("<iq/>", "<iq><q/></iq>", Err("<q> too many"));
        check("<iq><a/></iq>", "<iq><a/><b/></iq>", Err("<b> too many"));
        check("<iq><a/><b/></iq>", "<iq><b/><a/></iq>", Err("expected <a"));
        check(
            "<iq><a>x</a></iq>",
            "<iq><a>y</a></iq>",
            Err("expected the text \"x\""),
        );
    }

    #[test]
    fn open_places() {
        check("<iq id='{any}'/>", "<iq id='7'/>", Ok(()));
        check("<iq id='push-{any}'/>", "<iq id='7'/>", Err("id"));
        check("<iq>{...}<a/></iq>", "<iq><b/><a/>x</iq>", Ok(()));
        check("<iq>{unordered}<a/><b/></iq>", "<iq><b/><a/></iq>", Ok(()));
        check(
            "<iq>{unordered}<a/><b/></iq>",
            "<iq><b/><a/><a/></iq>",
            Err("too many"),
        );
        let known = check(
            "<iq id='p-{capture:n}' to='{n}'/>",
            "<iq id='p-7' to='7'/>",
            Ok(()),
        );
        assert_eq!(known["n"], "7");
    }
}
