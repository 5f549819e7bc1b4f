//! Chance from a seed (splitmix64): the same walk from the same number, on any machine.

pub(in crate::state::state_test) struct Chance(u64);

impl Chance {
    pub(in crate::state::state_test) fn new(seed: u64) -> Chance {
        // The seed is mixed first: neighbours would otherwise be one sequence, a step apart.
        let mut chance = Chance(seed);
        Chance(chance.next() ^ seed.rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    pub(in crate::state::state_test) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(in crate::state::state_test) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(in crate::state::state_test) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(in crate::state::state_test) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }
}
