/* The same in whole numbers: (int64_t)out[i] * @NAME@_SCALE_Q_<i>, in units of 2^-@NAME@_SCALE_Q_BITS.
 * 64 bits hold the sum of those over heads. */
#define @NAME@_SCALE_Q_BITS @BITS@
@ROWS@
