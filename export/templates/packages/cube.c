/* Integer network @DIGEST@
 * See @NAME@_cube.h.
 */
#include "@NAME@_cube.h"

HAL_StatusTypeDef @NAME@_cube_start(@NAME@_cube *cube, TIM_HandleTypeDef *timer,
                                   const @CTYPE@ *input,
                                   void (*done)(const int32_t out[@NAME@_N_ROWS]))
{
    @NAME@_init(&cube->state);
    cube->timer = timer;
    cube->input = input;
    cube->done = done;
    return HAL_TIM_Base_Start_IT(timer);
}

void @NAME@_cube_elapsed(@NAME@_cube *cube, const TIM_HandleTypeDef *timer)
{
    int32_t out[@NAME@_N_ROWS];
    if (timer != cube->timer)
        return;
    @NAME@_@STEP@(&cube->state, cube->input, out);
    cube->done(out);
}
