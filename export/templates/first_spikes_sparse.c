for (uint32_t k = readout_w_in_first[channel]; k < readout_w_in_first[channel + 1]; k++)
    sample->potential[readout_w_in_to[k]] += readout_w_in[k]@SCALE@;
