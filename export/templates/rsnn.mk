# Decoder @DIGEST@
# and its self-test, for @DESCRIPTION@. Generated: edit the Makefile instead.
CC = @COMPILER@
SIZE = @SIZE@
TARGET_FLAGS = @PROCESSOR@ @LIBRARY@
CFLAGS = $(TARGET_FLAGS) $(BOARD_FLAGS) -std=c99 -O2 -Wall -Wextra -Werror -Wconversion
# A Makefile may set its own before it includes this: start-up code and flags of a whole program,
# and the command that runs one.
PROGRAM ?= @PROGRAM@
RUN ?= @RUN@

example: example_main.o rsnn.o @FILES@
	$(CC) $(CFLAGS) example_main.o rsnn.o $(PROGRAM) -o $@

example_main.o: selftest.h
%.o: %.c rsnn.h
	$(CC) $(CFLAGS) -c $< -o $@

.PHONY: run size clean
run: example
	@$(RUN) ./example 2>&1

size: rsnn.o
	$(SIZE) rsnn.o

clean:
	rm -f example example_main.o rsnn.o
