# Integer network @DIGEST@
idf_component_register(SRCS "src/@NAME@.c" INCLUDE_DIRS "src")
