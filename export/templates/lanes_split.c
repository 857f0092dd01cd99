uint32_t @KIND@_odd = @KIND@_sums[1];
uint32_t @KIND@_even = @KIND@_sums[0] - (@KIND@_odd << 8u) - @KIND@_excess;
@KIND@_odd -= @KIND@_excess;
@KIND@_sums[0] = 0;
@KIND@_sums[1] = 0;
@KIND@_sums += 2;
