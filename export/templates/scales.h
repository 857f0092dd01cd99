
/* What a word of `out` stands for. Row h * @NAME@_N_OUTPUTS + o is output o of head h; its value is
 * out[i] * @NAME@_SCALE_<i>, and the decoded value is the mean of those over heads. */
#define @NAME@_N_HEADS @N_HEADS@u
#define @NAME@_N_OUTPUTS @N_OUTPUTS@u
@REAL@
@WHOLE@
