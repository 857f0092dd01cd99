# Decoder @DIGEST@
# for @DESCRIPTION@. Generated: edit CMakeLists.txt instead.
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR) # a project of its own
  set(rsnn_is_whole TRUE)
  if(NOT CMAKE_C_COMPILER)
    set(CMAKE_C_COMPILER @COMPILER@)
  endif()
  if(NOT CMAKE_SYSTEM_NAME AND NOT "@SYSTEM@" STREQUAL "")
    set(CMAKE_SYSTEM_NAME @SYSTEM@)
  endif()
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # nothing links without start-up code
else()
  set(rsnn_is_whole FALSE) # its library and start-up code are the application's
endif()

macro(add_rsnn)
  add_library(rsnn STATIC rsnn.c)
  target_include_directories(rsnn PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(rsnn PRIVATE @PROCESSOR@ -O2)
  if(rsnn_is_whole)
    target_compile_options(rsnn PRIVATE @CMAKE_LIBRARY@ -Wall -Wextra -Werror -Wconversion)
  endif()
  set_target_properties(rsnn PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
endmacro()

# A program of the machine that stands for the target here, and `run`, which runs it.
macro(add_rsnn_example name source)
  if(rsnn_is_whole)
    add_executable(${name} EXCLUDE_FROM_ALL ${source} @CMAKE_SOURCES@)
    target_compile_options(${name} PRIVATE @PROCESSOR@ @CMAKE_LIBRARY@)
    target_link_options(${name} PRIVATE "SHELL:@PROCESSOR@ @CMAKE_LIBRARY@ @CMAKE_PROGRAM@")
    target_link_libraries(${name} rsnn)
    add_custom_target(run COMMAND @CMAKE_RUN@ $<TARGET_FILE:${name}> USES_TERMINAL)
  endif()
endmacro()
