@ACC@ = @TERMS@;
@CLEAR@
if (step_neuron(&words[@AT@], &neurons@I@[@AT@], acc))
    *fired++ = (@INDEX@)@NUMBER@;
