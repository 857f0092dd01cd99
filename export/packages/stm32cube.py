"""STM32Cube: middleware for a CubeMX project, and its description for the pack manager."""

from export.package import Package

PACKAGE = Package(
    description="middleware of STM32Cube",
    files={
        "RSNN.@NAME@.pdsc": "cube.pdsc",
        "CMakeLists.txt": "cube.cmake",
        "cube/@NAME@_cube.h": "cube.h",
        "cube/@NAME@_cube.c": "cube.c",
    },
    note=(
        "In a CMake project of CubeMX, put this folder below `Middlewares/Third_Party`, and name it"
        " in `add_subdirectory` and `@NAME@` in `target_link_libraries`; in others, compile the"
        " sources of `src` and `cube`. Give a timer a period of @DT_US@ us and its interrupt, call"
        " `@NAME@_cube_start` once and `@NAME@_cube_elapsed` from `HAL_TIM_PeriodElapsedCallback`."
        " In the description, `vendor` and `url` are yours to fill in."
    ),
)
