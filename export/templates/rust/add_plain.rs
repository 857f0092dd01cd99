/// Every weight of a row, from number `first` on.
fn add_plain(sums: &mut [Sum], weights: &[Stored], first: usize) {
    for (k, sum) in sums.iter_mut().enumerate() {
        *sum += weight_at(weights, first + k) as Sum;
    }
}
