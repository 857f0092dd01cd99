// Replays a raster through the decoder of the integer network
// @DIGEST@
//
// Read from `replay.in`: the ends of the first, second and last third of the steps (32 bits each),
// then a byte per input and step. The first third sends each channel twice and takes outputs late,
// the last third sends channels from the last to the first; where channels have to be unique, all
// come once, in ascending order. Written to `replay.out`: every state word of every step, those of
// `out` as they came from the stream; to `replay.count`: the clocks of each step in which the
// decoder was busy, and to `replay.first`, those from the last channel to the first output. All
// words have 32 bits, the lowest byte first.
// Before, a few channels send for two steps, and a reset comes in the middle of the third: nothing
// of these may be left. Where the decoder raises a flag, works without being busy, marks the wrong
// word as last, gives a word that is not known or does not end a step, all words from there on are
// written inverted.
//
// The clock comes from outside in Verilator, from here in other simulators.
`default_nettype none

`ifdef VERILATOR
module rsnn_replay (
    input wire clk
);
`else
module rsnn_replay;
    reg clk = 0;
    always #1 clk = !clk;
`endif
    localparam N_INPUTS = @N_INPUTS@;
    localparam N_NEURONS = @N_NEURONS@;
    localparam N_ROWS = @N_ROWS@;
    localparam N_BURST = N_INPUTS < 16 ? N_INPUTS : 16;
    localparam IN_ORDER = @IN_ORDER@;  // channels have to come once, in ascending order
    localparam LIMIT = @LIMIT@;  // clocks of a step
    localparam [1:0] RESET = 0, ROW = 1, SEND = 2, WAIT = 3;

    reg aresetn = 0;
    reg s_valid = 0, s_last = 0;
    reg [@DATA_BITS_1@:0] s_data = 0;
    reg m_ready = 0;
    wire s_ready, m_valid, m_last, busy, overrun, error, trace_valid, trace_spk;
    wire [31:0] m_data;
    wire [@NEURON_BITS_1@:0] trace_neuron;
    wire signed [@SYN_BITS_1@:0] trace_syn;
    wire signed [@MEM_BITS_1@:0] trace_mem;

    @NAME@ decoder (
        .aclk(clk),
        .aresetn(aresetn),
        @LOAD_PINS@
        .s_axis_tvalid(s_valid),
        .s_axis_tready(s_ready),
        .s_axis_tdata(s_data),
        .s_axis_tlast(s_last),
        .m_axis_tvalid(m_valid),
        .m_axis_tready(m_ready),
        .m_axis_tdata(m_data),
        .m_axis_tlast(m_last),
        .busy(busy),
        .overrun(overrun),
        .error(error),
        .trace_valid(trace_valid),
        .trace_neuron(trace_neuron),
        .trace_spk(trace_spk),
        .trace_syn(trace_syn),
        .trace_mem(trace_mem)
    );

    @LOAD_BYTES@
`ifdef TOGGLES
    initial begin
        $dumpfile("toggles.vcd");
        $dumpvars(1, decoder);
    end
`endif

    // states by neuron, in the order of computation
    reg spk [0:N_NEURONS-1];
    reg signed [31:0] syn [0:N_NEURONS-1];
    reg signed [31:0] mem [0:N_NEURONS-1];
    reg signed [31:0] out [0:N_ROWS-1];
    // what is sent in a step
    reg [@DATA_BITS_1@:0] events [0:2*N_INPUTS];
    integer n_events, sent, traced, rows, clocks, step, first, second;
    integer from, to, counts, firsts, since, first_out, i, repeats, bursts, waited;
    reg [1:0] state;
    reg faulty, hangs;

    function integer word(input integer file);
        integer low, lower, higher, high;
        begin
            low = $fgetc(file);
            lower = $fgetc(file);
            higher = $fgetc(file);
            high = $fgetc(file);
            word = low + (lower << 8) + (higher << 16) + (high << 24);
        end
    endfunction

    task put(input integer value);
        begin
            if (^value === 1'bx) faulty = 1;
            $fwrite(to, "%u", faulty ? ~value : value);
        end
    endtask

    task put_hidden(input integer start, input integer n);
        integer k;
        begin
            for (k = start; k < start + n; k = k + 1) put({31'b0, spk[k]});
            for (k = start; k < start + n; k = k + 1) put(syn[k]);
            for (k = start; k < start + n; k = k + 1) put(mem[k]);
        end
    endtask

    task put_readout(input integer start);
        integer k;
        begin
            for (k = start; k < start + N_ROWS; k = k + 1) put(syn[k]);
            for (k = 0; k < N_ROWS; k = k + 1) put(out[k]);
        end
    endtask

    task put_all;
        begin
            @PUT@
            $fwrite(counts, "%u", clocks);
            $fwrite(firsts, "%u", first_out);
        end
    endtask

    // the row that comes next, as a list; its last entry may be that of no channel
    task get_row(output reg found);
        integer byte_read, at, turn;
        reg [@DATA_BITS_1@:0] swapped;
        begin
            n_events = 0;
            byte_read = 0;
            repeats = step < first && !IN_ORDER ? 2 : 1;
            for (at = 0; at < N_INPUTS; at = at + 1) begin
                byte_read = $fgetc(from);
                for (turn = 0; turn < repeats; turn = turn + 1)
                if (byte_read > 0) begin
                    events[n_events] = at[@DATA_BITS_1@:0];
                    n_events = n_events + 1;
                end
            end
            if (step >= second && !IN_ORDER)
                for (at = 0; at < n_events / 2; at = at + 1) begin
                    swapped = events[at];
                    events[at] = events[n_events-1-at];
                    events[n_events-1-at] = swapped;
                end
            if (n_events == 0 || step % 2 == 1) begin
                events[n_events] = {(@DATA_BITS_1@ + 1) {1'b1}};
                n_events = n_events + 1;
            end
            found = byte_read >= 0;
        end
    endtask

    task get_burst;
        begin
            for (n_events = 0; n_events < N_BURST; n_events = n_events + 1)
                events[n_events] = n_events[@DATA_BITS_1@:0];
        end
    endtask

    initial begin
        bursts = 3;
        from = $fopen("replay.in", "rb");
        to = $fopen("replay.out", "wb");
        counts = $fopen("replay.count", "wb");
        firsts = $fopen("replay.first", "wb");
        first = word(from);
        second = word(from);
        i = word(from);
        step = 0;
        state = RESET;
        faulty = 0;
        hangs = 0;
        waited = 0;
    end

    task close;
        begin
            $fclose(to);
            $fclose(counts);
            $fclose(firsts);
            $finish(0);
        end
    endtask

    reg found;
    always @(posedge clk) begin
        m_ready <= step >= first || waited % 64 == 0;
        if (busy) clocks = clocks + 1;
        waited = waited + 1;
        if (trace_valid) begin
            if (!busy) faulty = 1;
            spk[trace_neuron] = trace_spk;
            syn[trace_neuron] = {{(31 - @SYN_BITS_1@) {trace_syn[@SYN_BITS_1@]}}, trace_syn};
            mem[trace_neuron] = {{(31 - @MEM_BITS_1@) {trace_mem[@MEM_BITS_1@]}}, trace_mem};
            traced = traced + 1;
        end
        since = since + 1;
        if (s_valid && s_ready && s_last) since = 0;
        if (m_valid && rows == 0 && first_out == 0) first_out = since;
        if (m_valid && m_ready) begin
            out[rows] = m_data;
            rows = rows + 1;
            if (m_last != (rows == N_ROWS)) faulty = 1;
        end
        if (overrun || error) faulty = 1;
        case (state)
            RESET: begin
                aresetn <= 1;
                if (aresetn && !busy) state = ROW;
            end
            ROW: begin
                found = 1;
                if (bursts > 0) get_burst;
                else begin
                    get_row(found);
                    if (!found) close;
                end
                sent = 0;
                traced = 0;
                rows = 0;
                clocks = 0;
                first_out = 0;
                waited = 0;
                if (hangs && found) put_all;
                else state = SEND;
            end
            SEND: begin
                if (s_valid && s_ready) begin
                    sent = sent + 1;
                    s_valid <= 0;
                end
                if (sent == n_events) state = WAIT;
                else begin
                    s_valid <= 1;
                    s_data <= events[sent];
                    s_last <= sent == n_events - 1;
                end
            end
            WAIT:
            if (bursts == 1 && traced > N_NEURONS / 3) begin
                aresetn <= 0;
                bursts = bursts - 1;
                state = RESET;
            end else if (traced == N_NEURONS && rows == N_ROWS && !busy) begin
                if (bursts > 0) bursts = bursts - 1;
                else begin
                    put_all;
                    step = step + 1;
                end
                state = ROW;
            end
        endcase
        if (waited > LIMIT) begin
            hangs = 1;
            faulty = 1;
            bursts = 0;
            if (state != ROW) put_all;
            state = ROW;
        end
    end
endmodule

`default_nettype wire
