/// Sets sums to those of the rows of senders. Four sums of 16 bits share two words: the second holds
/// those of bytes 1 and 3, the first those of all bytes less the second's. Weights are stored plus
/// 128, so that no sum is negative while rows are added.
fn gather<const WORDS: usize>(sums: &mut [[u32; 2]; WORDS], rows: &[[u32; WORDS]], senders: &[u8]) {
    let n = senders.len() as u32;
    let (none, excess) = (0x8080_8080u32.wrapping_mul(n).wrapping_neg(), 0x0080_0080 * n);
    for (at, pair) in sums.iter_mut().enumerate() {
        let (mut all, mut odd) = (none, 0u32);
        for &sender in senders {
            let weights = rows[usize::from(sender)][at];
            all = all.wrapping_add(weights);
            odd += weights >> 8 & 0x00ff_00ff;
        }
        odd = odd.wrapping_sub(excess);
        *pair = [all.wrapping_sub(odd << 8), odd];
    }
}

/// The signed sum of neuron i.
#[inline]
fn lane(sums: &[[u32; 2]], i: usize) -> i32 {
    let word = sums[i / 4][i / 2 % 2];
    if i % 2 == 0 { i32::from(word as i16) } else { word.wrapping_add(0x8000) as i32 >> 16 }
}
