/// The nonzero weights of a row, from number k on; their bits, from the top, are set in `nonzero`.
fn add_nonzero(sums: &mut [Sum], nonzero: &[u8], weights: &[Stored], mut k: usize) {
    for (i, sum) in sums.iter_mut().enumerate() {
        if nonzero[i / 8] & 0x80 >> (i % 8) != 0 {
            *sum += weight_at(weights, k) as Sum;
            k += 1;
        }
    }
}
