# The golden run through the link of the decoder, in Icarus: `make link` compares its answers.

LINKED = $(filter-out rsnn_proof.v rsnn_replay.v, $(wildcard rsnn*.v))

.PHONY: link

link: link.vvp link.in
	vvp -n link.vvp
	cmp link.golden link.out

link.vvp: $(LINKED)
	iverilog -g2005 -Wall @DEFINE@ -s rsnn_link_replay -o $@ $^
