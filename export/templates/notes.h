/* Undefined: @BAD_INPUT@; a state that
 * @NAME@_init has not set, or that something else has changed; a null pointer, and arguments that
 * overlap. RSNN_CHECKED, defined before this is included, declares functions that refuse what they
 * can see of it.
 *
 * Interrupts and tasks: the functions are re-entrant, never wait, and keep nothing but the state. A
 * state is for one caller at a time, so an interrupt must not step one that a task may be stepping:
 * let it collect inputs, and hand them over. Other states are not concerned.
 *
 * Compilers: C99 or C++, without extensions, where `int` has 16 bits or more, numbers are two's
 * complement and >> keeps the sign. Attributes stand under __GNUC__, and instructions of DSP under ACLE's
 * __ARM_FEATURE_DSP. The order of bytes does not matter: @ORDERED@.
 */
