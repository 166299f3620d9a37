//! When which object is looked at: at most once at a time, at the earliest of the times that were asked for.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::store::Name;

/// Longest pause between two attempts (contract 4.1).
const LONGEST: Duration = Duration::from_secs(1_000);
/// First pause after a failure that may be over in a moment (contract 4.1).
const TRANSIENT: Duration = Duration::from_millis(5);
/// First pause after a refusal: the same request would be refused again, until somebody changes something. The change
/// itself is mostly an event that comes at once.
const REFUSED: Duration = Duration::from_secs(5);

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may work in a moment.
    Transient,
    /// Something stands in the way.
    Refused,
}

/// Objects waiting and being worked on.
#[derive(Debug, Default)]
pub struct Queue {
    due: BTreeSet<(Instant, Name)>,
    waiting: HashMap<Name, Instant>,
    /// Being worked on, with the time at which they are wanted again.
    working: HashMap<Name, Option<Instant>>,
    failures: HashMap<Name, u32>,
}

impl Queue {
    /// Wants an object looked at by then. An earlier wish stands.
    pub fn add(&mut self, name: Name, at: Instant) {
        if let Some(again) = self.working.get_mut(&name) {
            *again = Some(again.map_or(at, |again| again.min(at)));
            return;
        }
        if let Some(known) = self.waiting.get(&name).copied() {
            if known <= at {
                return;
            }
            self.due.remove(&(known, name.clone()));
        }
        self.waiting.insert(name.clone(), at);
        self.due.insert((at, name));
    }

    /// When the next object is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next object that is due, unless so many are being worked on. It must be given back by [`Self::done`].
    pub fn take(&mut self, now: Instant, workers: usize) -> Option<Name> {
        if self.working.len() >= workers || self.next()? > now {
            return None;
        }
        let (_, name) = self.due.pop_first()?;
        self.waiting.remove(&name);
        self.working.insert(name.clone(), None);
        Some(name)
    }

    /// Notes that an object that is being worked on is looked at with all that is known by now: what wanted it until now
    /// has been heard. Without this a refused write would be tried again at once, woken by the news of its neighbours.
    pub fn seen(&mut self, name: &Name) {
        if let Some(again) = self.working.get_mut(name) {
            *again = None;
        }
    }

    /// Gives an object back. It comes again when it was wanted meanwhile.
    pub fn done(&mut self, name: &Name) {
        if let Some(Some(again)) = self.working.remove(name) {
            self.add(name.clone(), again);
        }
    }

    /// Notes an attempt that came to nothing, and how long to wait before the next.
    pub fn failed(&mut self, name: &Name, trouble: Trouble) -> Duration {
        let count = self.failures.entry(name.clone()).or_default();
        let first = match trouble {
            Trouble::Transient => TRANSIENT,
            Trouble::Refused => REFUSED,
        };
        let pause = first.saturating_mul(1 << (*count).min(20)).min(LONGEST);
        *count = count.saturating_add(1);
        pause
    }

    /// How many attempts in a row came to nothing.
    #[must_use]
    pub fn failures(&self, name: &Name) -> u32 {
        self.failures.get(name).copied().unwrap_or_default()
    }

    /// Notes an attempt that worked.
    pub fn succeeded(&mut self, name: &Name) {
        self.failures.remove(name);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many objects wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        ("n".to_owned(), name.to_owned())
    }

    #[test]
    fn the_earliest_wish_counts_and_an_object_is_worked_on_once_at_a_time() {
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let mut queue = Queue::default();
        queue.add(name("a"), later);
        queue.add(name("a"), start);
        queue.add(name("a"), later);
        queue.add(name("b"), later);
        assert_eq!((queue.len(), queue.next()), (2, Some(start)));
        assert_eq!(queue.take(start, 1), Some(name("a")));
        queue.add(name("a"), later);
        queue.add(name("a"), start);
        assert_eq!(queue.take(later, 1), None, "one worker");
        assert_eq!(
            queue.take(start, 2),
            None,
            "b is not due, a is being worked on"
        );
        queue.done(&name("a"));
        assert_eq!(queue.take(start, 1), Some(name("a")));
        queue.done(&name("a"));
        assert_eq!(queue.take(start, 1), None);
        assert_eq!(queue.take(later, 1), Some(name("b")));
    }

    #[test]
    fn what_is_heard_during_the_work_is_not_heard_twice() {
        let start = Instant::now();
        let mut queue = Queue::default();
        queue.add(name("a"), start);
        assert_eq!(queue.take(start, 1), Some(name("a")));
        queue.add(name("a"), start);
        queue.seen(&name("a"));
        queue.done(&name("a"));
        assert_eq!((queue.take(start, 1), queue.is_empty()), (None, true));
    }

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again_after_success() {
        let mut queue = Queue::default();
        let a = name("a");
        let pauses: Vec<u128> = (0..4)
            .map(|_| queue.failed(&a, Trouble::Transient).as_millis())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40]);
        assert_eq!(queue.failures(&a), 4);
        queue.succeeded(&a);
        let pauses: Vec<u64> = (0..10)
            .map(|_| queue.failed(&a, Trouble::Refused).as_secs())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    }
}
