@ACC@ = @TERMS@;
@CLEAR@
if (step_neuron(&words[@AT@], &neurons@I@[@AT@], acc) != 0u)
    *fired++ = (@INDEX@)@NUMBER@;
