for k in 0..self.n_fired@I@ {
    let sender = usize::from(self.fired@I@[k]);
    @ADDING@
}
