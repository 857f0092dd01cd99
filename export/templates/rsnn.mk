# Decoder @DIGEST@
# and its self-test, for @DESCRIPTION@. Generated: edit the Makefile instead.
CC = @COMPILER@
TARGET_FLAGS = @FLAGS@
CFLAGS = $(TARGET_FLAGS) $(BOARD_FLAGS) -std=c99 -O2 -Wall -Wextra -Werror -Wconversion

example: example_main.o rsnn.o
	$(CC) $(CFLAGS) $^ -o $@

example_main.o: selftest.h
%.o: %.c rsnn.h
	$(CC) $(CFLAGS) -c $< -o $@
