// weights are loaded from power-up on, with pauses
wire loaded;
reg load_valid = 0;
reg [7:0] load_byte = 0;
reg [7:0] load_bytes [0:@N@-1];
integer n_loaded = 0, load_turn = 0;
initial $readmemh("@FILE@", load_bytes);
always @(posedge clk) begin
    load_turn = (load_turn + 1) % 5;
    load_valid <= load_turn != 0 && n_loaded < @N@;
    if (load_turn != 0 && n_loaded < @N@) begin
        load_byte <= load_bytes[n_loaded];
        n_loaded = n_loaded + 1;
    end
end
