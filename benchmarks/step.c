/* The yardstick of benchmarks/simulate.py: the step of the contract `paper`, event by event, as one
 * writes it in plain C for one core. A row of int8 weights is added per spike, products of 32-bit
 * states stay in 32 bits, input bytes are looked at 8 at a time, and the compiler vectorises.
 * One hidden layer, recurrent; all sums have to fit, which the caller checks by its results. */
#include <stdint.h>
#include <string.h>

enum { MOST = 4096, MOST_ROWS = 64, WORD = 8 };

typedef struct {
    int32_t n_inputs, n_hidden, n_rows;
    int32_t decay_frac, frac_bits, syn_bits, mem_bits;
    const int8_t *w_in, *w_rec, *w_out; /* [pre][post] */
    const int32_t *e_in, *e_rec, *decay_syn, *decay_mem, *threshold;
    const int32_t *readout_decay_syn, *readout_decay_mem, *initial_out;
} network;

/* x d / 2^frac toward zero. With |x| = 2^frac high + low it is high d + low d / 2^frac. */
static int32_t decayed(int32_t x, int32_t d, int32_t frac) {
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    uint32_t low = size & ((1u << frac) - 1);
    uint32_t result = (size >> frac) * (uint32_t)d + ((low * (uint32_t)d) >> frac);
    return (int32_t)(x < 0 ? 0u - result : result);
}

static int32_t saturated(int32_t x, int32_t high) {
    return x < -high - 1 ? -high - 1 : x > high ? high : x;
}

static void add_row(int16_t *restrict sums, const int8_t *restrict row, int32_t n) {
    for (int32_t i = 0; i < n; i++) sums[i] = (int16_t)(sums[i] + row[i]);
}

static int32_t largest(int32_t bits) { return (int32_t)((1u << (bits - 1)) - 1); }

/* Returns the number of hidden spikes. out: [n_steps][n_rows]; counts: of spikes that arrived. */
int64_t simulate(const network *restrict net, const uint8_t *restrict raster, int64_t n_steps,
                 int32_t *restrict out_kept, int64_t *restrict input_counts,
                 int64_t *restrict sent_counts) {
    static int32_t syn[MOST], mem[MOST], fires[MOST], events[MOST];
    static int32_t readout_syn[MOST_ROWS], out[MOST_ROWS], sums_out[MOST_ROWS];
    static int16_t sums_in[MOST], sums_rec[MOST];
    const int32_t n = net->n_hidden, n_rows = net->n_rows, frac = net->decay_frac;
    const int32_t syn_high = largest(net->syn_bits), mem_high = largest(net->mem_bits);
    int32_t n_events = 0;
    int64_t hidden_spikes = 0;
    memset(syn, 0, sizeof syn);
    memset(mem, 0, sizeof mem);
    memset(readout_syn, 0, sizeof readout_syn);
    memcpy(out, net->initial_out, (size_t)n_rows * sizeof *out);
    for (int64_t t = 0; t < n_steps; t++) {
        memset(sums_in, 0, (size_t)n * sizeof *sums_in);
        memset(sums_rec, 0, (size_t)n * sizeof *sums_rec);
        memset(sums_out, 0, sizeof sums_out);
        if (t > 0) {
            const uint8_t *x = raster + (t - 1) * net->n_inputs;
            int32_t j = 0;
            for (; j + WORD <= net->n_inputs; j += WORD) {
                uint64_t word;
                memcpy(&word, x + j, WORD);
                for (; word; word &= word - 1) {
                    int32_t k = j + (__builtin_ctzll(word) >> 3);
                    input_counts[k]++;
                    add_row(sums_in, net->w_in + (int64_t)k * n, n);
                }
            }
            for (; j < net->n_inputs; j++) {
                if (!x[j]) continue;
                input_counts[j]++;
                add_row(sums_in, net->w_in + (int64_t)j * n, n);
            }
        }
        for (int32_t e = 0; e < n_events; e++) {
            int32_t k = events[e];
            sent_counts[k]++;
            add_row(sums_rec, net->w_rec + (int64_t)k * n, n);
            for (int32_t r = 0; r < n_rows; r++) sums_out[r] += net->w_out[k * n_rows + r];
        }
        for (int32_t i = 0; i < n; i++) {
            int32_t sum = ((int32_t)sums_in[i] * (1 << net->e_in[i])) +
                          ((int32_t)sums_rec[i] * (1 << net->e_rec[i]));
            int32_t drive = syn[i];
            int32_t next = saturated(decayed(mem[i], net->decay_mem[i], frac) + drive, mem_high);
            fires[i] = mem[i] > net->threshold[i];
            mem[i] = fires[i] ? 0 : next;
            syn[i] = saturated(decayed(drive, net->decay_syn[i], frac) +
                               sum * (1 << net->frac_bits), syn_high);
        }
        n_events = 0;
        for (int32_t i = 0; i < n; i++) {
            events[n_events] = i;
            n_events += fires[i];
        }
        hidden_spikes += n_events;
        for (int32_t r = 0; r < n_rows; r++) {
            int32_t drive = readout_syn[r];
            out[r] = saturated(decayed(out[r], net->readout_decay_mem[r], frac) + drive, mem_high);
            readout_syn[r] = saturated(decayed(drive, net->readout_decay_syn[r], frac) +
                                       sums_out[r] * (1 << net->frac_bits), syn_high);
            out_kept[t * n_rows + r] = out[r];
        }
    }
    return hidden_spikes;
}
