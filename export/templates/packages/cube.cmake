# Integer network @DIGEST@
add_library(@NAME@ STATIC src/@NAME@.c cube/@NAME@_cube.c)
target_include_directories(@NAME@ PUBLIC src cube)
target_link_libraries(@NAME@ PUBLIC stm32cubemx) # CubeMX's: main.h, the HAL, the processor's flags
