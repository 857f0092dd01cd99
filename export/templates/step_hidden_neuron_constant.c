@ACC@ = @TERMS@;
*fired = (uint8_t)@NUMBER@;
fired += step_neuron(&words[@AT@], &neurons@I@[@AT@], acc);
