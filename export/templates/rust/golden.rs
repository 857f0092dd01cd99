//! Golden vectors of integer network @DIGEST@
use super::{State, N_BYTES, N_ROWS};

/// Channels that spike in each step, channel c as bit c % 8 of byte c / 8.
static INPUT: [[u8; N_BYTES]; @N_STEPS@] = [
/* @INPUT@ */
];

/// The readout's words after each step.
static OUTPUT: [[i32; N_ROWS]; @N_STEPS@] = [
/* @OUTPUT@ */
];

/// The channels of a bitmap, each twice, and their number.
fn listed(bitmap: &[u8; N_BYTES]) -> ([u16; 16 * N_BYTES], usize) {
    let (mut events, mut n) = ([0; 16 * N_BYTES], 0);
    for channel in (0..8 * N_BYTES).chain(0..8 * N_BYTES) {
        if bitmap[channel / 8] >> (channel % 8) & 1 != 0 {
            events[n] = channel as u16;
            n += 1;
        }
    }
    (events, n)
}

#[test]
fn golden_run() {
    let (mut by_bitmap, mut by_list) = (State::new(), State::new());
    for (t, (input, output)) in INPUT.iter().zip(&OUTPUT).enumerate() {
        let (events, n) = listed(input);
        assert_eq!(by_bitmap.step_bitmap(input), *output, "step {t} of bitmaps");
        assert_eq!(by_list.step(&events[..n]), *output, "step {t} of lists");
    }
}
