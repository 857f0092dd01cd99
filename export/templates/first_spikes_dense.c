for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
    sample->potential[i] += readout_w_in[channel][i]@SCALE@;
