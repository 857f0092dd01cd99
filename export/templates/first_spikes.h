/* The same sample event by event, without a clock: potentials and first spikes, the same as those of
 * the steps. */
#define @NAME@_N_STEPS @N_STEPS@u /* of a sample */
typedef struct {
    int32_t sum[@NAME@_N_ROWS];    /* of the weights of all events */
    int32_t v[@NAME@_N_ROWS];      /* potential at the spike, or at the end */
    uint16_t t[@NAME@_N_ROWS];     /* step of the spike, or @NAME@_N_STEPS */
    uint8_t seen[@NAME@_N_INPUTS]; /* inputs that have had their event */
    int32_t n_seen;
    uint16_t now;
    uint16_t n_fired;
} @NAME@_sample;

/* Begins a sample. */
void @NAME@_begin(@NAME@_sample *sample);

/* Takes an event of a channel, in the order of steps; a second one of a channel is ignored. Returns
 * how many neurons have fired in the steps before: from the first on, the class is decided. */
uint16_t @NAME@_event(@NAME@_sample *sample, uint16_t channel, uint16_t step);

/* Ends a sample, and returns its class. */
int32_t @NAME@_end(@NAME@_sample *sample);
