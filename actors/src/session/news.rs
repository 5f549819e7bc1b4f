//! Announcements that wait until a client is told: in the order in which they came, up to a bound,
//! beyond which all is told afresh. Not for when it is told: see `outgoing` and `idle`.

use std::collections::VecDeque;

use pollux_domain::contract::Announcement;
use pollux_domain::limits;

/// See the module.
#[derive(Debug)]
pub(super) struct News {
    waiting: VecDeque<Announcement>,
    /// Of each sender the last alone is kept.
    pub(super) spares: bool,
    /// More came than is kept.
    missed: bool,
    /// So many may wait. What is told afresh is as long as it is, and then there is room for as
    /// many as ever: else it would begin again at the next one.
    most: usize,
}

impl News {
    pub(super) fn new(spares: bool) -> News {
        News {
            waiting: VecDeque::new(),
            spares,
            missed: false,
            most: limits::ANNOUNCEMENTS_MAX,
        }
    }

    pub(super) fn take(&mut self, news: impl IntoIterator<Item = Announcement>) {
        for announcement in news {
            if self.spares {
                self.waiting.retain(|other| other.from != announcement.from);
            }
            self.waiting.push_back(announcement);
            if self.most < self.waiting.len() {
                self.miss();
            }
        }
    }

    /// What waits is not all that there was.
    pub(super) fn miss(&mut self) {
        self.waiting.clear();
        self.missed = true;
    }

    pub(super) fn has_missed(&self) -> bool {
        self.missed
    }

    /// All that is so now, in place of what waits.
    pub(super) fn afresh(&mut self, all: Vec<Announcement>) {
        self.most = limits::ANNOUNCEMENTS_MAX + all.len();
        self.waiting = all.into();
        self.missed = false;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Announcement> {
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.most = limits::ANNOUNCEMENTS_MAX;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pollux_domain::jid::Jid;

    use super::*;

    const MAX: usize = limits::ANNOUNCEMENTS_MAX;

    fn of(sender: usize, text: &'static str) -> Announcement {
        Announcement {
            from: Jid::parse(&format!("ben@localhost/{sender}")).unwrap(),
            to: Jid::parse("ann@localhost/desk").unwrap(),
            bytes: Some(Bytes::from_static(text.as_bytes())),
        }
    }

    fn all(news: &mut News) -> usize {
        std::iter::from_fn(|| news.next()).count()
    }

    #[test]
    fn beyond_the_bound_all_is_told_afresh() {
        let mut news = News::new(false);
        news.take((0..MAX).map(|_| of(1, "away")));
        assert!(!news.has_missed(), "so many have room");
        news.take([of(1, "here")]);
        assert!(news.has_missed() && news.is_empty());
        // What is told afresh may be longer, and does not begin again at once.
        news.afresh((0..=MAX).map(|n| of(n, "here")).collect());
        news.take([of(1, "away")]);
        assert!(!news.has_missed());
        assert_eq!(all(&mut news), MAX + 2);
        news.take((0..=MAX).map(|_| of(1, "away")));
        assert!(news.has_missed(), "the bound is the old one again");
    }

    #[test]
    fn who_is_spared_is_told_the_last_of_each_sender() {
        let mut news = News::new(true);
        for _ in 0..=MAX {
            news.take([of(1, "away"), of(2, "away"), of(1, "here")]);
        }
        assert!(!news.has_missed());
        assert_eq!(news.next(), Some(of(2, "away")));
        assert_eq!(news.next(), Some(of(1, "here")));
        assert_eq!(news.next(), None);
        news.take((0..MAX).map(|n| of(n, "here")));
        assert!(!news.has_missed());
        news.take([of(MAX, "here")]);
        assert!(news.has_missed());
    }
}
