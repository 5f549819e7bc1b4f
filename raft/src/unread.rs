//! What another node says about a group and this one cannot read: refused, and said in the log once
//! a minute with what to do about it. Not for what reads and is refused for its content.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{GroupId, NodeId};
use pollux_domain::seams::Clock;
use pollux_store::codec::CodecError;

/// Between two warnings: whoever is not understood speaks many times a second.
const PAUSE: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Unread {
    group: GroupId,
    clock: Arc<dyn Clock>,
    warned: Mutex<Option<Duration>>,
}

impl Unread {
    pub(crate) fn new(group: GroupId, clock: Arc<dyn Clock>) -> Unread {
        Unread {
            group,
            clock,
            warned: Mutex::new(None),
        }
    }

    /// The words for the other side.
    pub(crate) fn refuse(&self, from: NodeId, error: &CodecError) -> String {
        let words = error.to_string();
        if !self.is_news() {
            tracing::debug!(%from, group = %self.group, words, "a node was not understood");
            return words;
        }
        let group = self.group;
        if is_newer(error) {
            let advice = "bring all nodes of the cluster to one release";
            tracing::warn!(%from, %group, words, advice, "a node of a newer release was refused");
        } else {
            let advice =
                "compare the releases of both nodes; if they are the same, report a defect";
            tracing::warn!(%from, %group, words, advice, "what a node said does not read");
        }
        words
    }

    fn is_news(&self) -> bool {
        let now = self.clock.now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let news = warned.is_none_or(|warned| warned + PAUSE <= now);
        if news {
            *warned = Some(now);
        }
        news
    }
}

fn is_newer(error: &CodecError) -> bool {
    matches!(error, CodecError::Version { .. })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use pollux_domain::ids::WallMs;
    use pollux_store::codec;

    use super::*;

    struct At(AtomicU64);

    impl Clock for At {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }

        fn wall(&self) -> WallMs {
            WallMs(0)
        }
    }

    #[test]
    fn who_is_not_understood_is_news_once_a_minute() {
        let at = Arc::new(At(AtomicU64::new(0)));
        let unread = Unread::new(GroupId::Configuration, at.clone());
        let news = [0, 1, 59, 60, 61, 120].map(|second| {
            at.0.store(second, Ordering::Relaxed);
            unread.is_news()
        });
        assert_eq!(news, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_newer_release_is_told_apart_and_the_other_side_hears_why() {
        let record = codec::encode(9, &1u8).unwrap();
        let newer = codec::decode::<u8>(8, &record).unwrap_err();
        let damaged = codec::decode::<u8>(9, &record[..6]).unwrap_err();
        assert!(is_newer(&newer) && !is_newer(&damaged));
        let at = Arc::new(At(AtomicU64::new(0)));
        let unread = Unread::new(GroupId::Configuration, at);
        let words = unread.refuse(NodeId(2), &newer);
        assert!(words.contains("version 9"), "{words}");
    }
}
