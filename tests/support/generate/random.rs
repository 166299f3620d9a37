//! A small sequence of numbers that look random: the same for the same seed, on every machine.

/// The sequence; splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// For case `number` of a run.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut start = Self(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        start.next();
        start
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `all`, which is not empty.
    pub fn pick<'a, T: ?Sized, A: AsRef<[&'a T]> + ?Sized>(&mut self, all: &A) -> &'a T {
        let all = all.as_ref();
        all[self.below(all.len())]
    }

    /// One item of `all`, if there is one.
    pub fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            return None;
        }
        all.get(self.below(all.len()))
    }
}
