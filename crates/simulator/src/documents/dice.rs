//! Repeatable chance.
//!
//! `SplitMix64`, written out: the `rand` crate may change what a seed gives from one release to the
//! next, and consumers pin names and ids of a seed in their own tests.

use jiff::Timestamp;
use uuid::Uuid;

/// A stream of numbers fixed by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// 2023-06-01T12:00:00Z. Generated times do not follow the clock: equal seeds give equal bytes.
const FIRST_DAY: i64 = 1_685_620_800;
const DAY_SECONDS: u64 = 86_400;

impl Dice {
    /// The stream for one thing (`stream` tells its kind, `index` its place) of a seed.
    pub(crate) fn new(seed: u64, stream: u64, index: u64) -> Self {
        let mut dice = Self(seed);
        dice.0 = dice.roll() ^ stream;
        dice.0 = dice.roll() ^ index;
        dice
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0. The bias is too small to matter for scenery.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// An index into something of `len` elements, which is not empty.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// One of `choices`, which is not empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> Uuid {
        let bits = (u128::from(self.roll()) << 64) | u128::from(self.roll());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// A moment within the `days` days that follow day `from` of the simulated past.
    pub(super) fn moment(&mut self, from: u64, days: u64) -> Timestamp {
        let second = from * DAY_SECONDS + self.below(days * DAY_SECONDS);
        let micros = self.below(1000);
        let second = FIRST_DAY + i64::try_from(second).expect("some years of seconds");
        let nanosecond = i32::try_from(micros * 1000).expect("below a million");
        Timestamp::new(second, nanosecond).expect("a day in the 2020s")
    }
}

/// The upstream's spelling of a time: six digits of a second, `Z`.
pub(crate) fn wire_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut dice = Dice(0);
        // Reference values of SplitMix64 for seed 0.
        assert_eq!([dice.roll(), dice.roll()], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
    }

    #[test]
    fn times_are_spelled_as_upstream_does() {
        let time: Timestamp = "2024-11-05T09:12:31.000705Z".parse().unwrap();
        assert_eq!(wire_time(time), "2024-11-05T09:12:31.000705Z");
    }
}
