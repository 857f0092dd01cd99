/// The nonzero weights of a row, numbers `which`, each a gap after the one before.
fn add_gaps(sums: &mut [Sum], gaps: &[u8], weights: &[Stored], which: core::ops::Range<usize>) {
    let mut at = 0;
    for k in which {
        at += usize::from(gaps[k]);
        sums[at] += weight_at(weights, k) as Sum;
    }
}
