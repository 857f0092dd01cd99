// One step of the decoder every @DT_US@ microseconds, on input that stays 0: fill in yours.
#include <@NAME@.h>

static @NAME@_state state;
static @CTYPE@ input[@N_BYTES@];
static uint32_t due;

void setup()
{
    Serial.begin(115200);
    @NAME@_init(&state);
    due = micros();
}

void loop()
{
    int32_t out[@NAME@_N_ROWS];
    if ((int32_t)(micros() - due) < 0)
        return;
    due += @DT_US@u;
    @NAME@_@STEP@(&state, input, out);
    Serial.println((long)out[0]);
}
