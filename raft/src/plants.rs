//! Defects planted on purpose, to see that the simulation and the walks find them (`cargo xtask
//! planted`). Not in any product: where assertions for debugging are off, as in a release, nothing
//! is planted, and to ask costs nothing (docs/decisions/0064-planted-defects.md).

#[cfg(debug_assertions)]
use std::cell::Cell;

/// One defect. What must find it stands in `xtask/src/planted.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// What is not committed is acknowledged.
    AckBeforeCommit,
    /// A lease goes on as long as the group merely shows a leader.
    LeaseFromMetrics,
    /// A slot is written before its place is committed.
    WriteBeforePlaced,
    /// Commands of an older epoch, and takeovers to one, are applied.
    NoEpochCheck,
    /// What another group did not answer to counts as taken.
    ToldUnanswered,
    /// A node that fails again and again gets its users back as soon as the first time.
    FallbackUndamped,
    /// A node does not say that its services are down.
    ServiceUnsaid,
    /// A node that is drained takes over like any other.
    DrainedTakes,
    /// Who asks for a move asks one leader.
    AskedOnce,
    /// A group forgets which line of another it has taken.
    TargetNumber,
    /// A stanza is applied whatever its number and its connection.
    NoNumberCheck,
}

impl Plant {
    /// All of them, by the names under which they are chosen.
    pub const ALL: [(&str, Plant); 11] = [
        ("ack-before-commit", Plant::AckBeforeCommit),
        ("lease-from-metrics", Plant::LeaseFromMetrics),
        ("write-before-placed", Plant::WriteBeforePlaced),
        ("no-epoch-check", Plant::NoEpochCheck),
        ("told-unanswered", Plant::ToldUnanswered),
        ("fallback-undamped", Plant::FallbackUndamped),
        ("service-unsaid", Plant::ServiceUnsaid),
        ("drained-takes", Plant::DrainedTakes),
        ("asked-once", Plant::AskedOnce),
        ("target-number", Plant::TargetNumber),
        ("no-n-check", Plant::NoNumberCheck),
    ];

    pub fn named(name: &str) -> Option<Plant> {
        let mut all = Plant::ALL.into_iter();
        all.find_map(|(known, plant)| (known == name).then_some(plant))
    }
}

#[cfg(debug_assertions)]
thread_local! {
    // A simulated world is one thread, and so is a test: two of them do not disturb each other.
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
}

/// Plants a defect in all nodes of this thread.
#[cfg(debug_assertions)]
pub fn plant(plant: Plant) {
    PLANTED.set(Some(plant));
}

/// Asked where the defect is.
#[cfg(debug_assertions)]
pub fn is_planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}

/// Nothing is.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn is_planted(_: Plant) -> bool {
    false
}
