//! In which order those who sign in are let in when many come at once, and how many at a time:
//! sessions that go on before new ones, and so few that those who are in notice nothing. Also how
//! many a node has managed. Not for who may sign in.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;

/// What somebody comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// A session goes on: its user was in, and has messages on the way.
    Back,
    /// A session begins.
    New,
}

/// Of so many places at least one goes to somebody new who waits: nobody waits for ever.
const NEW_EVERY: u32 = 8;

/// Places, and who waits for one. `T` is how whoever waits is told.
#[derive(Debug)]
pub struct Turns<T> {
    window: Window,
    inside: usize,
    back: VecDeque<T>,
    new: VecDeque<T>,
    /// Sessions that went on since a new one was let in.
    run: u32,
}

/// What becomes of somebody who comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<T> {
    Inside,
    Waits,
    /// As many wait as may; given back.
    Full(T),
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns {
            window: Window::default(),
            inside: 0,
            back: VecDeque::new(),
            new: VecDeque::new(),
            run: 0,
        }
    }
}

impl<T> Turns<T> {
    /// Somebody comes.
    pub fn enter(&mut self, coming: Coming, told: T) -> Entry<T> {
        if self.inside < self.window.limit() && self.waiting() == 0 {
            self.inside += 1;
            return Entry::Inside;
        }
        let queue = self.queue(coming);
        if limits::SIGN_INS_WAITING_MAX <= queue.len() {
            return Entry::Full(told);
        }
        queue.push_back(told);
        Entry::Waits
    }

    /// Somebody is done, after so long. Those who are let in now are to be told; one who cannot be
    /// told leaves again by [`Turns::vanished`].
    pub fn leave(&mut self, took: Duration, now: Duration) -> Vec<T> {
        self.window.took(took, now);
        self.vanished()
    }

    /// Somebody is not there any more, whose time says nothing.
    pub fn vanished(&mut self) -> Vec<T> {
        self.inside = self.inside.saturating_sub(1);
        let mut next = Vec::new();
        while self.inside < self.window.limit()
            && let Some(told) = self.next()
        {
            self.inside += 1;
            next.push(told);
        }
        next
    }

    /// Those who wait no more make room.
    pub fn forget(&mut self, is_gone: impl Fn(&T) -> bool) {
        self.back.retain(|told| !is_gone(told));
        self.new.retain(|told| !is_gone(told));
    }

    fn next(&mut self) -> Option<T> {
        let is_turn_of_new = NEW_EVERY <= self.run + 1 && !self.new.is_empty();
        if !is_turn_of_new && let Some(back) = self.back.pop_front() {
            self.run = self.run.saturating_add(1);
            return Some(back);
        }
        let new = self.new.pop_front()?;
        self.run = 0;
        Some(new)
    }

    fn queue(&mut self, coming: Coming) -> &mut VecDeque<T> {
        match coming {
            Coming::Back => &mut self.back,
            Coming::New => &mut self.new,
        }
    }

    pub fn waiting(&self) -> usize {
        self.back.len() + self.new.len()
    }

    pub fn waiting_for(&self, coming: Coming) -> usize {
        match coming {
            Coming::Back => self.back.len(),
            Coming::New => self.new.len(),
        }
    }

    pub fn inside(&self) -> usize {
        self.inside
    }

    pub fn limit(&self) -> usize {
        self.window.limit()
    }
}

/// How many at a time: one more while each is quick, a quarter fewer when they begin to wait for
/// each other. What they wait for, the log and its disk, is what messages wait for, too.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    limit: f64,
    /// The quickest of late, and when that was.
    least: Option<(Duration, Duration)>,
    /// When it was made smaller.
    cut: Option<Duration>,
}

const LIMIT_FIRST: f64 = 32.0;
const LIMIT_MIN: f64 = 4.0;
const LIMIT_MAX: f64 = 256.0;
/// What takes less is quick, whatever the disk.
const QUICK: Duration = Duration::from_millis(50);
/// So many times as long as the quickest, and those who come stand in each other's way.
const SLOW_TIMES: u32 = 4;
/// For so long the quickest counts: a disk may become slower.
const LEAST_LASTS: Duration = Duration::from_secs(60);

impl Default for Window {
    fn default() -> Window {
        Window {
            limit: LIMIT_FIRST,
            least: None,
            cut: None,
        }
    }
}

impl Window {
    fn limit(&self) -> usize {
        self.limit as usize
    }

    fn took(&mut self, took: Duration, now: Duration) {
        let known = self.least.filter(|(_, at)| now < *at + LEAST_LASTS);
        let least = match known {
            Some((least, at)) if least <= took => (least, at),
            _ => (took, now),
        };
        self.least = Some(least);
        let slow = QUICK.max(least.0 * SLOW_TIMES);
        if took <= slow {
            self.limit = (self.limit + 1.0 / self.limit).min(LIMIT_MAX);
            return;
        }
        // Those who were inside together are slow together: once for all of them.
        if self.cut.is_none_or(|cut| cut + took <= now) {
            self.limit = (self.limit * 0.75).max(LIMIT_MIN);
            self.cut = Some(now);
        }
    }
}

/// How many sign-ins a second a node has managed while more would have come: an average of those
/// seconds, in which the last counts a quarter.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Meter {
    second: u64,
    count: u32,
    /// Somebody waited at each of them.
    is_busy: bool,
    rate: Option<f64>,
}

impl Meter {
    /// One is done; `others_wait`: the node did not wait for them.
    pub fn done(&mut self, now: Duration, others_wait: bool) {
        if self.second != now.as_secs() {
            // The first after a pause says nothing of a whole second.
            let whole = self.second + 1 == now.as_secs();
            if self.is_busy && whole {
                let count = f64::from(self.count);
                self.rate = Some(self.rate.map_or(count, |rate| rate + (count - rate) / 4.0));
            }
            (self.second, self.count, self.is_busy) = (now.as_secs(), 0, whole);
        }
        self.count += 1;
        self.is_busy &= others_wait;
    }

    /// None: it has never been put to the test.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICKLY: Duration = Duration::from_millis(5);

    fn full() -> Turns<u32> {
        let mut turns = Turns::default();
        for place in 0..turns.limit() as u32 {
            assert_eq!(turns.enter(Coming::New, place), Entry::Inside);
        }
        turns
    }

    #[test]
    fn sessions_that_go_on_come_before_new_ones_which_do_not_wait_for_ever() {
        let mut turns = full();
        for one in 0..30 {
            assert_eq!(turns.enter(Coming::New, 1_000 + one), Entry::Waits);
            assert_eq!(turns.enter(Coming::Back, one), Entry::Waits);
        }
        let mut order = Vec::new();
        while order.len() < 60 {
            order.extend(turns.vanished());
        }
        let wanted = (0..7)
            .chain([1_000])
            .chain(7..14)
            .chain([1_001])
            .chain(14..21);
        let wanted: Vec<u32> = wanted.collect();
        assert_eq!(order[..wanted.len()], wanted);
        assert_eq!(order[59], 1_029, "all come in, each kind in its order");
    }

    #[test]
    fn as_many_wait_as_may_and_one_more_is_told() {
        let mut turns = full();
        for one in 0..limits::SIGN_INS_WAITING_MAX as u32 {
            assert_eq!(turns.enter(Coming::New, one), Entry::Waits);
        }
        assert_eq!(turns.enter(Coming::New, 7), Entry::Full(7));
        assert_eq!(turns.enter(Coming::Back, 8), Entry::Waits, "for itself");
        turns.forget(|told| told % 2 == 0);
        assert_eq!(turns.waiting_for(Coming::Back), 0);
        assert_eq!(turns.enter(Coming::New, 9), Entry::Waits);
    }

    #[test]
    fn nobody_overtakes_who_waits() {
        let mut turns = full();
        assert_eq!(turns.enter(Coming::New, 1), Entry::Waits);
        assert_eq!(turns.leave(QUICKLY, Duration::ZERO), [1]);
        assert_eq!(turns.inside(), turns.limit());
        assert_eq!(turns.enter(Coming::Back, 2), Entry::Waits);
    }

    #[test]
    fn more_are_let_in_while_it_is_quick_and_fewer_when_it_is_not() {
        let mut window = Window::default();
        let at = Duration::from_millis;
        for step in 0..1_000 {
            window.took(QUICKLY, at(step));
        }
        let grown = window.limit();
        assert!(40 < grown && grown < 64, "{grown}");
        for step in 0..grown as u64 {
            window.took(at(200), at(1_001 + step));
        }
        // Once for all who were inside, not once for each.
        let cut = window.limit();
        assert!(
            (grown * 3 / 4..=(grown + 1) * 3 / 4).contains(&cut),
            "{grown} {cut}"
        );
        for step in 0..100 {
            window.took(at(200), at(2_000 + 200 * step));
        }
        assert_eq!(window.limit(), 4);
    }

    /// A disk that takes 300 ms for each flush makes nobody wait for anybody.
    #[test]
    fn a_slow_disk_is_no_crowd() {
        let mut window = Window::default();
        let at = Duration::from_millis;
        for step in 0..1_000 {
            window.took(at(300 + step % 100), at(10 * step));
        }
        assert!(32 < window.limit());
        // It has become so: the quickest of before is forgotten.
        let mut window = Window::default();
        window.took(QUICKLY, at(0));
        for step in 0..1_000 {
            window.took(at(300), at(60_000 + step));
        }
        assert!(32 < window.limit());
    }

    #[test]
    fn what_a_node_has_managed_is_counted_in_whole_seconds_in_which_others_waited() {
        let mut meter = Meter::default();
        let second = |meter: &mut Meter, second: u64, count: u64, others_wait| {
            for one in 0..count {
                meter.done(Duration::from_millis(second * 1_000 + one), others_wait);
            }
        };
        second(&mut meter, 10, 500, true);
        second(&mut meter, 11, 400, true);
        assert_eq!(meter.rate(), None, "the first was not whole");
        second(&mut meter, 12, 5, false);
        assert_eq!(meter.rate(), Some(400.0));
        second(&mut meter, 13, 800, true);
        assert_eq!(meter.rate(), Some(400.0), "nobody waited");
        second(&mut meter, 14, 1, true);
        assert_eq!(meter.rate(), Some(500.0));
        second(&mut meter, 20, 1, true);
        assert_eq!(meter.rate(), Some(500.0), "a pause");
    }
}
