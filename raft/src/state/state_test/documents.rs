//! What users keep, and that rows follow it.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{Action, Agreement, AsOf, ParcelKind};
use pollux_domain::document::{DocumentName, PrivateName};
use pollux_domain::limits;

use super::world::{World, parcel, user};
use crate::state::Document;

fn private(element: &str) -> DocumentName {
    DocumentName::Private(PrivateName {
        namespace: "x".to_owned(),
        element: element.to_owned(),
    })
}

fn keep(world: &mut World, documents: &[(DocumentName, &str)]) {
    let documents = documents.iter().map(|(name, text)| {
        let text = Bytes::copy_from_slice(text.as_bytes());
        (name.clone(), text)
    });
    let iq = parcel("ann/desk", "ann", ParcelKind::IqRequest, "set");
    let action = Action::Keep {
        iq: Arc::new(iq),
        result: Bytes::from_static(b"result"),
        documents: documents.collect(),
    };
    world.act("ann/desk", action);
    world.read("ann/desk");
}

/// As a reader finds it, who reads after the entry.
fn read(world: &World, name: &str, document: &DocumentName) -> Option<String> {
    let bytes = match world.state.document(&user(name), document)? {
        Document::Fresh(bytes) => bytes,
        Document::Row(row) => world.documents[&row].clone(),
    };
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn a_document_is_replaced_with_its_row() {
    let mut world = World::new(&["ann", "ben"]);
    world.managed("ann/desk");
    keep(&mut world, &[(DocumentName::VCard, "ann")]);
    world.hears(&["ann/desk: result"]);
    keep(&mut world, &[(private("a"), "1"), (private("b"), "2")]);
    keep(
        &mut world,
        &[(DocumentName::VCard, "Ann"), (private("a"), "3")],
    );
    world.state.forget_fresh();
    for (name, expected) in [
        (DocumentName::VCard, Some("Ann")),
        (private("a"), Some("3")),
        (private("b"), Some("2")),
        (private("c"), None),
    ] {
        assert_eq!(read(&world, "ann", &name).as_deref(), expected, "{name:?}");
        assert_eq!(read(&world, "ben", &name), None);
    }
    assert_eq!(world.documents.len(), 3);
}

/// Between the entry and its rows the document is read from the state; with the next entry its row
/// is there.
#[test]
fn a_document_can_be_read_before_its_row_is_written() {
    let mut world = World::new(&["ann"]);
    world.managed("ann/desk");
    keep(&mut world, &[(DocumentName::VCard, "ann")]);
    let fresh = Document::Fresh(Bytes::from_static(b"ann"));
    let found = world.state.document(&user("ann"), &DocumentName::VCard);
    assert_eq!(found, Some(fresh));
    world.state.forget_fresh();
    let found = world.state.document(&user("ann"), &DocumentName::VCard);
    assert!(matches!(found, Some(Document::Row(_))), "{found:?}");
}

#[test]
fn a_removed_user_keeps_nothing() {
    let mut world = World::new(&["ann"]);
    world.managed("ann/desk");
    keep(
        &mut world,
        &[(DocumentName::VCard, "ann"), (private("a"), "1")],
    );
    world.done(Agreement::Release { user: user("ann") }.under(AsOf::default()));
    assert!(world.documents.is_empty());
}

#[test]
fn private_data_has_a_limit_that_is_told() {
    let mut world = World::new(&["ann"]);
    world.managed("ann/desk");
    let half = "x".repeat(limits::PRIVATE_BYTES_MAX / 2);
    let half = half.as_str();
    keep(&mut world, &[(private("a"), half), (private("b"), half)]);
    world.hears(&["ann/desk: result"]);
    // All or nothing: the small one is not kept either.
    keep(&mut world, &[(private("c"), "1"), (private("a"), "2")]);
    keep(&mut world, &[(private("a"), half), (private("d"), "3")]);
    let full = "Full(Full { of: PrivateBytes, count: 262146, most: 262144 })";
    world.hears(&[
        "ann/desk: result",
        &format!("ann/desk: set refused, {full}"),
    ]);
    assert_eq!(read(&world, "ann", &private("a")).as_deref(), Some("2"));
    assert_eq!(read(&world, "ann", &private("d")), None);
    // A vCard is not private data.
    keep(&mut world, &[(DocumentName::VCard, half)]);
    world.hears(&["ann/desk: result"]);
}

#[test]
fn private_data_has_so_many_elements() {
    let mut world = World::new(&["ann"]);
    world.managed("ann/desk");
    for n in 0..limits::PRIVATE_ENTRIES_MAX {
        keep(&mut world, &[(private(&n.to_string()), "1")]);
    }
    world.heard();
    keep(&mut world, &[(private("more"), "1")]);
    let full = "Full(Full { of: PrivateEntries, count: 128, most: 128 })";
    world.hears(&[&format!("ann/desk: set refused, {full}")]);
    keep(&mut world, &[(private("0"), "2")]);
    world.hears(&["ann/desk: result"]);
}
