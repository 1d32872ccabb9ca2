/* What the wrapper around a model's function calls. */
#ifndef MEASURED_H
#define MEASURED_H

#include <stdint.h>

/* `stack` is the wrapper's stack pointer. */
void before_call(uint32_t *stack);
void after_call(void);

#endif
