//! XEP-0085: Chat State Notifications: what they are. They pass through like any other message.

/// Section 2.
pub fn is_state(name: &str) -> bool {
    matches!(
        name,
        "active" | "inactive" | "gone" | "composing" | "paused"
    )
}
