//! Where all chance comes from.

/// Output `index` of the SplitMix64 sequence that starts at `seed` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014; constants of Vigna's reference code). Any output can be asked for by itself,
/// so what is drawn does not depend on who asked before.
pub(crate) fn draw(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The same, as a number from 0 (included) to 1 (excluded).
pub(crate) fn fraction(seed: u64, index: u64) -> f64 {
    // The 53 bits that an f64 holds exactly.
    (draw(seed, index) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Sixteen bytes of it, as a version 4 UUID is written (RFC 9562, 5.4).
pub(crate) fn uuid(seed: u64, index: u64) -> String {
    let high = draw(seed, index.wrapping_mul(2));
    let low = draw(seed, index.wrapping_mul(2).wrapping_add(1));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draws_are_those_of_the_reference_code() {
        // The first outputs of Vigna's splitmix64.c seeded with 1234567.
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!([0, 1, 2].map(|index| draw(1_234_567, index)), expected);
    }

    #[test]
    fn fractions_fill_the_unit_interval_and_uuids_have_their_shape() {
        // The mean of so many has a standard deviation of 0.0009.
        let mean = (0..100_000).map(|index| fraction(1, index)).sum::<f64>() / 100_000.0;
        assert!((0.496..0.504).contains(&mean), "{mean}");
        for index in 0..1_000 {
            let uuid = uuid(7, index);
            let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(&uuid[14..15], "4");
            assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
        }
    }
}
