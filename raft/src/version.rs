//! What this build is, which cluster formats it speaks, and which releases may share a cluster: the
//! one table of that. Not for the judgement: see `pollux_domain::version`.

use std::fmt;

use pollux_domain::version::{Build, Formats};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

/// What an operator installs.
#[cfg(not(feature = "next-format"))]
pub const BUILD: &str = env!("CARGO_PKG_VERSION");
/// The release after this one, as the drills of upgrades want one: its format has something more.
#[cfg(feature = "next-format")]
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+next");

/// The formats that it speaks.
///
/// A format has a number, which grows when what is in the log, in a snapshot, or said between nodes
/// changes so that the release before cannot read it, or would do something else: then the newest
/// grows by one, and the oldest follows one release later. What a record is written in is the
/// format that the cluster uses, never the newest (decision 0051).
pub const FORMATS: Formats = Formats {
    oldest: 1,
    newest: NEWEST,
};

const NEWEST: u16 = if cfg!(feature = "next-format") { 2 } else { 1 };

/// This build as it says of itself.
pub fn build() -> Build {
    Build {
        name: BUILD.to_owned(),
        formats: FORMATS,
    }
}

/// A release.
struct Release {
    version: &'static str,
    formats: Formats,
    /// What its newest format has that the one before has not.
    news: &'static str,
}

/// All of them, the newest last. A new release is a new line.
const RELEASES: &[Release] = &[Release {
    version: "0.1.0",
    formats: Formats {
        oldest: 1,
        newest: 1,
    },
    news: "the first",
}];

/// `docs/reference/versions.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Versions\n\n<!-- Made by `cargo xtask docs` from raft/src/version.rs. -->\n\n\
         Each version speaks one cluster format or two: how entries of the log, snapshots and all \
         that is said\nbetween nodes are written. Nodes may share a cluster, and its groups, when \
         all of them speak the format that the\ncluster uses; a node that does not is refused, \
         and says which version to install. [Upgrades](../upgrade.md) go from one\nversion to \
         the next, one node after the other, and back.\n\n\
         | version | speaks formats | what the newest of them brought | shares a cluster with \
         |\n|---|---|---|---|\n",
    );
    for release in RELEASES {
        let shares = |other: &&Release| {
            other.version != release.version
                && other.formats.oldest <= release.formats.newest
                && release.formats.oldest <= other.formats.newest
        };
        let others: Vec<&str> = RELEASES
            .iter()
            .filter(shares)
            .map(|other| other.version)
            .collect();
        let others = match others.is_empty() {
            true => "no other".to_owned(),
            false => others.join(", "),
        };
        let Release {
            version,
            formats,
            news,
        } = release;
        text.push_str(&format!("| {version} | {formats} | {news} | {others} |\n"));
    }
    text
}

/// In which format an entry or a snapshot is written: the first thing that stands in it. What its
/// commands do is decided by this, not by the build that applies them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) format: u16,
    /// Of whoever wrote it: when two replicas differ, this says where to look. From format 2 on.
    #[cfg(feature = "next-format")]
    by: String,
}

impl Written {
    /// By this build.
    pub(crate) fn here(format: u16) -> Written {
        Written {
            format,
            #[cfg(feature = "next-format")]
            by: BUILD.to_owned(),
        }
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_tuple(FIELDS)?;
        fields.serialize_element(&self.format)?;
        #[cfg(feature = "next-format")]
        if 2 <= self.format {
            fields.serialize_element(&self.by)?;
        }
        fields.end()
    }
}

/// At most.
const FIELDS: usize = if cfg!(feature = "next-format") { 2 } else { 1 };

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a record of format {FORMATS}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Written, A::Error> {
                let missing = || de::Error::custom("a record without its format");
                let format: u16 = fields.next_element()?.ok_or_else(missing)?;
                if !FORMATS.contains(format) {
                    let text = format!("a record of format {format}, this build reads {FORMATS}");
                    return Err(de::Error::custom(text));
                }
                Ok(Written {
                    format,
                    #[cfg(feature = "next-format")]
                    by: match format {
                        1 => String::new(),
                        _ => fields.next_element()?.ok_or_else(missing)?,
                    },
                })
            }
        }

        deserializer.deserialize_tuple(FIELDS, Fields)
    }
}

#[cfg(test)]
mod tests {
    use pollux_store::codec;

    use super::*;

    #[test]
    #[cfg(not(feature = "next-format"))]
    fn the_table_ends_with_this_build() {
        let last = RELEASES.last().unwrap();
        assert_eq!((last.version, last.formats), (BUILD, FORMATS));
        assert!(Build::new(BUILD, FORMATS).is_some(), "it may be said");
    }

    #[test]
    fn each_release_may_share_a_cluster_with_the_one_before() {
        for two in RELEASES.windows(2) {
            let [before, after] = two else { continue };
            assert!(
                after.formats.oldest <= before.formats.newest
                    && before.formats.newest <= after.formats.newest,
                "{} and {}",
                before.version,
                after.version
            );
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_a_later_format_has_is_refused() {
        for format in FORMATS.oldest..=FORMATS.newest {
            let record = codec::encode(1, &(Written::here(format), 7u8)).unwrap();
            let (written, rest): (Written, u8) = codec::decode(1, &record).unwrap();
            assert_eq!((written.format, rest), (format, 7));
        }
        for format in [0, FORMATS.newest + 1] {
            let record = codec::encode(1, &(format, 7u8)).unwrap();
            let read = codec::decode::<(Written, u8)>(1, &record);
            let words = read.unwrap_err().to_string();
            assert!(words.contains(&format!("format {format}")), "{words}");
        }
    }
}
