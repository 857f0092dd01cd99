for i in 0..N_ROWS {
    out[i] = step_row(&mut self.readout[i], &ROWS[i], Wide::from(self.sum_out[i]));
    self.sum_out[i] = 0;
}
