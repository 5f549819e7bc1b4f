//! Which crate may know which crate, and which crate owns which outside library. Judges what `cargo
//! metadata` says; does not look into the source.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::workspace::metadata;

/// The order of the house: an arrow runs from a larger number to a smaller one.
const LAYERS: &[(&str, u8)] = &[
    ("pollux-domain", 0),
    ("pollux-xml", 1),
    ("pollux-xmpp", 1),
    ("pollux-sip", 1),
    ("pollux-soap", 1),
    ("pollux-store", 1),
    ("pollux-links", 2),
    ("pollux-raft", 3),
    ("pollux-integrations", 4),
    ("pollux-actors", 4),
    ("pollux-admin-ui", 5),
    ("pollux", 6),
    ("pollux-tests", 7),
    ("pollux-chaos", 7),
];

/// Arrows inside one layer: a grammar that is written in another grammar.
const BESIDE: &[(&str, &str)] = &[("pollux-xmpp", "pollux-xml"), ("pollux-soap", "pollux-xml")];

/// One outside library, one crate: what makes each replaceable by rewriting one crate. The drills
/// in chaos speak as clients from outside, so they carry a TLS, certificates and a command line of
/// their own, and the load tool asks a disk what a commit of redb costs on it.
const OWNERS: &[(&str, &[&str])] = &[
    ("quick-xml", &["pollux-xml"]),
    ("rsip", &["pollux-sip"]),
    ("sled", &["pollux-store"]),
    ("bincode", &["pollux-store"]),
    ("openraft", &["pollux-raft"]),
    ("redb", &["pollux-chaos"]),
    ("foldhash", &["pollux-raft"]),
    (
        "rustls",
        &[
            "pollux-links",
            "pollux-actors",
            "pollux-admin-ui",
            "pollux-chaos",
        ],
    ),
    (
        "tokio-rustls",
        &["pollux-links", "pollux-actors", "pollux-chaos"],
    ),
    ("rcgen", &["pollux-links", "pollux-actors", "pollux-chaos"]),
    ("rustls-webpki", &["pollux-links"]),
    ("ring", &["pollux-links"]),
    ("x509-parser", &["pollux-links"]),
    ("actix", &["pollux-actors"]),
    ("actix-rt", &["pollux-actors"]),
    ("actix-web", &["pollux-admin-ui"]),
    ("askama", &["pollux-admin-ui"]),
    ("argon2", &["pollux-actors"]),
    ("ldap3", &["pollux-integrations"]),
    ("clap", &["pollux", "pollux-chaos"]),
    ("clap_complete", &["pollux"]),
    ("tracing-subscriber", &["pollux", "pollux-chaos"]),
    ("toml", &["pollux"]),
    ("simple-dns", &["pollux"]),
    ("turmoil", &["pollux-chaos"]),
    ("inferno", &["xtask"]),
];

/// Crates that are values and rules only, and what would bring a clock, a socket, a task or chance.
const PURE: &[&str] = &[
    "pollux-domain",
    "pollux-xml",
    "pollux-xmpp",
    "pollux-sip",
    "pollux-soap",
];
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-util",
    "actix",
    "actix-rt",
    "futures-util",
    "rand",
    "getrandom",
    "socket2",
    "redb",
    "tracing-subscriber",
    "hyper",
    "reqwest",
];

pub fn check() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let (arrows, mistakes) = judge(&metadata)?;
    if !mistakes.is_empty() {
        bail!(
            "{} wrong arrows:\n  {}",
            mistakes.len(),
            mistakes.join("\n  ")
        );
    }
    println!("arrows: {arrows} dependencies run the right way");
    Ok(())
}

/// Counts the arrows and lists the wrong ones.
fn judge(metadata: &Value) -> anyhow::Result<(usize, Vec<String>)> {
    let packages = metadata["packages"]
        .as_array()
        .context("find the packages in the metadata")?;
    let house: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut arrows = 0;
    let mut mistakes = Vec::new();
    for package in packages {
        let from = package["name"]
            .as_str()
            .context("read the name of a package")?;
        if from != "xtask" && layer(from).is_none() {
            mistakes.push(format!(
                "{from} has no place in the order; xtask/src/arrows.rs gives places"
            ));
            continue;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"]
                .as_str()
                .context("read the name of a dependency")?;
            let for_tests = dependency["kind"].as_str() == Some("dev");
            arrows += 1;
            let wrong = if house.contains(&to) {
                wrong_in_house(from, to)
            } else if for_tests {
                // Tests may use what they like from outside; inside, their arrows count too.
                None
            } else {
                wrong_from_outside(from, to)
            };
            mistakes.extend(wrong);
        }
    }
    Ok((arrows, mistakes))
}

fn layer(name: &str) -> Option<u8> {
    LAYERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, layer)| *layer)
}

fn wrong_in_house(from: &str, to: &str) -> Option<String> {
    // A crate may name itself for tests that switch a feature on.
    if from == to || BESIDE.contains(&(from, to)) {
        return None;
    }
    match (layer(from), layer(to)) {
        (Some(above), Some(below)) if below < above => None,
        (Some(_), Some(_)) => Some(format!("{from} -> {to}: the order is {}", order())),
        _ => Some(format!(
            "{from} -> {to}: xtask and the product know nothing of each other"
        )),
    }
}

fn wrong_from_outside(from: &str, to: &str) -> Option<String> {
    if PURE.contains(&from) && IMPURE.contains(&to) {
        return Some(format!(
            "{from} -> {to}: {from} is values and rules, no I/O, clock or chance"
        ));
    }
    let (_, owners) = OWNERS.iter().find(|(library, _)| *library == to)?;
    if owners.contains(&from) {
        return None;
    }
    Some(format!(
        "{from} -> {to}: only {} may know {to}",
        owners.join(" and ")
    ))
}

fn order() -> &'static str {
    "domain, then protocols and store, links, raft, integrations and actors, admin-ui, pollux, \
     tests and chaos"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Judges a workspace of crates, each with its dependencies as (name, kind).
    #[track_caller]
    fn check(crates: &[(&str, &[(&str, &str)])], expected: &[&str]) {
        let mut packages = Vec::new();
        for (name, dependencies) in crates {
            let list: Vec<Value> = dependencies
                .iter()
                .map(|(name, kind)| {
                    let kind = if *kind == "normal" {
                        Value::Null
                    } else {
                        json!(kind)
                    };
                    json!({ "name": name, "kind": kind })
                })
                .collect();
            packages.push(json!({ "name": name, "dependencies": list }));
        }
        let (_, mistakes) = judge(&json!({ "packages": packages })).unwrap();
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
        for (mistake, begin) in mistakes.iter().zip(expected) {
            assert!(
                mistake.starts_with(begin),
                "{mistake} does not begin with {begin}"
            );
        }
    }

    #[test]
    fn downwards_is_right() {
        let raft = [("pollux-domain", "normal"), ("openraft", "normal")];
        check(
            &[
                ("pollux-domain", &[("serde", "normal")]),
                ("pollux-raft", &raft),
            ],
            &[],
        );
    }

    #[test]
    fn upwards_is_named() {
        let store = [("pollux-raft", "normal")];
        check(
            &[("pollux-store", &store), ("pollux-raft", &[])],
            &["pollux-store -> pollux-raft: the order is domain"],
        );
    }

    #[test]
    fn beside_is_wrong_but_for_grammars() {
        let xmpp = [("pollux-xml", "normal"), ("pollux-store", "normal")];
        check(
            &[
                ("pollux-xml", &[]),
                ("pollux-store", &[]),
                ("pollux-xmpp", &xmpp),
            ],
            &["pollux-xmpp -> pollux-store"],
        );
    }

    #[test]
    fn tests_run_the_same_way_in_the_house() {
        let domain = [("pollux-actors", "dev"), ("tokio", "dev")];
        check(
            &[("pollux-domain", &domain), ("pollux-actors", &[])],
            &["pollux-domain -> pollux-actors"],
        );
    }

    #[test]
    fn a_library_stays_with_its_owner() {
        let actors = [("redb", "normal"), ("actix", "normal")];
        check(
            &[("pollux-actors", &actors)],
            &["pollux-actors -> redb: only pollux-chaos may know"],
        );
    }

    #[test]
    fn a_build_script_counts() {
        check(
            &[("pollux-xmpp", &[("quick-xml", "build")])],
            &["pollux-xmpp -> quick-xml"],
        );
    }

    #[test]
    fn pure_stays_pure() {
        check(
            &[("pollux-domain", &[("tokio", "normal")])],
            &["pollux-domain -> tokio"],
        );
    }

    #[test]
    fn an_unknown_crate_has_no_place() {
        check(&[("pollux-helpers", &[])], &["pollux-helpers has no place"]);
    }

    #[test]
    fn xtask_and_the_product_stay_apart() {
        let product = [("xtask", "normal")];
        check(
            &[("xtask", &[]), ("pollux", &product)],
            &["pollux -> xtask"],
        );
    }
}
