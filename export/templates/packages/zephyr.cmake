# Integer network @DIGEST@
if(CONFIG_@UPPER@)
  zephyr_library()
  zephyr_library_sources(${CMAKE_CURRENT_LIST_DIR}/../src/@NAME@.c)
  zephyr_include_directories(${CMAKE_CURRENT_LIST_DIR}/../src)
endif()
