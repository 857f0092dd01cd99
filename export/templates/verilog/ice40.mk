# Synthesis, place and route, and the bitstream, of integer network @DIGEST@

TOP = @TOP@
DESIGN = $(filter-out %_proof.v %_replay.v, $(sort $(wildcard rsnn*.v)))
SYNTHESIS = read_verilog -defer $(DESIGN); @SYNTHESIS@ -json $(TOP).json; \
  tee -q -o $(TOP).stat stat

.PHONY: bitstream

bitstream: $(TOP).bin

$(TOP).json: $(DESIGN) $(wildcard *.hex)
	yosys -q -p '$(SYNTHESIS)'

$(TOP).asc: $(TOP).json
	@PLACE@ --seed 1 -q --json $< --asc $@ --report $(TOP)_report.json

$(TOP).bin: $(TOP).asc
	icepack $< $@
