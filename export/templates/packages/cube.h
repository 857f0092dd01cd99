/* Integer network @DIGEST@
 * Steps the decoder in the interrupt of a timer of STM32Cube's HAL. Its period is @DT_US@ us.
 */
#ifndef @UPPER@_CUBE_H
#define @UPPER@_CUBE_H

#include "@NAME@.h"
#include "main.h" /* CubeMX's, which includes the HAL */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    @NAME@_state state;
    TIM_HandleTypeDef *timer;
    const @CTYPE@ *input; /* @N_BYTES@ of them, as @NAME@_@STEP@ takes them */
    void (*done)(const int32_t out[@NAME@_N_ROWS]); /* called in the interrupt, after each step */
} @NAME@_cube;

/* Starts at the state before the first step, and starts the timer; returns what the HAL says. */
HAL_StatusTypeDef @NAME@_cube_start(@NAME@_cube *cube, TIM_HandleTypeDef *timer,
                                   const @CTYPE@ *input,
                                   void (*done)(const int32_t out[@NAME@_N_ROWS]));

/* One step if the timer is the decoder's: call it from HAL_TIM_PeriodElapsedCallback. */
void @NAME@_cube_elapsed(@NAME@_cube *cube, const TIM_HandleTypeDef *timer);

#ifdef __cplusplus
}
#endif

#endif
