@GATHER@
let mut n_fired = 0;
for i in 0..@N@ {
    let acc = @TERMS@;
    @CLEAR@
    if step_neuron(&mut self.hidden@I@[i], &NEURONS@I@[i], acc) {
        self.fired@I@[n_fired] = i as @INDEX@;
        n_fired += 1;
    }
}
self.n_fired@I@ = n_fired;
