//! Identities and counts as types. Not for values with rules of their own: those have files of
//! their own.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl $name {
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// One running `pollux node` process.
    NodeId(u16)
);
number!(
    /// One node, or a pair that shares an availability database.
    SubclusterId(u16)
);
number!(
    /// New life of a voter or a group that lost its memory; never the old name again.
    Incarnation(u32)
);
number!(
    /// One life of a process: what it has proposed and what it holds die with it. Grows from start
    /// to start of a node, over incarnations too.
    Life(u64)
);
number!(
    /// Raised by each takeover and fallback; fences the old serving node.
    Epoch(u64)
);
number!(
    /// One session, named by the group that keeps it; never used again.
    SessionId(u64)
);
number!(
    /// How often a session was given a stream: 0 at sign-in, one more at each resumption.
    Connection(u32)
);
number!(
    /// The place of a slot among the slots of one connection; the first is 1.
    Seq(u64)
);
number!(
    /// A stanza's name within its group: unique for ever, growing, and the key of its offline row.
    StanzaId(u64)
);

/// Milliseconds since the Unix epoch, as stamped by the leader: for what people read, never for a
/// decision.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WallMs(pub u64);

/// Milliseconds of the group's own time: only leaders advance it, by their monotonic clocks, so
/// that neither a jump of a wall clock nor the time in which nobody served makes anything expire.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct GroupMs(pub u64);

/// All nodes under one configuration: a random token, made with the cluster, that is no secret.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ClusterId(pub [u8; 16]);

impl ClusterId {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<ClusterId> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut token = [0; 16];
        for (byte, pair) in token.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = (high << 4 | low) as u8;
        }
        Some(ClusterId(token))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One replicated group: the cluster's configuration, or a subcluster's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupId {
    Configuration,
    Subcluster(SubclusterId),
}

impl GroupId {
    /// Its name on the wire between nodes: 0 is the configuration, so that no subcluster may have
    /// that number.
    pub const fn number(self) -> u16 {
        match self {
            GroupId::Configuration => 0,
            GroupId::Subcluster(SubclusterId(number)) => number,
        }
    }

    pub const fn from_number(number: u16) -> GroupId {
        match number {
            0 => GroupId::Configuration,
            number => GroupId::Subcluster(SubclusterId(number)),
        }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupId::Configuration => f.write_str("configuration"),
            GroupId::Subcluster(id) => write!(f, "subcluster {id}"),
        }
    }
}

/// One voter of a group: a node in one life of its memory. A node that lost its log comes back
/// under the next incarnation (design, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Voter {
    pub node: NodeId,
    pub incarnation: Incarnation,
}

impl Voter {
    /// As one number, for the log.
    pub const fn number(self) -> u64 {
        (self.node.0 as u64) << 32 | self.incarnation.0 as u64
    }

    pub const fn from_number(number: u64) -> Voter {
        Voter {
            node: NodeId((number >> 32) as u16),
            incarnation: Incarnation(number as u32),
        }
    }
}

impl fmt::Display for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_reads_what_it_writes() {
        let cluster = ClusterId(std::array::from_fn(|index| index as u8 * 17));
        let text = cluster.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(ClusterId::parse(&text), Some(cluster));
        for wrong in [
            "",
            "00",
            &text[1..],
            &text.replace('0', "g"),
            "é234567890123456789012345678901",
        ] {
            assert_eq!(ClusterId::parse(wrong), None, "{wrong}");
        }
    }
}
