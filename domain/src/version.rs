//! Which builds may share a cluster: the formats that each speaks, and the one that is in use. Not
//! for what a format is made of: see `pollux_raft::version`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of the name of a build: a version with what a packager puts behind it.
pub const BUILD_NAME_BYTES_MAX: usize = 64;

/// The cluster formats that a build speaks. A format is how entries, snapshots and all that is said
/// between nodes are written, and what commands do; it has a number that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formats {
    pub oldest: u16,
    pub newest: u16,
}

impl Formats {
    pub const fn contains(self, format: u16) -> bool {
        self.oldest <= format && format <= self.newest
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "{}", self.newest),
            false => write!(f, "{} to {}", self.oldest, self.newest),
        }
    }
}

/// A build of the program, as a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its version, which is what an operator installs.
    pub name: String,
    pub formats: Formats,
}

impl Build {
    /// What another side says; none where it cannot be a build.
    pub fn new(name: &str, formats: Formats) -> Option<Build> {
        let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let is_good = is_word
            && name.len() <= BUILD_NAME_BYTES_MAX
            && 0 < formats.oldest
            && formats.oldest <= formats.newest;
        is_good.then(|| Build {
            name: name.to_owned(),
            formats,
        })
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A build that does not speak the format that its cluster uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "the cluster uses format {in_use}, and version {build} speaks format {}: install a version \
     that speaks format {in_use}{}; nothing is lost, and the data stays as it is",
    .build.formats,
    .like.as_ref().map(|name| format!(", such as {name}")).unwrap_or_default()
)]
pub struct NotSpoken {
    pub build: Build,
    pub in_use: u16,
    /// The name of a build that speaks it, where one is known.
    pub like: Option<String>,
}

/// Whether a build may belong to a cluster that uses a format.
pub fn judge(build: &Build, in_use: u16, like: Option<&str>) -> Result<(), NotSpoken> {
    if build.formats.contains(in_use) {
        return Ok(());
    }
    Err(NotSpoken {
        build: build.clone(),
        in_use,
        like: like.map(str::to_owned),
    })
}

/// The newest format that all of them speak, if it is newer than the one that is in use.
pub fn next<'a>(in_use: u16, builds: impl Iterator<Item = &'a Build>) -> Option<u16> {
    let newest = builds.map(|build| build.formats.newest).min()?;
    (in_use < newest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(name: &str, oldest: u16, newest: u16) -> Build {
        Build::new(name, Formats { oldest, newest }).unwrap()
    }

    #[test]
    fn a_build_belongs_to_a_cluster_whose_format_it_speaks() {
        let older = build("1.0.0", 1, 2);
        for (in_use, good) in [(1, true), (2, true), (3, false)] {
            assert_eq!(judge(&older, in_use, None).is_ok(), good, "{in_use}");
        }
        let newer = build("3.0.0", 3, 4);
        assert!(judge(&newer, 2, None).is_err(), "one version was skipped");
        let words = judge(&older, 3, Some("1.1.0")).unwrap_err().to_string();
        assert_eq!(
            words,
            "the cluster uses format 3, and version 1.0.0 speaks format 1 to 2: install a version \
             that speaks format 3, such as 1.1.0; nothing is lost, and the data stays as it is"
        );
    }

    #[test]
    fn the_next_format_is_the_newest_that_all_speak() {
        let builds = [build("b", 1, 2), build("c", 2, 3), build("b", 1, 2)];
        assert_eq!(next(1, builds.iter()), Some(2));
        assert_eq!(next(2, builds.iter()), None);
        assert_eq!(next(2, builds[1..2].iter()), Some(3));
        assert_eq!(next(1, [].iter()), None);
    }

    #[test]
    fn what_cannot_be_a_build_is_none() {
        let formats = |oldest, newest| Formats { oldest, newest };
        let long = "1".repeat(BUILD_NAME_BYTES_MAX);
        assert!(Build::new(&long, formats(1, 1)).is_some());
        for (name, formats) in [
            ("", formats(1, 1)),
            ("1 0", formats(1, 1)),
            ("1\n0", formats(1, 1)),
            ("1.0.0", formats(0, 1)),
            ("1.0.0", formats(2, 1)),
            (&format!("{long}1"), formats(1, 1)),
        ] {
            assert_eq!(Build::new(name, formats), None, "{name} {formats}");
        }
    }
}
