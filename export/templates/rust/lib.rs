//! Integer network @DIGEST@
//! @N_INPUTS@ inputs, @SHAPE@, one step every @DT@ s.
//!
//! Each step takes the channels that spiked and updates every neuron once. No heap, no floating
//! point, no global state: one `State` is one decoder.
#![no_std]
#![forbid(unsafe_code)]
#![allow(non_snake_case)]

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod golden;

pub const N_INPUTS: usize = @N_INPUTS@;
/// Bytes of a bitmap.
pub const N_BYTES: usize = (N_INPUTS + 7) / 8;
/// Words of the readout: @N_HEADS@ head(s) of @N_OUTPUTS@ output(s).
pub const N_ROWS: usize = @N_ROWS@;
@SCALES@

// The numeric contract.
const CURRENT_IS_PREVIOUS: bool = @CURRENT_IS_PREVIOUS@;
const FIRES_ON: Membrane = Membrane::@FIRES_ON@;
const FIRES_AT_EQUAL: bool = @FIRES_AT_EQUAL@;
const RESET_TO_ZERO: bool = @RESET_TO_ZERO@;
const RESET_DROPS_INPUT: bool = @RESET_DROPS_INPUT@;
const RESET_DELAY: bool = @RESET_DELAY@; // a spike resets in the step after its own
const DELAY_STEPS: u32 = @DELAY_STEPS@; // from a spike to the layer above
const ROUND_TO_ZERO: bool = @ROUND_TO_ZERO@;
const DECAY_FRAC: u32 = @DECAY_FRAC@;
const FRAC_BITS: u32 = @FRAC_BITS@;
const SYN_BITS: u32 = @SYN_BITS@;
const MEM_BITS: u32 = @MEM_BITS@;
const OVERFLOW_SYN: Overflow = Overflow::@OVERFLOW_SYN@;
const OVERFLOW_MEM: Overflow = Overflow::@OVERFLOW_MEM@;

#[allow(dead_code)]
enum Membrane {
    Previous,
    New,
    Reset,
}

/// Handling of a sum that does not fit: `Never` if worst cases of the weights exclude it.
#[allow(dead_code)]
enum Overflow {
    Never,
    Saturate,
    Wrap,
}

/// The sum of the weights of a step's spikes.
type Sum = i@SUM_BITS@;
/// Holds every sum before it is brought into its word.
type Wide = @WIDE@;
/// A weight in flash, or two of 4 bits.
type Stored = @STORED@;

/// The state of a neuron: synaptic current and membrane (of a readout row: its output).
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub syn: i32,
    pub mem: i32,
}

struct Neuron {
    threshold: i32,
    @BIAS_FIELD@
    decay_syn: @DECAY_TYPE@,
    decay_mem: @DECAY_TYPE@,
}

@TABLES@

/// The decoder's state. `sum_*` hold the sums on their way to a layer, `fired*` the neurons that
/// fired in the last step, the first `n_fired*` of the list.
#[derive(Clone, Debug)]
pub struct State {
    @STATE@
}

/// word * decay / 2^DECAY_FRAC
#[inline]
fn decayed(word: i32, decay: @DECAY_TYPE@) -> i32 {
    let product = i64::from(word) * i64::from(decay);
    let rounding = if ROUND_TO_ZERO && word < 0 { (1 << DECAY_FRAC) - 1 } else { 0 };
    ((product + rounding) >> DECAY_FRAC) as i32
}

#[inline]
fn fitted(sum: Wide, bits: u32, rule: Overflow) -> i32 {
    let half = 1i64 << (bits - 1);
    match rule {
        Overflow::Never => sum as i32,
        Overflow::Saturate => i64::from(sum).clamp(-half, half - 1) as i32,
        Overflow::Wrap => ((i64::from(sum).wrapping_add(half) & (2 * half - 1)) - half) as i32,
    }
}

#[inline]
fn integrated(kept: i32, drive: i32) -> i32 {
    fitted(Wide::from(kept) + Wide::from(drive), MEM_BITS, OVERFLOW_MEM)
}

/// The synaptic current after a step in which `acc` arrives.
#[inline]
fn new_current(syn: i32, constant: &Neuron, acc: Wide) -> i32 {
    let acc = acc * (1 << FRAC_BITS)@BIAS@;
    fitted(Wide::from(decayed(syn, constant.decay_syn)) + acc, SYN_BITS, OVERFLOW_SYN)
}

/// The membrane after a reset.
#[inline]
fn cleared(kept: i32, drive: i32, threshold: i32) -> i32 {
    let lowered = if RESET_TO_ZERO { 0 } else { Wide::from(kept) - Wide::from(threshold) };
    let after = if RESET_DROPS_INPUT { lowered } else { lowered + Wide::from(drive) };
    fitted(after, MEM_BITS, OVERFLOW_MEM)
}

#[inline]
fn is_over(membrane: i32, threshold: i32) -> bool {
    membrane > threshold || FIRES_AT_EQUAL && membrane == threshold
}

/// A neuron's step; `acc` is the sum that arrives. Whether it fires.
#[inline]
fn step_neuron(words: &mut Words, constant: &Neuron, acc: Wide) -> bool {
    let threshold = constant.threshold;
    let syn = new_current(words.syn, constant, acc);
    let drive = if CURRENT_IS_PREVIOUS { words.syn } else { syn };
    let kept = decayed(words.mem, constant.decay_mem);
    let was_over = is_over(words.mem, threshold);
    let fires = match FIRES_ON {
        Membrane::Previous => was_over,
        Membrane::New => is_over(integrated(kept, drive), threshold),
        Membrane::Reset if was_over => is_over(cleared(kept, drive, threshold), threshold),
        Membrane::Reset => is_over(integrated(kept, drive), threshold),
    };
    let resets = if RESET_DELAY { was_over } else { fires };
    words.syn = syn;
    words.mem =
        if resets { cleared(kept, drive, threshold) } else { integrated(kept, drive) };
    fires
}

/// A readout row's step.
#[inline]
fn step_row(words: &mut Words, constant: &Neuron, acc: Wide) -> i32 {
    let syn = new_current(words.syn, constant, acc);
    let drive = if CURRENT_IS_PREVIOUS { words.syn } else { syn };
    words.mem = integrated(decayed(words.mem, constant.decay_mem), drive);
    words.syn = syn;
    words.mem
}

@FORMS@

impl State {
    /// The state before the first step.
    pub const fn new() -> Self {
        #[allow(unused_mut)]
        let mut state = State {
            @ZEROS@
        };
        @INIT@
        state
    }

    /// One step. `events` lists the channels that spike in it; a channel counts once, however often
    /// it is listed. Returns the readout's words.
    ///
    /// # Panics
    ///
    /// If a channel is no input.
    pub fn step(&mut self, events: &[u16]) -> [i32; N_ROWS] {
        let (mut out, mut seen) = ([0; N_ROWS], [0u8; N_BYTES]);
        if DELAY_STEPS != 0 {
            self.advance(&mut out);
        }
        for &event in events {
            let (channel, bit) = (usize::from(event), 1 << (event % 8));
            assert!(channel < N_INPUTS, "a channel is no input");
            if seen[channel / 8] & bit == 0 {
                seen[channel / 8] |= bit;
                self.deliver_input(channel);
            }
        }
        if DELAY_STEPS == 0 {
            self.advance(&mut out);
        }
        out
    }

    /// The same, with channel c as bit c % 8 of byte c / 8.
    ///
    /// # Panics
    ///
    /// If a bit behind the last channel is set.
    pub fn step_bitmap(&mut self, bitmap: &[u8; N_BYTES]) -> [i32; N_ROWS] {
        let mut out = [0; N_ROWS];
        if DELAY_STEPS != 0 {
            self.advance(&mut out);
        }
        for (byte, &bits) in bitmap.iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                let channel = 8 * byte + left.trailing_zeros() as usize;
                assert!(channel < N_INPUTS, "a bit is no input");
                self.deliver_input(channel);
                left &= left - 1;
            }
        }
        if DELAY_STEPS == 0 {
            self.advance(&mut out);
        }
        out
    }

    #[inline]
    fn deliver_input(&mut self, channel: usize) {
        @ADDING@
    }

    /// The step of every neuron on the sums that have arrived; sends their spikes.
    fn advance(&mut self, out: &mut [i32; N_ROWS]) {
        @ADVANCE@
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}
