memset(spk, 0, sizeof spk);
for (uint32_t k = 0; k < state.n_fired@I@; k++)
    spk[state.fired@I@[k]] = 1;
give(spk, @N@u);
give_layer(state.hidden@I@, @N@u);
