/// Weight number k of a table with two per byte, the first in the upper half.
#[inline]
fn weight_at(weights: &[Stored], k: usize) -> i32 {
    i32::from((weights[k / 2] << (k % 2 * 4)) as i8 >> 4)
}
