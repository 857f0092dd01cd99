/// Weight number k of a table.
#[inline]
fn weight_at(weights: &[Stored], k: usize) -> i32 {
    i32::from(weights[k])
}
