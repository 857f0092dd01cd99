# Decoder @DIGEST@
# for @DESCRIPTION@. Generated: edit CMakeLists.txt instead.
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER @COMPILER@)
endif()
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # without a board's linker script nothing links

macro(add_rsnn)
  add_library(rsnn STATIC rsnn.c)
  target_include_directories(rsnn PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(rsnn PUBLIC @FLAGS@)
  target_compile_options(rsnn PRIVATE -O2 -Wall -Wextra -Werror -Wconversion)
  set_target_properties(rsnn PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
endmacro()
