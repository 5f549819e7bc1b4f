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
